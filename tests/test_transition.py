"""Transition matrices: hand-worked products and singular values, limits, and the refusal of what is none."""

import math

import numpy as np
import pytest

from metastructure.contingency import contingency_table
from metastructure.rng import generator
from metastructure.transition import TransitionMatrix, sigma_min_interval


def test_composition_is_clean_to_first_to_second():
    sampled = TransitionMatrix([[1, 0], [0.75, 0.25]])
    flipped = TransitionMatrix([[0.9, 0.1], [0.2, 0.8]])
    # row 1: 0.75*[0.9, 0.1] + 0.25*[0.2, 0.8] = [0.725, 0.275]; the other order gives [0.8, 0.2]
    assert (sampled @ flipped).rows[1] == pytest.approx([0.725, 0.275])
    assert (flipped @ sampled).rows[1] == pytest.approx([0.8, 0.2])


def test_symmetric_is_singular_where_the_theory_says():
    for num_classes in (2, 3, 19):
        limit = (num_classes - 1) / num_classes
        assert TransitionMatrix.symmetric(limit, num_classes).sigma_min() < 1e-12
        # all singular values but one equal |1 - rate / limit|
        assert TransitionMatrix.symmetric(0.3, num_classes).sigma_min() == pytest.approx(1 - 0.3 / limit)


def test_rank_counts_the_classes_that_survive():
    merged = TransitionMatrix([[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]])
    assert merged.rank() == 2
    assert TransitionMatrix.identity(3).rank() == 3
    assert TransitionMatrix(np.tile([0.2, 0.3, 0.5], (3, 1))).rank() == 1
    realised = TransitionMatrix.from_counts([[510, 490], [495, 505]])
    assert (realised.rank(), realised.rank(threshold=0.05)) == (2, 1)


def test_sigma_min_of_one_sided_matrix_by_hand():
    # Q = [[1, 0], [1/2, 1/2]]: Q Q^T has trace 1.5 and determinant 0.25, so sigma² = (1.5 - sqrt(1.25)) / 2
    expected = math.sqrt((1.5 - math.sqrt(1.25)) / 2)
    assert TransitionMatrix([[1, 0], [0.5, 0.5]]).sigma_min() == pytest.approx(expected)


def test_sigma_min_is_the_distance_to_the_nearest_singular_matrix():
    matrix = TransitionMatrix([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.0, 0.2, 0.8]])
    left, values, right = np.linalg.svd(matrix.rows)
    nearest = matrix.rows - values[-1] * np.outer(left[:, -1], right[-1])
    assert abs(np.linalg.det(nearest)) < 1e-12
    assert np.linalg.norm(matrix.rows - nearest, 2) == pytest.approx(matrix.sigma_min())


def test_class_permutation_keeps_sigma_min():
    rows = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.0, 0.2, 0.8]])
    order = [2, 0, 1]
    assert TransitionMatrix(rows[np.ix_(order, order)]).sigma_min() == pytest.approx(TransitionMatrix(rows).sigma_min())


def test_unseen_class_gives_nan_row_and_is_left_out():
    matrix = TransitionMatrix.from_counts([[6, 2, 0], [0, 0, 0], [1, 1, 2]])
    assert matrix.rows[0].tolist() == [0.75, 0.25, 0]
    assert np.isnan(matrix.rows[1]).all()
    seen = np.array([[0.75, 0.25, 0], [0.25, 0.25, 0.5]])
    assert matrix.sigma_min() == pytest.approx(np.linalg.svd(seen, compute_uv=False)[-1])
    assert matrix == TransitionMatrix.from_counts([[3, 1, 0], [0, 0, 0], [2, 2, 4]])
    with pytest.raises(ValueError, match="never seen"):
        matrix.inverse()


def test_nothing_seen_gives_nan():
    assert math.isnan(TransitionMatrix.from_counts(np.zeros((2, 2))).sigma_min())


def test_inverse_undoes_the_matrix_and_refuses_singular_ones():
    matrix = TransitionMatrix([[0.9, 0.1], [0.6, 0.4]])
    assert matrix.inverse() @ matrix.rows == pytest.approx(np.eye(2))
    assert matrix.inverse().sum(axis=1) == pytest.approx([1, 1])
    with pytest.raises(ValueError, match="singular"):
        TransitionMatrix.symmetric(0.5, 2).inverse()


def test_matrix_is_read_only_and_does_not_share_memory():
    rows = np.eye(2)
    matrix = TransitionMatrix(rows)
    rows[0] = [0.5, 0.5]
    assert matrix.rows[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        matrix.rows[0, 0] = 2


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1, 0]], r"square \(C, C\); got shape \(1, 2\)"),
        ([[1.2, -0.2], [0, 1]], r"\[0, 1\]; got 1\.2"),
        ([[1, 0], [0.5, 0.4]], "Row 1 of the transition matrix sums to 0.9; each row must sum to 1"),
        ([[0.9, 0.3], [0.1, 0.7]], "transposed"),
        ([[math.nan, 0.5], [0, 1]], "NaN throughout"),
    ],
)
def test_what_is_no_transition_matrix_is_refused(rows, words):
    with pytest.raises(ValueError, match=words):
        TransitionMatrix(rows)


def test_symmetric_needs_two_classes():
    with pytest.raises(ValueError, match="at least 2; got 1"):
        TransitionMatrix.symmetric(0.1, 1)


def test_bootstrap_interval_covers_the_truth_and_shrinks_with_images():
    truth = TransitionMatrix([[0.8, 0.2], [0.4, 0.6]])
    rng = generator(0, "", "test")

    def tables(num_images):
        counts = [[rng.multinomial(200, row) for row in truth.rows] for _ in range(num_images)]
        return [np.array(table) for table in counts]

    low, high = sigma_min_interval(tables(40), generator(1, "", "bootstrap"))
    # 40 images of 2 x 200 pixels: standard error about 0.01, so 0.05 is five of them
    assert low < truth.sigma_min() < high < low + 0.05
    wide_low, wide_high = sigma_min_interval(tables(5), generator(1, "", "bootstrap"))
    assert wide_high - wide_low > high - low


def test_bootstrap_needs_two_images_and_repeats_itself():
    table = np.array([[8, 2], [1, 9]])
    assert all(math.isnan(end) for end in sigma_min_interval([table], generator(0)))
    tables = [table, table.T, 2 * table]
    assert sigma_min_interval(tables, generator(5)) == sigma_min_interval(tables, generator(5))


def test_estimate_from_a_pair_of_labels():
    clean = np.array([[0, 0, 0, 0, 1, 1, 1, 255]])
    noisy = np.array([[0, 0, 0, 1, 1, 0, 0, 1]])
    estimate = TransitionMatrix.from_counts(contingency_table(clean, noisy))
    assert estimate.rows == pytest.approx(np.array([[3 / 4, 1 / 4], [2 / 3, 1 / 3]]))
