"""OME-Zarr against zarr itself: metadata, pyramid, reading by region."""

import json
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import load_image, load_label
from metastructure.data.formats.ome_zarr import open_ome_zarr, write_ome_zarr
from metastructure.data.formats.pixel_size import PixelSize
from metastructure.data.formats.stack import stack_of
from metastructure.errors import DataError, MetastructureError
from metastructure.training.predict import zscore_reader

zarr = pytest.importorskip("zarr")

IMAGE = np.arange(5 * 6, dtype=np.uint16).reshape(5, 6)


def write(path: Path, pixels: np.ndarray, axes: str = "YX", size: PixelSize | None = None, **kwargs) -> Path:
    """Pixels in memory as OME-Zarr."""
    write_ome_zarr(path, stack_of(path, pixels, axes, size), **{"is_label": False} | kwargs)
    return path


def test_an_image_comes_back_with_its_size(tmp_path: Path):
    path = write(tmp_path / "a.zarr", IMAGE, size=PixelSize(0.25, 0.5, "µm"))
    stack = open_ome_zarr(path)
    assert (stack.axes, stack.shape, stack.dtype) == ("YX", (5, 6), np.uint16)
    assert stack.pixel_size == PixelSize(0.25, 0.5, "µm")
    np.testing.assert_array_equal(load_image(path), IMAGE)
    attributes = zarr.open_group(str(path), mode="r").attrs["ome"]
    assert attributes["version"] == "0.5"
    (scales,) = attributes["multiscales"]
    assert scales["axes"] == [
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    assert scales["datasets"][0]["coordinateTransformations"] == [{"type": "scale", "scale": [0.25, 0.5]}]


def test_a_pyramid_halves_images_by_the_mean_and_labels_by_every_second_pixel(tmp_path: Path):
    image = np.zeros((258, 514), np.uint8)
    image[:2, :4] = [[0, 2, 2, 3], [1, 2, 2, 3]]  # means 1.25 and 2.5, which rounds up
    label = image.copy()
    group = zarr.open_group(str(write(tmp_path / "i.zarr", image, size=PixelSize(1, 3, "nm"))), mode="r")
    assert [group[str(k)].shape for k in range(3)] == [(258, 514), (129, 257), (64, 128)]
    assert "3" not in group
    assert group["1"][0, :2].tolist() == [1, 3]
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    assert datasets[2]["coordinateTransformations"] == [
        {"type": "scale", "scale": [4.0, 12.0]},
        {"type": "translation", "translation": [1.5, 4.5]},  # (4 - 1) / 2 and (12 - 3) / 2
    ]
    path = write(tmp_path / "l.zarr", label, is_label=True)
    group = zarr.open_group(str(path), mode="r")
    assert group["1"][0, :2].tolist() == [0, 2]
    assert group.attrs["ome"]["image-label"] == {}
    np.testing.assert_array_equal(load_label(path), label)


def test_a_stack_with_channels_keeps_its_axes(tmp_path: Path):
    pixels = np.arange(3 * 2 * 4 * 5, dtype=np.float32).reshape(3, 2, 4, 5)
    path = write(tmp_path / "a.zarr", pixels, "ZCYX", PixelSize(1, 1, "µm", slice=2.5))
    stack = open_ome_zarr(path)
    assert (stack.axes, stack.shape, len(stack), stack.num_channels) == ("CZYX", (2, 3, 4, 5), 3, 2)
    assert stack.pixel_size is not None
    assert stack.pixel_size.slice == 2.5
    np.testing.assert_array_equal(stack.load(1), np.moveaxis(pixels[1], 0, -1))


def write_old(path: Path, version: str, axes: object, pixels: np.ndarray, unit_scale: list[float] | None) -> None:
    """As other programs wrote it: Zarr 2, metadata at the top."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("s0", data=pixels)
    dataset: dict = {"path": "s0"}
    if unit_scale is not None:
        dataset["coordinateTransformations"] = [{"type": "scale", "scale": unit_scale}]
    scales = {"version": version, "datasets": [dataset]}
    if axes is not None:
        scales["axes"] = axes
    if unit_scale is not None:
        scales["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1, 1, 2, 2]}]
    group.attrs["multiscales"] = [scales]


@pytest.mark.parametrize("version", ["0.2", "0.3", "0.4"])
def test_older_versions_are_read(tmp_path: Path, version: str):
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 1, 1, 3, 4)
    axes = {
        "0.2": None,
        "0.3": ["t", "c", "z", "y", "x"],
        "0.4": [
            {"name": "t", "type": "time", "unit": "millisecond"},
            {"name": "c", "type": "channel"},
            *({"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"),
        ],
    }[version]
    write_old(tmp_path / "a.zarr", version, axes, pixels, [20, 1, 3, 50, 100] if version == "0.4" else None)
    stack = open_ome_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(load_image(tmp_path / "a.zarr"), pixels[0, 0, 0])
    # the scale of the level times that of the whole: 50 * 2 and 100 * 2
    expected = PixelSize(100, 200, "nm", slice=3, frame_s=0.02) if version == "0.4" else None
    assert stack.pixel_size == expected


def test_the_predictor_reads_regions_and_never_the_whole(tmp_path: Path, monkeypatch):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 4000, (700, 640), dtype=np.uint16)
    path = write(tmp_path / "a.zarr", image, tile_px=128)
    plane = open_ome_zarr(path).plane()
    sizes = []
    original = zarr.Array.__getitem__
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda self, k: (sizes.append(r := original(self, k)), r)[1])
    read = zscore_reader(plane)
    whole = zscore_reader(image)
    tile = (slice(100, 356), slice(300, 556))
    np.testing.assert_allclose(read(*tile), whole(*tile), atol=1e-6)
    assert max(one.size for one in sizes) <= 256 * 640  # a strip for the statistics
    assert sizes[-1].shape == (256, 256)


def test_only_the_chunks_of_a_region_are_opened(tmp_path: Path):
    path = write(tmp_path / "a.zarr", np.ones((512, 512), np.uint8), tile_px=128)
    for chunk in (path / "0" / "c").rglob("*"):
        if chunk.is_file() and chunk.parts[-2:] != ("1", "2"):
            chunk.write_bytes(b"damaged")
    plane = open_ome_zarr(path).plane()
    assert plane[130:250, 260:380].sum() == 120 * 120
    with pytest.raises(DataError, match=r"a\.zarr: .*damaged"):
        plane[:, :]


def test_what_is_no_ome_zarr_is_named(tmp_path: Path):
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w").create_array("x", data=np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"a\.zarr: this Zarr group is no OME-Zarr image .*multiscales"):
        load_image(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(DataError, match="holds no Zarr group"):
        load_image(tmp_path / "b.zarr")
    (tmp_path / "b.zarr" / "zarr.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.zarr: the file cannot be read"):
        load_image(tmp_path / "b.zarr")
    path = write(tmp_path / "c.zarr", IMAGE)
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"]["ome"]["multiscales"][0]["axes"] = [{"name": "x"}, {"name": "c"}]
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"axes XC of lengths \(5, 6\); an image needs Y"):
        load_image(path)


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, monkeypatch):
    path = write(tmp_path / "a.zarr", IMAGE)
    monkeypatch.setattr("importlib.import_module", lambda name, *rest: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(MetastructureError, match=r"a\.zarr: OME-Zarr needs .*pip install 'metastructure\[zarr\]'"):
        load_image(path)
