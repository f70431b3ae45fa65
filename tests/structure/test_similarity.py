"""Similarity: limits, invariances, the correction for sampling error, undefined cases and real nuclei."""

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from metastructure.data import load_label
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import Similarity, density, similarity
from metastructure.structure.agreement import measure_agreement, noise_edge, signal_to_noise
from metastructure.structure.moments import Moments, image_moments, pool
from metastructure.structure.pairs import collect_moments
from metastructure.structure.windows import WindowName


def _blobs(item: str, num_classes: int = 3, side: int = 96) -> np.ndarray:
    rng = generator(0, item, "test similarity")
    coarse = rng.integers(0, num_classes, (side // 12, side // 12)).astype(np.uint8)
    return np.kron(coarse, np.ones((12, 12), dtype=np.uint8))


def _pairs(spec: str, num_classes: int = 3, num_images: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    model = parse_noise(spec)
    clean = [_blobs(str(i), num_classes) for i in range(num_images)]
    return [
        (label, corrupt(label, model, seed=1, item=str(i), num_classes=num_classes)) for i, label in enumerate(clean)
    ]


def _measure(pairs: list[tuple[np.ndarray, np.ndarray]], **settings: object) -> Similarity:
    return similarity(pairs, generator(0), num_resamples=50, **settings)  # type: ignore[arg-type]


def _pooled(pairs: list[tuple[np.ndarray, np.ndarray]], num_classes: int = 3) -> Moments:
    return pool(collect_moments(pairs, [4], "box", num_classes)[0][0])


def test_by_hand() -> None:
    # half-width 0: f = (1, 1, 0, 0), g = (1, 1, 1, 0) over one 2 x 2 image: cov 1/8, variances 1/4 and 3/16,
    # squared correlation (1/64) / (3/64) = 1/3; total variation 1/4
    clean, noisy = np.array([[0, 0], [1, 1]]), np.array([[0, 0], [0, 1]])
    got = _measure([(clean, noisy)], half_widths_px=[0]).scales[0]
    assert got.uncorrected.value == pytest.approx(1 / 3, abs=1e-12)
    assert got.distance.value == 0.25


def test_equals_the_regression_that_it_says_it_is() -> None:
    """The uncorrected value is the R² of the best linear map, averaged over whitened dimensions of f."""
    pairs = _pairs("flip:0.4 + dilate:1", num_images=3)
    f = np.concatenate([density(clean, 2, num_classes=3).reshape(3, -1) for clean, _ in pairs], axis=1)
    g = np.concatenate([density(noisy, 2, num_classes=3).reshape(3, -1) for _, noisy in pairs], axis=1)
    target = (f - f.mean(axis=1, keepdims=True))[:2].T
    target = np.linalg.qr(target)[0]
    design = np.vstack([np.ones(g.shape[1]), g[:2]]).T
    fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    got = _measure(pairs, half_widths_px=[2], num_classes=3).scales[0]
    assert got.uncorrected.value == pytest.approx((fitted**2).sum() / 2, abs=1e-9)


@pytest.mark.parametrize("window", ["box", "disc", "gaussian"])
def test_sampling_covariance_is_that_of_random_labels(window: str) -> None:
    """Without structure all of the variance of g is sampling error: edges, window weights and IGNORE included."""
    rng = generator(0, "", "pure noise")
    pairs = []
    for _ in range(30):
        label = rng.choice(3, (64, 64), p=[0.6, 0.3, 0.1])
        label[rng.random(label.shape) < 0.3] = 255
        label[:20, :30] = 255
        pairs.append((label, label))
    whole = pool(collect_moments(pairs, [3], window, 3)[0][0])  # type: ignore[arg-type]
    ratio = np.diagonal(whole.sampling_covariance()) / np.diagonal(whole.covariance()[3:, 3:])
    tolerance = 4 * np.sqrt(2 / whole.num_independent())
    np.testing.assert_allclose(ratio, 1, atol=tolerance)
    assert (signal_to_noise(whole) < noise_edge(2, whole.num_independent())).all()


def test_clean_labels_and_renamed_classes_score_one() -> None:
    pairs = _pairs("clean")
    renamed = [(clean, np.array([2, 0, 1], dtype=np.uint8)[noisy]) for clean, noisy in pairs]
    for side in (pairs, renamed):
        got = _measure(side).scales[0]
        assert got.uncorrected.value == pytest.approx(1, abs=1e-9)
        assert got.corrected.value == pytest.approx(1, abs=1e-9)
    assert _measure(pairs).scales[0].distance.value == 0
    assert got.distance.value > 0.4


@pytest.mark.parametrize("spec", ["flip:0.3", "flip:0.5", "sample:0.3", "matrix:[[0.7,0.2,0.1],[0,1,0],[0.3,0.3,0.4]]"])
def test_randomised_labels_stay_near_one_after_correction_only(spec: str) -> None:
    got = _measure(_pairs(spec)).scales[0]
    assert got.corrected.value > 0.97
    assert got.uncorrected.value < got.corrected.value - 0.02
    assert got.corrected.low <= got.corrected.value <= got.corrected.high


@pytest.mark.parametrize("spec", ["random", "flip:0.6666666666", "random:[0.8,0.1,0.1]"])
def test_random_labels_score_zero(spec: str) -> None:
    got = _measure(_pairs(spec)).scales[0]
    assert got.corrected.value < 0.05
    assert got.corrected.high < 0.05
    assert got.corrected.low == 0  # the resamples alone lie above the value: a sum of squares is biased
    assert got.corrected.value <= got.corrected.high
    assert max(got.per_image) < 0.3


def test_a_merged_class_costs_its_dimension() -> None:
    pairs = [(clean, np.minimum(clean, 1)) for clean, _ in _pairs("clean")]
    got = _measure(pairs, num_classes=3).scales[0]
    assert got.num_dimensions == 2
    # of two canonical correlations one is 1, one 0, up to rounding; corners of blocks pass for a little pixel noise
    assert got.uncorrected.value == pytest.approx(0.5, abs=1e-9)
    assert got.corrected.value == pytest.approx(0.5, abs=1e-3)


def test_edge_of_the_noise_by_hand() -> None:
    # sqrt(4 / 100) = 0.2, sqrt(2 ln(100) / 100) = 0.30348, and 1.50348² - 1
    assert noise_edge(4, 100.0, 0.01) == pytest.approx(1.26047, abs=1e-5)
    assert noise_edge(4, 0.0) == np.inf


def test_falls_with_the_bias_of_the_boundary() -> None:
    values = [_measure(_pairs(f"dilate:{r}", 2)).scales[0].corrected.value for r in (1, 2, 4)]
    assert 1 > values[0] > values[1] > values[2] > 0


@pytest.mark.parametrize("spec", ["flip:0.4", "dilate:2", "sample:0.2"])
def test_invariant_to_invertible_linear_maps(spec: str) -> None:
    moments = _pooled(_pairs(spec))
    rng = generator(0, spec, "maps")
    before = measure_agreement(moments)
    for _ in range(5):
        left, right = rng.normal(size=(2, 3, 3))
        whole = np.zeros((7, 7))
        whole[0, 0], whole[1:4, 1:4], whole[4:, 4:] = 1, left, right
        mapped = Moments(
            products=whole @ moments.products @ whole.T,
            pixel_noise=right @ moments.pixel_noise @ right.T,
            noise_weight=moments.noise_weight,
            noise_squared_weight=moments.noise_squared_weight,
            shrinkage=moments.shrinkage,
            distance=moments.distance,
            overlap=moments.overlap,
        )
        after = measure_agreement(mapped)
        assert after.corrected == pytest.approx(before.corrected, rel=1e-7)
        assert after.uncorrected == pytest.approx(before.uncorrected, rel=1e-7)
        assert after.num_dimensions == before.num_dimensions


def test_singular_maps_are_not_forgiven() -> None:
    moments = _pooled(_pairs("clean"))
    singular = np.diag([1, 1, 1, 1, 1, 1, 0.0])
    singular[5, 6] = 1  # classes 1 and 2 of g become one
    mapped = replace(moments, products=singular @ moments.products @ singular.T, pixel_noise=moments.pixel_noise * 0)
    assert measure_agreement(mapped).uncorrected < 0.6


TURNS: list[Callable[[np.ndarray], np.ndarray]] = [lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a.T]


@pytest.mark.parametrize("turn", TURNS)
def test_invariant_to_turns_and_class_names(turn: Callable[[np.ndarray], np.ndarray]) -> None:
    pairs, order = _pairs("flip:0.4"), np.array([1, 2, 0], dtype=np.uint8)
    before = _measure(pairs).scales[0]
    for changed in ([(turn(a), turn(b)) for a, b in pairs], [(order[a], order[b]) for a, b in pairs]):
        after = _measure(changed).scales[0]
        assert after.corrected.value == pytest.approx(before.corrected.value, abs=1e-9)
        assert after.distance.value == pytest.approx(before.distance.value, abs=1e-9)


def test_ignored_pixels_say_nothing() -> None:
    pairs = _pairs("flip:0.4")
    framed = [(np.pad(a, 20, constant_values=255), np.pad(b, 20, constant_values=255)) for a, b in pairs]
    # the frame adds windows over the edge, a sixth of all and with few known pixels: the uncorrected value moves by
    # 0.05, and the corrected one must move by less; the classes in the frame must not matter
    other = [(a, np.where(a == 255, 255, b)) for a, b in framed]
    assert _measure(framed) == _measure(other)
    assert _measure(framed).scales[0].corrected.value == pytest.approx(
        _measure(pairs).scales[0].corrected.value, abs=0.05
    )


def test_intervals_narrow_with_images_and_scales_keep_their_order() -> None:
    few, many = (_measure(_pairs("dilate:2", 2, n), half_widths_px=[6, 2]) for n in (10, 60))
    assert [scale.half_width_px for scale in many.scales] == [6, 2]
    assert many.scales[0].uncorrected.value > many.scales[1].uncorrected.value  # wide windows blur the boundary
    width = [s.scales[1].uncorrected.high - s.scales[1].uncorrected.low for s in (few, many)]
    assert width[1] < 0.7 * width[0]  # root 6 is 2.4; ten images know their spread to a quarter
    assert many == Similarity.model_validate_json(many.model_dump_json())


def test_undefined_values_have_reasons() -> None:
    one_class = np.zeros((20, 20), dtype=np.uint8)
    two = one_class.copy()
    two[5:12, 6:] = 1
    unknown = np.full((20, 20), 255, dtype=np.uint8)
    got = _measure([(one_class, two)]).scales[0]
    assert np.isnan(got.corrected.value)
    assert "one class only" in str(got.corrected)
    got = _measure([(two, unknown)]).scales[0]
    assert np.isnan(got.distance.value)
    assert "no pixel has a known pixel" in str(got.distance)
    got = _measure([(two, two), (one_class, one_class)]).scales[0]
    assert got.corrected.value == pytest.approx(1)
    assert got.per_image[0] == pytest.approx(1)
    assert np.isnan(got.per_image[1])
    assert "one class only" in str(got.per_image_reasons[1])
    got = _measure([(two, one_class)]).scales[0]
    assert got.corrected.value == got.uncorrected.value == 0  # labels that are all background say nothing
    assert "no interval" in str(got.corrected)
    thin = unknown.copy()
    thin[::3, ::3] = two[::3, ::3]
    got = _measure([(two, thin)]).scales[0]
    assert "no two known pixels side by side" in str(got.corrected)
    assert got.uncorrected.value > 0.7


def test_a_class_missing_in_one_image_is_left_out_there() -> None:
    pairs = _pairs("clean")
    lacking = (np.minimum(pairs[0][0], 1), np.minimum(pairs[0][1], 1))
    got = _measure([lacking, *pairs[1:]], num_classes=5).scales[0]
    assert got.num_dimensions == 2
    assert got.per_image[0] == pytest.approx(1)


def test_what_is_refused() -> None:
    label = np.zeros((20, 20), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"pair 1 must have the same shape; got \(20, 20\) and \(10, 20\)"):
        _measure([(label, label), (label, label[:10])])
    with pytest.raises(ValueError, match="at least one pair"):
        _measure([])
    with pytest.raises(ValueError, match="noisy label of pair 0 holds class 3"):
        _measure([(label, label + 3)], num_classes=2)
    with pytest.raises(ValueError, match="half_width_px must be smaller"):
        _measure([(label, label)], half_widths_px=[20])
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        _measure([(label, label)], confidence=95)
    with pytest.raises(ValueError, match="num_resamples must be at least 1"):
        similarity([(label, label)], generator(0), num_resamples=0)


def test_moments_by_hand() -> None:
    # as in test_by_hand: over the 4 pixels var f = 1/4, var g = 3/16, cov = 1/8. The one block has d = (-1, 1), its
    # pixels weigh 1 each; it stands for 1 / 2.25 of an independent value, the 4 pixels for 4: 1 / (1/4 + 2.25) together
    (got,) = image_moments(np.array([[0, 0], [1, 1]]), np.array([[0, 0], [0, 1]]), [0], "box", 2)
    turn = np.array([[1, -1], [-1, 1]])
    np.testing.assert_allclose(got.covariance()[:2, :2], turn / 4, atol=1e-15)
    np.testing.assert_allclose(got.covariance()[2:, 2:], turn * 3 / 16, atol=1e-15)
    np.testing.assert_allclose(got.covariance()[:2, 2:], turn / 8, atol=1e-15)
    np.testing.assert_allclose(got.sampling_covariance(), turn / 4, atol=1e-15)
    assert (got.num_pixels, got.shrinkage, got.noise_weight, got.noise_squared_weight, got.distance) == (4, 4, 4, 16, 1)
    assert got.num_independent() == pytest.approx(0.4)


@pytest.mark.parametrize("window", ["box", "disc", "gaussian"])
@pytest.mark.parametrize("ignored", [0.2, 0.75])  # of the second many known pixels are in no 2 x 2 block
def test_moments_of_bands_are_those_of_the_whole(
    window: WindowName, ignored: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = generator(0, window, "bands")
    clean, noisy = rng.integers(0, 3, (2, 61, 23)).astype(np.uint8)
    for label in (clean, noisy):
        label[rng.random(label.shape) < ignored] = 255
    noisy[17:40, :15] = 255
    widths = [0, 2, 1]
    for pair in ((clean, noisy), (noisy, noisy)):
        whole = image_moments(*pair, widths, window, 3)
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["metastructure.structure.density"], "BAND_BYTES", 1)  # four times the reach
            banded = image_moments(*pair, widths, window, 3)
            alone = image_moments(*pair, [0], window, 3)[0]  # one row a band
        for got, expected in zip([*banded, alone], [*whole, whole[0]], strict=True):
            for field in fields(Moments):  # sums in another order; running sums of floats start elsewhere
                np.testing.assert_allclose(
                    getattr(got, field.name), getattr(expected, field.name), rtol=1e-10, atol=1e-10
                )


def test_memory_is_that_of_a_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["metastructure.structure.density"], "BAND_BYTES", 2**23)
    rng = generator(0, "", "memory")

    def peak(height: int) -> int:
        clean, noisy = rng.integers(0, 11, (2, height, 256)).astype(np.uint8)
        tracemalloc.start()
        image_moments(clean, noisy, [1, 2, 4], "box", 11)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    low, high = peak(128), peak(1024)
    assert high < 1.1 * low  # the densities of the taller one alone would take 44 MB
    assert high < 2**23 * 1.5  # the margins are beyond the budget


def test_moments_of_images_add_up() -> None:
    one, other = ((image_moments(*pair, [4], "box", 3))[0] for pair in _pairs("flip:0.3", num_images=2))
    got, expected = pool([one, other], [2, 1]), pool([one, one, other])
    for field in fields(Moments):
        np.testing.assert_allclose(getattr(got, field.name), getattr(expected, field.name), rtol=1e-12)
    thrice = pool([one], [3])
    assert thrice.num_pixels == 3 * one.num_pixels == 3 * 96 * 96
    np.testing.assert_allclose(thrice.sampling_covariance(), one.sampling_covariance(), rtol=1e-12)
    assert measure_agreement(thrice).uncorrected == pytest.approx(measure_agreement(one).uncorrected)


@pytest.mark.realdata
def test_nuclei(real_data: Path) -> None:
    files = sorted((real_data / "nuc/train/labels").iterdir())[:16]
    labels = [load_label(path) for path in files]

    def value(spec: str) -> float:
        model = parse_noise(spec)
        noisy = [corrupt(label, model, seed=0, item=path.stem) for label, path in zip(labels, files, strict=True)]
        return _measure(list(zip(labels, noisy, strict=True)), num_classes=2).scales[0].corrected.value

    assert value("flip:0.3") >= 0.95
    assert value("sample:0.1") >= 0.95
    assert value("random") <= 0.05
    dilated = [value(f"dilate:{r}") for r in (1, 2, 4, 8)]
    assert all(np.diff(dilated) < 0)
