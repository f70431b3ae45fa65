"""Generated pictures: one contract over all kinds, the imaging model by hand, and the folder writer."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from skimage.filters import threshold_otsu

from metastructure.data.files import load_image
from metastructure.data.synthetic import (
    CLASS_NAMES,
    KINDS,
    NUM_CLASSES,
    Microscope,
    generate,
    write_dataset,
)
from metastructure.data.synthetic.camera import Camera
from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.imaging import quantise
from metastructure.data.synthetic.lines import draw_lines, sample_arcs
from metastructure.data.synthetic.street_view import POLE, Canvas, View, open_window, paint
from metastructure.errors import DataError
from metastructure.rng import generator

GREY_KINDS = ("er", "mito", "nuc")
FOREGROUND_SHARES = {"er": (0.12, 0.5), "mito": (0.02, 0.3), "nuc": (0.005, 0.55), "street": (0.4, 0.97)}


def dice_of_otsu(image, label):
    predicted = image > threshold_otsu(image)
    return 2 * (predicted & (label > 0)).sum() / (predicted.sum() + (label > 0).sum())


# --- the contract of every kind ---------------------------------------------------------------------------------


def test_every_kind_is_in_every_table_and_in_this_file():
    assert set(KINDS) == set(CLASS_NAMES) == set(NUM_CLASSES) == set(FOREGROUND_SHARES)
    assert NUM_CLASSES == {"er": 2, "mito": 2, "nuc": 2, "street": 8}
    for names in CLASS_NAMES.values():
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 70), (70, 33), (16, 129)])
def test_shapes_dtypes_and_classes_at_any_size(kind, height, width):
    for index in range(4):
        image, label = generate(kind, seed=5, index=index, height=height, width=width)
        assert image.dtype == label.dtype == np.uint8
        assert image.shape == ((height, width, 3) if kind == "street" else (height, width))
        assert label.shape == (height, width)
        assert 0 < label.max() < NUM_CLASSES[kind]
        assert image.min() < image.max()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_depends_on_its_arguments_and_on_nothing_else(kind):
    image, label = generate(kind, seed=2, index=7, height=64, width=48)
    generate(kind, seed=2, index=8, height=64, width=48)
    again, label_again = generate(kind, seed=2, index=7, height=64, width=48)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(label, label_again)
    for seed, index in ((2, 8), (3, 7)):
        other, other_label = generate(kind, seed=seed, index=index, height=64, width=48)
        assert (other != image).any()
        assert (other_label != label).any()


@pytest.mark.parametrize("kind", KINDS)
def test_bit_depth_changes_the_digits_only(kind):
    eight, label = generate(kind, seed=0, index=1, height=64, width=80)
    sixteen, same_label = generate(kind, seed=0, index=1, height=64, width=80, bit_depth=16)
    assert sixteen.dtype == np.uint16
    np.testing.assert_array_equal(label, same_label)
    np.testing.assert_array_equal(eight, np.rint(sixteen / 257))  # 65535 = 255 * 257
    assert len(np.unique(sixteen)) > len(np.unique(eight))


@pytest.mark.parametrize("kind", KINDS)
def test_the_foreground_is_neither_missing_nor_everything(kind):
    shares = [(generate(kind, seed=9, index=index)[1] > 0).mean() for index in range(4)]
    low, high = FOREGROUND_SHARES[kind]
    assert low <= min(shares)
    assert max(shares) <= high


@pytest.mark.parametrize("kind", GREY_KINDS)
def test_the_foreground_is_brighter_than_what_lies_around_it(kind):
    """The step is taken within blocks of 32 px, so that uneven light cannot make it; in standard deviations."""
    steps = []
    for index in range(4):
        image, label = generate(kind, seed=4, index=index, height=128, width=128)
        for row in range(0, 128, 32):
            for column in range(0, 128, 32):
                block = np.s_[row : row + 32, column : column + 32]
                inside, outside = image[block][label[block] == 1], image[block][label[block] == 0]
                if min(inside.size, outside.size) > 50:
                    steps.append((inside.mean() - outside.mean()) / (0.5 * (inside.std() + outside.std()) + 1e-9))
    assert np.mean(steps) > 0.5
    assert np.mean(np.array(steps) > 0) > 0.9


def test_er_defeats_a_global_threshold_and_nuclei_do_not():
    er, nuc = (
        np.mean([dice_of_otsu(*generate(kind, seed=11, index=index)) for index in range(5)]) for kind in ("er", "nuc")
    )
    assert 0.5 < er < 0.75
    assert nuc > 0.85


def test_nuclei_vary_in_size_between_images():
    """Mean length of foreground runs along rows stands in for the diameter."""
    runs = []
    for index in range(12):
        label = generate("nuc", seed=3, index=index)[1]
        runs.append(label.sum() / max(1, (np.diff(label.astype(int), axis=1) == 1).sum()))
    assert max(runs) > 2 * min(runs)


def test_streets_show_every_class_and_colour_alone_does_not_tell_them_apart():
    pictures = [generate("street", seed=1, index=index, height=128, width=128) for index in range(8)]
    colours = np.concatenate([image.reshape(-1, 3) for image, _ in pictures]).astype(float)
    classes = np.concatenate([label.ravel() for _, label in pictures])
    assert set(np.unique(classes)) == set(range(8))
    means = np.array([colours[classes == c].mean(axis=0) for c in range(8)])
    nearest = np.argmin(((colours[:, None] - means) ** 2).sum(axis=2), axis=1)
    recalls = [(nearest[classes == c] == c).mean() for c in range(8)]
    assert np.mean(recalls) < 0.5
    assert np.mean(recalls) > 1 / 8


def test_impossible_requests_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="er, mito, nuc, street; got 'cell'"):
        generate("cell", seed=0, index=0)
    with pytest.raises(ValueError, match="at least 16 pixels; got 15 and 64"):
        generate("er", seed=0, index=0, height=15, width=64)
    with pytest.raises(ValueError, match="at least 16 pixels"):
        generate("er", seed=0, index=0, width=64.0)
    with pytest.raises(ValueError, match="8 or 16; got 12"):
        generate("er", seed=0, index=0, bit_depth=12)
    with pytest.raises(ValueError, match="index must be an integer of at least 0; got -1"):
        generate("er", seed=0, index=-1)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        generate("er", seed=-1, index=0)


# --- the imaging model ------------------------------------------------------------------------------------------


def test_a_constant_scene_has_the_mean_and_variance_of_the_camera_model():
    """0.5 * 200 + 20 = 120 photons; mean 3 * 120 + 10 = 370; variance 9 * (120 + 4**2) = 1224."""
    microscope = Microscope(
        photons=200, background_photons=20, read_noise_photons=4, gain_counts=3, offset_counts=10, psf_sigma_px=2
    )
    counts = microscope(np.full((256, 256), 0.5), generator(0, "", "test"))
    num = 256 * 256
    assert abs(counts.mean() - 370) < 5 * np.sqrt(1224 / num)  # five standard errors
    assert abs(counts.var() - 1224) < 5 * 1224 * np.sqrt(2 / num)


def test_with_many_photons_the_picture_is_the_scene():
    scene = np.arange(12.0).reshape(3, 4)
    microscope = Microscope(photons=1e10, psf_sigma_px=0, read_noise_photons=0, gain_counts=1e-8, offset_counts=7)
    counts = microscope(scene, generator(0, "", "test"))
    np.testing.assert_allclose(counts, 100 * scene + 7, atol=0.02)  # noise: 1e-8 * sqrt(11e10) = 0.0033


def test_blur_spreads_a_point_by_the_psf_and_haze_keeps_the_light():
    scene = np.zeros((101, 101))
    scene[50, 50] = 1.0
    quiet = {"photons": 1e12, "read_noise_photons": 0, "gain_counts": 1e-12, "offset_counts": 0}
    sharp = Microscope(psf_sigma_px=2, **quiet)(scene, generator(0, "", "test"))
    rows = np.arange(101)[:, None] - 50
    assert sharp.sum() == pytest.approx(1, abs=1e-4)
    assert (sharp * rows**2).sum() == pytest.approx(4, rel=0.02)  # the kernel ends at 4 sigma and is sampled
    hazy = Microscope(psf_sigma_px=2, haze_share=0.25, haze_sigma_px=9, **quiet)(scene, generator(0, "", "test"))
    assert hazy.sum() == pytest.approx(1, abs=1e-4)
    assert hazy[50, 50] == pytest.approx(0.75 * sharp[50, 50] + 0.25 / (2 * np.pi * 81), rel=0.02)


def test_the_background_is_uneven_by_the_share_asked_for():
    quiet = {"photons": 1, "read_noise_photons": 0, "gain_counts": 1, "offset_counts": 0}
    microscope = Microscope(background_photons=1e6, background_unevenness=0.1, background_scale_px=8, **quiet)
    counts = microscope(np.zeros((200, 200)), generator(1, "", "test"))
    assert counts.mean() == pytest.approx(1e6, rel=0.02)
    assert counts.std() == pytest.approx(1e5, rel=0.15)  # some 600 knots


def test_microscope_settings_are_frozen_and_unknown_ones_refused():
    with pytest.raises(ValidationError):
        Microscope(sigma=1)
    with pytest.raises(ValidationError):
        Microscope(haze_share=1.5)
    with pytest.raises(ValidationError):
        Microscope().photons = 3


def test_quantise_rounds_and_saturates():
    counts = np.array([-10.0, 128.4, 128.6, 257 * 99.4, 65535.4, 1e6])
    assert quantise(counts, 8).tolist() == [0, 0, 1, 99, 255, 255]
    assert quantise(counts, 16).tolist() == [0, 128, 129, 25546, 65535, 65535]


def test_the_road_camera_scales_noise_with_its_full_well():
    """0.5 * 0.8 = 0.4 of full scale; variance (0.4 * 1000 + 10**2) * (65535 / 1000)**2."""
    camera = Camera(exposure=0.8, vignette=0, full_well_photons=1000, read_noise_photons=10, cast=(1, 1, 0.5))
    counts = camera(np.full((200, 200, 3), 0.5), generator(0, "", "test"))
    variance = 500 * 65.535**2
    assert abs(counts[..., 0].mean() - 0.4 * 65535) < 5 * np.sqrt(variance / 40000)
    assert abs(counts[..., 0].var() - variance) < 5 * variance * np.sqrt(2 / 40000)
    assert counts[..., 2].mean() == pytest.approx(0.2 * 65535, rel=0.01)


# --- building blocks --------------------------------------------------------------------------------------------


def test_a_smooth_field_has_unit_variance_and_the_scale_asked_for():
    fields = np.array([smooth_field(5, 40, 10.0, generator(seed, "", "field")) for seed in range(400)])
    assert fields.mean() == pytest.approx(0, abs=0.1)
    assert fields.var() == pytest.approx(1, abs=0.12)  # 400 fields of about 4 independent values: 5 standard errors
    near = np.mean(fields[:, 2, 0] * fields[:, 2, 2])
    far = np.mean(fields[:, 2, 0] * fields[:, 2, 39])  # 39 px are 3.9 knots: they share none
    assert near > 0.6
    assert abs(far) < 0.25


def test_lines_match_a_slow_search_for_the_nearest_sample():
    rng = generator(0, "", "lines")
    points, widths, brightness = rng.uniform(-2, 14, (20, 2)), rng.uniform(2, 5, 20), rng.uniform(1, 2, 20)
    light, inside = draw_lines(points, widths, brightness, 12, 9)
    for row in range(12):
        for column in range(9):
            distances = np.hypot(points[:, 0] - row, points[:, 1] - column)
            nearest = int(distances.argmin())
            depth = widths[nearest] / 2 - distances[nearest]
            assert inside[row, column] == (depth >= 0)
            assert light[row, column] == pytest.approx(brightness[nearest] * min(max(depth + 0.5, 0), 1))


def test_no_lines_give_an_empty_picture():
    light, inside = draw_lines(np.empty((0, 2)), np.empty(0), np.empty(0), 3, 4)
    assert light.shape == inside.shape == (3, 4)
    assert not light.any()
    assert not inside.any()


def test_arcs_run_from_end_to_end_and_bulge_in_the_middle():
    starts, ends = np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([[0.0, 4.0], [5.0, 5.0]])
    points, position, arc = sample_arcs(starts, ends, np.array([0.25, 0.0]))
    assert arc.tolist() == [0] * 9 + [1] * 2  # 4 px in steps of half a pixel; a point still has two samples
    assert points[0].tolist() == [0, 0]
    assert points[8].tolist() == [0, 4]
    assert points[4].tolist() == [1, 2]  # a quarter of the chord off its middle
    assert position[:9].tolist() == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]


def test_a_pole_stands_where_perspective_puts_it():
    """At 5 m and focal length 50, a metre is 10 px: foot at row 20 + 14, head 3 m higher, middle at column 15 + 10."""
    canvas = Canvas(np.zeros((60, 40, 3)), np.zeros((60, 40), np.uint8))
    view = View(50.0, 20.0, 15.0, -3.0, 3.0, -5.0, 5.0)
    window = open_window(canvas, view, across_m=1.0, away_m=5.0, width_m=0.4, height_m=3.0)
    paint(canvas, window, np.ones(1), np.ones(3), POLE)
    rows, columns = np.nonzero(canvas.label == POLE)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (4, 34, 23, 27)
    outside = open_window(canvas, view, across_m=90.0, away_m=5.0, width_m=0.4, height_m=3.0)
    paint(canvas, outside, np.ones(1), np.ones(3), POLE)  # nothing to paint, and no error
    assert (canvas.label == POLE).sum() == 30 * 4


# --- the folder -------------------------------------------------------------------------------------------------

COUNTS = {"train": 3, "val": 1, "test": 2}
SMALL = {"height": 24, "width": 16, "seed": 3}


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_folder_holds_what_generate_gives_and_no_picture_twice(tmp_path):
    steps = []
    path = write_dataset("nuc", tmp_path / "a" / "b", counts=COUNTS, on_item=lambda *step: steps.append(step), **SMALL)
    folder = path.parent
    assert steps == [(done, 6) for done in range(1, 7)]
    files = contents(folder)
    images = [name for name in files if "/images/" in name]
    assert images == [f"test/images/nuc_0000{i}.png" for i in (4, 5)] + [
        f"train/images/nuc_0000{i}.png" for i in (0, 1, 2)
    ] + ["val/images/nuc_00003.png"]
    assert len({files[name] for name in images}) == 6
    assert set(files) == {*images, *(name.replace("images", "labels") for name in images), "dataset.json"}
    image, label = generate("nuc", index=4, **SMALL)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "test/images/nuc_00004.png")), image)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "test/labels/nuc_00004.png")), label)
    settings = json.loads(path.read_text())
    assert settings["splits"]["test"] == {"first_index": 4, "count": 2}
    assert settings["class_names"] == ["background", "nucleus"]
    assert settings["generator_version"] == 1


def test_sixteen_bits_and_colour_survive_the_file(tmp_path):
    write_dataset("er", tmp_path / "er", counts={"test": 1}, bit_depth=16, **SMALL)
    image, _ = generate("er", index=0, bit_depth=16, **SMALL)
    loaded = np.asarray(Image.open(tmp_path / "er/test/images/er_00000.png"))
    np.testing.assert_array_equal(loaded, image)
    assert loaded.dtype == np.uint16
    write_dataset("street", tmp_path / "street", counts={"test": 1}, **SMALL)
    loaded = np.asarray(Image.open(tmp_path / "street/test/images/street_00000.png"))
    np.testing.assert_array_equal(loaded, generate("street", index=0, **SMALL)[0])
    write_dataset("street", tmp_path / "deep", counts={"test": 1}, bit_depth=16, **SMALL)
    loaded = load_image(tmp_path / "deep/test/images/street_00000.tif")
    np.testing.assert_array_equal(loaded, generate("street", index=0, bit_depth=16, **SMALL)[0])


def test_an_interrupted_folder_is_continued_and_ends_like_an_uninterrupted_one(tmp_path):
    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset("nuc", tmp_path / "a", counts=COUNTS, on_item=stop, **SMALL)
    assert not (tmp_path / "a/dataset.json").exists()
    assert len(contents(tmp_path / "a")) == 5  # two pictures, two labels, the partial file
    write_dataset("nuc", tmp_path / "a", counts=COUNTS, **SMALL)
    write_dataset("nuc", tmp_path / "b", counts=COUNTS, **SMALL)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_files_that_exist_are_kept_and_missing_ones_replaced(tmp_path):
    write_dataset("nuc", tmp_path, counts=COUNTS, **SMALL)
    before = contents(tmp_path)
    (tmp_path / "train/labels/nuc_00001.png").unlink()
    (tmp_path / "val/images/nuc_00003.png").write_bytes(b"mine")
    write_dataset("nuc", tmp_path, counts=COUNTS, **SMALL)
    after = contents(tmp_path)
    assert (tmp_path / "val/images/nuc_00003.png").read_bytes() == b"mine"
    assert {name for name in before if before[name] != after[name]} == {"val/images/nuc_00003.png"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "with seed 3, not 4"),
        ({"width": 32}, "with width 16, not 32"),
        ({"bit_depth": 16}, "with bit_depth 8, not 16"),
        ({"counts": {"train": 4, "val": 1, "test": 2}}, "with splits"),
        ({"counts": {"test": 2, "val": 1, "train": 3}}, "with splits"),  # the order decides who gets which index
    ],
)
def test_a_folder_of_other_settings_is_refused(tmp_path, change, message):
    write_dataset("nuc", tmp_path, counts=COUNTS, **SMALL)
    before = contents(tmp_path)
    with pytest.raises(DataError, match=message):
        write_dataset("nuc", tmp_path, **{"counts": COUNTS, **SMALL, **change})
    assert contents(tmp_path) == before


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(DataError, match=r"not empty and holds no dataset\.json"):
        write_dataset("nuc", tmp_path, counts=COUNTS, **SMALL)
    assert list(contents(tmp_path)) == ["thesis.txt"]
    with pytest.raises(DataError, match="is a file"):
        write_dataset("nuc", tmp_path / "thesis.txt", counts=COUNTS, **SMALL)
    (tmp_path / "dataset.json").write_text("[1")
    with pytest.raises(DataError, match="cannot be read"):
        write_dataset("nuc", tmp_path, counts=COUNTS, **SMALL)


@pytest.mark.parametrize("counts", [{}, {"train": 0}, {"train": -1}, {"../train": 1}, {"": 1}, {"train": 1.5}])
def test_impossible_counts_are_refused_before_anything_is_written(tmp_path, counts):
    with pytest.raises(ValueError, match=r"counts must|split's name"):
        write_dataset("nuc", tmp_path / "new", counts=counts, **SMALL)
    assert not (tmp_path / "new").exists()


def test_no_half_file_is_left_when_writing_fails(tmp_path, monkeypatch):
    def fail(self, stream, *_, **__):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_dataset("nuc", tmp_path, counts={"train": 1}, **SMALL)
    assert list(contents(tmp_path)) == ["dataset.partial.json"]
