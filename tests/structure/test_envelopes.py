"""Envelopes and their p-values: by hand, floor and uniformity under the null, power, exactness and bad input."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from metastructure.label import IGNORE, LabelArray
from metastructure.rng import generator
from metastructure.structure.envelopes import (
    Envelope,
    deviation_envelope,
    extreme_rank_envelope,
    pointwise_envelope,
)
from metastructure.structure.nulls import relabel_pixels, scatter_pixels, simulate_curves
from metastructure.structure.ripley import cross_k, ripley_k
from metastructure.structure.second_order import pool_second_order

GLOBAL = [extreme_rank_envelope, deviation_envelope]
RADII = [1, 2, 3, 4]


def l_curve(labels: Sequence[LabelArray]) -> np.ndarray:
    return pool_second_order([ripley_k(label, 1, RADII) for label in labels]).l_minus_r


def nuclei(seed: int) -> np.ndarray:
    rng = generator(seed, "", "nuclei")
    rows, columns = np.ogrid[:64, :64]
    label = np.zeros((64, 64), dtype=np.uint8)
    for row, column in rng.uniform(0, 64, (6, 2)):
        label[(rows - row) ** 2 + (columns - column) ** 2 <= 25] = 1
    return label


def smooth_curves(rng: np.random.Generator, num: int) -> np.ndarray:
    """Return skewed curves, correlated along the radii, with a scale that grows."""
    walk = rng.normal(size=(num, 12)).cumsum(axis=1)
    return np.exp(walk / 3) * np.arange(1, 13)


def ordered_by_words(curves: np.ndarray) -> list[list[float]]:
    """Return the sorted two-sided ranks of each curve, ties by their mean, the slow way."""
    words = []
    for curve in curves:
        ranks = []
        for column, value in enumerate(curve):
            below = sum(other < value for other in curves[:, column])
            same = sum(other == value for other in curves[:, column])
            rank = below + (same + 1) / 2
            ranks.append(min(rank, len(curves) + 1 - rank))
        words.append(sorted(ranks))
    return words


def test_extreme_ranks_by_hand() -> None:
    # Five curves at three radii. Two-sided ranks: observed (1, 1, 2); then (2, 2, 1), (3, 3, 3), (2, 2, 2), (1, 1, 1).
    observed = [9.0, 9, 4]
    simulated = [[4.0, 4, 9], [3, 3, 3], [2, 2, 2], [1, 1, 1]]
    # words: (1, 1, 2), (1, 2, 2), (3, 3, 3), (2, 2, 2), (1, 1, 1): the observed curve is the second most extreme
    found = extreme_rank_envelope(observed, simulated, level=0.4)
    assert found.p_value == 2 / 5
    # at level 0.4 the two most extreme are dropped: curves two to four span the band
    np.testing.assert_array_equal(found.low, [2, 2, 2])
    np.testing.assert_array_equal(found.high, [4, 4, 9])
    np.testing.assert_array_equal(found.outside, [True, True, False])


def test_deviation_by_hand() -> None:
    # mean 2, sd sqrt(2): deviations 2, 1, 0, 1, 2 over sqrt(2); two of five are as large as the observed one
    found = deviation_envelope([4.0], [[1], [2], [3], [0]], level=0.4)
    assert found.p_value == 2 / 5
    np.testing.assert_allclose([found.low[0], found.high[0]], [1, 3])


def test_deviation_is_in_units_of_the_spread_of_all_curves_the_observed_one_too() -> None:
    # radius 1: 10, 0, 0, 1, -1 with mean 2 and sd sqrt(16.4); radius 2: 0, 1, -1, 4, -4 with mean 0 and sd sqrt(6.8).
    # Observed: 8 / sqrt(16.4) = 1.975 and 0; the largest of the others 4 / sqrt(6.8) = 1.534. The spread of the
    # simulations alone is sqrt(0.5) at radius 1, and the band would end at 2 + 1.534 * 0.707.
    found = deviation_envelope([10.0, 0], [[0, 1], [0, -1], [1, 4], [-1, -4]], level=0.2)
    assert found.p_value == 1 / 5
    np.testing.assert_allclose(found.high, [2 + 4 / 6.8**0.5 * 16.4**0.5, 4])
    np.testing.assert_allclose(found.low, [2 - 4 / 6.8**0.5 * 16.4**0.5, -4])


def test_pointwise_by_hand() -> None:
    found = pointwise_envelope([2.5, 0.5], [[4, 1], [1, 2], [3, 3], [2, 9]], num_outside=2)
    np.testing.assert_array_equal(found.low, [2, 2])
    np.testing.assert_array_equal(found.high, [3, 3])
    assert found.level == 4 / 5
    assert np.isnan(found.p_value)
    np.testing.assert_array_equal(found.outside, [False, True])


def test_the_order_of_curves_agrees_with_the_slow_way_ties_included() -> None:
    rng = generator(0, "", "ties")
    for _ in range(20):
        curves = rng.integers(0, 4, (15, 3)).astype(float)
        words = ordered_by_words(curves)
        expected = sum(word <= words[0] for word in words) / 15
        assert extreme_rank_envelope(curves[0], curves[1:], level=0.1).p_value == pytest.approx(expected)


@pytest.mark.parametrize("test", GLOBAL)
def test_the_p_value_is_never_below_its_floor_nor_above_one(test: Callable[..., Envelope]) -> None:
    simulated = smooth_curves(generator(1, "", "curves"), 39)
    assert test(np.full(12, 1e6), simulated).p_value == 1 / 40
    assert test(np.median(simulated, axis=0), simulated).p_value <= 1
    assert test(np.ones(3), np.ones((39, 3))).p_value == 1


@pytest.mark.parametrize("test", GLOBAL)
def test_p_values_are_uniform_when_the_null_is_true(test: Callable[..., Envelope]) -> None:
    rng = generator(2, "", "uniform")
    p_values = []
    for _ in range(400):
        curves = smooth_curves(rng, 20)
        p_values.append(test(curves[0], curves[1:]).p_value)
    # 20 equally likely values: the share below each is binomial, sd at most 0.025; 4 sd
    for limit in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(np.array(p_values) <= limit + 1e-9) == pytest.approx(limit, abs=0.1 if limit > 0.1 else 0.044)


def test_p_values_of_labels_are_uniform_when_pixels_lie_at_random() -> None:
    rng = generator(3, "", "labels")
    p_values = []
    for _ in range(120):
        label = (rng.random((16, 20)) < 0.2).astype(np.uint8)
        label[4:7, 5:9] = IGNORE
        simulated = simulate_curves([label], l_curve, scatter_pixels, 9, rng)
        p_values.append(extreme_rank_envelope(l_curve([label]), simulated, level=0.1).p_value)
    # ten values with equal chances but for ties, which only raise p: sd of a share at most 0.046; 3.5 sd
    assert np.mean(np.array(p_values) <= 0.1) <= 0.1 + 0.096
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.16)


@pytest.mark.parametrize("test", GLOBAL)
def test_leaving_the_band_and_rejecting_are_one(test: Callable[..., Envelope]) -> None:
    rng = generator(4, "", "band")
    decisions = []
    for shift in np.repeat([0.0, 0.7, 1.5], 40):
        curves = smooth_curves(rng, 40)
        found = test(curves[0] * np.exp(shift), curves[1:], level=0.1)
        decisions.append(found.p_value <= found.level)
        assert found.outside.any() == decisions[-1]
    assert 20 < sum(decisions) < 110  # both happen


def test_ranks_do_not_depend_on_the_scale_of_a_radius() -> None:
    curves = smooth_curves(generator(5, "", "scale"), 30)
    plain = extreme_rank_envelope(curves[0], curves[1:])
    warped = extreme_rank_envelope(np.log(curves[0]) * 7, np.log(curves[1:]) * 7)
    assert warped.p_value == plain.p_value
    np.testing.assert_allclose(warped.high, np.log(plain.high) * 7)


def test_clusters_leave_every_envelope_and_pooling_sees_what_one_image_does_not() -> None:
    rng = generator(6, "", "power")
    label = nuclei(0)
    simulated = simulate_curves([label], l_curve, scatter_pixels, 39, rng)
    for found in [test(l_curve([label]), simulated) for test in GLOBAL] + [
        pointwise_envelope(l_curve([label]), simulated)
    ]:
        assert (found.observed > found.high).all()
        assert not found.p_value > 1 / 40
    faint = [nuclei(seed) ^ (rng.random((64, 64)) < 0.44) for seed in range(12)]
    alone = []
    for one in faint[:6]:
        alone.append(extreme_rank_envelope(l_curve([one]), simulate_curves([one], l_curve, scatter_pixels, 39, rng)))
    together = extreme_rank_envelope(l_curve(faint), simulate_curves(faint, l_curve, scatter_pixels, 39, rng))
    assert together.p_value == 1 / 40
    assert np.median([found.p_value for found in alone]) > 0.05


def test_scattering_keeps_counts_and_ignore() -> None:
    label = np.arange(40, dtype=np.uint8).reshape(5, 8) % 4
    label[1, 2:5] = IGNORE
    before = label.copy()
    moved = scatter_pixels(label, generator(7))
    np.testing.assert_array_equal(label, before)
    assert not np.array_equal(moved, label)
    np.testing.assert_array_equal(moved == IGNORE, label == IGNORE)
    np.testing.assert_array_equal(np.bincount(moved.ravel()), np.bincount(label.ravel()))
    np.testing.assert_array_equal(moved, scatter_pixels(label, generator(7)))


def test_relabelling_keeps_counts_and_the_places_of_both_classes() -> None:
    label = np.arange(40, dtype=np.uint8).reshape(5, 8) % 4
    moved = relabel_pixels(label, generator(8), 1, 3)
    assert not np.array_equal(moved, label)
    for kept in (0, 2):
        np.testing.assert_array_equal(moved == kept, label == kept)
    np.testing.assert_array_equal(np.bincount(moved.ravel()), np.bincount(label.ravel()))


def test_random_labelling_tells_segregated_classes_from_mixed_ones() -> None:
    rng = generator(9, "", "labelling")
    cells = nuclei(1).astype(np.uint8)
    mixed = np.where(cells == 1, rng.integers(1, 3, cells.shape), 0)
    sides = np.where(cells == 1, 1 + (np.arange(64) >= 32), 0)

    def curve(labels: Sequence[LabelArray]) -> np.ndarray:
        return cross_k(labels[0], 1, 2, RADII).k

    found = {}
    for name, label in {"mixed": mixed, "sides": sides}.items():
        simulated = simulate_curves([label], curve, partial(relabel_pixels, first=1, second=2), 39, rng)
        found[name] = extreme_rank_envelope(curve([label]), simulated)
    assert found["mixed"].p_value > 0.05
    assert found["sides"].p_value == 1 / 40
    assert (found["sides"].observed < found["sides"].low).all()


def test_undefined_radii_are_left_out() -> None:
    nan = float("nan")
    simulated = np.array([[1.0, 1, 3], [2, nan, 2], [3, 3, 1]])
    # at the one radius left 9 is the furthest from the mean, but 1 has the same two-sided rank
    for test, expected in zip(GLOBAL, [2 / 4, 1 / 4], strict=True):
        found = test([9.0, 2, nan], simulated, level=0.5)
        assert found.p_value == expected
        assert np.isnan(found.low).tolist() == [False, True, True]
        assert found.outside.tolist() == [True, False, False]
        nothing = test([nan, nan, nan], simulated, level=0.25)
        assert np.isnan(nothing.p_value)
        assert np.isnan(nothing.high).all()
    assert np.isnan(pointwise_envelope([9.0, 2, nan], simulated).low).tolist() == [False, True, True]


def test_bad_input_is_named() -> None:
    for test in (*GLOBAL, pointwise_envelope):
        with pytest.raises(ValueError, match=r"observed must be \(R,\) and simulated \(n, R\)"):
            test([1.0, 2], np.ones((5, 3)))
    for test in GLOBAL:
        for level in (0.05, 0, 1):
            with pytest.raises(ValueError, match=r"level must lie in .* Simulate more curves"):
                test([1.0], np.ones((9, 1)), level=level)
    with pytest.raises(ValueError, match=r"num_outside must lie in 1\.\.4 for 9 simulations; got 5"):
        pointwise_envelope([1.0], np.ones((9, 1)), num_outside=5)
    with pytest.raises(ValueError, match="num_simulations must be at least 1"):
        simulate_curves([nuclei(0)], l_curve, scatter_pixels, 0, generator(0))
    with pytest.raises(ValueError, match="at least one label"):
        simulate_curves([], l_curve, scatter_pixels, 9, generator(0))
    with pytest.raises(ValueError, match="second must be a class"):
        relabel_pixels(nuclei(0), generator(0), 1, IGNORE)
