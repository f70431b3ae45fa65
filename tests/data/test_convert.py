"""Conversions of folders: every target and back, stacks as planes, bad input told in one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from metastructure.data.convert import OUTLINE_TARGETS, PIXEL_TARGETS, TARGETS, convert_files
from metastructure.data.files import load_image, load_label, save_image
from metastructure.data.formats.opening import open_stack
from metastructure.data.formats.pixel_size import PixelSize
from metastructure.data.formats.tiff import write_tiff
from metastructure.errors import ConfigError, DataError

LABELS = {
    "a": np.array([[0, 1, 1, 2], [0, 1, 1, 0], [255, 0, 0, 2]], np.uint8),
    "sub/b": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 2, 0], [0, 0, 2]], np.uint8),
}
SUFFIXES = {"png": ".png", "tif": ".tif", "ome-tif": ".ome.tif", "ome-zarr": ".ome.zarr"}
EXTRAS = {"ome-zarr": "zarr"}


def save_labels(root: Path, suffix: str = ".png") -> Path:
    for name, label in LABELS.items():
        save_image(root / f"{name}{suffix}", label)
    return root


def out_of(tmp_path: Path, to: str) -> Path:
    return tmp_path / "out" / "c.json" if to == "coco" else tmp_path / "out"


@pytest.mark.parametrize("to", TARGETS)
def test_labels_come_back_from_every_target(tmp_path: Path, to: str):
    if to in EXTRAS:
        pytest.importorskip(EXTRAS[to])
    labels, out = save_labels(tmp_path / "labels"), out_of(tmp_path, to)
    steps = list[tuple[int, int]]()
    there = convert_files(
        labels, out, to, images=labels, is_label=True, on_item=lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 2), (2, 2)]
    assert len(there.files) == (1 if to == "coco" else 2)
    # class 1, class 2 twice, IGNORE; a ring of class 1, and two pixels of class 2 that touch at a corner
    assert there.num_objects == (6 if to in OUTLINE_TARGETS else 0)
    back = convert_files(out, tmp_path / "back", "png", images=labels, is_label=True)
    assert sorted(back.files) == ["a.png", "sub/b.png"]
    for name, label in LABELS.items():
        np.testing.assert_array_equal(load_label(tmp_path / "back" / f"{name}.png"), label)


def test_every_target_is_of_pixels_or_outlines():
    assert {*PIXEL_TARGETS, *OUTLINE_TARGETS} == {*TARGETS}
    assert {*SUFFIXES} == {*PIXEL_TARGETS}


@pytest.mark.parametrize("to", PIXEL_TARGETS)
def test_an_image_of_16_bits_is_not_changed(tmp_path: Path, to: str):
    if to in EXTRAS:
        pytest.importorskip(EXTRAS[to])
    image = (np.arange(35, dtype=np.uint16) * 1871).reshape(5, 7)
    (tmp_path / "in").mkdir()
    write_tiff(tmp_path / "in" / "a.tif", image, "YX", PixelSize(0.25, 0.5), "imagej")
    convert_files(tmp_path / "in", tmp_path / "out", to)
    path = tmp_path / "out" / f"a{SUFFIXES[to]}"
    back = load_image(path)
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, image)
    assert open_stack(path).pixel_size == (None if to == "png" else PixelSize(0.25, 0.5))


@pytest.mark.parametrize("axes", ["ZCYX", "TZYX", "QYX"])
def test_a_stack_becomes_planes_or_stays_whole(tmp_path: Path, axes: str):
    shape = {"ZCYX": (4, 3, 5, 6), "TZYX": (2, 3, 5, 6), "QYX": (4, 5, 6)}[axes]
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    metadata = None if axes == "QYX" else {"axes": axes}
    tifffile.imwrite(tmp_path / "s.tif", pixels, imagej=axes != "QYX", photometric="minisblack", metadata=metadata)
    planes = convert_files(tmp_path / "s.tif", tmp_path / "planes", "tif")
    names = {
        "ZCYX": [f"s_z{z:02d}.tif" for z in range(4)],
        "TZYX": [f"s_t{t:02d}_z{z:02d}.tif" for t in range(2) for z in range(3)],
        "QYX": [f"s_p{p:02d}.tif" for p in range(4)],
    }[axes]
    assert planes.files == tuple(names)
    expected = np.moveaxis(pixels, 1, -1) if axes == "ZCYX" else pixels.reshape(-1, 5, 6)
    for name, plane in zip(names, expected, strict=True):
        np.testing.assert_array_equal(load_image(tmp_path / "planes" / name), plane)
    whole = convert_files(tmp_path / "s.tif", tmp_path / "whole", "ome-tif")
    assert whole.files == ("s.ome.tif",)
    with tifffile.TiffFile(tmp_path / "whole" / "s.ome.tif") as file:
        assert file.series[0].axes == axes.replace("Q", "Z")
        np.testing.assert_array_equal(file.asarray(), pixels)


def test_a_label_volume_of_nifti_in_floats(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    volume = np.zeros((3, 4, 2), np.float32)
    volume[1, 3, 1] = 2
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "v.nii.gz")
    done = convert_files(tmp_path / "v.nii.gz", tmp_path / "out", "png", is_label=True)
    assert done.files == ("v_z00.png", "v_z01.png")
    label = load_label(tmp_path / "out" / "v_z01.png")
    assert label.shape == (4, 3)
    assert np.argwhere(label == 2).tolist() == [[3, 1]]
    convert_files(tmp_path / "v.nii.gz", tmp_path / "image", "tif")
    assert load_image(tmp_path / "image" / "v_z01.tif").dtype == np.float32


def test_one_channel_is_taken(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 6, 7), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", pixels, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(DataError, match=r"1 or 3 channels; this file holds 5\. Choose one with --channel"):
        convert_files(tmp_path / "c.tif", tmp_path / "none", "tif")
    convert_files(tmp_path / "c.tif", tmp_path / "out", "png", channel=3)
    np.testing.assert_array_equal(load_image(tmp_path / "out" / "c.png"), pixels[3])
    with pytest.raises(DataError, match=r"holds 5 channels, 0\.\.4; got 5"):
        convert_files(tmp_path / "c.tif", tmp_path / "none", "tif", channel=5)


def test_labels_of_annotations_take_the_pixel_size_of_their_images(tmp_path: Path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for name, label in LABELS.items():
        path = tmp_path / "images" / f"{name}.ome.tif"
        write_tiff(path, label, "YX", PixelSize(0.1, 0.2), "ome")
    convert_files(save_labels(tmp_path / "labels"), tmp_path / "me", "labelme", images=tmp_path / "images")
    about = json.loads((tmp_path / "me" / "sub" / "b.json").read_text())
    assert about["imagePath"] == "../../images/sub/b.ome.tif"
    convert_files(tmp_path / "me", tmp_path / "out", "ome-tif", images=tmp_path / "images")
    assert open_stack(tmp_path / "out" / "a.ome.tif").pixel_size == PixelSize(0.1, 0.2)
    convert_files(tmp_path / "labels", tmp_path / "c.json", "coco", images=tmp_path / "images")
    names = [one["file_name"] for one in json.loads((tmp_path / "c.json").read_text())["images"]]
    assert names == ["a.ome.tif", "sub/b.ome.tif"]


def test_a_palette_gives_classes_for_labels_and_colours_for_images(tmp_path: Path):
    image = Image.fromarray(LABELS["a"])
    image.putpalette([value for index in range(256) for value in (index, 7, 255 - index)])
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / "a.png")
    convert_files(tmp_path / "in", tmp_path / "label", "tif", is_label=True)
    np.testing.assert_array_equal(load_label(tmp_path / "label" / "a.tif"), LABELS["a"])
    convert_files(tmp_path / "in", tmp_path / "image", "tif")
    assert load_image(tmp_path / "image" / "a.tif")[0, 1].tolist() == [1, 7, 254]


ABOVE_0 = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], np.uint8)
ONE_CLASS = {
    "mask.png": 255 * ABOVE_0,
    "numbered.tif": ABOVE_0 * np.arange(300, 304, dtype=np.uint16),
    "floats.tif": ABOVE_0 * np.array([[0.2], [7], [1]], np.float32),
    "colours.png": np.stack([ABOVE_0 * [[0, 9, 0, 0]], ABOVE_0 * [[0, 0, 9, 9]], 0 * ABOVE_0], -1).astype(np.uint8),
    "grey_alpha.png": np.stack([ABOVE_0, 255 + 0 * ABOVE_0], -1),
    "alpha.png": np.concatenate([255 * np.stack([ABOVE_0] * 3, -1), np.full((3, 4, 1), 255)], -1).astype(np.uint8),
}


@pytest.mark.parametrize("name", ONE_CLASS)
def test_all_above_0_becomes_class_1(tmp_path: Path, name: str):
    (tmp_path / "in").mkdir()
    if name.endswith("png"):
        Image.fromarray(ONE_CLASS[name]).save(tmp_path / "in" / name)
    else:
        tifffile.imwrite(tmp_path / "in" / name, ONE_CLASS[name])
    convert_files(tmp_path / "in", tmp_path / "out", "png", one_class=True)
    back = load_label(tmp_path / "out" / f"{name[:-4]}.png")
    np.testing.assert_array_equal(back, ABOVE_0)


@pytest.mark.parametrize("mask", [ABOVE_0, 1 - ABOVE_0], ids=["background first", "object first"])
def test_a_black_and_white_mask_is_the_same_with_a_palette(tmp_path: Path, mask: np.ndarray):
    (tmp_path / "in").mkdir()
    colours = Image.fromarray(255 * mask).convert("RGB")
    colours.quantize(2).save(tmp_path / "in" / "a.png")  # index 0 is white
    convert_files(tmp_path / "in", tmp_path / "out", "png", one_class=True)
    np.testing.assert_array_equal(load_label(tmp_path / "out" / "a.png"), mask)


def test_a_palette_with_black_first_or_none_keeps_its_numbers(tmp_path: Path):
    (tmp_path / "in").mkdir()
    for name, palette in {"black": [0, 0, 0, 0, 0, 0, 9, 0, 0], "white": [255, 255, 255, 9, 0, 0, 0, 9, 0]}.items():
        image = Image.fromarray(LABELS["a"])
        image.putpalette(palette)
        image.save(tmp_path / "in" / f"{name}.png")
    convert_files(tmp_path / "in", tmp_path / "out", "png", one_class=True)
    for name in ("black", "white"):
        np.testing.assert_array_equal(load_label(tmp_path / "out" / f"{name}.png"), LABELS["a"] > 0)


def test_all_above_0_of_colours_stored_one_after_another_becomes_class_1(tmp_path: Path):
    (tmp_path / "in").mkdir()
    planes = np.stack([0 * ABOVE_0, ABOVE_0, 0 * ABOVE_0])
    tifffile.imwrite(tmp_path / "in" / "p.tif", planes, photometric="rgb", planarconfig="separate")
    convert_files(tmp_path / "in", tmp_path / "out", "png", one_class=True)
    np.testing.assert_array_equal(load_label(tmp_path / "out" / "p.png"), ABOVE_0)


def test_all_above_0_of_a_coloured_stack_becomes_class_1(tmp_path: Path):
    pixels = np.stack([ABOVE_0, 1 - ABOVE_0])[..., np.newaxis] * np.array([0, 0, 5], np.uint8)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "s.tif", pixels, photometric="rgb", imagej=True, metadata={"axes": "ZYXS"})
    convert_files(tmp_path / "in", tmp_path / "out", "png", one_class=True)
    for number, plane in enumerate([ABOVE_0, 1 - ABOVE_0]):
        np.testing.assert_array_equal(load_label(tmp_path / "out" / f"s_z{number:02}.png"), plane)


def save_bad_inputs(root: Path) -> None:
    """What the calls of `BAD_CALLS` name."""
    save_labels(root / "labels")
    save_image(root / "photo" / "p.png", np.arange(110, dtype=np.uint8).reshape(10, 11))
    save_image(root / "masks" / "m.png", np.array([[0, 255]], np.uint8))
    save_image(root / "floats" / "f.tif", np.array([[0.5, 1]], np.float32))
    save_image(root / "lossy" / "l.jpg", np.zeros((8, 8), np.uint8))
    save_image(root / "data" / "train" / "images" / "below" / "a.png", LABELS["a"])
    save_image(root / "data" / "train" / "labels" / "a.png", LABELS["a"])
    (root / "channels").mkdir()
    tifffile.imwrite(root / "channels" / "c.tif", np.zeros((2, 8, 8), np.uint8), imagej=True, metadata={"axes": "CYX"})
    save_image(root / "twice" / "t.png", LABELS["a"])
    save_image(root / "twice" / "t.tif", LABELS["a"])
    for name, content in {
        "json/x.json": "{",
        "other.json": '{"version": 1}',
        "coco/c.json": '{"images": [], "annotations": [], "categories": []}',
        "odd/x.czi": "",
        "roi/a.roi": "",
        "me/a.json": '{"shapes": [], "imageHeight": 9, "imageWidth": 9}',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


BAD_CALLS = {
    "no target": ({"source": "labels", "to": "bmp"}, "to must be one of png, tif"),
    "no source": ({"source": "nowhere"}, "no such file or folder"),
    "full folder": ({"source": "labels", "out": "photo"}, "holds files already"),
    "inside": ({"source": "labels", "out": "labels/out"}, "separate folders"),
    "coco in a folder": ({"source": "labels", "to": "coco"}, r"name it with \.json"),
    "coco that exists": ({"source": "labels", "to": "coco", "out": "other.json"}, "not overwritten"),
    "a photograph": ({"source": "photo", "to": "labelme"}, "110 values; is it an image"),
    "masks": ({"source": "masks", "to": "roi"}, "0 and 255 only"),
    "floats as labels": ({"source": "floats", "is_label": True}, "integer classes; got float32"),
    "floats as png": ({"source": "floats"}, r"float32 of shape \(1, 2\)\. Use --to tif"),
    "two of a name": ({"source": "twice"}, "the same name but for the suffix"),
    "broken json": ({"source": "json"}, r"x\.json: the file cannot be read"),
    "another json": ({"source": "other.json"}, "neither of COCO .* nor of LabelMe"),
    "a folder of coco": ({"source": "coco"}, r"name the file itself, .*c\.json"),
    "no known format": ({"source": "odd"}, "nothing here that can be converted"),
    "an unknown file": ({"source": "odd/x.czi"}, r"\.czi is no format"),
    "regions without images": ({"source": "roi"}, "--images"),
    "regions without their image": ({"source": "roi", "images": "photo"}, "have no image; expected .*photo/a"),
    "annotations of another size": ({"source": "me", "images": "labels"}, r"3 x 4 pixels, .* of 9 x 9"),
    "channel of annotations": ({"source": "me", "channel": 0}, "of images only"),
    "one class of annotations": ({"source": "me", "one_class": True}, "of pixels only"),
    "one class of two channels": ({"source": "channels", "one_class": True}, "this file holds 2"),
    "one class of jpeg": ({"source": "lossy", "one_class": True}, r"l\.jpg: JPEG changes values"),
    "one class of images too": ({"source": "data", "one_class": True}, "images holds images.*such as .*labels"),
    "classes of images too": ({"source": "data", "is_label": True}, "images holds images.*such as .*labels"),
    "too few names": ({"source": "labels", "to": "labelme", "classes": ["a"]}, "hold class 2, but 1 classes"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input_is_one_sentence(tmp_path: Path, case: str):
    save_bad_inputs(tmp_path)
    given, complaint = BAD_CALLS[case]
    options = {"out": "out", "to": "png"} | given
    paths = {name: tmp_path / options.pop(name) for name in ("source", "out", "images") if name in options}
    with pytest.raises((DataError, ConfigError), match=complaint) as caught:
        convert_files(**paths, **options)
    assert "\n" not in str(caught.value)


def test_a_failure_leaves_no_half_file(tmp_path: Path):
    zarr = pytest.importorskip("zarr")
    noise = np.random.default_rng(0).integers(0, 255, (3, 40, 40), dtype=np.uint8)
    path = tmp_path / "in" / "a.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.create_array("0", data=noise, chunks=(1, 40, 40))
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    (path / "0" / "c" / "2" / "0" / "0").write_bytes(b"damaged")
    for to in ("ome-zarr", "ome-tif"):
        with pytest.raises(DataError, match="damaged"):
            convert_files(tmp_path / "in", tmp_path / to, to)
        assert list((tmp_path / to).iterdir()) == []
