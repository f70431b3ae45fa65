"""How a running study looks in a terminal: results so far, a bar over all epochs, the time that is left."""

from collections.abc import Sequence
from typing import final

import pandas as pd
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from metastructure.errors import RunError
from metastructure.study import Progress, RunRecord, RunSpec, Store, StudySpec, format_table, make_table
from metastructure.study.counts import count

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
        self.console = Console(stderr=True)
        self.study = study
        self.records = store.load_done(study)
        runs = list(study.runs())
        self.num_runs = len(runs)
        self.epochs_before = 0
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
            "preparing", total=sum(run.training.epochs for run in runs if not store.is_done(run))
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
        """Name the run in the bar."""
        place = len(self.records) + 1
        self.bar.update(self.task, description=f"{place}/{self.num_runs} {run.title}", completed=self.epochs_before)

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=self.epochs_before + epochs_done)

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
        """Print the error above the table."""
        self._advance(run)
        self._tell(f"failed: {error}")

    def _advance(self, run: RunSpec) -> None:
        self.epochs_before += run.training.epochs
        self.bar.update(self.task, completed=self.epochs_before)

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
