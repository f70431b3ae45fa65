"""All resamples at once against one after another: the same intervals, for two classes and for more, with gaps."""

import numpy as np
import pytest

from metastructure.metrics import bootstrap_interval
from metastructure.rng import generator
from metastructure.study.resample import bootstrap_scores
from metastructure.study.table import score


@pytest.mark.parametrize("shape", [(3, 7, 2, 2), (1, 5, 2, 2), (4, 1, 2, 2), (3, 6, 3, 3), (1, 4, 5, 5)])
@pytest.mark.parametrize("num_sides", [1, 2])
def test_equals_one_resample_after_another(shape: tuple[int, ...], num_sides: int) -> None:
    draw = np.random.default_rng(5)
    sides = [draw.integers(0, 50, shape) for _ in range(num_sides)]
    sides[0][0, 0] = 0
    if shape[1] > 1:
        sides[-1][:, 1, 1:, :] = 0  # no object
        sides[-1][:, 1, :, 1:] = 0

    def statistic(s: np.ndarray, n: np.ndarray) -> float:
        first, *rest = (score(side[np.ix_(s, n)]) for side in sides)
        return first - sum(rest)

    slow = bootstrap_interval(statistic, shape[0], shape[1], generator(0, "flip:0.3", "bootstrap"), num_resamples=150)
    fast = bootstrap_scores(sides, "flip:0.3", 150)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)  # sums in another order


def test_one_seed_and_one_image_have_no_interval() -> None:
    found = bootstrap_scores([np.array([[[[4, 0], [4, 2]]]])], "clean")
    assert found.value == pytest.approx(50)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_images_without_any_score() -> None:
    found = bootstrap_scores([np.array([[[[4, 0], [0, 0]], [[3, 0], [0, 0]]]])], "clean")
    assert np.isnan(found).all()
