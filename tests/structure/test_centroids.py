"""Objects as points: centroids by hand, K against a double loop over real coordinates, windows with holes, limits."""

import math

import numpy as np
import pytest

from metastructure.label import IGNORE
from metastructure.rng import generator
from metastructure.structure import centroids
from metastructure.structure.centroids import centroid_k, object_centroids
from metastructure.structure.ripley import ripley_k
from metastructure.structure.second_order import pool_second_order


def window_with_holes(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.asarray(generator(seed, "", "window").random(shape) > 0.15)


def points_in(window: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Return uniform points with real coordinates in the window."""
    rng = generator(seed, "", "points")
    pixels = np.argwhere(window)
    chosen = pixels[rng.integers(len(pixels), size=num)]
    return np.asarray(chosen + rng.uniform(-0.5, 0.5, chosen.shape))


def area_of_overlap(window: np.ndarray, step: np.ndarray) -> float:
    """Return the overlap of the window with itself moved by a real step, square by square."""
    pixels = np.argwhere(window)
    apart = np.abs(pixels[:, None] + step - pixels)
    return float(np.clip(1 - apart, 0, None).prod(axis=2).sum())


def looped_k(points: np.ndarray, window: np.ndarray, radius: float) -> float:
    total = 0.0
    for i, start in enumerate(points):
        for j, end in enumerate(points):
            if i != j and math.dist(start, end) <= radius:
                total += 1 / area_of_overlap(window, end - start)
    return float(window.sum() ** 2 / (len(points) * (len(points) - 1)) * total)


def test_centroids_by_hand() -> None:
    label = np.array([[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, IGNORE], [2, 0, 0, 2]])
    # class 1 is one object, joined at a corner: rows 0, 0, 1, 2; columns 0, 1, 1, 2
    np.testing.assert_allclose(object_centroids(label, 1), [[0.75, 1.0]])
    np.testing.assert_allclose(object_centroids(label, 2), [[0.5, 3], [3, 0], [3, 3]])
    assert object_centroids(label, 7).shape == (0, 2)
    assert object_centroids(np.ones((2, 3, 4), dtype=int), 1).tolist() == [[0.5, 1, 1.5]]


@pytest.mark.parametrize("batch", [1_000_000, 20])
@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 4)])
def test_equal_to_a_double_loop(shape: tuple[int, ...], batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centroids, "PAIRS_AT_ONCE", batch)
    radii = [0.3, 1.0, 2.2, 2.9]
    for window in (np.ones(shape, dtype=bool), window_with_holes(shape, 1)):
        points = points_in(window, 10, 2)
        points[4] = points[8]  # coincident points are a pair at distance 0
        found = centroid_k(points, window, radii)
        np.testing.assert_allclose(found.k, [looped_k(points, window, radius) for radius in radii], rtol=1e-9)
    assert found.null_k[1] == pytest.approx(math.pi if len(shape) == 2 else 4 / 3 * math.pi)


def test_pixels_as_points_give_the_same_k_as_the_label() -> None:
    label = generator(3, "", "test").integers(0, 2, (11, 14)).astype(np.uint8)
    label[3:5, 6:9] = IGNORE
    radii = [1, math.sqrt(2), 2, math.sqrt(5), 3]
    points = np.argwhere(label == 1)
    np.testing.assert_allclose(centroid_k(points, label != IGNORE, radii).k, ripley_k(label, 1, radii).k, rtol=1e-12)


def test_a_larger_radius_does_not_change_the_smaller_ones() -> None:
    window = window_with_holes((20, 16), 4)
    points = points_in(window, 30, 5)
    alone, first = centroid_k(points, window, [2]).k, centroid_k(points, window, [2, 12]).k[:1]
    np.testing.assert_allclose(first, alone, rtol=1e-12)


def test_random_points_follow_pi_r_squared() -> None:
    window = np.ones((60, 80), dtype=bool)
    window[20:35, 30:50] = False
    estimates = [centroid_k(points_in(window, 60, seed), window, [4, 8, 12]) for seed in range(60)]
    # 60 images with 1770 pairs each, 1.1 % of them within 4 px: about 1170, sd 3 %; 4 sd
    np.testing.assert_allclose(pool_second_order(estimates).relative_k, 1, atol=0.12)
    np.testing.assert_allclose(estimates[0].null_k, math.pi * np.array([4, 8, 12]) ** 2)


def test_flips_and_transposes() -> None:
    window = window_with_holes((9, 13), 6)
    points = points_in(window, 20, 7)
    expected = centroid_k(points, window, [1.5, 3]).k
    np.testing.assert_allclose(centroid_k(points * [-1, 1] + [8, 0], window[::-1], [1.5, 3]).k, expected, rtol=1e-12)
    np.testing.assert_allclose(centroid_k(points[:, ::-1], window.T, [1.5, 3]).k, expected, rtol=1e-12)


def test_undefined_values_are_nan() -> None:
    window = np.ones((6, 9), dtype=bool)
    for few in (np.empty((0, 2)), [], [[1.0, 2.0]]):
        assert np.isnan(centroid_k(few, window, [1, 2]).k).all()
    beyond = centroid_k([[1, 1], [2, 2.5]], window, [5.9, 6, 1e200])
    assert np.isnan(beyond.k).tolist() == [False, True, True]
    window[:, 3:6] = False
    window[:, 8] = False  # two islands of columns 0-2 and 6-7: a step of 3 columns fits nowhere
    assert np.isnan(centroid_k([[1, 1], [2, 2.4]], window, [2.9, 3]).k).tolist() == [False, True]


def test_bad_input_is_named() -> None:
    window = np.ones((6, 9), dtype=bool)
    window[2, 3] = False
    with pytest.raises(ValueError, match=r"Point \[2.0, 3.4\] lies outside of the window"):
        centroid_k([[1, 1], [2, 3.4]], window, [1])
    with pytest.raises(ValueError, match=r"Point \[5.6, 3.0\] lies outside"):
        centroid_k([[5.6, 3], [1, 1]], window, [1])
    with pytest.raises(ValueError, match=r"points must be \(N, 2\) finite coordinates; got shape \(1, 3\)"):
        centroid_k([[1, 1, 1]], window, [1])
    with pytest.raises(ValueError, match="points must be"):
        centroid_k([[1, float("nan")]], window, [1])
    with pytest.raises(TypeError, match="array of bool"):
        centroid_k([[1, 1]], window.astype(np.uint8), [1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"window must be \(H, W\)"):
        centroid_k([[1, 1]], window[0], [1])
    with pytest.raises(ValueError, match="radii_px must be increasing"):
        centroid_k([[1, 1]], window, [2, 1])
    with pytest.raises(TypeError, match="point_class must be an integer"):
        object_centroids(np.ones((2, 2), dtype=int), "1")  # type: ignore[arg-type]
