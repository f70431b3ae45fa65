"""Boundary F1 by hand, against all pairs of pixels, and under what must not change it."""

import numpy as np
import pytest

from metastructure.label import IGNORE
from metastructure.metrics import boundary_f1


def _slow(clean: np.ndarray, prediction: np.ndarray, klass: int, tolerance_px: float) -> float:
    counted = (clean != IGNORE) & (prediction != IGNORE)

    def boundary(label: np.ndarray) -> list[tuple[int, int]]:
        found = []
        for r, c in np.ndindex(label.shape):
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                near = r + dr, c + dc
                inside = 0 <= near[0] < label.shape[0] and 0 <= near[1] < label.shape[1]
                if inside and counted[r, c] and counted[near] and label[r, c] == klass != label[near]:
                    found.append((r, c))
        return sorted(set(found))

    def share(these: list[tuple[int, int]], those: list[tuple[int, int]]) -> float:
        hits = [any((a - r) ** 2 + (b - c) ** 2 <= tolerance_px**2 for r, c in those) for a, b in these]
        return sum(hits) / len(hits)

    first, second = boundary(clean), boundary(prediction)
    if not first and not second:
        return float("nan")
    if not first or not second:
        return 0.0
    precision, recall = share(second, first), share(first, second)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _draw(seed: int, shape: tuple[int, int] = (14, 19), C: int = 3) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, C, (shape[0] // 3 + 1, shape[1] // 3 + 1))
    return np.kron(coarse, np.ones((3, 3), int))[: shape[0], : shape[1]]


def test_hand_worked_asymmetric_case() -> None:
    # Class 1, clean: a bar in rows 0-1, columns 2-3, of a 5 x 8 image; all four of its pixels are on its boundary.
    # Prediction: the bar's left column in rows 0-3. Tolerance 0: of its four pixels two are on the clean boundary,
    # P 1/2; of the clean four two are hit, R 1/2: F1 1/2. Tolerance 1: (2, 2) is one from (1, 2), P 3/4; column 3 is
    # one from column 2, R 1: F1 2 * 3/4 / (7/4) = 6/7. Tolerance 2: all, 1.
    clean, prediction = np.zeros((5, 8), int), np.zeros((5, 8), int)
    clean[:2, 2:4] = 1
    prediction[:4, 2] = 1
    found = [boundary_f1(clean, prediction, tolerance_px=t)[1] for t in (0, 0.9, 1, 2)]
    assert found == pytest.approx([1 / 2, 1 / 2, 6 / 7, 1])
    # Class 0, tolerance 0. Clean: (0,1) (1,1) (0,4) (1,4) (2,2) (2,3). Prediction: (0..3, 1), (0..3, 3), (4, 2).
    # Shared: (0,1), (1,1), (2,3): P 3/9, R 3/6.
    assert boundary_f1(clean, prediction, tolerance_px=0)[0] == pytest.approx(2 * (1 / 3) * (1 / 2) / (5 / 6))


@pytest.mark.parametrize("tolerance_px", [0, 1, 1.5, 3])
def test_against_all_pairs_of_pixels(tolerance_px: float) -> None:
    clean, prediction = _draw(0), np.roll(_draw(0), 1, axis=1)
    prediction[4:9] = _draw(1)[4:9]
    clean[6:9, 5:11] = IGNORE
    prediction[0, :4] = IGNORE
    expected = [_slow(clean, prediction, klass, tolerance_px) for klass in range(3)]
    assert len(set(np.round(expected, 6))) == 3
    np.testing.assert_allclose(boundary_f1(clean, prediction, tolerance_px=tolerance_px), expected)


def test_limits() -> None:
    label = _draw(2)
    np.testing.assert_array_equal(boundary_f1(label, label, tolerance_px=0), 1)
    empty = np.zeros((6, 6), int)
    one = empty.copy()
    one[2, 3] = 1
    assert np.isnan(boundary_f1(empty, empty, 3)).all()
    assert boundary_f1(one, empty, 3)[:2].tolist() == [0, 0]
    assert np.isnan(boundary_f1(one, empty, 3)[2])
    assert boundary_f1(one, np.roll(one, 3, axis=0), tolerance_px=2)[1] == 0


def test_default_tolerance_is_three_quarters_of_a_percent_of_the_diagonal_and_at_least_one() -> None:
    def bar(column: int, shape: tuple[int, int]) -> np.ndarray:
        label = np.zeros(shape, int)
        label[:, column] = 1
        return label

    small, large = (8, 9), (300, 400)  # the diagonal of the large one is 500, so 3.75 px
    assert [boundary_f1(bar(3, small), bar(3 + k, small))[1] for k in (1, 2)] == [1, 0]
    assert [boundary_f1(bar(90, large), bar(90 + k, large))[1] for k in (3, 4)] == [1, 0]


def test_swaps_flips_and_permutations() -> None:
    clean, prediction = _draw(3), _draw(4)
    clean[3:5, 2:9] = IGNORE
    values = boundary_f1(clean, prediction, 3, tolerance_px=1)
    np.testing.assert_allclose(boundary_f1(prediction, clean, 3, tolerance_px=1), values)
    np.testing.assert_allclose(boundary_f1(clean[::-1].T, prediction[::-1].T, 3, tolerance_px=1), values)
    order = np.array([2, 0, 1])  # the new name of each class
    renamed = np.where(clean == IGNORE, IGNORE, order[np.minimum(clean, 2)])
    np.testing.assert_allclose(boundary_f1(renamed, order[prediction], 3, tolerance_px=1)[order], values)


def test_ignore_hides_what_is_under_it_and_makes_no_boundary() -> None:
    clean = np.zeros((9, 9), int)
    clean[2:5, 2:5] = 1
    hidden, prediction = clean.copy(), clean.copy()
    hidden[6:] = IGNORE
    prediction[7, 1:8] = 1  # wrong, but nobody vouches for it
    np.testing.assert_array_equal(boundary_f1(hidden, prediction, tolerance_px=0), 1)
    assert boundary_f1(clean, prediction, tolerance_px=0)[1] < 1
    only = np.ones((5, 5), int)
    only[:, 3:] = IGNORE
    assert np.isnan(boundary_f1(only, np.ones((5, 5), int))).all()


def test_wrong_input_is_refused() -> None:
    label = np.zeros((4, 4), int)
    with pytest.raises(ValueError, match="same shape"):
        boundary_f1(label, np.zeros((4, 5), int))
    with pytest.raises(ValueError, match=r"must be \(H, W\)"):
        boundary_f1(np.zeros((2, 4, 4), int), np.zeros((2, 4, 4), int))
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="tolerance_px must be at least 0"):
            boundary_f1(label, label, tolerance_px=wrong)
    with pytest.raises(TypeError):
        boundary_f1(label + 0.5, label)
