"""Densities: by hand, against a slow reference, in bands, at the edges, and what is refused."""

import tracemalloc

import numpy as np
import pytest

from metastructure.rng import generator
from metastructure.structure import densities, density, density_blocks
from metastructure.structure.windows import WINDOWS, gaussian_sigma_px

NAMES = list(WINDOWS)


def _label(height: int = 13, width: int = 17, num_classes: int = 3) -> np.ndarray:
    rng = generator(0, "", "test density")
    label = rng.integers(0, num_classes, (height, width)).astype(np.uint8)
    label[rng.random(label.shape) < 0.2] = 255
    label[:4, :5] = 255
    return label


def _weight(name: str, rows: int, columns: int, h: int) -> float:
    if name == "box":
        return float(max(abs(rows), abs(columns)) <= h)
    if name == "disc":
        return float(rows**2 + columns**2 <= h**2)
    sigma = gaussian_sigma_px(h)
    reach = np.ceil(4 * sigma)
    inside = max(abs(rows), abs(columns)) <= reach
    return float(inside * np.exp(-(rows**2 + columns**2) / (2 * sigma**2))) if h else float(rows == columns == 0)


def _slow(label: np.ndarray, h: int, name: str, num_classes: int) -> np.ndarray:
    """Return the density by its definition: every pixel against every pixel."""
    shares = np.full((num_classes, *label.shape), np.nan)
    for centre in np.ndindex(label.shape):
        total = np.zeros(num_classes)
        for other in np.ndindex(label.shape):
            if label[other] != 255:
                total[label[other]] += _weight(name, other[0] - centre[0], other[1] - centre[1], h)
        if total.sum() > 0:
            shares[(slice(None), *centre)] = total / total.sum()
    return shares


def test_by_hand() -> None:
    label = np.array([[0, 1, 1, 2], [0, 0, 255, 2], [1, 0, 0, 0]])
    # around (0, 0): 0 1 / 0 0 of which one is 1; around (1, 2): 1 1 2 / 0 . 2 / 0 0 0, eight known pixels
    got = density(label, 1)
    assert got[:, 0, 0].tolist() == [0.75, 0.25, 0]
    assert got[:, 1, 2].tolist() == [0.5, 0.25, 0.25]
    # the disc of half-width 1 is a plus: 1 above, 2 right, 0 below, 0 left of (1, 2)
    assert density(label, 1, "disc")[:, 1, 2].tolist() == [0.5, 0.25, 0.25]
    assert density(label, 1, "disc")[:, 0, 0].tolist() == [2 / 3, 1 / 3, 0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("h", [0, 1, 2, 5, 12])
def test_equals_the_definition(name: str, h: int) -> None:
    label = _label()
    np.testing.assert_allclose(density(label, h, name, 4), _slow(label, h, name, 4), rtol=0, atol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_classes_sum_to_one_and_an_absent_class_is_zero(name: str) -> None:
    got = density(_label(), 3, name, 5)  # type: ignore[arg-type]
    known = ~np.isnan(got[0])
    np.testing.assert_allclose(got.sum(axis=0)[known], 1, atol=1e-12)
    assert (got[3:][:, known] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_window_without_known_pixels_is_nan(name: str) -> None:
    label = np.full((30, 30), 255)
    label[:, -1] = 1
    got = density(label, 1, name)  # type: ignore[arg-type]
    assert np.isnan(got[:, :, :20]).all()
    assert (got[1, :, -2:] == 1).all()
    assert np.isnan(density(np.full((3, 4), 255), 1, name)).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_follows_class_names_and_flips(name: str) -> None:
    label, order = _label(), np.array([2, 0, 1])
    renamed = np.where(label == 255, 255, order[np.minimum(label, 2)])
    got = density(label, 2, name, 3)  # type: ignore[arg-type]
    np.testing.assert_allclose(density(renamed, 2, name, 3)[order], got, atol=1e-14)  # type: ignore[arg-type]
    for turned, back in ((label[::-1], np.s_[:, ::-1]), (label[:, ::-1], np.s_[:, :, ::-1])):
        np.testing.assert_allclose(density(turned, 2, name, 3)[back], got, atol=1e-14)  # type: ignore[arg-type]
    np.testing.assert_allclose(density(label.T, 2, name, 3).transpose(0, 2, 1), got, atol=1e-14)  # type: ignore[arg-type]


def test_half_width_zero_is_the_label_itself() -> None:
    label = _label()
    for name in NAMES:
        got = density(label, 0, name, 3)  # type: ignore[arg-type]
        assert (np.isnan(got[0]) == (label == 255)).all()
        assert (got.argmax(axis=0)[label != 255] == label[label != 255]).all()


@pytest.mark.parametrize("name", NAMES)
def test_several_half_widths_are_each_alone(name: str) -> None:
    label = _label()
    together = densities(label, [4, 0, 2], name, 3)  # type: ignore[arg-type]
    for got, h in zip(together, [4, 0, 2], strict=True):
        np.testing.assert_array_equal(got, density(label, h, name, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 4, 13, 100])
def test_bands_are_the_whole(name: str, rows: int) -> None:
    label = _label()
    whole, seen = density(label, 3, name, 3), 0  # type: ignore[arg-type]
    for where, block in density_blocks(label, 3, name, 3, rows):  # type: ignore[arg-type]
        np.testing.assert_allclose(block, whole[:, where], rtol=0, atol=0 if name != "gaussian" else 1e-14)
        assert where.start == seen
        seen = where.stop
    assert seen == label.shape[0]


def test_bands_of_a_file_stay_small(tmp_path) -> None:  # type: ignore[no-untyped-def]
    label = np.lib.format.open_memmap(tmp_path / "big.npy", mode="w+", dtype=np.uint8, shape=(2000, 500))
    label[::3] = 1
    tracemalloc.start()
    total = sum(float(block[1].sum()) for _, block in density_blocks(label, 4, num_classes=2, rows_per_block=50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == pytest.approx(2000 * 500 / 3, rel=0.01)
    assert peak < 4e6  # the density of the whole would take 16 MB


@pytest.mark.parametrize("name", NAMES)
def test_overlap_is_the_excess_of_the_variance_of_a_variance(name: str) -> None:
    rng, window = generator(0, "", "overlap"), WINDOWS[name]
    margin = window.reach_px(3)
    inner = np.s_[margin:-margin, margin:-margin]
    variances = []
    for _ in range(300):
        smooth = np.asarray(window.sums(window.prepare(rng.random((90, 90)) < 0.5), 3), dtype=float)[inner]
        variances.append(np.mean((smooth - window.kernel(3).sum() / 2) ** 2))
    num = (90 - 2 * margin) ** 2
    excess = np.var(variances) / np.mean(variances) ** 2 * num / 2
    assert excess == pytest.approx(window.overlap(3), rel=0.35)  # 300 draws know a variance to 8 %; edges add some


def test_what_is_refused() -> None:
    label = np.zeros((5, 9), dtype=int)
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match="half_width_px must be"):
            density(label, wrong)
    with pytest.raises(ValueError, match=r"5 for an image of 5 x 9"):
        density(label, 5)
    for wrong in (1.5, True, "2"):
        with pytest.raises(TypeError, match="half_width_px must be a whole number of pixels"):
            density(label, wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="window must be one of box, disc, gaussian; got 'cube'"):
        density(label, 1, "cube")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="slice by slice"):
        density(np.zeros((2, 5, 9), dtype=int), 1)
    with pytest.raises(ValueError, match="holds class 3"):
        density(label + 3, 1, num_classes=3)
    with pytest.raises(ValueError, match="at least one half-width"):
        densities(label, [])
    with pytest.raises(ValueError, match="num_classes must be given"):
        density_blocks(label, 1)
    with pytest.raises(ValueError, match="rows_per_block must be at least 1"):
        density_blocks(label, 1, num_classes=2, rows_per_block=0)
