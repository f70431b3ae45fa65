"""K, L and pair correlation: worked by hand, against a double loop, limits, signs, pooling and bad input."""

import math

import numpy as np
import pytest

from metastructure.label import IGNORE
from metastructure.rng import generator
from metastructure.structure.ripley import cross_k, cross_k_between, ripley_k, squared_radii
from metastructure.structure.second_order import SecondOrder, pool_second_order

RADII = [1.0, math.sqrt(2), 1.7, math.sqrt(3), 2.0, math.sqrt(5), 3.0]


def random_label(shape: tuple[int, ...], seed: int, share_ignored: float = 0.2, num_classes: int = 3) -> np.ndarray:
    """Return an integer label whose window has holes."""
    rng = generator(seed, "", "test")
    label = rng.integers(0, num_classes, shape).astype(np.uint8)
    label[rng.random(shape) < share_ignored] = IGNORE
    return label


def looped_k(first: np.ndarray, second: np.ndarray, window: np.ndarray, radius: float, same_pixel: bool) -> float:
    """Return the translation-corrected K by walking over all pairs; the overlap of windows by shifting sets."""
    places = {tuple(place) for place in np.argwhere(window).tolist()}
    starts, ends = np.argwhere(first).tolist(), np.argwhere(second).tolist()
    total, num_pairs = 0.0, 0
    for start in starts:
        for end in ends:
            step = [b - a for a, b in zip(start, end, strict=True)]
            if same_pixel or any(step):
                num_pairs += 1
                if sum(part * part for part in step) <= radius**2 + 1e-9:
                    total += 1 / len(places & {tuple(np.add(place, step).tolist()) for place in places})
    return len(places) ** 2 * total / num_pairs


def nuclei(seed: int, size: int = 128, num: int = 14, radius: float = 6) -> np.ndarray:
    """Return a binary label with discs: a clustered pattern of pixels."""
    rng = generator(seed, "", "nuclei")
    rows, columns = np.ogrid[:size, :size]
    label = np.zeros((size, size), dtype=np.uint8)
    for row, column in rng.uniform(0, size, (num, 2)):
        label[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 1
    return label


def test_an_asymmetric_label_by_hand() -> None:
    # Points at (0, 0), (0, 1), (2, 1) in 3 x 3: one pair at (0, 1) of 6 places, one at (2, 1) of 2, one at (2, 0) of 3;
    # each counted in both directions, times 81 / (3 · 2).
    found = ripley_k(np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0]]), 1, [1, 2, math.sqrt(5)])
    expected = 81 / 6 * 2 * np.cumsum([1 / 6, 1 / 3, 1 / 2])
    np.testing.assert_allclose(found.k, expected, rtol=1e-12)
    # 4, 12 and 20 displacements; the lattice null scales them by A / (A - 1)
    np.testing.assert_allclose(found.null_k, 9 / 8 * np.array([4, 12, 20]), rtol=1e-12)
    np.testing.assert_allclose(found.g, [4.5 / 4.5, 9 / 9, 13.5 / 9], rtol=1e-12)
    np.testing.assert_allclose(found.l_minus_r, np.array([1, 2, math.sqrt(5)]) * (np.sqrt([1, 1, 27 / 22.5]) - 1))
    np.testing.assert_allclose(found.plain_l, np.sqrt(expected / math.pi))


def test_a_hole_changes_the_correction_by_hand() -> None:
    # Window of 5 pixels, points in (0, 0) and (0, 1); displacement (0, 1) fits at (0,0), (1,0), (1,1) only.
    found = ripley_k(np.array([[1, 1, IGNORE], [0, 0, 0]]), 1, [1])
    np.testing.assert_allclose(found.k, [25 / 2 * (2 / 3)])
    np.testing.assert_allclose(found.null_k, [5 / 4 * 4])


@pytest.mark.parametrize("shape", [(7, 10), (4, 5, 4)])
@pytest.mark.parametrize("share_ignored", [0.0, 0.15])
def test_equal_to_a_double_loop(shape: tuple[int, ...], share_ignored: float) -> None:
    label, noisy = random_label(shape, 5, share_ignored), random_label(shape, 6, share_ignored)
    window = label != IGNORE
    both = window & (noisy != IGNORE)
    within, across = ripley_k(label, 1, RADII), cross_k(label, 2, 1, RADII)
    between = cross_k_between(label, noisy, 1, 2, RADII)
    for index, radius in enumerate(RADII):
        one, two = label == 1, label == 2
        assert within.k[index] == pytest.approx(looped_k(one, one, window, radius, False), rel=1e-9)
        assert across.k[index] == pytest.approx(looped_k(two, one, window, radius, False), rel=1e-9)
        expected = looped_k(one & both, (noisy == 2) & both, both, radius, True)
        assert between.k[index] == pytest.approx(expected, rel=1e-9)


def test_every_set_of_pixels_averages_to_the_null_exactly() -> None:
    window = np.array([[0, 0, 0], [0, IGNORE, 0], [0, 0, 0], [0, 0, 0]])
    places = np.argwhere(window == 0)
    curves = []
    for first in range(len(places)):
        for second in range(first):
            label = window.copy()
            label[tuple(places[[first, second]].T)] = 1
            curves.append(ripley_k(label, 1, [1, math.sqrt(2), 2]))
    # over all C(11, 2) sets, an identity, not a limit
    np.testing.assert_allclose(np.mean([curve.k for curve in curves], axis=0), curves[0].null_k, rtol=1e-12)


def test_all_placings_of_two_labels_average_to_their_null_exactly() -> None:
    places = [(row, column) for row in range(2) for column in range(3)]
    curves = []
    for one in places:
        for two in places:
            clean, noisy = np.zeros((2, 3), dtype=int), np.zeros((2, 3), dtype=int)
            clean[one], noisy[two] = 1, 2
            curves.append(cross_k_between(clean, noisy, 1, 2, [0, 1]))
    np.testing.assert_allclose(np.mean([curve.k for curve in curves], axis=0), [1, 5], rtol=1e-12)
    np.testing.assert_allclose(curves[0].null_k, [1, 5], rtol=1e-12)


def test_a_bernoulli_lattice_is_random_and_not_pi_r_squared() -> None:
    label = (generator(0, "", "bernoulli").random((512, 512)) < 0.2).astype(np.uint8)
    found = ripley_k(label, 1)
    # 52 000 points: at r = 1 there are 21 000 unordered pairs, so the sd of K is 0.7 %
    assert np.abs(found.relative_k - 1).max() < 0.02
    assert np.abs(found.l_minus_r[:30]).max() < 0.1
    assert found.k[0] / math.pi == pytest.approx(4 / math.pi, rel=0.02)  # 1.27: four neighbours in a disc of area π
    assert found.null_k[0] == pytest.approx(4, rel=1e-5)
    assert found.plain_l[0] - 1 > 0.1  # so the planar L calls a random lattice clustered


def test_clusters_lie_above_and_a_regular_pattern_below_the_null() -> None:
    clustered = ripley_k(nuclei(0), 1, [1, 3, 5])
    assert (clustered.l_minus_r > 0.5).all()
    assert (clustered.g > 1.5).all()
    regular = np.zeros((60, 60), dtype=np.uint8)
    regular[::4, ::4] = 1
    apart = ripley_k(regular, 1, [1, 3, 4])
    np.testing.assert_allclose(apart.relative_k[:2], 0)
    np.testing.assert_allclose(apart.l_minus_r[:2], [-1, -3])
    assert apart.g[2] > 1  # the spacing itself


def test_cross_type_signs() -> None:
    clean = nuclei(1)
    flipped = clean ^ (generator(2, "", "flip").random(clean.shape) < 0.3)
    assert (cross_k_between(clean, flipped, 1, radii_px=[0, 2, 5]).relative_k > 1.2).all()
    rng = generator(3, "", "independent")
    unrelated = rng.permutation(clean.ravel()).reshape(clean.shape)
    # about 140 of the points thrown at random meet the discs: sd 8 %
    assert np.abs(cross_k_between(clean, unrelated, 1, radii_px=[5]).relative_k - 1) < 0.25
    apart = np.zeros((20, 20), dtype=np.uint8)
    apart[:4], apart[12:] = 1, 2
    assert cross_k(apart, 1, 2, [5]).relative_k == 0


def test_flips_transposes_and_class_permutations() -> None:
    label = random_label((11, 8), 7)
    renamed = np.array([4, 0, 2])[np.where(label == IGNORE, 0, label)]
    renamed[label == IGNORE] = IGNORE
    for moved in (label[::-1], label[:, ::-1], label.T):
        np.testing.assert_allclose(ripley_k(moved, 1, RADII).k, ripley_k(label, 1, RADII).k, rtol=1e-12)
        np.testing.assert_allclose(cross_k(moved, 1, 2, RADII).k, cross_k(label, 1, 2, RADII).k, rtol=1e-12)
    np.testing.assert_allclose(cross_k(renamed, 0, 2, RADII).k, cross_k(label, 1, 2, RADII).k, rtol=1e-12)
    np.testing.assert_allclose(cross_k(label, 2, 1, RADII).k, cross_k(label, 1, 2, RADII).k, rtol=1e-12)


def test_pooling_is_a_ratio_of_weighted_sums() -> None:
    labels = [random_label((9, 12), 8), random_label((20, 11), 9, num_classes=6)]
    one, two = (ripley_k(label, 1, [1, 2]) for label in labels)
    pooled = pool_second_order([one, two], [3, 0.5])
    expected = (3 * one.numerators + 0.5 * two.numerators) / (3 * one.denominator + 0.5 * two.denominator)
    np.testing.assert_allclose(pooled.k, expected, rtol=1e-12)
    assert pooled.num_images == 2
    np.testing.assert_allclose(pool_second_order([one, one]).k, one.k, rtol=1e-12)
    np.testing.assert_allclose(pool_second_order([one, two], [1, 0]).null_k, one.null_k, rtol=1e-12)


def test_pooling_random_images_of_unequal_density_stays_at_the_null() -> None:
    estimates = []
    for index, density in enumerate([0.02, 0.1, 0.4] * 10):
        label = (generator(index, "", "pool").random((40 + index, 50)) < density).astype(np.uint8)
        estimates.append(ripley_k(label, 1, [1, 2, 4]))
    # dominated by ten images with n = 900 points, 1600 pairs of neighbours each: sd of the ratio below 1 %
    np.testing.assert_allclose(pool_second_order(estimates).relative_k, 1, atol=0.03)


def test_images_without_pairs_add_nothing_and_small_ones_are_not_passed_over() -> None:
    good = ripley_k(random_label((12, 12), 10), 1, [1, 4])
    empty = ripley_k(np.zeros((12, 12), dtype=int), 1, [1, 4])
    np.testing.assert_allclose(pool_second_order([good, empty]).k, good.k)
    small = ripley_k(random_label((3, 12), 11, 0.0), 1, [1, 4])
    assert np.isnan(pool_second_order([good, small]).k).tolist() == [False, True]
    assert np.isnan(pool_second_order([empty]).k).all()


def test_undefined_values_are_nan() -> None:
    label = random_label((6, 9), 12, 0.0)
    beyond = ripley_k(label, 1, [5, 6, 100, 1e300])
    assert np.isnan(beyond.k).tolist() == [False, True, True, True]
    assert np.isnan(beyond.relative_k).tolist() == [False, True, True, True]
    one_point = np.zeros((4, 4), dtype=int)
    one_point[1, 2] = 1
    everything_ignored = np.full((4, 4), IGNORE)
    for estimate in (ripley_k(one_point, 1, [1]), ripley_k(one_point, 2, [1]), ripley_k(everything_ignored, 1, [1])):
        assert np.isnan([estimate.k, estimate.l_minus_r, estimate.g, estimate.plain_l]).all()
    assert np.isnan(cross_k(one_point, 1, 2, [1]).k)
    assert np.isnan(cross_k_between(one_point, everything_ignored, 1, radii_px=[1]).k)
    # two islands three columns apart: displacement (0, 2) fits nowhere, so K stops before it
    islands = np.array([[1, 1, IGNORE, IGNORE, 1, 1]] * 6)
    assert np.isnan(ripley_k(islands, 1, [1, 2]).k).tolist() == [False, True]


def test_an_empty_ring_has_no_pair_correlation() -> None:
    found = ripley_k(random_label((9, 9), 13), 1, [0, 1, 1.2, math.sqrt(2)])
    assert np.isnan(found.g).tolist() == [True, False, True, False]


def test_default_radii_reach_a_quarter_of_the_shortest_side() -> None:
    assert ripley_k(random_label((40, 17), 14), 1).radii_px.tolist() == [1, 2, 3, 4]
    assert ripley_k(random_label((2, 2), 14), 1).radii_px.tolist() == [1]


def test_bad_input_is_named() -> None:
    label = random_label((6, 6), 15)
    for wrong in ([], [2, 1], [1, 1], [-1, 2], [float("nan")], [[1, 2]], 3):
        with pytest.raises(ValueError, match="radii_px must be increasing numbers"):
            ripley_k(label, 1, wrong)
    with pytest.raises(ValueError, match=r"must differ; got 1 twice. Use `ripley_k`"):
        cross_k(label, 1, 1)
    with pytest.raises(ValueError, match="same shape"):
        cross_k_between(label, label[1:], 1)
    with pytest.raises(ValueError, match="at least one estimate"):
        pool_second_order([])
    with pytest.raises(ValueError, match="same radii"):
        pool_second_order([ripley_k(label, 1, [1]), ripley_k(label, 1, [2])])
    for weights in ([1, 2], [-1], [float("inf")]):
        with pytest.raises(ValueError, match="weights must be 1 numbers of at least 0"):
            pool_second_order([ripley_k(label, 1, [1])], weights)


@pytest.mark.parametrize("radius", [1, 31_623, 40_000, 2**26 - 1])
def test_a_whole_radius_is_its_square_and_a_root_is_a_tie(radius: int) -> None:
    assert squared_radii(np.array([float(radius)])) == radius**2
    squares = radius**2 + np.array([1, 2, 3])
    if radius < 2**20:  # beyond, a root is closer to the next one than rounding may be
        np.testing.assert_array_equal(squared_radii(np.sqrt(squares)), squares)
        np.testing.assert_array_equal(squared_radii(np.sqrt(squares - 0.3)), squares - 1)


def test_a_result_cannot_be_changed() -> None:
    estimate: SecondOrder = ripley_k(random_label((6, 6), 16), 1, [1])
    with pytest.raises(AttributeError):
        estimate.denominator = 1.0  # type: ignore[misc]


def test_the_null_is_pooled_with_the_weights_of_the_estimate_by_hand() -> None:
    one = SecondOrder(np.array([1.0]), np.array([6.0]), 2.0, np.array([4.0]), 2)
    other = SecondOrder(np.array([1.0]), np.array([5.0]), 6.0, np.array([8.0]), 2)
    plain = pool_second_order([one, other])  # (6 + 5) / (2 + 6), null (2 * 4 + 6 * 8) / 8
    assert (plain.k[0], plain.null_k[0]) == (11 / 8, 7)
    weighted = pool_second_order([one, other], [3, 1])  # (18 + 5) / (6 + 6), null (6 * 4 + 6 * 8) / 12
    assert (weighted.k[0], weighted.null_k[0]) == (23 / 12, 6)
