"""The sections of settings that the services have: one environment may be handed to several of them."""

from typing import Final

SECTIONS: Final = frozenset({"ingest", "store", "match", "bridge", "canary"})
"""As in ``GANTRY_STORE__IMAGES``. A service refuses variables of other sections as misspelt."""
