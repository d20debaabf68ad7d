"""The error for a file of weights that cannot be used."""


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message is one line with the way out."""
