"""TIFF: axes and pixel size of OME, ImageJ and plain files, against tifffile's own parsing."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from metastructure.data.corrupt import corrupt_folder
from metastructure.data.files import load_image, load_label, save_image
from metastructure.data.formats.opening import open_stack
from metastructure.data.formats.pixel_size import PixelSize
from metastructure.data.formats.stack import Stack, check_axes, split_page
from metastructure.data.formats.tiff import open_tiff, write_tiff
from metastructure.data.label_format import read_label_file, write_label_file
from metastructure.errors import DataError

LABEL = np.array([[0, 1, 1, 0], [2, 255, 0, 0], [2, 2, 0, 1]], np.uint8)
OME_UM = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}


def ome_pixels(path):
    """The attributes of Pixels, as tifffile gives the XML."""
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        (pixels,) = [e for e in ET.fromstring(file.ome_metadata).iter() if e.tag.endswith("}Pixels")]
        return pixels.attrib, file.series[0].axes


def test_an_ome_label_is_written_back_with_its_size(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.ome.tif", LABEL, ome=True, metadata={"axes": "YX"} | OME_UM)
    label = read_label_file(tmp_path / "a.ome.tif")
    assert label.pixel_size == PixelSize(0.25, 0.5, "µm")  # 250 nm are 0.25 µm
    write_label_file(tmp_path / "out.tif", replace(label, pixels=LABEL[::-1]))
    attributes, axes = ome_pixels(tmp_path / "out.tif")
    assert (axes, attributes["PhysicalSizeX"], attributes["PhysicalSizeY"]) == ("YX", "0.5", "0.25")
    assert attributes["PhysicalSizeYUnit"] == "µm"
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), LABEL[::-1])


def test_the_same_pixels_give_the_same_ome_bytes(tmp_path: Path):
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, LABEL, "YX", PixelSize(1, 2), "ome")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_an_imagej_film_keeps_axes_size_and_interval(tmp_path: Path):
    film = np.stack([LABEL, LABEL.T.reshape(3, 4)])
    about = {"axes": "TYX", "unit": "um", "finterval": 1.5}
    tifffile.imwrite(tmp_path / "a.tif", film, imagej=True, resolution=(2, 4), metadata=about)
    label = read_label_file(tmp_path / "a.tif")
    assert (label.axes, label.style) == ("TYX", "imagej")
    assert label.pixel_size == PixelSize(0.25, 0.5, "µm", frame_s=1.5)
    write_label_file(tmp_path / "b.tif", label)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "TYX"
        assert {"unit": "um", "finterval": 1.5, "frames": 2}.items() <= file.imagej_metadata.items()
        assert file.pages[0].tags["XResolution"].value == (2, 1)
        assert file.pages[0].tags["YResolution"].value == (4, 1)
        np.testing.assert_array_equal(file.asarray(), film)


def test_a_volume_keeps_the_distance_of_its_slices(tmp_path: Path):
    volume = np.stack([LABEL, LABEL])
    write_tiff(tmp_path / "j.tif", volume, "ZYX", PixelSize(0.25, 0.5, "µm", slice=3.0), "imagej")
    write_tiff(tmp_path / "o.tif", volume, "ZYX", PixelSize(0.25, 0.5, "µm", slice=3.0), "ome")
    with tifffile.TiffFile(tmp_path / "j.tif") as file:
        assert file.imagej_metadata["spacing"] == 3.0
    assert ome_pixels(tmp_path / "o.tif")[0]["PhysicalSizeZ"] == "3.0"
    for name in ("j.tif", "o.tif"):
        assert read_label_file(tmp_path / name).pixel_size == PixelSize(0.25, 0.5, "µm", slice=3.0)


@pytest.mark.parametrize(("unit", "per_unit", "expected"), [("INCH", 254, 1 / 254), ("CENTIMETER", 400, 0.0025)])
def test_a_plain_file_keeps_its_resolution(tmp_path: Path, unit: str, per_unit: int, expected: float):
    tifffile.imwrite(tmp_path / "a.tif", LABEL, resolution=(per_unit, 2 * per_unit), resolutionunit=unit)
    label = read_label_file(tmp_path / "a.tif")
    assert label.pixel_size == PixelSize(expected / 2, expected, "in" if unit == "INCH" else "cm")
    write_label_file(tmp_path / "b.tif", label)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT[unit]
        assert tags["XResolution"].value == (per_unit, 1)
        assert tags["YResolution"].value == (2 * per_unit, 1)


@pytest.mark.parametrize("style", ["plain", "imagej", "ome"])
@pytest.mark.parametrize("size", [None, PixelSize(0.3, 0.2, "mm")])
def test_every_style_gives_back_what_was_written(tmp_path: Path, style: str, size: PixelSize | None):
    pixels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    write_tiff(tmp_path / "a.tif", pixels, "ZYX", size, style)
    stack = open_tiff(tmp_path / "a.tif")
    assert (stack.axes, stack.shape, stack.style, len(stack)) == ("ZYX", (2, 3, 4), style, 2)
    np.testing.assert_array_equal(stack.load(1), pixels[1])
    if size is None:
        assert stack.pixel_size is None
    else:
        assert stack.pixel_size is not None
        back = stack.pixel_size.to("mm")
        assert (back.row, back.column) == pytest.approx((0.3, 0.2), rel=1e-6)  # of the rational numbers of a TIFF


def test_save_image_like_another(tmp_path: Path):
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    tifffile.imwrite(tmp_path / "in.tif", image, ome=True, metadata={"axes": "YX"} | OME_UM)
    save_image(tmp_path / "out.tif", LABEL, like=tmp_path / "in.tif")
    assert ome_pixels(tmp_path / "out.tif")[0]["PhysicalSizeX"] == "0.5"
    save_image(tmp_path / "out.png", LABEL, like=tmp_path / "in.tif")
    np.testing.assert_array_equal(load_label(tmp_path / "out.png"), LABEL)


def test_planes_of_a_hyperstack_are_named_and_read_one_at_a_time(tmp_path: Path, monkeypatch):
    pixels = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.uint16).reshape(2, 3, 2, 4, 5)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "TZCYX"})
    stack = open_stack(tmp_path / "a.tif")
    assert [stack.name(k) for k in (0, 1, 5)] == ["_t00_z00", "_t00_z01", "_t01_z02"]
    read = []
    asarray = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage, "asarray", lambda self, *a, **k: (read.append(self.index), asarray(self, *a, **k))[1]
    )
    plane = stack.load(5)
    np.testing.assert_array_equal(plane, np.moveaxis(pixels[1, 2], 0, -1))
    assert len(read) <= 2  # a page a channel
    np.testing.assert_array_equal(stack.plane(4)[1:3, :2], np.moveaxis(pixels[1, 1], 0, -1)[1:3, :2])


def test_a_page_is_an_item(tmp_path: Path):
    pages = np.stack([LABEL, 255 - LABEL])
    tifffile.imwrite(tmp_path / "s.tif", pages, photometric="minisblack")
    np.testing.assert_array_equal(load_label(tmp_path / "s.tif#1"), 255 - LABEL)
    np.testing.assert_array_equal(load_image(f"{tmp_path}/s.tif#0"), LABEL)
    with pytest.raises(DataError, match=r"2 planes, 0\.\.1; got 2"):
        load_image(tmp_path / "s.tif#2")
    with pytest.raises(DataError, match=r"QYX, 2 planes; name one, such as s\.tif#0, or .* convert"):
        load_image(tmp_path / "s.tif")


def test_a_name_with_a_mark_of_its_own_is_a_file(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif#2", LABEL)
    assert split_page(tmp_path / "a.tif#2") == (tmp_path / "a.tif#2", None)


def test_colours_and_channels(tmp_path: Path):
    colours = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    planar = np.ascontiguousarray(np.moveaxis(colours, -1, 0))
    tifffile.imwrite(tmp_path / "c.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "p.tif", planar, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "o.tif", planar, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    for name in ("c", "p", "o"):
        np.testing.assert_array_equal(load_image(tmp_path / f"{name}.tif"), colours)
    two = np.zeros((2, 4, 5), np.uint8)
    tifffile.imwrite(tmp_path / "2.tif", two, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(DataError, match=r"1 or 3 channels; .* axes CYX.*--channel"):
        load_image(tmp_path / "2.tif")
    with pytest.raises(DataError, match="holds 2 channels"):
        read_label_file(tmp_path / "2.tif")


def stack_with(axes: str, shape: tuple[int, ...]) -> Stack:
    """A stack that is never read."""
    return Stack(Path("x.tif"), axes, shape, np.dtype(np.uint8), lambda index: np.zeros(()))


@pytest.mark.parametrize(
    ("axes", "shape", "complaint"),
    [
        ("XC", (4, 5), r"axes XC of lengths \(4, 5\); an image needs Y"),
        ("YXX", (4, 5, 6), "X comes twice"),
        ("AYX", (2, 4, 5), "of A nothing is known"),
        ("CYXS", (2, 4, 5, 3), r"channels \(C\) of colours"),
        ("QQYX", (2, 3, 4, 5), "without a name"),
        ("ZYX", (0, 4, 5), "no pixels"),
        ("YX", (4, 5, 6), "not as many"),
    ],
)
def test_axes_that_make_no_sense_are_named(axes: str, shape: tuple[int, ...], complaint: str):
    with pytest.raises(DataError, match=complaint) as caught:
        check_axes(stack_with(axes, shape))
    assert str(caught.value).startswith("x.tif: ")


def test_axes_of_the_length_1_are_dropped():
    stack = check_axes(stack_with("TAZCYX", (1, 1, 3, 1, 1, 5)))
    assert (stack.axes, stack.shape, stack.plane(2).shape) == ("ZYX", (3, 1, 5), (1, 5))


def test_a_label_of_two_series_or_two_sizes_is_refused(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 3, 4, 5), np.uint8), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(DataError, match="axes TZYX"):
        read_label_file(tmp_path / "a.tif")
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(np.zeros((4, 5), np.uint8))
        file.write(np.zeros((6, 5), np.uint8))
    with pytest.raises(DataError, match=r"2 images that do not belong together \(4 x 5, 6 x 5\)"):
        load_image(tmp_path / "b.tif")


def test_a_pixel_without_a_size_that_makes_sense(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", LABEL, ome=True, metadata={"axes": "YX"} | OME_UM | {"PhysicalSizeX": -1})
    with pytest.raises(DataError, match=r"a pixel of 250 x -1 µm|0\.25 x -1"):
        load_label(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="unit must be one of"):
        PixelSize(1, 1, "furlong")


@pytest.mark.parametrize("compression", ["zlib", None])
def test_a_truncated_stack_is_named(tmp_path: Path, compression: str | None):
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 64), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", noise, compression=compression, photometric="minisblack")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.tif: .*damaged"):
        load_image(tmp_path / "a.tif#3")


def test_a_format_that_nobody_reads_is_named(tmp_path: Path):
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE")
    with pytest.raises(DataError, match=r"a\.czi: \.czi is no format that is read here .*OME-TIFF"):
        load_image(tmp_path / "a.czi")


def test_noise_keeps_axes_and_pixel_size(tmp_path: Path):
    volume = np.zeros((2, 9, 8), np.uint8)
    volume[:, 3:6, 2:7] = 1
    (tmp_path / "in").mkdir()
    write_tiff(tmp_path / "in" / "a.tif", volume, "TYX", PixelSize(0.25, 0.5, frame_s=2.0), "ome")
    corrupt_folder(tmp_path / "in", tmp_path / "out", "dilate:1", num_classes=2)
    stack = open_tiff(tmp_path / "out" / "a.tif")
    assert (stack.axes, stack.style, stack.pixel_size) == ("TYX", "ome", PixelSize(0.25, 0.5, frame_s=2.0))
    assert stack.load(0).sum() > volume[0].sum()
