"""The one error that the sandbox's own tools tell their user."""


class StartError(Exception):
    """What is wrong and what to do about it, in one line; the program ends with status 3."""
