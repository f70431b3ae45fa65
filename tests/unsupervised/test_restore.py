"""Restoring an image by its own spectrum: what is found of blur and noise, and what the filter does with it."""

import numpy as np
import pytest
from scipy import fft
from scipy.ndimage import gaussian_filter

from metastructure.data.synthetic import generate
from metastructure.errors import ConfigError
from metastructure.unsupervised import Work, fit_method, parse_method
from metastructure.unsupervised.base import Grey, to_grey
from metastructure.unsupervised.restore import (
    EDGE_EXPONENT,
    LOWEST_FREQUENCY,
    SMALLEST_PX,
    Spectrum,
    fit_spectrum,
    restore_at_gains,
    restoring_gain,
)
from metastructure.unsupervised.restored import MAX_GAINS, choose_restored, dispersion


def patches(blur_px: float, noise: float, seed: int = 0, height: int = 160, width: int = 130) -> Grey:
    """Regions with sharp edges, 1 on 0, then blurred, with white noise of a standard deviation."""
    rng = np.random.default_rng(seed)
    regions = gaussian_filter(rng.normal(size=(height, width)), 7) > 0.01
    blurred = gaussian_filter(regions.astype(np.float64), blur_px) if blur_px else regions.astype(np.float64)
    return np.asarray(blurred + rng.normal(0, noise, blurred.shape), dtype=np.float32)


@pytest.mark.parametrize("blur_px", [0.8, 1.5, 2.5])
@pytest.mark.parametrize("noise", [0.03, 0.1, 0.3])
def test_blur_and_noise_of_sharp_regions_are_found(blur_px: float, noise: float) -> None:
    found = fit_spectrum(patches(blur_px, noise))
    assert found.blur_px == pytest.approx(blur_px, abs=0.12 if noise < 0.3 else 0.3)  # an exponent of 2.5 is 0.2 off
    assert np.sqrt(found.noise) == pytest.approx(noise, rel=0.1)


def test_sharp_regions_have_hardly_any_blur_and_stay() -> None:
    grey = patches(0, 0.01)
    assert fit_spectrum(grey).blur_px <= 0.4
    assert np.abs(restore_at_gains(grey, [2])[0] - grey).mean() < 0.03


def test_the_grid_finds_what_a_slow_search_over_all_coefficients_finds() -> None:
    grey = patches(1.2, 0.08, height=48, width=40)
    power = fft.dctn(grey.astype(np.float64), norm="ortho") ** 2
    rows, columns = np.meshgrid(np.arange(48) / 96, np.arange(40) / 80, indexing="ij")
    f = np.sqrt(rows**2 + columns**2)

    def cost(spectrum: Spectrum) -> float:
        total = 0.0
        for value, at in zip(power.ravel(), f.ravel(), strict=True):
            if at >= LOWEST_FREQUENCY:
                expected = spectrum.edges * at**-EDGE_EXPONENT * np.exp(-((2 * np.pi * spectrum.blur_px * at) ** 2))
                total += np.log(expected + spectrum.noise) + value / (expected + spectrum.noise)
        return total

    found = fit_spectrum(grey)
    least = cost(found)
    for edges in (0.7, 1.0, 1.4):
        for blur_px in (-0.3, 0.0, 0.3):
            for noise in (0.8, 1.0, 1.25):
                other = Spectrum(found.edges * edges, max(0.0, found.blur_px + blur_px), found.noise * noise)
                assert cost(other) > least - 1.0, other  # a ring has one frequency for all of its coefficients


def test_gain_by_hand() -> None:
    gain = restoring_gain((2, 4), Spectrum(edges=2.0, blur_px=0.5, noise=3.0))
    f = np.hypot(1 / 4, 2 / 8)  # second row, third column
    blurring = np.exp(-2 * np.pi**2 * 0.25 * f**2)
    power = 2.0 / f**3
    assert gain[1, 2] == pytest.approx(blurring * power / (blurring**2 * power + 3.0))
    assert gain[0, 0] == 1
    assert gain.max() > 1.01
    assert np.isfinite(restoring_gain((64, 64), Spectrum(1.0, 4.0, 0.0))).all()


def restore_one(grey: Grey, max_gain: float = 2.0) -> Grey:
    return restore_at_gains(grey, [max_gain])[0]


def test_units_and_turning_round_change_nothing_else() -> None:
    grey = patches(1.3, 0.1)
    np.testing.assert_allclose(restore_one(7 * grey + 3), 7 * restore_one(grey) + 3, atol=1e-3)
    np.testing.assert_allclose(restore_one(1e-4 * grey), 1e-4 * restore_one(grey), atol=1e-7)
    np.testing.assert_allclose(restore_one(-grey), -restore_one(grey), atol=1e-5)
    np.testing.assert_allclose(restore_one(grey.T), restore_one(grey).T, atol=1e-4)
    np.testing.assert_allclose(restore_one(grey[::-1]), restore_one(grey)[::-1], atol=1e-4)


def test_a_restored_image_is_nearer_to_the_sharp_one_than_it_was_and_than_a_smoothed_one() -> None:
    sharp, seen = patches(0, 0), patches(1.5, 0.1)
    denoised, deblurred = (float(np.square(image - sharp).mean()) for image in restore_at_gains(seen, [1.0, 4.0]))
    smoothed = min(float(np.square(gaussian_filter(seen, s) - sharp).mean()) for s in (0.5, 0.7, 1.0, 1.4))
    assert deblurred < denoised < smoothed < np.square(seen - sharp).mean()


def test_gain_is_limited() -> None:
    seen = patches(2.0, 0.01)
    power = [fft.dctn(image, norm="ortho") ** 2 for image in (seen, *restore_at_gains(seen, [1.0, 1.5]))]
    assert (power[1] <= power[0] * 1.001 + 1e-9).all()
    assert np.sqrt(power[2].sum() / power[0].sum()) < 1.5
    assert (power[2] > 2 * power[0]).any()


@pytest.mark.parametrize("shape", [(SMALLEST_PX - 1, 200), (3, 3), (1, 40)])
def test_an_image_too_small_for_a_spectrum_stays(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for image in restore_at_gains(grey, [1.0, 2.0]):
        np.testing.assert_array_equal(image, grey)


def test_dispersion_by_hand() -> None:
    """A half of 0 and one of 1, far from both the edge and each other: the local values are those of the image."""
    grey = np.zeros((40, 200), dtype=np.float32)
    grey[:, 100:] = 1
    assert dispersion(grey) == pytest.approx(0, abs=1e-3)
    grey[::2] = np.where(grey[::2] > 0, 0.9, 0.098)  # dark rows of 0 and 0.098, bright ones of 1 and 0.9
    assert dispersion(grey) == pytest.approx((0.0495 / 0.901) ** 2, rel=0.1)


def test_each_image_takes_the_filter_that_suits_it() -> None:
    rng = np.random.default_rng(1)
    sharp = patches(0, 0)
    lines = np.zeros((160, 130))
    lines[10::16] = lines[11::16] = lines[12::16] = 1
    texture = gaussian_filter(rng.normal(size=sharp.shape), 1.2)
    images = {
        "blurred": to_grey(patches(1.5, 0.03)),
        "noisy": to_grey(patches(0.5, 0.25)),
        "smooth noise": to_grey(gaussian_filter(sharp + rng.normal(0, 0.5, sharp.shape), 1.0)),
        "lines on texture": to_grey(lines + 0.25 * texture / texture.std() + rng.normal(0, 0.03, sharp.shape)),
    }
    chosen = {}
    for name, grey in images.items():
        among = [grey, *restore_at_gains(grey, MAX_GAINS)]
        chosen[name] = int(np.argmin([dispersion(image) for image in among]))
        np.testing.assert_array_equal(choose_restored(grey), among[chosen[name]])
        alone = parse_method("otsu").fit([], Work())(among[chosen[name]])
        np.testing.assert_array_equal(parse_method("restored:method=otsu").fit([], Work())(grey), alone)
    assert chosen["blurred"] > 1
    assert chosen["noisy"] >= 1
    assert chosen["smooth noise"] <= 1
    assert chosen["lines on texture"] == 0


@pytest.mark.parametrize(
    ("grey", "message"),
    [
        (np.ones((20, 20)), "more than one value"),
        (np.full((20, 20), np.nan), "finite"),
        (np.eye(15), "at least 16 px a side"),
        (np.zeros((20, 20, 3)), "at least 16 px a side"),
    ],
    ids=["constant", "nan", "small", "colour"],
)
def test_what_has_no_spectrum_is_refused(grey: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_spectrum(grey)


@pytest.mark.parametrize("kind", ["er", "mito"])
def test_thin_things_are_found_better_than_without(kind: str) -> None:
    pairs = [generate(kind, seed=3, index=index, height=128, width=128) for index in range(6)]

    def dice(method: str) -> float:
        fitted = fit_method([image for image, _ in pairs], method, side="bright", threads=1)
        found = [fitted.predict(image) == 1 for image, _ in pairs]
        shared = sum(int((a & (b == 1)).sum()) for a, (_, b) in zip(found, pairs, strict=True))
        return 2 * shared / sum(int(a.sum() + (b == 1).sum()) for a, (_, b) in zip(found, pairs, strict=True))

    assert dice("restored") > dice("local_fitting") + 0.005


def test_restored_takes_methods_that_need_no_training() -> None:
    grey = to_grey(patches(1.0, 0.05))
    dark = fit_method([1 - grey], "restored:method=otsu", side="dark", threads=1).predict(1 - grey)
    np.testing.assert_array_equal(dark, fit_method([grey], "restored:method=otsu", side="bright").predict(grey))
    refused = {
        "igtt": "a method that needs no training",
        "restored": "another one than restored",
        "otsi": "did you mean",
    }
    for inner, message in refused.items():
        with pytest.raises(ConfigError, match=message):
            parse_method(f"restored:method={inner}")
