"""Tests over seeds and images: numbers by hand, textbook tests as limits, invariances, errors as promised."""

import numpy as np
import pytest
from scipy import stats

from metastructure.metrics.equivalence import (
    SMALLEST_P,
    Difference,
    adjust_holm,
    estimate_difference,
    pseudo_values,
)
from metastructure.rng import generator


def _draw(S: int = 3, N: int = 7, shift: float = 0.4) -> np.ndarray:
    rng = generator(0, f"{S} {N}", "test")
    return shift + rng.normal(size=(S, 1)) + rng.normal(size=N) + rng.normal(size=(S, N))


def test_by_hand() -> None:
    # Seed means 3 and 5, image means 2, 3, 7, no rest: MS 3 * (1 + 1) / 1 = 6 and 2 * (4 + 1 + 9) / 2 = 14, over 6.
    found = estimate_difference(np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]]))
    assert found == Difference(4.0, 1.0, pytest.approx(14 / 6), 2, 3)
    # Student's t at 5 %, one-sided: 6.3138 for 1 degree of freedom, 2.9200 for 2.
    width = (6.3138**2 * 1 + 2.9200**2 * 14 / 6) ** 0.5
    assert found.interval(0.9) == pytest.approx((4, 4 - width, 4 + width), rel=1e-4)


def test_the_rest_is_counted_once() -> None:
    # Image means 1 and 2, rest -1, 1, 1, -1: MS 0 for seeds, 1 for images, 4 for the rest. No part is below 0.
    found = estimate_difference(np.array([[0.0, 3.0], [2.0, 1.0]]))
    assert (found.seed_variance, found.image_variance) == (0, 0)
    # Image means 2, 6: MS 16, rest 4 (again -1, 1, 1, -1), so (16 - 4) / 4.
    found = estimate_difference(np.array([[1.0, 7.0], [3.0, 5.0]]))
    assert (found.seed_variance, found.image_variance) == (0, 3)


def test_mean_squares_are_those_of_a_slow_analysis_of_variance() -> None:
    values = _draw(3, 5)
    S, N = values.shape
    cells = [(s, n) for s in range(S) for n in range(N)]
    mean = sum(values[cell] for cell in cells) / (S * N)
    row = [sum(values[s]) / N for s in range(S)]
    column = [sum(values[:, n]) / S for n in range(N)]
    by_seeds = sum((row[s] - mean) ** 2 for s, _ in cells) / (S - 1)
    by_images = sum((column[n] - mean) ** 2 for _, n in cells) / (N - 1)
    rest = sum((values[s, n] - row[s] - column[n] + mean) ** 2 for s, n in cells) / ((S - 1) * (N - 1))
    found = estimate_difference(values)
    assert found.seed_variance == pytest.approx(by_seeds / (S * N))
    assert found.image_variance == pytest.approx(max(0, by_images - rest) / (S * N))


@pytest.mark.parametrize("shape", [(1, 9), (4, 1)])
def test_one_seed_or_one_image_is_students_test(shape: tuple[int, int]) -> None:
    values = _draw(*shape)
    found = estimate_difference(values)
    for bound in (-0.3, 0.0, 2.5):
        above = stats.ttest_1samp(values.ravel(), bound, alternative="greater").pvalue
        assert found.p_above(bound) == pytest.approx(above, rel=1e-6)
        assert found.p_below(bound) == pytest.approx(1 - above, rel=1e-6)


def test_one_value_tells_nothing() -> None:
    found = estimate_difference(np.array([[3.0]]))
    assert found.value == 3
    assert np.isnan([found.interval().low, found.p_above(), found.p_within(9.0), found.p_beyond(1.0)]).all()


@pytest.mark.parametrize("level", [0.4, 0.05, 1e-3, 1e-8])
def test_a_p_value_is_the_level_at_which_the_interval_ends(level: float) -> None:
    found = estimate_difference(_draw())
    assert found.p_above(found.value - found.half_width(level)) == pytest.approx(level, rel=1e-6)
    assert found.p_below(found.value + found.half_width(level)) == pytest.approx(level, rel=1e-6)
    assert found.p_above(found.value + found.half_width(level)) == pytest.approx(1 - level)


def test_equivalence_is_the_worse_of_two_sides_and_its_opposite_takes_both() -> None:
    found = Difference(0.4, 0.01, 0.02, 3, 20)
    assert found.p_within(1.0) == found.p_below(1.0) > found.p_above(-1.0)
    assert found.p_beyond(0.1) == pytest.approx(found.p_above(0.1) + found.p_above(-0.1))
    assert found.p_beyond(0.0) == pytest.approx(2 * found.p_above(0.0))
    assert found.p_within(0.4) == 0.5


def test_swapping_the_sides_flips_the_sign_and_order_does_not_matter() -> None:
    values = _draw()
    found, swapped = estimate_difference(values), estimate_difference(-values)
    shuffled = estimate_difference(values[[2, 0, 1]][:, ::-1])
    assert swapped.value == -found.value
    assert swapped.p_below(-0.2) == pytest.approx(found.p_above(0.2))
    assert (swapped.p_within(1.0), swapped.p_beyond(1.0)) == pytest.approx((found.p_within(1.0), found.p_beyond(1.0)))
    assert shuffled.interval() == pytest.approx(found.interval())
    scaled = estimate_difference(10 * values + 3)
    assert scaled.p_above(3.0) == pytest.approx(found.p_above())


def test_identical_sides_are_equal_and_nothing_varies() -> None:
    found = estimate_difference(np.zeros((3, 5)))
    assert found.interval() == (0, 0, 0)
    assert found.p_within(1.0) == SMALLEST_P
    assert (found.p_above(), found.p_below()) == (0.5, 0.5)
    assert found.p_beyond(1.0) == pytest.approx(1)


def test_repeating_one_seed_does_not_make_it_more_certain() -> None:
    one = _draw(1, 8)
    thrice = estimate_difference(np.repeat(one, 3, axis=0))
    assert thrice.interval() == pytest.approx(estimate_difference(one).interval())


def test_nan_is_not_tested_and_wrong_shapes_are_refused() -> None:
    found = estimate_difference(np.array([[1.0, np.nan], [2.0, 3.0]]))
    assert np.isnan([found.value, found.p_above(), found.p_within(1.0), found.p_beyond(1.0)]).all()
    for wrong in (np.zeros(3), np.zeros((0, 3))):
        with pytest.raises(ValueError, match=r"\(seeds, images\)"):
            estimate_difference(wrong)


def test_the_jackknife_gives_back_images_of_a_mean_and_the_textbook_variance_of_a_ratio() -> None:
    x, y = np.array([[1.0, 5.0, 2.0, 7.0]]), np.array([[2.0, 6.0, 6.0, 8.0]])
    means = (x.sum(1, keepdims=True) - x) / 3
    np.testing.assert_allclose(pseudo_values(x.mean(1), means), x)
    left_out = np.array([[sum(np.delete(x[0], n)) / sum(np.delete(y[0], n)) for n in range(4)]])
    found = estimate_difference(pseudo_values(x.sum(1) / y.sum(1), left_out))
    assert found.image_variance == pytest.approx(3 / 4 * np.square(left_out - left_out.mean()).sum())
    assert pseudo_values(np.array([2.0]), np.array([[np.nan]])).tolist() == [[2.0]]


def test_holm_by_hand() -> None:
    # In order 0.005, 0.01, 0.03, 0.04, each times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, and the last not below the third.
    np.testing.assert_allclose(adjust_holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(adjust_holm(np.array([0.5, 0.6])), [1, 1])
    np.testing.assert_allclose(adjust_holm(np.array([np.nan, 0.02])), [np.nan, 0.04])
    assert adjust_holm(np.array([])).size == 0


@pytest.mark.parametrize("spread", [(1.0, 0.3, 0.3), (0.3, 1.0, 2.0), (0.0, 0.0, 1.0)])
def test_with_three_seeds_no_more_than_the_promised_share_is_wrong(spread: tuple[float, float, float]) -> None:
    # 1500 trials at 10 % (both sides): four standard errors are 3.1 %. A t-test over images is wrong in up to 80 %.
    rng = generator(0, str(spread), "test")
    S, N, trials = 3, 20, 1500
    seeds, images, rest = (
        sd * rng.normal(size=(trials, *shape)) for sd, shape in zip(spread, ((S, 1), (1, N), (S, N)), strict=True)
    )
    found = [estimate_difference(values) for values in seeds + images + rest]
    wrong = np.mean([abs(one.value) > one.half_width(0.05) for one in found])
    assert 0.02 < wrong < 0.131
