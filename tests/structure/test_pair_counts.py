"""Pair counts by displacement: worked by hand, against a double loop, and what IGNORE and bad input do."""

import numpy as np
import pytest

from metastructure.label import IGNORE
from metastructure.rng import generator
from metastructure.structure.pair_counts import PairCounts, pair_counts, pair_counts_between


def random_label(shape: tuple[int, ...], seed: int, share_ignored: float = 0.2, num_classes: int = 3) -> np.ndarray:
    """Return an integer label whose window has holes."""
    rng = generator(seed, "", "test")
    label = rng.integers(0, num_classes, shape).astype(np.uint8)
    label[rng.random(shape) < share_ignored] = IGNORE
    return label


def looped(first: np.ndarray, second: np.ndarray, same_pixel: bool) -> np.ndarray:
    """Return the counts by walking over all pairs of places."""
    counts = np.zeros([2 * size - 1 for size in first.shape], dtype=np.int64)
    middle = np.array(first.shape) - 1
    for start in np.argwhere(first):
        for end in np.argwhere(second):
            if same_pixel or (start != end).any():
                counts[tuple(end - start + middle)] += 1
    return counts


def as_tuple(pairs: PairCounts) -> tuple[list[object], ...]:
    return pairs.found.tolist(), pairs.possible.tolist(), [pairs.num_found, pairs.num_possible, pairs.num_pixels]


def test_an_asymmetric_label_by_hand() -> None:
    # classes 1 at (0, 0), (0, 1) and (1, 2); 2 at (1, 0); one IGNORE at (0, 2)
    label = np.array([[1, 1, IGNORE], [2, 0, 1]])
    within = pair_counts(label, 1)
    assert within.found.tolist() == [[1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 1, 1]]
    # window: five pixels; rows apart by one: (0,0) and (0,1) over (1,0), (1,1), (1,2)
    assert within.possible.tolist() == [[1, 2, 2, 1, 0], [1, 3, 0, 3, 1], [0, 1, 2, 2, 1]]
    assert (within.num_found, within.num_possible, within.num_pixels) == (6, 20, 5)
    across = pair_counts(label, 2, 1)  # from (1, 0) to (0, 0), (0, 1), (1, 2)
    assert across.found.tolist() == [[0, 0, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert across.num_found == 3


def test_between_labels_counts_displacement_zero_and_leaves_out_ignore_of_either() -> None:
    clean, noisy = np.array([[1, 1, 0, 1]]), np.array([[1, 0, 1, IGNORE]])
    pairs = pair_counts_between(clean, noisy, 1)  # window: the first three; from 0, 1 to 0, 2
    assert pairs.found.tolist() == [[0, 0, 1, 1, 1, 1, 0]]
    assert pairs.possible.tolist() == [[0, 1, 2, 3, 2, 1, 0]]
    assert (pairs.num_found, pairs.num_possible, pairs.num_pixels) == (4, 9, 3)


@pytest.mark.parametrize("shape", [(7, 10), (1, 9), (6, 1), (4, 5, 3)])
@pytest.mark.parametrize("share_ignored", [0.0, 0.25])
def test_equal_to_a_double_loop(shape: tuple[int, ...], share_ignored: float) -> None:
    label = random_label(shape, 1, share_ignored)
    window = label != IGNORE
    for first, second in [(1, 1), (1, 2), (2, 0)]:
        pairs = pair_counts(label, first, second)
        np.testing.assert_array_equal(pairs.found, looped(label == first, label == second, same_pixel=False))
        np.testing.assert_array_equal(pairs.possible, looped(window, window, same_pixel=False))
        assert pairs.found.sum() == pairs.num_found
        assert pairs.possible.sum() == pairs.num_possible
    other = random_label(shape, 2, share_ignored)
    both = window & (other != IGNORE)
    pairs = pair_counts_between(label, other, 1, 2)
    np.testing.assert_array_equal(pairs.found, looped((label == 1) & both, (other == 2) & both, same_pixel=True))
    np.testing.assert_array_equal(pairs.possible, looped(both, both, same_pixel=True))


def test_a_limit_cuts_the_middle_out_of_all_displacements() -> None:
    label = random_label((9, 14), 3)
    whole, cut = pair_counts(label, 1, 2), pair_counts(label, 1, 2, max_displacement_px=3)
    np.testing.assert_array_equal(cut.found, whole.found[8 - 3 : 8 + 4, 13 - 3 : 13 + 4])
    np.testing.assert_array_equal(cut.possible, whole.possible[8 - 3 : 8 + 4, 13 - 3 : 13 + 4])
    assert cut.num_found == whole.num_found
    assert as_tuple(pair_counts(label, 1, 2, max_displacement_px=99)) == as_tuple(whole)


def test_flips_transposes_and_class_permutations() -> None:
    label = random_label((6, 9), 4)
    pairs = pair_counts(label, 1, 2)
    np.testing.assert_array_equal(pair_counts(label[::-1], 1, 2).found, pairs.found[::-1])
    np.testing.assert_array_equal(pair_counts(label[:, ::-1], 1, 2).found, pairs.found[:, ::-1])
    np.testing.assert_array_equal(pair_counts(label.T, 1, 2).found, pairs.found.T)
    np.testing.assert_array_equal(pair_counts(label, 2, 1).found, pairs.found[::-1, ::-1])
    renamed = np.array([7, 0, 3])[np.where(label == IGNORE, 0, label)]
    renamed[label == IGNORE] = IGNORE
    np.testing.assert_array_equal(pair_counts(renamed, 0, 3).found, pairs.found)


def test_integers_stay_exact_at_512() -> None:
    label = np.ones((512, 512), dtype=np.uint8)
    label[100, 200] = IGNORE  # so that the window too goes through the FFT
    pairs = pair_counts(label, 1)
    np.testing.assert_array_equal(pairs.found, pairs.possible)
    assert int(pairs.found.sum()) == pairs.num_found == (512**2 - 1) * (512**2 - 2)


def test_an_absent_class_and_an_empty_window() -> None:
    pairs = pair_counts(np.array([[0, 1], [0, 0]]), 5)
    assert not pairs.found.any()
    assert pairs.num_found == 0
    nothing = pair_counts(np.full((2, 3), IGNORE), 1)
    assert not nothing.possible.any()
    assert nothing.num_possible == 0


def test_the_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        pair_counts(np.array([[0, 1]]), 1).found[0, 0] = 3


def test_bad_input_is_named() -> None:
    label = np.array([[0, 1]])
    with pytest.raises(ValueError, match=r"same shape; got \(1, 2\) and \(2, 1\)"):
        pair_counts_between(label, label.T, 1)
    with pytest.raises(ValueError, match=r"from_class must be a class in 0..254; got 255"):
        pair_counts(label, IGNORE)
    with pytest.raises(TypeError, match=r"to_class must be an integer class; got 1\.0"):
        pair_counts(label, 1, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_displacement_px must be at least 0; got -2"):
        pair_counts(label, 1, max_displacement_px=-2)
    with pytest.raises(TypeError, match="integer classes; got float64"):
        pair_counts(label * 0.5, 1)
