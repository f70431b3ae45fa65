"""Sampling: exact counts, both fills, Bernoulli convergence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from metastructure.errors import ConfigError
from metastructure.noise import Sampling, parse_noise
from metastructure.rng import generator


def label_with(num_background, num_first, num_second, num_ignored=0):
    parts = [0] * num_background + [1] * num_first + [2] * num_second + [255] * num_ignored
    return generator(1, "", "shuffle").permutation(np.array(parts, dtype=np.uint8)).reshape(1, -1)


@pytest.mark.parametrize(("fraction", "kept"), [(0.1, (3, 1)), (0.5, (15, 4)), (0.0, (0, 0)), (1.0, (30, 7))])
def test_exactly_the_ceiling_of_each_class_is_kept(fraction, kept):
    # 0.1 x 30 = 3, ceil(0.7) = 1; 0.5 x 30 = 15, ceil(3.5) = 4
    noisy = Sampling(fraction=fraction)(label_with(50, 30, 7, 5), generator(0, "a"))
    assert ((noisy == 1).sum(), (noisy == 2).sum()) == kept
    assert (noisy == 0).sum() == 50 + 30 + 7 - sum(kept)


def test_rounding_error_of_the_product_does_not_add_a_pixel():
    assert (Sampling(fraction=0.07)(label_with(9, 100, 0), generator(0)) == 1).sum() == 7


def test_kept_pixels_keep_their_class_and_place():
    label = label_with(50, 30, 7, 5)
    noisy = Sampling(fraction=0.4)(label, generator(0, "a"))
    assert ((noisy == label) | (noisy == 0)).all()


def test_ignore_fill_samples_the_background_too():
    label = label_with(50, 30, 7, 5)
    noisy = Sampling(fraction=0.5, fill="ignore")(label, generator(0, "a"))
    assert [(noisy == klass).sum() for klass in (0, 1, 2)] == [25, 15, 4]
    assert ((noisy == label) | (noisy == 255)).all()


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.floats(0, 1), st.integers(0, 40), st.integers(0, 3))
def test_exact_count_differs_from_the_rate_by_less_than_a_pixel(fraction, num_first, seed):
    label = label_with(9, num_first, 3)
    kept = (Sampling(fraction=fraction)(label, generator(seed)) == 1).sum()
    assert fraction * num_first - 1e-6 <= kept < fraction * num_first + 1


def test_bernoulli_converges_at_the_binomial_rate():
    label = np.ones((200, 200), dtype=np.uint8)
    model = Sampling(fraction=0.1, exact=False)
    kept = [int(model(label, generator(seed)).sum()) for seed in range(40)]
    assert binomtest(sum(kept), 40 * label.size, 0.1).pvalue > 1e-3
    # the variance of one draw is n s (1 - s); 40 draws know it to a factor of 1 +- 0.22 (one sigma)
    assert 0.4 < np.var(kept) / (label.size * 0.09) < 1.9
    exact = [int(Sampling(fraction=0.1)(label, generator(seed)).sum()) for seed in range(3)]
    assert exact == [4000, 4000, 4000]


def test_every_pixel_is_equally_likely_in_exact_mode():
    label = np.ones((4, 4), dtype=np.uint8)
    hits = sum(Sampling(fraction=0.25)(label, generator(seed)).astype(int) for seed in range(2000))
    # 500 expected, standard deviation 19.4: five of them
    assert np.abs(hits - 500).max() < 97


def test_transition_is_one_sided_for_background_and_identity_for_ignore():
    rows = Sampling(fraction=0.25).transition(3).rows
    assert rows.tolist() == [[1, 0, 0], [0.75, 0.25, 0], [0.75, 0, 0.25]]
    assert np.array_equal(Sampling(fraction=0.25, fill="ignore").transition(3).rows, np.eye(3))


@pytest.mark.parametrize("fraction", [-0.1, 1.5, "much"])
def test_fraction_outside_0_to_1_is_refused(fraction):
    with pytest.raises(ConfigError, match=rf"'{fraction}' \(column 8\): fraction: "):
        parse_noise(f"sample:{fraction}")
