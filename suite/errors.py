"""The error of this room: a sentence for people that says what stops the suite on this machine."""


class SuiteError(Exception):
    """The suite cannot start or continue. The text says what is wrong, where, and what to do."""
