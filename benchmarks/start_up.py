"""How long people wait before anything happens: the import, the help, and the answer to a wrong call.

Run:  .venv/bin/python benchmarks/start_up.py
Each is a process of its own, started ROUNDS times in turn; the bars are 0.5 s for the import and 0.6 s for the others.
"""

import datetime
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 9
OUT = Path(__file__).parent / "results" / "start_up.md"
COMMAND = str(Path(sys.executable).parent / "metastructure")
CALLS = {
    "Python alone": ([sys.executable, "-c", "pass"], None),
    "`import metastructure`, Python included": ([sys.executable, "-c", "import metastructure"], 0.5),
    "`metastructure --help`": ([COMMAND, "--help"], 0.6),
    "`metastructure study rnu` (wrong use)": ([COMMAND, "study", "rnu"], 0.6),
}


def main() -> None:
    """Measure in turn and write the table."""
    seconds: dict[str, list[float]] = {name: [] for name in CALLS}
    for _ in range(ROUNDS):
        for name, (call, _bar) in CALLS.items():
            started = time.perf_counter()
            subprocess.run(call, capture_output=True, check=False)
            seconds[name].append(time.perf_counter() - started)
    lines = [
        "# Start-up",
        "",
        f"`benchmarks/start_up.py`, {datetime.date.today()}, {platform.machine()}, Python {platform.python_version()}; "
        f"{ROUNDS} starts of each in turn.",
        "",
        "| | median s | range | bar |",
        "| --- | --- | --- | --- |",
    ]
    for name, (_call, bar) in CALLS.items():
        taken = seconds[name]
        median, low, high = statistics.median(taken), min(taken), max(taken)
        lines.append(f"| {name} | {median:.3f} | {low:.3f} to {high:.3f} | {'' if bar is None else bar} |")
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
