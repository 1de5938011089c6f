"""Page tokens belong to one query."""

import pytest

from chassis.errors import InvalidInput
from services.nas_bridge.pages import PageToken
from services.nas_bridge.records import Route

NAS = Route("essex", "nas")


@pytest.mark.parametrize("position", [0, 1, 2**62, 2**63 - 1])
def test_a_token_comes_back_as_it_was(position: int) -> None:
    assert PageToken.read(PageToken(NAS, position).text(), NAS).before == position


def test_no_token_is_the_beginning() -> None:
    assert PageToken.read("", NAS).before == 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        PageToken(Route("kent", "nas"), 7).text(),
        PageToken(Route("essex", "nadc"), 7).text(),
        PageToken(NAS, 7).text()[:-4],
        PageToken(NAS, 7).text() + "AAAA",
        PageToken(NAS, 2**63).text(),
        "not a token",
        "\N{POUND SIGN}",
        "=",
    ],
)
def test_another_querys_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        PageToken.read(text, NAS)
    assert raised.value.reason == "PAGE_TOKEN_INVALID"
