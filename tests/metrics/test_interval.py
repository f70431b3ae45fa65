"""Bootstrap intervals: width against the normal theory, coverage, and what one image or one seed gives."""

import numpy as np
import pytest

from metastructure.metrics import bootstrap_interval
from metastructure.rng import generator


def _mean_of(values: np.ndarray):  # type: ignore[no-untyped-def]
    return lambda s, n: float(values[np.ix_(s, n)].mean())


def test_width_agrees_with_the_normal_interval() -> None:
    values = generator(0, "", "test").normal(5, 2, (1, 400))
    found = bootstrap_interval(_mean_of(values), 1, 400, generator(1), num_resamples=4000)
    half = 1.96 * values.std() / 20
    assert found.value == values.mean()
    # 4000 resamples give the quantiles to about 4 % of the half-width
    assert found.high - found.value == pytest.approx(half, rel=0.12)
    assert found.value - found.low == pytest.approx(half, rel=0.12)


def test_seeds_that_differ_widen_the_interval() -> None:
    images = generator(0, "", "test").normal(0, 1, 100)
    equal, apart = np.stack([images, images, images]), np.stack([images - 1, images, images + 1])
    narrow = bootstrap_interval(_mean_of(equal), 3, 100, generator(1))
    wide = bootstrap_interval(_mean_of(apart), 3, 100, generator(1))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_one_image_and_one_seed_have_no_interval() -> None:
    found = bootstrap_interval(_mean_of(np.array([[3.0]])), 1, 1, generator(0))
    assert found.value == 3
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_coverage_of_the_true_mean() -> None:
    hits = 0
    for repetition in range(100):
        values = generator(repetition, "", "coverage").exponential(1.0, (1, 60))
        found = bootstrap_interval(_mean_of(values), 1, 60, generator(repetition), num_resamples=300)
        hits += found.low <= 1.0 <= found.high
    assert hits >= 86  # nominal 95; below 86 has probability 3e-4 even at a true coverage of 0.93


def test_undefined_resamples_are_left_out() -> None:
    def statistic(_: np.ndarray, n: np.ndarray) -> float:
        return float("nan") if 0 in n else float(n.mean())

    found = bootstrap_interval(statistic, 1, 3, generator(0))
    assert np.isnan(found.value)
    assert 1 <= found.low <= found.high <= 2
