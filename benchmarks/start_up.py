"""How long people wait before anything happens: the import, the help, and the answer to every kind of wrong call.

Run:  .venv/bin/python benchmarks/start_up.py [ROUNDS]
Each call is a process of its own, started ROUNDS times (9) in turn, in an empty folder. The bars, 0.5 s for the import
and 0.6 s for the others, are for the wall time of an idle machine. Where it is not idle, CPU seconds tell more; Python
alone, and with typer, which every command needs, stand beside them.
"""

import datetime
import inspect
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from metastructure.cli.app import app

OUT = Path(__file__).parent / "results" / "start_up.md"
COMMAND = str(Path(sys.executable).parent / "metastructure")
IMPORT_BAR, BAR = 0.5, 0.6

STARTS = {
    "Python alone": ([sys.executable, "-c", "pass"], None),
    "Python, typer": ([sys.executable, "-c", "import typer"], None),
    "`import metastructure`, Python included": ([sys.executable, "-c", "import metastructure"], IMPORT_BAR),
    "`metastructure --help`": ([COMMAND, "--help"], BAR),
}
WRONG_VALUES = (
    ("corrupt", "nowhere", "out", "--noise", "flipp:0.1"),
    ("measure", "nowhere"),
    ("train", "nowhere", "-o", "m.pt"),
    ("train", "nowhere", "-o", "m.pt", "--network", "bad"),
    ("predict", "nowhere.pt", "images", "out"),
    ("evaluate", "nowhere", "labels"),
    ("segment", "nowhere", "out"),
    ("audit", "nowhere"),
    ("repair", "nowhere", "out"),
    ("plan", "nowhere", "out"),
    ("study", "run", "nowhere.yaml"),
    ("data", "check", "nowhere"),
)
"""Well-formed calls that name what is not there: answered after some of the library is imported, never torch."""


def main() -> None:
    """Measure in turn and write the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    calls = {**STARTS, **{f"`metastructure {' '.join(words)}`": ([COMMAND, *words], BAR) for words in list_wrong_use()}}
    calls |= {f"`metastructure {' '.join(words)}`": ([COMMAND, *words], None) for words in WRONG_VALUES}
    wall: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, (call, _bar) in calls.items():
                waited, worked = measure(call, folder)
                wall[name].append(waited)
                cpu[name].append(worked)
    lines = [
        "# Start-up",
        "",
        f"`benchmarks/start_up.py {rounds}`, {datetime.date.today()}, {platform.machine()}, Python "
        f"{platform.python_version()}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {rounds} "
        "starts of each in turn. Seconds are medians. Rows without a bar, but the first two, name what is not there.",
        "",
        "| | CPU s | wall s | range | bar |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (_call, bar) in calls.items():
        taken = wall[name]
        lines.append(
            f"| {name} | {statistics.median(cpu[name]):.3f} | {statistics.median(taken):.3f} | {min(taken):.3f} to "
            f"{max(taken):.3f} | {'' if bar is None else bar} |"
        )
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measure(call: list[str], folder: str) -> tuple[float, float]:
    """Return the wall and CPU seconds of one process."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(call, cwd=folder, capture_output=True, check=False)
    after, waited = os.times(), time.perf_counter() - started
    return waited, after.children_user + after.children_system - before.children_user - before.children_system


def list_wrong_use(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give, of every command, a call with an unknown option, one without its arguments, and one with a wrong choice."""
    command = command or typer.main.get_command(app)
    if hasattr(command, "commands"):
        yield (*words, "no-such-command")
        for name, child in command.commands.items():
            yield from list_wrong_use(child, (*words, name))
        return
    yield (*words, "--no-such-option")
    if any(parameter.required for parameter in command.params):
        yield words
    hints = get_type_hints(inspect.unwrap(command.callback))
    for parameter in command.params:
        hint = hints.get(parameter.name)
        if any(isinstance(one, type) and issubclass(one, Enum) for one in get_args(hint) or (hint,)):
            yield (*words, f"{parameter.opts[0]}=no-such-choice")
            return


if __name__ == "__main__":
    main()
