"""Images and slices left out."""

import numpy as np
from scipy.stats import binomtest

from metastructure.noise import Unlabelled
from metastructure.rng import generator


def test_an_image_is_left_out_whole_or_not_at_all():
    label = np.array([[0, 1], [1, 0]])
    draws = [Unlabelled(fraction=0.3)(label, generator(seed)) for seed in range(500)]
    out = [bool((noisy == 255).all()) for noisy in draws]
    assert all(np.array_equal(noisy, label) for noisy, gone in zip(draws, out, strict=True) if not gone)
    assert binomtest(sum(out), 500, 0.3).pvalue > 1e-3


def test_slices_of_a_volume_are_left_out_one_by_one():
    volume = np.ones((1000, 2, 2), dtype=np.uint8)
    noisy = Unlabelled(fraction=0.3, unit="slice")(volume, generator(0))
    sums = (noisy == 255).sum(axis=(1, 2))
    assert set(sums) == {0, 4}
    assert binomtest(int((sums == 4).sum()), 1000, 0.3).pvalue > 1e-3
    whole = Unlabelled(fraction=0.5)(volume, generator(0))
    assert len(np.unique(whole)) == 1
