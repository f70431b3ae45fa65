"""The distance-dependent matrix: by hand, against a loop, and flat for noise that does not look at boundaries."""

import math

import numpy as np
import pytest

from metastructure.contingency import contingency_table
from metastructure.noise import parse_noise
from metastructure.noise.profile import TransitionProfile, count_by_distance
from metastructure.rng import generator


def halves(height=400, width=80):
    clean = np.zeros((height, width), dtype=np.uint8)
    clean[:, width // 2 :] = 1
    return clean


def profile_of(spec, clean, seeds=1, **how):
    model = parse_noise(spec)
    tables = [count_by_distance(clean, model(clean, generator(s, "a", "noise"), 2), 2, **how) for s in range(seeds)]
    return TransitionProfile(sum(tables))


def test_counts_equal_a_plain_loop(scene):
    noisy = parse_noise("flip:0.2 + dilate:1 + sample:0.9,fill=ignore")(scene, generator(0), 3)
    expected = np.zeros((5, 3, 3), dtype=int)
    places = np.argwhere(scene != 255)
    values = scene[tuple(places.T)]
    for here, klass in zip(places, values, strict=True):
        other = noisy[tuple(here)]
        if other == 255:
            continue
        nearest = np.sqrt(((places[values != klass] - here) ** 2).sum(axis=1).min())
        expected[round(nearest) if nearest <= 4.5 else 0, klass, other] += 1
    counts = count_by_distance(scene, noisy, 3, max_distance_px=4)
    assert np.array_equal(counts, expected)
    assert np.array_equal(counts.sum(axis=0), contingency_table(scene, noisy, 3))


def test_a_pixel_family_is_flat():
    profile = profile_of("matrix:[[0.9,0.1],[0.4,0.6]]", halves(), seeds=4)
    # 4 x 400 pixels a bin and class: five standard errors are 0.061
    assert np.abs(profile.leaving_rates() - [0.1, 0.4]).max() < 0.061
    assert profile.matrix(0).rows == pytest.approx(np.array([[0.9, 0.1], [0.4, 0.6]]), abs=0.01)
    assert abs(profile.bias_px()) < 0.3


@pytest.mark.parametrize(("spec", "bias"), [("dilate:3", 3), ("erode:2", -2), ("clean", 0)])
def test_boundary_families_are_steps(spec, bias):
    profile = profile_of(spec, halves())
    rates = profile.leaving_rates()
    assert rates[1:, 0].tolist() == [1.0] * max(bias, 0) + [0.0] * (10 - max(bias, 0))
    assert rates[1:, 1].tolist() == [1.0] * max(-bias, 0) + [0.0] * (10 - max(-bias, 0))
    assert rates[0].tolist() == [0, 0]
    assert profile.bias_px() == bias


def test_bias_is_found_under_pixel_noise_and_jitter():
    assert profile_of("dilate:3 + flip:0.2", halves(), seeds=4).bias_px() == pytest.approx(3 * 0.6, abs=0.3)
    jitter = profile_of("jitter:1.5,correlation_px=4,bias_px=1", halves(3000), seeds=2)
    assert jitter.bias_px() == pytest.approx(1, abs=0.35)
    rates = jitter.leaving_rates()[1:6, 0]
    assert (np.diff(rates) < 0).all()
    # P(1 + 1.5 z >= b - 0.5): 0.63 at b = 1, 0.37 at 2, 0.16 at 3; folds of the field change it a little
    assert rates[:3] == pytest.approx([0.63, 0.37, 0.16], abs=0.08)


def test_ignore_is_no_boundary_and_absent_classes_are_nan():
    clean = np.array([[0, 0, 255, 0, 0]])
    counts = count_by_distance(clean, clean, 2, max_distance_px=2)
    assert counts[0, 0, 0] == counts.sum() == 4
    profile = TransitionProfile(counts)
    assert math.isnan(profile.matrix(1).rows[0, 0])
    assert math.isnan(profile.bias_px())


def test_wrong_arguments_are_refused():
    clean = np.array([[0, 1]])
    with pytest.raises(ValueError, match="same shape"):
        count_by_distance(clean, clean.T)
    with pytest.raises(ValueError, match="at least 1; got 0"):
        count_by_distance(clean, clean, max_distance_px=0)
    with pytest.raises(ValueError, match=r"0\.\.3; got 4"):
        TransitionProfile(count_by_distance(clean, clean, max_distance_px=3)).matrix(4)
    with pytest.raises(ValueError, match="the profile has 3"):
        TransitionProfile(count_by_distance(clean, clean, 3)).bias_px()
