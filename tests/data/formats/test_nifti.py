"""NIfTI against nibabel."""

from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import load_image
from metastructure.data.formats.nifti import open_nifti
from metastructure.data.formats.pixel_size import PixelSize
from metastructure.errors import DataError, MetastructureError

nibabel = pytest.importorskip("nibabel")


def save(path: Path, data: np.ndarray, zooms: tuple[float, ...] | None = None, units=("mm", "sec")) -> Path:
    """As nibabel writes it."""
    image = nibabel.Nifti1Image(data, np.eye(4))
    if zooms is not None:
        image.header.set_zooms(zooms)
    image.header.set_xyzt_units(*units)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_slices_have_j_as_rows_and_i_as_columns(tmp_path: Path, name: str):
    data = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)  # i, j, k
    path = save(tmp_path / name, data, (0.5, 0.75, 3.0))
    stack = open_nifti(path)
    assert (len(stack), stack.plane().shape, stack.dtype) == (4, (3, 2), np.int16)
    np.testing.assert_array_equal(stack.load(2), np.asarray(nibabel.load(path).dataobj)[:, :, 2].T)
    assert stack.load(2)[2, 1] == data[1, 2, 2]
    assert stack.pixel_size == PixelSize(0.75, 0.5, "mm", slice=3.0)
    assert stack.name(2) == "_z02"
    np.testing.assert_array_equal(load_image(tmp_path / f"{name}#1"), data[:, :, 1].T)


def test_a_film_and_scaled_values(tmp_path: Path):
    data = np.arange(2 * 3 * 4 * 2, dtype=np.int16).reshape(2, 3, 4, 2)
    image = nibabel.Nifti1Image(data, np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    image.header.set_zooms((1, 1, 1, 2000))
    image.header.set_xyzt_units("mm", "msec")
    nibabel.save(image, tmp_path / "a.nii")
    stack = open_nifti(tmp_path / "a.nii")
    assert (len(stack), stack.axes) == (8, "XYZT")
    assert stack.name(3) == "_z01_t01"
    assert stack.pixel_size is not None
    assert stack.pixel_size.frame_s == 2.0
    np.testing.assert_allclose(stack.load(3), nibabel.load(tmp_path / "a.nii").get_fdata()[:, :, 1, 1].T)


def test_bad_files_are_named(tmp_path: Path, monkeypatch):
    (tmp_path / "a.nii").write_bytes(b"no header")
    with pytest.raises(DataError, match=r"a\.nii: .*damaged"):
        load_image(tmp_path / "a.nii")
    noise = np.random.default_rng(0).integers(0, 99, (30, 30, 5), dtype=np.int16)
    path = save(tmp_path / "b.nii", noise)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"b\.nii: .*damaged"):
        load_image(tmp_path / "b.nii#4")
    save(tmp_path / "c.nii", np.zeros((2, 3, 4, 1, 3), np.float32))
    with pytest.raises(DataError, match="2 to 4 axes"):
        load_image(tmp_path / "c.nii")
    monkeypatch.setattr("importlib.import_module", lambda name, *rest: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(MetastructureError, match=r"pip install 'metastructure\[nifti\]'"):
        load_image(path)
