"""Measuring a folder: numbers by hand and against the library, matching of names, what is undefined, bad input."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from metastructure.data import measure as measure_module
from metastructure.data import measure_patterns as patterns_module
from metastructure.data.files import load_label
from metastructure.data.measure import measure_labels
from metastructure.data.measure_examples import choose_maps, load_examples
from metastructure.data.measurement import Measurement
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import density, pool_second_order, ripley_k, similarity


def blobs(item: str, shape: tuple[int, int] = (24, 32), num_classes: int = 3) -> np.ndarray:
    coarse = generator(0, item, "test measure").integers(0, num_classes, (shape[0] // 8, shape[1] // 8))
    return np.kron(coarse, np.ones((8, 8), int)).astype(np.uint8)


def write(folder: Path, labels: dict[str, np.ndarray]) -> Path:
    for name, label in labels.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".tif":
            tifffile.imwrite(path, label, photometric="minisblack")
        else:
            Image.fromarray(label).save(path)
    return folder


CLEAN = {"a.png": blobs("a"), "b.png": blobs("b", (32, 24)), "sub/c.png": blobs("c")}
CLEAN["a.png"][:3, :5] = IGNORE


def make_noisy(label: np.ndarray, item: str) -> np.ndarray:
    return np.asarray(corrupt(label, parse_noise("flip:0.3"), seed=0, item=item, num_classes=3))


NOISY = {name: make_noisy(label, name) for name, label in CLEAN.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Noisy labels, and clean ones with one more and another suffix."""
    root = tmp_path_factory.mktemp("measure")
    clean = {name.replace("b.png", "b.tif"): label for name, label in CLEAN.items()}
    return write(root / "noisy", NOISY), write(root / "clean", {**clean, "more.png": blobs("more")})


@pytest.fixture(scope="module")
def measured(folders: tuple[Path, Path]) -> Measurement:
    return measure_labels(*folders, half_widths_px=[1, 4])


def test_one_label_by_hand(tmp_path: Path) -> None:
    """Clean 0 0 1 1 1 in three rows; two of the six 0 are 1, one of the nine 1 is 0, another IGNORE."""
    clean = np.array([[0, 0, 1, 1, 1]] * 3, np.uint8)
    noisy = clean.copy()
    noisy[0, :2], noisy[1, 2], noisy[2, 4] = 1, 0, IGNORE
    folder, against = write(tmp_path / "n", {"a.png": noisy}), write(tmp_path / "c", {"a.png": clean})
    found = measure_labels(folder, against, half_widths_px=[0, 1])
    assert found.sizes == {"3 x 5": 1}
    assert found.ignored_share == 1 / 15
    assert [one.share for one in found.classes] == [5 / 14, 9 / 14]
    at_pixel, windows = found.densities
    assert at_pixel.mean == pytest.approx((5 / 14, 9 / 14))
    assert at_pixel.filled_share == pytest.approx((5 / 14, 9 / 14))
    assert at_pixel.absent_share == pytest.approx((9 / 14, 5 / 14))
    # class 0 alone in the window of the lower left corner, class 1 in the three of the last column
    assert windows.filled_share == pytest.approx((1 / 15, 3 / 15))
    comparison = found.comparison
    assert comparison is not None
    assert comparison.counts == ((4, 2), (1, 7))
    assert comparison.transition[1] == (1 / 8, 7 / 8)
    assert comparison.changed.value == 3 / 14
    assert comparison.dice[1].value == 2 * 7 / (8 + 9)
    # a 2 x 2 matrix with rows (1 - a, a) and (b, 1 - b): its singular values multiply to 1 - a - b
    rows = np.array(comparison.transition)
    assert comparison.sigma_min.value * np.linalg.norm(rows, 2) == pytest.approx(1 - 2 / 6 - 1 / 8)
    assert comparison.changed.reason == "one image only: no interval"
    assert np.isnan(comparison.changed.low)


def test_densities_are_those_of_all_pixels(measured: Measurement) -> None:
    for summary in measured.densities:
        f = np.concatenate(
            [density(label, summary.half_width_px, "box", 3).reshape(3, -1) for label in NOISY.values()], 1
        )
        f = f[:, ~np.isnan(f[0])]
        assert summary.mean == pytest.approx(f.mean(1))
        assert summary.sd == pytest.approx(f.std(1))
        assert summary.absent_share == pytest.approx((f == 0).mean(1))


def test_k_is_pooled_over_all_labels(measured: Measurement) -> None:
    assert measured.radii_px == (1, 2, 3, 4, 5, 6)
    for klass, one in enumerate(measured.classes):
        pooled = pool_second_order([ripley_k(label, klass, measured.radii_px) for label in NOISY.values()])
        assert one.k == pytest.approx(tuple(pooled.k))
        assert one.l_minus_r == pytest.approx(tuple(pooled.l_minus_r))


def test_similarity_is_that_of_the_library(measured: Measurement) -> None:
    pairs = [(CLEAN[name], NOISY[name]) for name in CLEAN]
    expected = similarity(pairs, generator(0), (1, 4))
    assert measured.comparison is not None
    for ours, theirs in zip(measured.comparison.similarity.scales, expected.scales, strict=True):
        assert ours.corrected.value == pytest.approx(theirs.corrected.value)
        assert ours.per_image == pytest.approx(theirs.per_image, nan_ok=True)
    assert measured.ids == ("a", "b", "sub/c")


def test_memory_bounds_change_no_value(
    folders: tuple[Path, Path], measured: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules["metastructure.structure.density"], "BAND_BYTES", 1
    )  # bands of 16 rows at half-width 4, of 4 at 1
    monkeypatch.setattr(measure_module, "PIXELS_AT_ONCE", 2 * 24 * 32)
    again = measure_labels(*folders, half_widths_px=[1, 4])
    assert again.comparison is not None
    assert measured.comparison is not None
    for one, other in zip(again.comparison.similarity.scales, measured.comparison.similarity.scales, strict=True):
        assert one.half_width_px == other.half_width_px
        assert one.corrected.value == pytest.approx(other.corrected.value, rel=1e-9)  # sums in another order
    for mine, theirs in zip(again.densities, measured.densities, strict=True):
        assert mine.mean == pytest.approx(theirs.mean, rel=1e-12)  # as above
        assert mine.absent_share == theirs.absent_share
    assert again.surviving_num_images == 2
    assert "counted in 2 evenly spaced labels" in again.notes[-1]
    assert measured.surviving_num_images == 3


def test_the_test_against_chance(tmp_path: Path) -> None:
    """Shuffled pixels pass, blobs fail, and no p-value is below what 99 simulations can support."""
    rng = generator(0, "", "test measure")
    shuffled = {f"{i}.png": rng.permutation(blobs(str(i)).ravel()).reshape(24, 32) for i in range(3)}
    chance = measure_labels(write(tmp_path / "chance", shuffled), half_widths_px=[1])
    assert min(one.test.p_value for one in chance.classes) > 0.05
    crowded = measure_labels(write(tmp_path / "crowded", CLEAN), half_widths_px=[1])
    assert {one.test.p_value for one in crowded.classes} == {0.01}


@pytest.fixture
def few_simulations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least that the level allows, for larger labels."""
    for module in (measure_module, patterns_module):
        monkeypatch.setattr(module, "NUM_SIMULATIONS", 19)


@pytest.mark.usefixtures("few_simulations")
def test_the_sample_is_bounded_and_named(tmp_path: Path) -> None:
    large = np.kron(blobs("large"), np.ones((13, 10), np.uint8))  # 312 x 320
    found = measure_labels(write(tmp_path, {f"{i}.png": large for i in range(9)}), half_widths_px=[1])
    assert found.sample.ids == ("0", "2", "5", "8")
    assert found.sample.num_pixels == 4 * 256 * 256
    assert found.radii_px[-1] == 64


def test_a_volume_is_measured_by_its_slices(tmp_path: Path) -> None:
    slices = [blobs(name) for name in "xyz"]
    stack = measure_labels(write(tmp_path / "stack", {"v.tif": np.stack(slices)}), half_widths_px=[2])
    flat = measure_labels(write(tmp_path / "flat", {f"v{i}.png": s for i, s in enumerate(slices)}), half_widths_px=[2])
    assert stack.ids == ("v[0]", "v[1]", "v[2]")
    same = {"folder", "ids", "sample", "examples"}
    assert stack.model_dump_json(exclude=same) == flat.model_dump_json(exclude=same)
    assert np.array_equal(load_examples(stack)[1].label, slices[1])


def test_json_comes_back_and_the_seed_decides(folders: tuple[Path, Path], measured: Measurement) -> None:
    text = measured.model_dump_json()
    assert Measurement.model_validate_json(text).model_dump_json() == text
    calls: list[tuple[int, int]] = []
    again = measure_labels(*folders, half_widths_px=[4, 1], on_item=lambda *call: calls.append(call))
    assert again.model_dump_json() == text
    assert [done for done, _ in calls] == list(range(1, len(calls) + 1))
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.usefixtures("few_simulations")
def test_progress_has_one_total_from_the_start(folders: tuple[Path, Path]) -> None:
    """The bar never falls back, although the labels are gone through several times and the clean ones are more."""
    for sides in (folders, folders[:1]):
        calls: list[tuple[int, int]] = []
        measure_labels(*sides, half_widths_px=[1], on_item=lambda *call: calls.append(call))  # noqa: B023
        assert [done for done, _ in calls] == list(range(1, calls[-1][1] + 1))
        assert len({total for _, total in calls}) == 1


@pytest.mark.usefixtures("few_simulations")
def test_clean_labels_that_are_left_out_are_counted(
    folders: tuple[Path, Path], measured: Measurement, tmp_path: Path
) -> None:
    assert any("1 of the 4 clean labels have no counterpart among the 3" in note for note in measured.notes)
    subset = write(tmp_path, {"a.png": NOISY["a.png"]})
    assert any("3 of the 4" in note for note in measure_labels(subset, folders[1], half_widths_px=[1]).notes)
    for against in (subset, None):
        assert not measure_labels(subset, against, half_widths_px=[1]).notes


def test_classes_may_be_renamed(folders: tuple[Path, Path], measured: Measurement, tmp_path: Path) -> None:
    renamed = np.arange(256, dtype=np.uint8)
    renamed[:3] = [2, 0, 1]
    other = measure_labels(
        write(tmp_path / "n", {name: renamed[label] for name, label in NOISY.items()}),
        write(tmp_path / "c", {name: renamed[label] for name, label in CLEAN.items()}),
        half_widths_px=[1, 4],
    )
    assert other.comparison is not None
    assert measured.comparison is not None
    assert other.classes[2].k == measured.classes[0].k
    for one, same in zip(other.comparison.similarity.scales, measured.comparison.similarity.scales, strict=True):
        assert one.corrected.value == pytest.approx(same.corrected.value)


def test_a_data_set_means_its_training_labels(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / split / "images", {f"{split}.png": blobs(split)})
        write(tmp_path / split / "labels", {f"{split}.png": blobs(split)})
    found = measure_labels(tmp_path, tmp_path, tmp_path, half_widths_px=[1])
    assert found.ids == ("train",)
    (example,) = load_examples(found)
    assert example.image is not None
    assert example.clean is not None
    assert choose_maps(found) == [(one.klass, one.half_width_px) for one in example.maps]
    shown = example.maps[0]
    expected = density(load_label(tmp_path / "train" / "labels" / "train.png"), shown.half_width_px)[shown.klass]
    assert shown.label == pytest.approx(expected)


@pytest.mark.parametrize(
    "label",
    [np.full((6, 7), IGNORE, np.uint8), np.zeros((6, 7), np.uint8), np.array([[1]], np.uint8)],
    ids=["all IGNORE", "one class", "one pixel"],
)
def test_what_is_undefined_is_nan_with_a_reason(tmp_path: Path, label: np.ndarray) -> None:
    folder = write(tmp_path, {"a.png": label, "b.png": label})
    found = measure_labels(folder, folder)
    for one in found.classes:
        assert np.isnan(one.k).any() == (one.reason is not None)
        assert np.isnan(one.test.p_value) == (one.test.reason is not None)
    for summary in found.densities:
        assert np.isnan(summary.mean).any() == (summary.reason is not None)
    assert found.comparison is not None
    for scale in found.comparison.similarity.scales:
        assert np.isnan(scale.corrected.value)
        assert scale.corrected.reason is not None
    for estimate in (found.comparison.changed, found.comparison.sigma_min, *found.comparison.dice):
        assert np.isnan(estimate.value) == (estimate.reason is not None)
    assert found.notes


def test_default_half_widths_are_those_that_fit(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a.png": blobs("a"), "small.png": blobs("s")[:9, :9]})
    assert measure_labels(folder).half_widths_px == (1, 2, 4, 8)
    with pytest.raises(ConfigError, match=r"small\.png: a half-width must be smaller .* got 9 px for 9 x 9"):
        measure_labels(folder, half_widths_px=[2, 9])


def test_different_numbers_of_classes_are_told(tmp_path: Path) -> None:
    noisy = write(tmp_path / "n", {"a.png": blobs("a", num_classes=2)})
    clean = write(tmp_path / "c", {"a.png": blobs("a", num_classes=4)})
    found = measure_labels(noisy, clean, half_widths_px=[1])
    assert found.num_classes == 4
    assert any("classes up to 1, the clean ones up to 3" in note for note in found.notes)
    with pytest.raises(DataError, match=r"c/a\.png holds class"):
        measure_labels(noisy, clean, num_classes=2)


@pytest.mark.parametrize(
    ("labels", "clean", "message"),
    [
        ({}, None, "no such folder"),
        ({"notes.txt": None}, None, "no labels; put PNG or TIFF"),
        ({"a.png": np.zeros((4, 4, 3), np.uint8)}, None, r"a\.png: a label is one channel"),
        ({"a.png": np.array([[0, 255]], np.uint8)}, None, "hold 0 and 255 only"),
        ({"a.png": blobs("a")}, {"a.png": np.array([[0, 255]], np.uint8)}, r"clean: these labels hold 0 and 255"),
        ({"a.png": np.arange(200, dtype=np.uint8).reshape(10, 20)}, None, r"a\.png: this file holds the value 199"),
        ({"a.png": blobs("a"), "b.png": blobs("a")}, {"a.png": blobs("a")}, r"b\.png: this label has no clean one"),
        ({"a.png": blobs("a")}, {"a.png": blobs("a").T}, r"is 24 x 32 pixels, but .* is 32 x 24"),
    ],
)
def test_bad_folders_are_refused(tmp_path: Path, labels: dict, clean: dict | None, message: str) -> None:
    for name in [name for name, label in labels.items() if label is None]:
        (tmp_path / "labels").mkdir()
        (tmp_path / "labels" / name).write_text("none")
    write(tmp_path / "labels", {name: label for name, label in labels.items() if label is not None})
    against = None if clean is None else write(tmp_path / "clean", clean)
    with pytest.raises(DataError, match=message):
        measure_labels(tmp_path / "labels", against)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"half_widths_px": []}, "whole numbers of pixels"),
        ({"half_widths_px": [1.5]}, "whole numbers of pixels"),
        ({"half_widths_px": [-1]}, "at least 0"),
        ({"num_classes": 1}, r"2\.\.255"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_settings_are_refused(folders: tuple[Path, Path], settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        measure_labels(folders[0], **settings)


def test_images_must_belong_to_the_labels(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels", {"a.png": blobs("a")})
    with pytest.raises(DataError, match="no such folder of images"):
        measure_labels(labels, images=tmp_path / "none")
    images = write(tmp_path / "images", {"b.png": blobs("a")})
    with pytest.raises(DataError, match=r"a\.png: this label has no image"):
        measure_labels(labels, images=images)
    write(images, {"a.png": blobs("a").T})
    with pytest.raises(DataError, match="image is 32 x 24 pixels"):
        measure_labels(labels, images=images)


@pytest.mark.realdata
@pytest.mark.usefixtures("few_simulations")
def test_flipped_nuclei_keep_their_structure(real_data: Path, tmp_path: Path) -> None:
    paths = sorted((real_data / "nuc" / "train" / "labels").iterdir())[:4]
    clean = {path.name: load_label(path).astype(np.uint8) for path in paths}
    noisy = {
        name: np.asarray(corrupt(label, parse_noise("flip:0.3"), seed=0, item=name, num_classes=2))
        for name, label in clean.items()
    }
    found = measure_labels(write(tmp_path / "n", noisy), write(tmp_path / "c", clean), half_widths_px=[4])
    assert found.comparison is not None
    assert found.comparison.similarity.scales[0].corrected.value > 0.95
    assert found.comparison.sigma_min.value == pytest.approx(0.4, abs=0.01)  # 1 - 2 · 0.3
    assert found.surviving.num_surviving == 2
