"""Files: what is read comes back bit for bit, what cannot be used is named, nothing is left half-written."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from metastructure.data.files import atomic_path, load_image, load_label, save_image, write_text
from metastructure.errors import DataError


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_round_trip(tmp_path: Path, suffix: str, dtype: type) -> None:
    pixels = np.arange(12, dtype=dtype).reshape(3, 4) * (np.iinfo(dtype).max // 12)
    save_image(tmp_path / f"a{suffix}", pixels)
    back = load_image(tmp_path / f"a{suffix}")
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, pixels)


def test_colour_is_kept_and_alpha_dropped(tmp_path: Path) -> None:
    rgba = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    iio.imwrite(tmp_path / "a.png", rgba)
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), rgba[..., :3])


def test_compressed_tiff_is_read(tmp_path: Path) -> None:
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="lzw")
    np.testing.assert_array_equal(load_image(tmp_path / "a.tif"), pixels)


def test_jpeg_is_read_as_an_image(tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "a.jpg", np.full((8, 9, 3), 200, np.uint8))
    assert load_image(str(tmp_path / "a.jpg")).shape == (8, 9, 3)


def test_palette_label_gives_indices_and_palette_image_colours(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 2))
    palette.putdata([0, 2, 1, 255])
    palette.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    palette.save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_label(tmp_path / "a.png"), [[0, 2], [1, 255]])
    assert load_image(tmp_path / "a.png")[0, 1].tolist() == [2, 0, 253]


def test_one_bit_label(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert load_label(tmp_path / "a.png").tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("pixels", "complaint"),
    [
        (np.zeros((4, 4, 3), np.uint8), "one channel"),
        (np.zeros((4, 4), np.float32), "integer classes"),
        (np.full((4, 4), 7, np.uint8), "class 7; classes must lie in 0..2"),
        (np.zeros((2, 4, 4), np.uint8), r"2 planes; name one, such as bad\.tif#0"),
    ],
)
def test_a_label_that_is_none_is_named(tmp_path: Path, pixels: np.ndarray, complaint: str) -> None:
    tifffile.imwrite(tmp_path / "bad.tif", pixels, photometric="rgb" if pixels.shape[-1] == 3 else "minisblack")
    with pytest.raises(DataError, match=complaint) as caught:
        load_label(tmp_path / "bad.tif", num_classes=3)
    assert "bad.tif" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["bad.png", "bad.tif", "bad.jpg"])
def test_a_corrupt_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not an image at all")
    with pytest.raises(DataError, match=rf"{name}: the file cannot be read .* is it damaged\?") as caught:
        load_image(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        load_image(tmp_path / "a.png")


def test_a_missing_file_and_nan_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_image(tmp_path / "none.png")
    tifffile.imwrite(tmp_path / "nan.tif", np.array([[0, np.nan]], np.float32))
    with pytest.raises(DataError, match=r"nan\.tif: the image holds NaN"):
        load_image(tmp_path / "nan.tif")


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_written_files_are_readable_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "x")
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o400
