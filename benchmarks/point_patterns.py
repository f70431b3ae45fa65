"""Time and memory of point-pattern functions beside astropy, pointpats and R's spatstat, and equality to spatstat.

Run ``python benchmarks/point_patterns.py [--other-python /tmp/ppvenv/bin/python]`` from the repository root; it writes
``benchmarks/results/point_patterns.md``. The other estimators are not dependencies: astropy and pointpats run under
another interpreter (``python -m venv``, ``pip install astropy pointpats``), spatstat through ``Rscript`` (Debian
``r-cran-spatstat.explore``); what is not installed is skipped and noted. Each measurement is one fresh process. Seconds
are CPU seconds of the call alone, memory the peak of the process less that after imports.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

SIDE = 1024
NUM_POINTS = (1_000, 10_000, 100_000)
MAX_RADIUS = 20
QUADRATIC_LIMIT = 10_000
"""More points would make an n × n array of doubles of over 0.8 GB: astropy and pointpats are not run there."""
LABEL_SIDES = (256, 512, 1024, 2048)
LEFT_OUT = {
    "ours, pixels": "integer coordinates only",
    "ours, centroids": "nothing of this list; slower with many pairs",
    "astropy, translation": "only rectangles, ties at r; no cross-type, no g, no envelopes; all n² distances in memory",
    "pointpats": "no edge correction, no window (area of the hull), ties at r; n² / 2 distances × radii in memory",
    "spatstat, translate": "ties at the largest r; the null is πr², which pixels do not follow; R",
}
R_SCRIPT = """
suppressMessages(library(spatstat.explore))
argument <- commandArgs(trailingOnly = TRUE)
side <- as.numeric(argument[2]); radius <- as.numeric(argument[3])
table <- read.csv(argument[1], header = FALSE)
window <- owin(c(-0.5, side - 0.5), c(-0.5, side - 0.5))
X <- ppp(table[[2]], table[[1]], window = window, check = FALSE)
invisible(gc(reset = TRUE)); base <- sum(gc()[, 6])
start <- sum(proc.time()[1:2])
K <- Kest(X, r = seq(0, radius + 1, by = 0.25), correction = "translate", nlarge = Inf)
seconds <- sum(proc.time()[1:2]) - start
peak <- sum(gc()[, 6]) - base
cat("{\\"seconds\\":", seconds, ",\\"peak_mb\\":", peak, ",\\"k\\":[")
wanted <- sort(c(seq(5, by = 4, length.out = radius), seq(7, by = 4, length.out = radius)))
cat(sprintf("%.15g", K$trans[wanted]), sep = ",")
cat("]}\\n")
"""


def make_points(num: int) -> np.ndarray:
    """Return distinct pixels of a clustered pattern: half in discs, half anywhere."""
    rng = np.random.default_rng(num)
    centres = rng.uniform(0, SIDE, (40, 2))
    close = centres[rng.integers(40, size=num)] + rng.normal(0, 60, (num, 2))
    away = rng.uniform(0, SIDE - 1, (2 * num, 2))
    both = np.rint(rng.permutation(np.vstack([close, away]))).astype(int)
    both = np.unique(both[((both >= 0) & (both < SIDE)).all(axis=1)], axis=0)
    return np.asarray(rng.permutation(both)[:num])


def measure(who: str, points_file: str) -> dict[str, object]:
    """Return seconds, megabytes and K at radii 1, 1.5, .. MAX_RADIUS + 0.5 of one estimator, in its own process."""
    points = np.loadtxt(points_file, delimiter=",", dtype=np.int64)
    radii = np.arange(2, 2 * MAX_RADIUS + 2) / 2
    if who.startswith("ours"):
        from metastructure.structure.centroids import centroid_k
        from metastructure.structure.ripley import ripley_k

        label = np.zeros((SIDE, SIDE), dtype=np.uint8)
        label[tuple(points.T)] = 1
        window = np.ones(label.shape, dtype=bool)

        def call() -> np.ndarray:
            return ripley_k(label, 1, radii).k if "pixels" in who else centroid_k(points, window, radii).k

    elif who.startswith("astropy"):
        from astropy.stats import RipleysKEstimator

        estimator = RipleysKEstimator(area=SIDE**2, x_min=-0.5, x_max=SIDE - 0.5, y_min=-0.5, y_max=SIDE - 0.5)

        def call() -> np.ndarray:
            return np.asarray(estimator(points[:, ::-1].astype(float), radii, mode="translation"))

    else:
        from pointpats.distance_statistics import k

        def call() -> np.ndarray:
            return np.asarray(k(points.astype(float), support=radii)[1])

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    values = call()
    seconds = time.process_time() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"seconds": seconds, "peak_mb": peak, "k": [float(value) for value in values]}


def run(command: list[str]) -> dict[str, object] | str:
    """Return what a measuring process printed, or one line that says why there is nothing."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:80]
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compare(folder: Path, other_python: str) -> list[str]:
    """Return table rows: every estimator at every number of points."""
    script = folder / "kest.R"
    script.write_text(R_SCRIPT, encoding="utf-8")
    rows = []
    for num in NUM_POINTS:
        file = folder / f"{num}.csv"
        points = make_points(num)
        np.savetxt(file, points, fmt="%d", delimiter=",")
        found: dict[str, dict[str, object] | str] = {}
        for who in LEFT_OUT:
            python = sys.executable if who.startswith("ours") else other_python
            if who.startswith("spatstat"):
                command = ["Rscript", str(script), str(file), str(SIDE), str(MAX_RADIUS)]
            else:
                command = [python, __file__, "--measure", who, str(file)]
            if who.startswith(("astropy", "pointpats")) and num > QUADRATIC_LIMIT:
                found[who] = f"not run: {num**2 * 8 / 1e9:.0f} GB for one n × n array"
            else:
                found[who] = run(command)
            print(num, who, found[who] if isinstance(found[who], str) else "done", flush=True)
        ours = found["ours, pixels"]
        for who, result in found.items():
            if isinstance(result, str):
                rows.append(f"| {len(points)} | {who} | {result} | | | | {LEFT_OUT[who]} |")
                continue
            apart = "" if isinstance(ours, str) else _apart(result["k"], ours["k"])
            cost = f"{result['seconds']:.3f} | {result['peak_mb']:.0f}"
            rows.append(f"| {len(points)} | {who} | {cost} | {apart} | {LEFT_OUT[who]} |")
    return rows


def _apart(one: object, other: object) -> str:
    """Return the largest relative difference at whole radii, where distances tie with r, and at halves."""
    apart = np.abs(np.asarray(one, dtype=float) / np.asarray(other, dtype=float) - 1)
    return f"{np.nanmax(apart[::2]):.1e} | {np.nanmax(apart[1::2]):.1e}"


def label_times() -> list[str]:
    """Return table rows: K of labels of growing size, at all radii, against the bars of issue 4."""
    from metastructure.structure.ripley import ripley_k

    bars, rows, before = {256: 0.060, 2048: 6.0}, [], 0.0
    for side in LABEL_SIDES:
        label = (np.random.default_rng(0).random((side, side)) < 0.2).astype(np.uint8)
        for holes in (False, True):
            if holes:
                label[side // 4 : side // 3, side // 8 : side // 2] = 255
            best = np.inf
            for _ in range(5 if side < 1024 else 2):
                start = time.process_time()
                ripley_k(label, 1, np.arange(1, side))
                best = min(best, time.process_time() - start)
            bar = bars.get(side)
            met = "" if bar is None else "yes" if best <= bar else "**no**"
            growth = "" if holes or not before else f"{best / before:.1f}"
            before = before if holes else best
            what = "with IGNORE" if holes else "whole"
            rows.append(f"| {side}², {what} | {best * 1000:.0f} | {growth} | {bar * 1000 if bar else ''} | {met} |")
    return rows


def versions(other_python: str) -> str:
    """Return what was measured, with versions."""
    from importlib.metadata import version

    code = (
        "from importlib.metadata import version as v; print('astropy', v('astropy'), 'and pointpats', v('pointpats'))"
    )
    parts = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in ("numpy", "scipy"))]
    for command in (
        [other_python, "-c", code],
        ["Rscript", "-e", "cat('spatstat.explore', as.character(packageVersion('spatstat.explore')))"],
    ):
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            parts.append(done.stdout.strip() if not done.returncode else f"{command[0]}: incomplete")
        else:
            parts.append(f"{Path(command[0]).name}: not installed")
    return ", ".join(parts)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other-python", default="/tmp/ppvenv/bin/python", help="has astropy and pointpats")
    parser.add_argument("--measure", nargs=2, metavar=("WHO", "POINTS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        compared = compare(Path(folder), arguments.other_python)
    page = [
        "# Point patterns: time, memory, equality",
        "",
        f"{date.today()} · {os.cpu_count()} cores, {platform.system()}, load {load:.1f} ·",
        f"{versions(arguments.other_python)}.",
        "By `python benchmarks/point_patterns.py`; CPU seconds, one thread.",
        "",
        "K of a binary label with a fifth of its pixels as points, at every whole radius below the side:",
        "",
        "| label | ms | times the row before | bar, ms | met |",
        "|---|---|---|---|---|",
        *label_times(),
        "",
        f"K at radii 1, 1.5, 2, .. {MAX_RADIUS}.5 of points exported from a label of {SIDE}². *Apart* is the largest",
        "relative difference to ours on pixels: at whole radii, which distances of pixels tie with, and at halves,",
        "where none does. The area of the window is part of K: pointpats takes that of the points' hull.",
        "Peak memory in MB beyond that after imports.",
        "",
        "| points | estimator | seconds | peak MB | apart, whole r | apart, half r | leaves out |",
        "|---|---|---|---|---|---|---|",
        *compared,
        "",
    ]
    target = Path(__file__).parent / "results" / "point_patterns.md"
    target.write_text("\n".join(page), encoding="utf-8")
    print(target.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
