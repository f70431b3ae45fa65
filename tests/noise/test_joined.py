"""A fraction of the images, strengths drawn per image, and fixed against online draws."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare, kstest

from metastructure.noise import Flipping, corrupt, parse_noise
from metastructure.rng import generator

ZEROS = np.zeros((1, 40), dtype=np.uint8)


def test_a_fraction_of_the_images_is_struck():
    model = parse_noise("flip:1 at 0.3")
    sums = [int(model(ZEROS, generator(0, str(item), "noise")).sum()) for item in range(800)]
    assert set(sums) == {0, 40}
    assert binomtest(sums.count(40), 800, 0.3).pvalue > 1e-3
    assert parse_noise("flip:0.4 at 0.5").transition(2).rows[0] == pytest.approx([0.8, 0.2])
    assert parse_noise("dilate:1 at 0.5").transition(2) is None


def test_a_group_is_struck_as_a_whole():
    model = parse_noise("(flip:1 + flip:1) at 0.5")
    assert all(model(ZEROS, generator(seed)).sum() == 0 for seed in range(20))


def test_whole_strengths_are_even_over_the_range_ends_included():
    model = parse_noise("dilate:1..4")
    line = np.array([[1, 0, 0, 0, 0, 0, 0]])
    radii = [int(model(line, generator(0, str(item), "noise")).sum()) - 1 for item in range(800)]
    assert chisquare(np.bincount(radii)[1:]).pvalue > 1e-3
    assert set(radii) == {1, 2, 3, 4}


def test_strengths_between_are_uniform():
    model = parse_noise("flip:0.1..0.4")
    large = np.zeros((300, 300), dtype=np.uint8)
    rates = [model(large, generator(0, str(item), "noise")).mean() for item in range(150)]
    assert kstest(rates, "uniform", (0.1, 0.3)).pvalue > 1e-3
    assert model.transition(2).rows[0] == pytest.approx([0.75, 0.25])


def test_two_ranges_are_written_back_and_have_no_matrix():
    model = parse_noise("jitter:1..2,correlation_px=2..40")
    assert str(model) == "jitter:1..2,correlation_px=2..40"
    assert model.transition(2) is None


def test_fixed_draw_is_the_one_of_the_item():
    fixed = corrupt(ZEROS, Flipping(rate=0.5), seed=3, item="a")
    assert np.array_equal(fixed, Flipping(rate=0.5)(ZEROS, generator(3, "a", "noise")))


def test_online_draws_are_new_each_epoch_and_repeat_themselves():
    draws = {corrupt(ZEROS, Flipping(rate=0.5), seed=3, item="a", epoch=e).tobytes() for e in (None, 0, 1, 2)}
    assert len(draws) == 4
    again = corrupt(ZEROS, Flipping(rate=0.5), seed=3, item="a", epoch=2).tobytes()
    assert again in draws
    assert corrupt(ZEROS, Flipping(rate=0.5), seed=4, item="a", epoch=2).tobytes() not in draws


def test_num_classes_is_handed_on():
    noisy = corrupt(np.zeros((50, 50), int), Flipping(rate=1), seed=0, item="a", num_classes=4)
    assert set(np.unique(noisy)) == {1, 2, 3}
