"""Warnings of the library as one line each on stderr."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def print_warnings() -> Iterator[None]:
    """Print each warning that is raised inside as ``warning: ...``, once the work is done or has failed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                print(f"warning: {warning.message}", file=sys.stderr)
