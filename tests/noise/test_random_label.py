"""Random labels: independent of the label, of the stated distribution."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from metastructure.contingency import contingency_table
from metastructure.errors import ConfigError
from metastructure.noise import RandomLabel, parse_noise
from metastructure.rng import generator

CLEAN = np.repeat(np.arange(3, dtype=np.uint8), 20_000).reshape(200, 300)


def test_the_label_is_not_looked_at():
    model = RandomLabel(distribution=0.4)
    other = CLEAN[::-1].copy()
    assert np.array_equal(model(CLEAN, generator(0), 3), model(other, generator(0), 3))


def test_one_number_is_the_foreground_shared_evenly():
    noisy = RandomLabel(distribution=0.4)(CLEAN, generator(0), 3)
    assert chisquare(np.bincount(noisy.ravel()), CLEAN.size * np.array([0.6, 0.2, 0.2])).pvalue > 1e-3
    assert RandomLabel(distribution=0.4).transition(3).rows[1] == pytest.approx([0.6, 0.2, 0.2])


def test_without_distribution_all_classes_are_equally_likely():
    table = contingency_table(CLEAN, RandomLabel()(CLEAN, generator(0)))
    assert chisquare(table.ravel()).pvalue > 1e-3
    assert RandomLabel().transition(3).sigma_min() < 1e-12


def test_limits_and_binary():
    label = np.zeros((200, 200), dtype=np.uint8)
    assert RandomLabel(distribution=0)(label, generator(0)).sum() == 0
    assert RandomLabel(distribution=1)(label, generator(0)).sum() == label.size
    drawn = int(RandomLabel(distribution=0.25)(label, generator(0)).sum())
    assert binomtest(drawn, label.size, 0.25).pvalue > 1e-3


def test_wrong_distributions_are_refused():
    for spec in ("random:[0.5,0.4]", "random:[-0.5,1.5]", "random:1.2", "random:many"):
        with pytest.raises(ConfigError, match="noise 'random:"):
            parse_noise(spec)
    with pytest.raises(ValueError, match=r"3 class probabilities .* 2 classes"):
        RandomLabel(distribution=(0.2, 0.3, 0.5)).check_num_classes(2)
