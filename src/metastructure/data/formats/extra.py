"""Packages that come with an extra, imported where they are needed."""

import importlib
from typing import Any

from metastructure.errors import MetastructureError


def import_extra(package: str, what: str, extra: str | None = None) -> Any:
    """Return an imported package.

    Parameters
    ----------
    package : str
    what : str
        What needs it, in the words of the caller.
    extra : str, optional
        The extra that brings it, if it is not called like the package.

    Raises
    ------
    MetastructureError
        If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MetastructureError(
            f"{what} needs the package {package}; install it with: pip install 'metastructure[{extra or package}]'"
        ) from error
