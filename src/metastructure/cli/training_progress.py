"""How networks that a command trains on the way get on: a bar with the time left or, without a terminal, lines."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TOLD_EVERY = 0.1
"""Share of the work after which a line is printed."""


@contextmanager
def show_training(description: str) -> Iterator[Callable[[int, int], None]]:
    """Give ``on_progress(done, total)``; done may start above 0 where an earlier call was stopped."""
    from metastructure.cli.progress import show_progress
    from metastructure.cli.warn import stderr_console

    console = stderr_console()
    if console.is_terminal:
        with show_progress(description) as on_item:
            yield on_item
        return
    started, told = time.monotonic(), 0.0
    first: int | None = None

    def tell(done: int, total: int) -> None:
        nonlocal told, first
        first = done if first is None else first
        if done / total >= told + TOLD_EVERY or done == total:
            told = done / total
            left = _tell_left(time.monotonic() - started, done - first, total - done)
            console.print(
                f"{description}: {100 * told:.0f} % done{left}", markup=False, highlight=False, soft_wrap=True
            )

    yield tell


def _tell_left(seconds: float, done: int, left: int) -> str:
    if not done or not left:
        return ""
    rest = seconds * left / done
    return f", {rest / 60:.0f} min left" if rest > 100 else f", {rest:.0f} s left"
