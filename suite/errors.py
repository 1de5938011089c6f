"""The one error of this room: something on this machine stops the suite, said in a sentence for people."""


class SuiteError(Exception):
    """The suite cannot start or go on; the text says what was wrong, where, and what to do."""
