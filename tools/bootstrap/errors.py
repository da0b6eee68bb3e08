"""What stops a set-up, in one line that says how to mend it."""


class SetupError(Exception):
    """A set-up cannot go on; the message is one line."""
