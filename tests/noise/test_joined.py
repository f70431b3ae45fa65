"""A fraction of the images, strengths drawn per image, and fixed against online draws."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare, kstest

from metastructure.contingency import contingency_table
from metastructure.errors import ConfigError
from metastructure.noise import BoundaryJitter, Flipping, corrupt, parse_noise
from metastructure.rng import generator
from metastructure.transition import TransitionMatrix

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


@pytest.mark.parametrize(
    "spec",
    [
        "(flip:0.4 + sample:0.1,fill=ignore) at 0.5",
        "(pairflip:0.3 + unlabelled:0.5) at 0.5",
        "points + flip:0.2",
        "flip:0.2 + sample:0.5,fill=ignore",
        "(flip:0.5 + unlabelled:1) at 0.4",
    ],
)
def test_a_matrix_over_pixels_that_stay_known_is_the_realised_one(spec: str) -> None:
    model, table = parse_noise(spec), np.zeros((3, 3), np.int64)
    for item in range(400):
        label = generator(0, str(item), "label").integers(0, 3, (12, 12)).astype(np.uint8)
        table += contingency_table(label, model(label, generator(1, str(item), "noise"), 3), 3)
    claimed = model.transition(3)
    assert claimed is not None
    # 400 images struck or not: the share of known pixels has a standard error of about 0.03 of itself
    np.testing.assert_allclose(TransitionMatrix.from_counts(table).rows, claimed.rows, atol=0.035)


@pytest.mark.parametrize("spec", ["flip:0.3 + points", "(flip:0.3 + points) at 0.5", "flip:0.1 + scribbles"])
def test_pixels_ignored_unevenly_after_a_change_leave_no_matrix(spec: str) -> None:
    assert parse_noise(spec).transition(3) is None


@pytest.mark.parametrize("spec", ["shift:-2..2", "scribbles:1..5"])
def test_a_range_with_a_gap_is_refused_when_it_is_read(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"column \d+"):
        parse_noise(spec)


def test_the_failing_step_of_a_chain_is_named() -> None:
    with pytest.raises(ValueError, match="step 'matrix:"):
        parse_noise("dilate:1 + matrix:[[1,0],[0,1]]").check_num_classes(3)


@pytest.mark.parametrize("value", [1e6, 1.5e7, 123456.789, 1e-7, 1e300])
def test_any_number_survives_its_text(value: float) -> None:
    model = BoundaryJitter(amplitude_px=2, correlation_px=max(value, 1.0), bias_px=value)
    assert parse_noise(str(model)) == model
