"""The errors that a caller of metastructure may want to catch.

Wrong arguments raise `ValueError` or `TypeError`. What the user's files, specs or runs cause raises a
child of `MetastructureError`, whose message is one line that names the file, spec or run and says what to do.
"""


class MetastructureError(Exception):
    """Parent of every error caused by files, specs or runs rather than by the calling code."""


class DataError(MetastructureError):
    """A file or folder of images or labels cannot be used as it is."""


class ConfigError(MetastructureError):
    """A spec (a noise, a study file, a setting) says something that cannot be done."""


class RunError(MetastructureError):
    """A training run or a study could not be finished."""
