"""How often tests of a difference are wrong, and how often they find one: seeds and images simulated.

Run ``python benchmarks/claim_size.py`` from the repository root; it writes ``benchmarks/results/claim_size.md``.

A difference in points is drawn as ``d_sn = mu + a_s + b_n + e_sn`` with standard deviations for seeds, images and rest,
normal or skewed as differences of Dice are (b and e minus a gamma variable of shape 1/2, skewness -2.8; most images
near 0, a few far below). At mu = 0 a one-sided test at 5 % must be wrong in 5 % of the cases; since all tests here are
unchanged by a shift, the same number is the size of each half of an equivalence test at its margin.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy
from scipy.stats import t as student_t

from metastructure import _version
from metastructure.metrics import foreground_dice
from metastructure.metrics.equivalence import estimate_difference, pseudo_values
from metastructure.rng import generator

Array = npt.NDArray[np.float64]

BATCH = 1000
BOOTSTRAP_TRIALS, NUM_RESAMPLES = 400, 400
SPREADS = {
    "rest only (0, 0, 4)": (0.0, 0.0, 4.0),
    "no seeds (0, 3, 4)": (0.0, 3.0, 4.0),
    "few seeds (0.3, 3, 4)": (0.3, 3.0, 4.0),
    "small (0.3, 1, 2)": (0.3, 1.0, 2.0),
    "seeds count (1, 3, 4)": (1.0, 3.0, 4.0),
    "seeds rule (1, 0.3, 0.3)": (1.0, 0.3, 0.3),
}
"""Standard deviations of seeds, images and rest."""


def draw_differences(
    rng: np.random.Generator, shape: tuple[int, int, int], spread: tuple[float, ...], skewed: bool
) -> Array:
    """Return (trials, S, N) differences with mean 0."""
    R, S, N = shape

    def draw(size: tuple[int, int, int]) -> Array:
        return (0.5 - rng.gamma(0.5, size=size)) / np.sqrt(0.5) if skewed else rng.normal(size=size)

    seeds, images, rest = spread
    return seeds * rng.normal(size=(R, S, 1)) + images * draw((R, 1, N)) + rest * draw((R, S, N))


def half_widths(values_RSN: Array, level: float) -> dict[str, Array]:
    """Return how far the truth may lie on one side, by each method, (trials,)."""
    _, S, N = values_RSN.shape
    mean = values_RSN.mean(axis=(1, 2), keepdims=True)
    seeds, images = values_RSN.mean(axis=2, keepdims=True) - mean, values_RSN.mean(axis=1, keepdims=True) - mean
    rest = values_RSN - mean - seeds - images
    A = np.square(seeds).sum(axis=(1, 2)) / max(S - 1, 1) / S
    B = np.square(images).sum(axis=(1, 2)) / (N - 1) / N
    E = np.square(rest).sum(axis=(1, 2)) / max((S - 1) * (N - 1), 1) / (S * N)
    widths = {"image t": np.sqrt(B) * student_t.isf(level, N - 1)}
    if S == 1:
        return widths
    total = A + B
    freedom = total**2 / (A**2 / (S - 1) + B**2 / (N - 1))
    widths["min F'"] = np.sqrt(total) * student_t.isf(level, freedom)
    a, b = np.maximum(A - E, 0), np.maximum(B, E)
    freedom = (a + b) ** 2 / (a**2 / (S - 1) + b**2 / (N - 1))
    widths["Satterthwaite"] = np.sqrt(a + b) * student_t.isf(level, freedom)
    squares = student_t.isf(level, S - 1) ** 2 * A + student_t.isf(level, N - 1) ** 2 * np.maximum(B - E, 0)
    widths["ours"] = np.sqrt(squares)
    return widths


def check_ours(rng: np.random.Generator) -> None:
    """Raise AssertionError unless the formula above is that of the package."""
    values = draw_differences(rng, (20, 3, 7), (0.5, 1.0, 1.0), True)
    for level in (0.05, 0.001):
        theirs = [estimate_difference(one).half_width(level) for one in values]
        np.testing.assert_allclose(half_widths(values, level)["ours"], theirs, rtol=1e-10)


def bootstrap_ends(values_RSN: Array, rng: np.random.Generator, level: float) -> tuple[Array, Array]:
    """Return the ends of the percentile interval of the crossed bootstrap, (trials,) each."""
    _, S, N = values_RSN.shape
    seeds = rng.multinomial(S, np.full(S, 1 / S), NUM_RESAMPLES) / S if S > 1 else np.ones((NUM_RESAMPLES, 1))
    images = rng.multinomial(N, np.full(N, 1 / N), NUM_RESAMPLES) / N
    means = np.stack([((seeds @ one) * images).sum(axis=1) for one in values_RSN])
    low, high = np.quantile(means, [level, 1 - level], axis=1)
    return low, high


def measure(shape: tuple[int, int], spread: tuple[float, ...], skewed: bool, trials: int) -> dict[str, list[float]]:
    """Return for each method, in %: wrong above, wrong below at 5 %, two-sided half at 0.5 % and 0.1 %, power."""
    S, N = shape
    rng = generator(0, f"{shape} {spread} {skewed}", "test size")
    found: dict[str, list[list[float]]] = {}
    for _ in range(trials // BATCH):
        values = draw_differences(rng, (BATCH, S, N), spread, skewed)
        mean = values.mean(axis=(1, 2))
        for name, width in half_widths(values, 0.05).items():
            power = [(mean - width > -1).mean(), (np.abs(mean) + width < 1).mean()]
            found.setdefault(name, []).append([(mean > width).mean(), (mean < -width).mean(), *power])
        for level in (0.005, 0.001):
            for name, width in half_widths(values, level).items():
                found[name][-1].insert(-2, (np.abs(mean) > width).mean() / 2)
    values = draw_differences(rng, (BOOTSTRAP_TRIALS, S, N), spread, skewed)
    low, high = bootstrap_ends(values, rng, 0.05)
    row = [(low > 0).mean(), (high < 0).mean(), np.nan, np.nan, (low > -1).mean(), ((low > -1) & (high < 1)).mean()]
    found["bootstrap"] = [row]
    return {name: (100 * np.mean(rows, axis=0)).tolist() for name, rows in found.items()}


def measure_pooled(S: int, N: int, trials: int) -> dict[str, float]:
    """Return the size at 5 % for pooled Dice of two equally good sides, by jackknife and by bootstrap, in %."""
    rng = generator(0, f"{S} {N}", "test size pooled")
    wrong = dict.fromkeys(("jackknife", "bootstrap"), 0.0)
    for _ in range(trials):
        truth_N = rng.lognormal(7, 1, N)
        image_N = rng.normal(0, 0.3, N)
        counts = np.zeros((2, S, N, 2, 2), dtype=np.int64)
        for side, place in np.ndindex(2, S):
            odds_N = -2.5 + 0.5 * image_N + rng.normal(0, 0.05) + rng.normal(0, 0.3, N)
            missed_N, spurious_N = (truth_N / (1 + np.exp(-odds_N + rng.normal(0, 0.1, N))) for _ in range(2))
            counts[side, place] = np.stack(
                [[8 * truth_N, spurious_N], [missed_N, truth_N - missed_N]], axis=0
            ).transpose(2, 0, 1)
        pooled = counts.sum(axis=2)
        values = pseudo_values(foreground_dice(pooled), foreground_dice(pooled[:, :, None] - counts))
        whole = foreground_dice(pooled).mean(axis=1)
        ours = estimate_difference(values[0] - values[1], float(whole[0] - whole[1]))
        wrong["jackknife"] += abs(ours.value) > ours.half_width(0.05)
        seeds = rng.integers(S, size=(NUM_RESAMPLES, S))
        images = rng.multinomial(N, np.full(N, 1 / N), NUM_RESAMPLES)
        sums = np.einsum("rn,ksnij->krsij", images, counts)
        scores = np.take_along_axis(foreground_dice(sums), np.stack([seeds, seeds]), axis=2).mean(axis=2)
        low, high = np.quantile(scores[0] - scores[1], [0.05, 0.95])
        wrong["bootstrap"] += low > 0 or high < 0
    return {name: 50 * count / trials for name, count in wrong.items()}


def format_cells(values: list[float], places: tuple[int, ...]) -> str:
    """Return cells of a table."""
    return " | ".join(
        "–" if np.isnan(value) else f"{value:.{digits}f}" for value, digits in zip(values, places, strict=True)
    )


def main() -> None:
    """Simulate and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10000, help="of each setting, a multiple of 1000")
    parser.add_argument("--pooled-trials", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/claim_size.md"))
    arguments = parser.parse_args()
    check_ours(generator(0, "", "test size"))
    start = time.process_time()
    lines = [
        "# Size and power of tests over seeds and images",
        "",
        f"{date.today().isoformat()} · {platform.system()} · Python {platform.python_version()}, numpy "
        f"{np.__version__}, scipy {scipy.__version__}, metastructure {_version.__version__}. By `python "
        f"{shlex.join(sys.argv)}`; {arguments.trials} trials a line ({BOOTSTRAP_TRIALS} of the bootstrap, "
        f"{NUM_RESAMPLES} resamples). In %.",
        "",
        "Wrong above, wrong below: one-sided at 5 %, no difference (bar 5). At 0.5, 0.1: mean of both sides at these "
        "levels, which Holm's correction asks for. Finds 1: one-sided at 5 %, true difference 1 point. Finds equal: "
        "equivalence within 1 point at 5 %, true difference 0. `ours`: `metastructure.metrics.equivalence`. "
        "min F': Clark 1973. Satterthwaite: variance components, none below 0. image t: seeds averaged, then Student's "
        "t over images. With one seed `ours` is image t, and wrong as far as seeds vary: it speaks of this one seed "
        "only.",
    ]
    settings = [(shape, False) for shape in ((3, 20), (3, 50), (3, 134), (5, 20), (5, 50), (5, 134), (1, 50), (1, 134))]
    settings += [(shape, True) for shape in ((3, 20), (3, 50), (3, 134), (5, 50), (1, 50))]
    worst: dict[tuple[str, bool, bool], list[list[float]]] = {}
    for (S, N), skewed in settings:
        lines += ["", f"## {S} seed{'s' * (S > 1)}, {N} images, {'skewed' if skewed else 'normal'}", ""]
        lines += ["| spread | test | wrong above | wrong below | at 0.5 | at 0.1 | finds 1 | finds equal |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for title, spread in SPREADS.items():
            for name, row in measure((S, N), spread, skewed, arguments.trials).items():
                lines.append(f"| {title} | {name} | {format_cells(row, (1, 1, 2, 2, 0, 0))} |")
                worst.setdefault((name, skewed, S == 1), []).append([(row[0] + row[1]) / 2, max(row[:2]), *row[2:4]])
        print(lines[-1], f"{time.process_time() - start:.0f} s", flush=True)
    summary = ["", "## Worst of all settings", ""]
    summary += [
        "| test | seeds | drawn | both sides, mean | one side | at 0.5 | at 0.1 |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, skewed, single), values in worst.items():
        cells = format_cells(np.max(values, axis=0).tolist(), (1, 1, 2, 2))
        summary.append(f"| {name} | {'1' if single else '3, 5'} | {'skewed' if skewed else 'normal'} | {cells} |")
    lines[5:5] = summary
    lines += ["", "## Pooled Dice of two equally good sides, at 5 %", ""]
    lines += ["| seeds | images | jackknife, ours | crossed bootstrap |", "|---|---|---|---|"]
    for S, N in ((3, 20), (3, 50), (5, 50)):
        got = measure_pooled(S, N, arguments.pooled_trials)
        lines.append(f"| {S} | {N} | {got['jackknife']:.1f} | {got['bootstrap']:.1f} |")
    lines += ["", f"{time.process_time() - start:.0f} s of CPU time, one thread, load {os.getloadavg()[0]:.0f}."]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
