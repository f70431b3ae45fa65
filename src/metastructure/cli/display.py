"""How a running study looks in a terminal: results so far, a bar over all epochs, the time that is left."""

from collections.abc import Sequence
from typing import final

import pandas as pd
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from metastructure.cli.warn import stderr_console
from metastructure.counts import count
from metastructure.errors import RunError
from metastructure.study import Progress, RunRecord, RunSpec, Store, StudySpec, format_table, get_status, make_table

SPEED_WINDOW_S = 120.0
WIDE = 1000
QUICK_RESAMPLES = 200
"""Of the intervals while the study runs; the final table uses more."""


@final
class StudyDisplay(Progress):
    """Draws a study on stderr; use as a context manager.

    Parameters
    ----------
    study : StudySpec
    store : Store
        Runs that are done already count as done, and show in the table.
    """

    def __init__(self, study: StudySpec, store: Store) -> None:
        self.console = stderr_console()
        self.study = study
        status, index = get_status(study, store), store.index()
        self.records = [index.result(run) for run in status.done]
        self.num_runs = sum(1 for _ in study.runs())
        self.epochs_before = 0
        self.under_way: dict[str, int] = {}
        self.is_told_elsewhere = False
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            speed_estimate_period=SPEED_WINDOW_S,
            expand=True,
        )
        self.task = self.bar.add_task(
            "preparing",
            total=sum(run.training.epochs for run in study.runs()) - sum(run.training.epochs for run in status.done),
        )
        self.live = Live(self._draw(), console=self.console, transient=True, refresh_per_second=4)

    def __enter__(self) -> "StudyDisplay":
        if self.console.is_terminal:
            self.live.start()
        else:
            before = f"{len(self.records)} of {count(self.num_runs, 'run')} done before; " if self.records else ""
            self._tell(f"{before}reading data")
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def run_started(self, run: RunSpec) -> None:
        """Name the run in the bar, or how many there are at once."""
        self.under_way[run.identity] = 0
        self._move(run)

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        """Move the bar."""
        self.under_way[run.identity] = epochs_done
        self._move(run)

    def run_lost(self, run: RunSpec, reason: str) -> None:
        """Say so above the table."""
        self.under_way.pop(run.identity, None)
        self._move(run)
        self._tell(f"begun again: {run.title}: its worker was lost ({reason})")

    def run_elsewhere(self, run: RunSpec) -> None:
        """Say once that some are waited for."""
        if not self.is_told_elsewhere:
            self._tell(f"another process is busy with {run.title}; runs like it are waited for")
        self.is_told_elsewhere = True

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        """Add the run to the table."""
        self.records.append(record)
        self._advance(run)
        if self.console.is_terminal:
            self.live.update(self._draw())
        else:
            result = format_table(make_table([record], QUICK_RESAMPLES))
            place = result[0].index("minus clean [95 %]") - 1
            self._tell(
                f"{len(self.records)}/{self.num_runs} {run.title}: {result[0][place]} {result[1][place]} "
                f"in {record.seconds:.0f} s"
            )

    def run_failed(self, run: RunSpec, error: RunError) -> None:
        """Print the error above the table, with its traceback if it has one."""
        self._advance(run)
        self._tell("\n".join([f"failed: {error}", *getattr(error, "__notes__", [])]))

    def _advance(self, run: RunSpec) -> None:
        self.under_way.pop(run.identity, None)
        self.epochs_before += run.training.epochs
        self._move(run)

    def _move(self, run: RunSpec) -> None:
        place = len(self.records) + 1
        what = f"{place}/{self.num_runs} {run.title}"
        if len(self.under_way) > 1:
            what = f"{len(self.records)}/{self.num_runs} runs done, {len(self.under_way)} under way"
        done = self.epochs_before + sum(self.under_way.values())
        self.bar.update(self.task, description=what, completed=done)

    def _tell(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> Group:
        if not self.records:
            return Group(self.bar)
        return Group(draw_table(make_table(self.records, QUICK_RESAMPLES)), self.bar)


def print_table(table: pd.DataFrame, title: str | None = None) -> None:
    """Print a study's table on stdout; where that is no terminal, however wide it gets."""
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(draw_table(table, title))


def draw_table(table: pd.DataFrame, title: str | None = None) -> Table:
    """Return a study's table for the terminal."""
    header, *rows = format_table(table, brief=True)
    drawn = Table(title=title, title_justify="left", pad_edge=False, box=None, header_style="bold")
    for index, name in enumerate(header):
        texts: Sequence[str] = [row[index] for row in rows]
        is_name = name in ("data", "network", "recipe", "label")
        drawn.add_column(name, justify="left" if is_name else "right", no_wrap=not is_name or max(map(len, texts)) < 24)
    for row in rows:
        drawn.add_row(*row)
    return drawn
