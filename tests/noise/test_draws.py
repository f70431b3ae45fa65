"""The shared draws: exact limits, unbiased words, exact counts without preference."""

import numpy as np
import pytest
from scipy.stats import chisquare

from metastructure.noise import draws
from metastructure.noise.draws import WORD, draw_classes, draw_mask, draw_mask_exact, draw_words
from metastructure.rng import generator


def test_probabilities_are_thresholds_of_the_words():
    words = draw_words(generator(1), 999)
    for probability in (0.0, 1e-9, 0.3, 0.5, 1.0):
        expected = words.astype(float) < probability * WORD
        assert np.array_equal(draw_mask(generator(1), 999, probability), expected)


def test_blocks_change_no_bit(monkeypatch):
    classes = np.tile(np.arange(3, dtype=np.uint8), 700)
    rows = np.array([[0.2, 0.5, 0.3], [1, 0, 0], [0, 0.5, 0.5]])
    whole = draw_mask(generator(2), 2100, 0.3), draw_classes(generator(2), classes, rows)
    monkeypatch.setattr(draws, "_BLOCK", 64)
    assert np.array_equal(draw_mask(generator(2), 2100, 0.3), whole[0])
    assert np.array_equal(draw_classes(generator(2), classes, rows), whole[1])


def test_classes_are_the_inverse_of_the_cumulated_row():
    rows = np.array([[0.125, 0.25, 0.625], [0.1, 0.0, 0.9], [0, 0, 1]])
    classes = generator(0, "", "classes").integers(0, 3, 20_001).astype(np.uint8)
    words = draw_words(generator(3), len(classes))
    expected = (words[:, None] / WORD >= np.cumsum(rows, axis=1)[classes, :-1]).sum(axis=1)
    assert np.array_equal(draw_classes(generator(3), classes, rows), expected)


@pytest.mark.parametrize("num", [0, 1, 2, 7])
def test_number_of_words_is_the_one_asked_for(num):
    assert draw_words(generator(0), num).shape == (num,)


def test_words_are_the_raw_stream_low_half_first():
    raw = generator(5).bit_generator.random_raw(2).tolist()
    words = draw_words(generator(5), 3).tolist()
    assert words == [raw[0] % WORD, raw[0] // WORD, raw[1] % WORD]


def test_words_are_uniform():
    counts = np.bincount(draw_words(generator(0), 1 << 16) >> 28, minlength=16)
    assert chisquare(counts).pvalue > 1e-3  # one fixed seed: a wrong generator gives 0


@pytest.mark.parametrize(("rate", "count"), [(0.9, 3), (0.1, 5), (0.5, 0), (0.5, 8), (0.0, 1), (1.0, 7)])
def test_fixed_count_is_exact_and_keeps_to_its_class(rate, count):
    for trial in range(20):
        classes = np.zeros(60, dtype=np.uint8)
        classes[10:18] = 3
        picked = draw_mask_exact(generator(trial, "", "fix"), classes, rate, [3], lambda n: count)
        assert picked[classes == 3].sum() == count
        assert np.array_equal(picked[classes == 0], draw_mask(generator(trial, "", "fix"), 60, rate)[classes == 0])


@pytest.mark.parametrize("pool", [4, 4000])
def test_every_member_is_equally_likely(pool):
    """Both ways of drawing, listing the pool and guessing positions, prefer no position."""
    classes = (np.arange(4000) < pool).astype(np.uint8)
    hits = np.zeros(4000)
    for trial in range(2000):
        hits += draw_mask_exact(generator(trial, "", "even"), classes, 0.3, [1], lambda n: n // 4)
    groups = hits[classes == 1].reshape(4, -1).sum(axis=1)
    assert groups.sum() == 2000 * (pool // 4)
    # without replacement the spread is smaller than a multinomial's, so this bound is safe
    assert chisquare(groups).pvalue > 1e-3


def test_classes_follow_their_own_row_whatever_the_number_of_classes():
    for rows in ([[0.7, 0.3], [0.05, 0.95]], [[0.1, 0.2, 0.7], [1, 0, 0], [0.25, 0.5, 0.25]]):
        matrix = np.array(rows)
        C = len(matrix)
        classes = np.tile(np.arange(C, dtype=np.uint8), 30_000)
        drawn = draw_classes(generator(4), classes, matrix)
        for j in range(C):
            counts = np.bincount(drawn[classes == j], minlength=C)
            possible = matrix[j] > 0
            assert counts[~possible].sum() == 0
            expected = 30_000 * matrix[j][possible]
            assert len(expected) == 1 or chisquare(counts[possible], expected).pvalue > 1e-3
