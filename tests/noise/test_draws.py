"""The shared draws: exact limits, unbiased words, exact counts without preference."""

import numpy as np
import pytest
from scipy.stats import chisquare

from metastructure.noise.draws import WORD, draw_classes, draw_words, fix_count, is_below, threshold
from metastructure.rng import generator


def test_probabilities_0_and_1_are_exact():
    words = np.array([0, 1, WORD - 1], dtype=np.uint32)
    assert is_below(words, threshold(0.0)).tolist() == [False, False, False]
    assert is_below(words, threshold(1.0)).tolist() == [True, True, True]
    assert is_below(words, threshold(0.5)).tolist() == [True, True, False]


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


@pytest.mark.parametrize(("start_rate", "count"), [(0.9, 3), (0.1, 5), (0.5, 0), (0.5, 8), (0.0, 1)])
def test_fixed_count_is_exact_and_keeps_to_the_members(start_rate, count):
    for trial in range(20):
        rng = generator(trial, "", "fix")
        members = np.zeros(60, dtype=bool)
        members[10:18] = True
        picked = rng.random(60) < start_rate
        outside = picked[~members].copy()
        fix_count(rng, picked, members, count)
        assert picked[members].sum() == count
        assert np.array_equal(picked[~members], outside)


@pytest.mark.parametrize("pool", [4, 4000])
def test_every_member_is_equally_likely(pool):
    """Both ways of drawing, listing the pool and guessing positions, prefer no position."""
    members = np.arange(4000) < pool
    hits = np.zeros(4000)
    for trial in range(2000):
        rng = generator(trial, "", "even")
        picked = is_below(draw_words(rng, 4000), threshold(0.5))
        fix_count(rng, picked, members, pool // 4)
        hits += picked & members
    groups = hits[members].reshape(4, -1).sum(axis=1)
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
