"""Flipping by a rate or a matrix: where the changed pixels go, how many they are, what is refused."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from metastructure.errors import ConfigError
from metastructure.noise import Flipping, MatrixFlipping, parse_noise
from metastructure.rng import generator


def test_rate_0_keeps_and_rate_1_inverts():
    label = np.array([[0, 1, 1, 255, 0]])
    assert np.array_equal(Flipping(rate=0)(label, generator(0)), label)
    assert Flipping(rate=1)(label, generator(0)).tolist() == [[1, 0, 0, 255, 1]]


@pytest.mark.parametrize("num_classes", [2, 3, 19, 255])
@pytest.mark.parametrize("exact", [False, True])
def test_flipped_pixels_spread_evenly_over_the_other_classes(num_classes, exact):
    own = num_classes - 1
    label = np.full((300, 400), own, dtype=np.uint8)
    noisy = Flipping(rate=0.6, exact=exact)(label, generator(2), num_classes)
    changed = noisy[noisy != own]
    assert binomtest(changed.size, label.size, 0.6).pvalue > 1e-3
    counts = np.bincount(changed, minlength=num_classes)
    assert counts[own] == 0
    if num_classes > 2:
        assert chisquare(counts[:own]).pvalue > 1e-3


def test_background_flips_as_objects_do():
    label = np.array([0] * 20_000 + [1] * 20_000).reshape(200, 200)
    changed = Flipping(rate=0.3)(label, generator(0)) != label
    assert binomtest(int(changed[label == 0].sum()), 20_000, 0.3).pvalue > 1e-3
    assert binomtest(int(changed[label == 1].sum()), 20_000, 0.3).pvalue > 1e-3


def test_exact_rate_changes_the_nearest_integer_of_each_class():
    label = np.array([[0] * 10 + [1] * 7 + [2] * 5 + [255] * 4])
    changed = Flipping(rate=0.3, exact=True)(label, generator(0), 3) != label
    # 3 of 10; 2.1 of 7; 1.5 of 5 goes to the even 2
    assert [int(changed[label == klass].sum()) for klass in (0, 1, 2, 255)] == [3, 2, 2, 0]


def test_matrix_rows_are_the_clean_class():
    label = np.array([[0, 0, 1, 1, 2, 2]])
    model = MatrixFlipping(matrix=((0, 1, 0), (0, 0, 1), (1, 0, 0)))
    assert model(label, generator(0)).tolist() == [[1, 1, 2, 2, 0, 0]]


def test_exact_matrix_gives_counts_by_largest_remainder():
    label = np.array([[0] * 10 + [1] * 3])
    model = MatrixFlipping(matrix=((0.75, 0.25), (0.4, 0.6)), exact=True)
    noisy = model(label, generator(0))
    # 7.5 and 2.5 of 10: the tie goes to the first class; 1.2 and 1.8 of 3 become 1 and 2
    assert [(noisy[label == 0] == m).sum() for m in (0, 1)] == [8, 2]
    assert [(noisy[label == 1] == m).sum() for m in (0, 1)] == [1, 2]


def test_matrix_draws_pass_chi_square_per_row():
    rows = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.3, 0.3, 0.4]])
    label = np.repeat(np.arange(3, dtype=np.uint8), 30_000).reshape(300, 300)
    noisy = MatrixFlipping(matrix=tuple(map(tuple, rows)))(label, generator(0))
    for j in range(3):
        assert chisquare(np.bincount(noisy[label == j]), 30_000 * rows[j]).pvalue > 1e-3


def test_neighbours_are_independent():
    changed = Flipping(rate=0.5)(np.zeros((400, 400), dtype=np.uint8), generator(0)).astype(float) - 0.5
    for lag in (1, 2, 400):
        flat = changed.ravel()
        correlation = 4 * (flat[lag:] * flat[:-lag]).mean()
        assert abs(correlation) < 5 / np.sqrt(flat.size)  # five standard errors


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("flip:1.2", r"noise 'flip:1.2', at '1.2' \(column 6\): rate: "),
        ("flip", "flip needs rate"),
        ("matrix:[[0.5,0.5]]", r"matrix: the matrix must be square; its rows have \[2\] entries"),
        ("clean + matrix:[[1,0],[0.5,0.4]]", r"\(column 16\): matrix: row 1 .* sums to 0.9"),
        ("matrix:[[0.9,0.3],[0.1,0.7]]", "transposed"),
    ],
)
def test_bad_rates_and_matrices_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        parse_noise(spec)


def test_matrix_of_the_wrong_size_is_refused_when_the_classes_are_known():
    model = MatrixFlipping(matrix=((1, 0), (0.5, 0.5)))
    with pytest.raises(ValueError, match="2 rows but the labels have 3 classes"):
        model.check_num_classes(3)
    with pytest.raises(ValueError, match="2 rows"):
        model(np.array([[0, 2]]), generator(0))
