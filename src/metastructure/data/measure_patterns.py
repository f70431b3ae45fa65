"""How the pixels of each class lie: pooled K and L of all labels, and a test of a sample of them against chance.

`C` classes, `R` radii, `n` simulations.
"""

from collections.abc import Callable, Sequence

import numpy as np

from metastructure.data.label_set import Label, LabelSet, pick_evenly
from metastructure.data.measurement import NullTest, Sample
from metastructure.rng import generator
from metastructure.structure.envelopes import extreme_rank_envelope
from metastructure.structure.nulls import scatter_pixels, simulate_curves
from metastructure.structure.ripley import QUARTER, ripley_k
from metastructure.structure.second_order import SecondOrder, pool_second_order
from metastructure.structure.windows import FloatArray

LARGEST_RADIUS_PX = 64
NUM_SIMULATIONS = 99
LEVEL = 0.05
SAMPLE_SIDE_PX = 256
SAMPLE_PIXELS = 2**18
"""Four images of 256 x 256: each is shuffled and measured n times for every class."""

TOO_FEW = "no label holds two pixels of this class"
TOO_FEW_IN_SAMPLE = "no label of the sample holds two pixels of this class"
CUT_SHORT = "NaN at radii at which the known pixels of some label hold no pair of places that far apart"
ONE_CLASS = "the sample holds no other class: there is nothing to shuffle"


def choose_radii(labels: LabelSet) -> FloatArray:
    """Return 1, 2, ... up to a quarter of the shortest side of the smallest label, at most 64 px; (R,)."""
    shortest = min(min(shape) for shape in labels.shapes)
    return np.arange(1.0, max(1, min(shortest // QUARTER, LARGEST_RADIUS_PX)) + 1)


def measure_k(label: Label, radii_px: FloatArray, num_classes: int) -> dict[int, SecondOrder]:
    """Return K of each class of which the label holds two pixels or more."""
    counts = np.bincount(label.reshape(-1), minlength=num_classes)[:num_classes]
    return {int(klass): ripley_k(label, int(klass), radii_px) for klass in np.flatnonzero(counts > 1)}


def pool_k(found: Sequence[SecondOrder], radii_px: FloatArray) -> tuple[SecondOrder, str | None]:
    """Return the K of all labels of one class, and why it is NaN at some radii or all."""
    if not found:
        nothing = np.full(len(radii_px), np.nan)
        return SecondOrder(radii_px, nothing, 0.0, nothing, 2, 0), TOO_FEW
    pooled = pool_second_order(found)
    return pooled, CUT_SHORT if np.isnan(pooled.k).any() else None


def draw_sample(labels: LabelSet) -> tuple[list[Label], Sample]:
    """Return evenly spaced labels, or their middles, of `SAMPLE_PIXELS` together at most (but at least one)."""
    largest = max(min(height, SAMPLE_SIDE_PX) * min(width, SAMPLE_SIDE_PX) for height, width in labels.shapes)
    picked = pick_evenly(len(labels), max(1, SAMPLE_PIXELS // largest))
    windows = [_middle(labels.load(place)) for place in picked]
    return windows, Sample(
        ids=tuple(labels.entries[place].id for place in picked),
        largest_side_px=SAMPLE_SIDE_PX,
        num_pixels=sum(window.size for window in windows),
        num_simulations=NUM_SIMULATIONS,
    )


def compare_with_chance(
    windows: Sequence[Label],
    radii_px: FloatArray,
    num_classes: int,
    seed: int,
    on_simulation: Callable[[], None] = lambda: None,
) -> list[NullTest]:
    """Return, for each class, the extreme rank length test of pooled L against the same pixels in random order.

    Parameters
    ----------
    windows : sequence of labels
    radii_px : (R,) array
    num_classes : int
        C.
    seed : int
    on_simulation : callable
        Called after each of the n + 1 measurements.

    Notes
    -----
    One shuffle serves all classes, so their tests are not independent of each other; each is valid on its own.
    """

    def curves(labels: Sequence[Label]) -> FloatArray:
        found = [measure_k(label, radii_px, num_classes) for label in labels]
        on_simulation()
        pooled = [
            pool_k([one[klass] for one in found if klass in one], radii_px)[0].l_minus_r for klass in range(num_classes)
        ]
        return np.concatenate(pooled)

    observed = curves(windows)
    rng = generator(seed, "", "measure envelope")
    simulated = simulate_curves(windows, curves, scatter_pixels, NUM_SIMULATIONS, rng)  # type: ignore[arg-type]
    present = np.sum([np.bincount(w.reshape(-1), minlength=256)[:num_classes] for w in windows], axis=0) > 0
    R = len(radii_px)
    return [
        _test(
            observed[klass * R : (klass + 1) * R],
            simulated[:, klass * R : (klass + 1) * R],
            alone=bool(present[klass]) and int(present.sum()) == 1,
        )
        for klass in range(num_classes)
    ]


def _test(observed: FloatArray, simulated: FloatArray, alone: bool) -> NullTest:
    band = extreme_rank_envelope(observed, simulated, LEVEL)
    undefined = bool(np.isnan(band.p_value))
    return NullTest(
        l_minus_r=tuple(observed.tolist()),
        low=tuple(band.low.tolist()),
        high=tuple(band.high.tolist()),
        p_value=float("nan") if alone else band.p_value,
        level=LEVEL,
        reason=ONE_CLASS if alone else TOO_FEW_IN_SAMPLE if undefined else None,
    )


def _middle(label: Label) -> Label:
    top, left = (max(0, (size - SAMPLE_SIDE_PX) // 2) for size in label.shape)
    return label[top : top + SAMPLE_SIDE_PX, left : left + SAMPLE_SIDE_PX]
