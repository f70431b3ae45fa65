"""Pair flips and rates per class: the matrices they stand for."""

import numpy as np
import pytest

from metastructure.errors import ConfigError
from metastructure.noise import ClassFlipping, PairFlipping, parse_noise
from metastructure.rng import generator


def test_pair_flips_go_to_the_next_class_only():
    assert PairFlipping(rate=0.25).transition(3).rows.tolist() == [[0.75, 0.25, 0], [0, 0.75, 0.25], [0.25, 0, 0.75]]
    label = np.repeat(np.arange(3), 40).reshape(1, -1)
    noisy = PairFlipping(rate=0.25, exact=True)(label, generator(0))
    for klass in range(3):
        counts = np.bincount(noisy[label == klass], minlength=3)
        assert counts[klass] == 30
        assert counts[(klass + 1) % 3] == 10


def test_each_class_has_its_own_rate():
    rows = ClassFlipping(rates=(0, 0.5, 0.2)).transition(3).rows
    assert rows == pytest.approx(np.array([[1, 0, 0], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8]]))


def test_wrong_numbers_of_rates_are_refused():
    with pytest.raises(ValueError, match="3 rates were given but the labels have 2 classes"):
        ClassFlipping(rates=(0, 0.5, 0.2))(np.array([[0, 1]]), generator(0))
    with pytest.raises(ConfigError, match="at least one rate must be above 0"):
        parse_noise("classflip:[0,0]")
    with pytest.raises(ConfigError, match="rates"):
        parse_noise("classflip:[0.1,1.2]")
