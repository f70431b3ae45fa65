"""A progress bar on stderr for work that goes file by file; nothing where stderr is no terminal, or with --quiet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def show_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Give ``on_item(done, total)``, which moves the bar; the bar is gone afterwards."""
    from rich.progress import Progress

    from metastructure.cli.warn import stderr_console

    console = stderr_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
