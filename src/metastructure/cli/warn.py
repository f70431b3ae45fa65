"""Warnings and log messages of the library as one line each on stderr, as they come."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, final

if TYPE_CHECKING:
    from rich.console import Console

PACKAGE = logging.getLogger("metastructure")


@final
class StderrLines(logging.Handler):
    """Prints ``warning: ...``, ``info: ...`` on what stderr is at that moment, so that a bar there is not torn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        print(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


@contextmanager
def show_messages() -> Iterator[None]:
    """Print what the library logs while the block runs, and its warnings; how much, `set_level` says."""
    handler, level = StderrLines(), PACKAGE.level
    PACKAGE.addHandler(handler)
    PACKAGE.setLevel(logging.WARNING)
    try:
        with print_warnings():
            yield
    finally:
        PACKAGE.removeHandler(handler)
        PACKAGE.setLevel(level)


def set_level(verbose: bool, quiet: bool) -> None:
    """Show what the library logs about its work (`verbose`), or nothing but errors (`quiet`)."""
    PACKAGE.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)


def is_quiet() -> bool:
    """Return whether only errors are shown."""
    return not PACKAGE.isEnabledFor(logging.WARNING)


def stderr_console() -> "Console":
    """Return a console for bars and progress on stderr, which says nothing with ``--quiet``."""
    from rich.console import Console

    return Console(stderr=True, quiet=is_quiet())


@contextmanager
def print_warnings() -> Iterator[None]:
    """Log each `UserWarning` that is raised inside at once; the same one from the same line only once."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        PACKAGE.warning("%s", message)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
