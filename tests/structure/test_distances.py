"""F, G and J: worked by hand, against a walk over all places, exact nulls, signs, pooling and bad input."""

import itertools
import math

import numpy as np
import pytest

from metastructure.label import IGNORE
from metastructure.rng import generator
from metastructure.structure.distances import (
    DistanceFunction,
    empty_space_f,
    j_function,
    nearest_neighbour_g,
    pool_distances,
)

RADII = [0.0, 1.0, math.sqrt(2), 1.9, 2.0, math.sqrt(5), 3.0]


def random_label(shape: tuple[int, ...], seed: int, share_ignored: float, density: float = 0.1) -> np.ndarray:
    """Return a binary label whose window has holes."""
    rng = generator(seed, "", "test")
    label = (rng.random(shape) < density).astype(np.uint8)
    label[rng.random(shape) < share_ignored] = IGNORE
    return label


def walked(label: np.ndarray, radius: float, from_points: bool) -> float:
    """Return F or G by its definition: the product of hazards over the squared distances up to the radius."""
    points = [tuple(place) for place in np.argwhere(label == 1).tolist()]
    unseen = [tuple(place) for place in (np.argwhere(np.pad(label, 1, constant_values=IGNORE) == IGNORE) - 1).tolist()]
    starts = points if from_points else [tuple(place) for place in np.argwhere(label != IGNORE).tolist()]

    def squared(one: tuple[int, ...], others: list[tuple[int, ...]]) -> int:
        return min(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for other in others)

    nearest = [squared(one, [other for other in points if not from_points or other != one]) for one in starts]
    sight = [squared(one, unseen) for one in starts]
    survival = 1.0
    for t in range(math.floor(radius**2 + 1e-9) + 1):
        at_risk = [near for near, far in zip(nearest, sight, strict=True) if far > t and near >= t]
        if survival and not at_risk:
            return math.nan
        survival *= 1 - sum(near == t for near in at_risk) / len(at_risk) if at_risk else 0
    return 1 - survival


def discs(seed: int) -> np.ndarray:
    """Return sparse points in clusters."""
    rng = generator(seed, "", "clusters")
    rows, columns = np.ogrid[:120, :120]
    density = np.full((120, 120), 0.002)
    for row, column in rng.uniform(10, 110, (12, 2)):
        density[(rows - row) ** 2 + (columns - column) ** 2 <= 25] = 0.3
    return (rng.random((120, 120)) < density).astype(np.uint8)


def test_f_of_an_asymmetric_label_by_hand() -> None:
    # One point at (1, 1) of 3 x 4. t = 0: 12 places, 1 event. t = 1: of the two places that see further than 1, (1, 1)
    # is gone, (1, 2) has the point at 1: hazard 1.
    label = np.zeros((3, 4), dtype=int)
    label[1, 1] = 1
    found = empty_space_f(label, 1, [0, 1, 2])
    np.testing.assert_allclose(found.values, [1 / 12, 1, 1])
    assert (found.events[:2].tolist(), found.at_risk[:2].tolist()) == ([1, 1], [12, 1])


def test_g_of_an_asymmetric_label_by_hand() -> None:
    # 5 x 8, points at columns 1, 2, 4, 6 of the middle row: nearest at 1, 1, 2, 2; sight 2, 3, 3, 2. At t = 1 four are
    # at risk, two have a neighbour; at t = 4 column 4 alone is at risk (column 6 sees less) and has one.
    label = np.zeros((5, 8), dtype=int)
    label[2, [1, 2, 4, 6]] = 1
    np.testing.assert_allclose(nearest_neighbour_g(label, 1, [0, 1, 1.9, 2]).values, [0, 0.5, 0.5, 1])
    label[2, 7] = IGNORE  # column 6 sees less than 1 now: not at risk there
    np.testing.assert_allclose(nearest_neighbour_g(label, 1, [1]).values, [2 / 3])


@pytest.mark.parametrize("shape", [(9, 13), (5, 6, 6)])
@pytest.mark.parametrize("share_ignored", [0.0, 0.04])
def test_equal_to_a_walk_over_all_places(shape: tuple[int, ...], share_ignored: float) -> None:
    label = random_label(shape, 1, share_ignored)
    empty, near = empty_space_f(label, 1, RADII), nearest_neighbour_g(label, 1, RADII)
    np.testing.assert_allclose(empty.values, [walked(label, radius, False) for radius in RADII], rtol=1e-9)
    np.testing.assert_allclose(near.values, [walked(label, radius, True) for radius in RADII], rtol=1e-9)


def test_the_null_is_the_mean_over_all_sets_of_points() -> None:
    # the middle of 5 x 5 sees radius 2: over all 2300 sets of three points, how many miss its disc
    inside = [(r - 2) ** 2 + (c - 2) ** 2 <= 4 for r in range(5) for c in range(5)]
    missed = sum(not any(inside[place] for place in chosen) for chosen in itertools.combinations(range(25), 3))
    label = np.zeros((5, 5), dtype=int)
    label[0, :3] = 1
    assert empty_space_f(label, 1, [2]).null[0] == pytest.approx(1 - missed / 2300, rel=1e-9)
    inside.pop(12)  # G: the middle is a point, two others lie on the 24 places left
    missed = sum(not any(inside[place] for place in chosen) for chosen in itertools.combinations(range(24), 2))
    assert nearest_neighbour_g(label, 1, [2]).null[0] == pytest.approx(1 - missed / 276, rel=1e-9)


def test_a_bernoulli_lattice_follows_the_null() -> None:
    label = random_label((400, 400), 2, 0.001, density=0.03)
    radii = [0, 1, 2, 3, 4, 5]
    empty, near = empty_space_f(label, 1, radii), nearest_neighbour_g(label, 1, radii)
    # 4800 points: sd of G below 0.7 %, and F averages over more; 4 sd
    np.testing.assert_allclose(empty.values, empty.null, atol=0.03)
    np.testing.assert_allclose(near.values, near.null, atol=0.03)
    assert j_function(empty, near)[0] == pytest.approx(1, rel=1e-12)  # an identity at r = 0
    np.testing.assert_allclose(j_function(empty, near)[:5], 1, atol=0.12)  # at r = 4 about 900 points are still alone


def test_clusters_and_regular_patterns_have_the_right_signs() -> None:
    clustered = discs(0)
    empty, near = empty_space_f(clustered, 1, [2, 3, 4]), nearest_neighbour_g(clustered, 1, [2, 3, 4])
    assert (near.values > near.null + 0.1).all()
    assert (empty.values < empty.null - 0.05).all()
    assert (j_function(empty, near) < 0.6).all()
    regular = np.zeros((60, 60), dtype=np.uint8)
    regular[::6, ::6] = 1
    empty, near = empty_space_f(regular, 1, [2, 3, 4]), nearest_neighbour_g(regular, 1, [2, 3, 4])
    assert (near.values < near.null).all()
    assert (empty.values > empty.null).all()
    assert (j_function(empty, near) > 1.4).all()


def test_values_never_fall_and_stay_probabilities() -> None:
    label = random_label((60, 50), 3, 0.002, density=0.01)
    for function in (empty_space_f(label, 1), nearest_neighbour_g(label, 1)):
        known = function.values[~np.isnan(function.values)]
        assert len(known) > 5
        assert (np.diff(known) >= 0).all()
        assert 0 <= known[0] <= known[-1] <= 1


def test_flips_transposes_and_class_permutations() -> None:
    label = random_label((14, 9), 4, 0.03)
    renamed = np.where(label == IGNORE, IGNORE, np.where(label == 1, 6, 3))
    for measure in (empty_space_f, nearest_neighbour_g):
        expected = measure(label, 1, RADII).values
        for moved, point_class in [(label[::-1], 1), (label[:, ::-1], 1), (label.T, 1), (renamed, 6)]:
            np.testing.assert_array_equal(measure(moved, point_class, RADII).values, expected)


def test_pooling_sums_events_and_those_at_risk() -> None:
    one, two = random_label((12, 14), 5, 0.02), random_label((22, 17), 6, 0.0, density=0.05)
    first, second = (nearest_neighbour_g(label, 1, [1, 2, 3]) for label in (one, two))
    pooled = pool_distances([first, second], [1, 2])
    hazards = [
        (first.events[t] + 2 * second.events[t]) / (first.at_risk[t] + 2 * second.at_risk[t])
        for t in range(5)
    ]  # fmt: skip
    assert pooled.values[1] == pytest.approx(1 - np.prod(1 - np.array(hazards)), rel=1e-12)
    np.testing.assert_allclose(pool_distances([first, first]).values, first.values)
    small = nearest_neighbour_g(random_label((5, 5), 7, 0.0, density=0.3), 1, [1, 2, 3])
    assert len(small.events) < len(second.events)
    np.testing.assert_allclose(pool_distances([small, second], [0, 1]).values, second.values)
    assert pool_distances([small, second]).at_risk[0] == small.at_risk[0] + second.at_risk[0]


def test_images_without_points_add_nothing() -> None:
    good = empty_space_f(random_label((12, 14), 8, 0.0), 1, [1, 2])
    none = empty_space_f(np.zeros((12, 14), dtype=int), 1, [1, 2])
    np.testing.assert_allclose(pool_distances([good, none]).values, good.values)
    assert np.isnan(pool_distances([none]).values).all()


def test_undefined_values_are_nan() -> None:
    one_point = np.zeros((4, 4), dtype=int)
    one_point[1, 2] = 1
    ignored = np.full((4, 4), IGNORE)
    for function in (
        empty_space_f(one_point, 3, [1, 2]),
        empty_space_f(ignored, 1, [1, 2]),
        nearest_neighbour_g(one_point, 1, [1, 2]),
    ):
        assert np.isnan([function.values, function.null]).all()
    assert np.isnan(j_function(empty_space_f(one_point, 1, [1]), nearest_neighbour_g(one_point, 1, [1]))).all()
    sparse = np.zeros((9, 9), dtype=int)
    sparse[0, 0] = sparse[0, 1] = 1
    assert np.isnan(empty_space_f(sparse, 1, [4, 5, 1000]).values).tolist() == [False, True, True]


def test_bad_input_is_named() -> None:
    label = random_label((8, 8), 9, 0.0)
    with pytest.raises(ValueError, match="point_class must be a class in 0..254; got 255"):  # noqa: RUF043
        empty_space_f(label, IGNORE)
    with pytest.raises(ValueError, match="radii_px must be increasing"):
        nearest_neighbour_g(label, 1, [2, 1])
    with pytest.raises(ValueError, match="same radii"):
        j_function(empty_space_f(label, 1, [1]), nearest_neighbour_g(label, 1, [2]))
    with pytest.raises(ValueError, match="same radii"):
        pool_distances([empty_space_f(label, 1, [1]), empty_space_f(label, 1, [2])])
    with pytest.raises(ValueError, match="at least one function"):
        pool_distances([])
    function: DistanceFunction = empty_space_f(label, 1, [1])
    with pytest.raises(ValueError, match="weights must be 1 numbers"):
        pool_distances([function], [1, 2])


def test_the_null_is_pooled_by_places_and_weights_by_hand() -> None:
    few = DistanceFunction(np.array([0.0]), np.array([2.0]), np.array([10.0]), np.array([0.5]))
    many = DistanceFunction(np.array([0.0]), np.array([3.0]), np.array([30.0]), np.array([0.9]))
    plain = pool_distances([few, many])  # survival 35 / 40, null (10 * 0.5 + 30 * 0.9) / 40
    np.testing.assert_allclose((plain.survival[0], plain.null_survival[0]), (35 / 40, 0.8))
    weighted = pool_distances([few, many], [3, 1])  # 51 / 60, null (30 * 0.5 + 30 * 0.9) / 60
    np.testing.assert_allclose((weighted.survival[0], weighted.null_survival[0]), (51 / 60, 0.7))
