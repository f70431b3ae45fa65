"""Dilation, erosion and skeleton against plain loops over pixels, and their exact radii."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from metastructure.errors import ConfigError
from metastructure.noise import Dilation, Erosion, Skeleton, parse_noise
from metastructure.rng import generator

QUICK = settings(deadline=None, derandomize=True, max_examples=25)
PIXELS = st.sampled_from([0, 0, 0, 1, 2, 255])
LABELS = arrays(np.uint8, st.sampled_from([(5, 7), (1, 9), (3, 3, 4)]), elements=PIXELS)


def pairs_within(label, radius):
    """Give every pixel with the (squared distance, class) of the known pixels within the radius."""
    places = list(np.ndindex(label.shape))
    for here in places:
        squared = [sum((a - b) ** 2 for a, b in zip(here, there, strict=True)) for there in places]
        near = [(d, int(label[there])) for d, there in zip(squared, places, strict=True) if d <= radius**2]
        yield here, [(d, c) for d, c in near if c != 255]


def dilate_by_loop(label, radius):
    noisy = label.copy()
    for here, near in pairs_within(label, radius):
        objects = [(d, c) for d, c in near if c > 0]
        if label[here] == 0 and objects:
            noisy[here] = min(objects)[1]  # the nearest, of these the lowest class
    return noisy


def erode_by_loop(label, radius):
    noisy = label.copy()
    for here, near in pairs_within(label, radius):
        if label[here] != 255 and any(c != label[here] for _, c in near):
            noisy[here] = 0
    return noisy


@QUICK
@given(LABELS, st.integers(1, 3))
def test_dilation_equals_a_plain_loop(label, radius):
    assert np.array_equal(Dilation(radius_px=radius)(label, generator(0), 3), dilate_by_loop(label, radius))
    binary = np.where(label == 2, 0, label)
    assert np.array_equal(Dilation(radius_px=radius)(binary, generator(0), 2), dilate_by_loop(binary, radius))


@QUICK
@given(LABELS, st.integers(1, 3))
def test_erosion_equals_a_plain_loop(label, radius):
    assert np.array_equal(Erosion(radius_px=radius)(label, generator(0), 3), erode_by_loop(label, radius))


def test_dilation_of_one_pixel_is_the_disc():
    label = np.zeros((9, 11), dtype=np.uint8)
    label[4, 5] = 1
    rows, columns = np.mgrid[:9, :11]
    for radius in (1, 2, 3):
        disc = (rows - 4) ** 2 + (columns - 5) ** 2 <= radius**2
        assert np.array_equal(Dilation(radius_px=radius)(label, generator(0)), disc)
    # 5, 13 and 29 pixels: the lattice points of a disc (OEIS A000328)
    assert Dilation(radius_px=3)(label, generator(0)).sum() == 29


@pytest.mark.parametrize("radius", [2, 9, 60])
def test_new_pixels_are_within_the_radius_and_none_is_missing(scene, radius):
    noisy = Dilation(radius_px=radius)(scene, generator(0))
    objects = (scene > 0) & (scene < 255)
    reach = ndimage.distance_transform_edt(~objects) <= radius
    assert np.array_equal((noisy > 0) & (noisy < 255), reach & (scene != 255))


@pytest.mark.parametrize("model", [Dilation, Erosion])
def test_bands_of_a_large_label_leave_no_seam(model):
    label = (generator(0, "", "seam").random((700, 600)) < 0.01).astype(np.uint8)
    label[generator(1, "", "seam").random((700, 600)) < 0.01] = 2
    label = ndimage.grey_dilation(label, size=(9, 9))
    noisy = model(radius_px=3)(label, generator(0))
    for start in range(0, 700, 50):  # windows with the halo they need, worked alone
        low, high = max(start - 3, 0), start + 53
        window = model(radius_px=3)(label[low:high], generator(0), 3)
        assert np.array_equal(window[start - low :][:50], noisy[start : start + 50])


def test_flips_and_class_order_do_not_matter(scene):
    for model in (Dilation(radius_px=3), Erosion(radius_px=3)):
        noisy = model(scene, generator(0))
        assert np.array_equal(model(scene[::-1, ::-1], generator(0)), noisy[::-1, ::-1])
        assert np.array_equal(model(scene.T, generator(0)), noisy.T)


def test_erosion_undoes_dilation_of_a_large_square():
    label = np.zeros((30, 30), dtype=np.uint8)
    label[8:22, 8:22] = 1
    grown = Dilation(radius_px=4)(label, generator(0))
    assert np.array_equal(Erosion(radius_px=4)(grown, generator(0)), label)


def test_ignore_and_the_image_edge_do_not_erode():
    label = np.array([[1, 1, 1, 255, 1, 1, 0]])
    assert Erosion(radius_px=1)(label, generator(0)).tolist() == [[1, 1, 1, 255, 1, 0, 0]]


def test_named_classes_grow_over_all_others():
    label = np.array([[2, 2, 0, 1, 1, 255, 0]])
    assert Dilation(radius_px=1, classes=(1,))(label, generator(0), 3).tolist() == [[2, 2, 1, 1, 1, 255, 0]]
    assert Dilation(radius_px=1, classes=(0,))(label, generator(0), 3).tolist() == [[2, 0, 0, 0, 1, 255, 0]]


def test_named_classes_shrink_alone():
    label = np.array([[0, 1, 1, 2, 2, 0]])
    assert Erosion(radius_px=1, classes=(2,))(label, generator(0)).tolist() == [[0, 1, 1, 0, 0, 0]]


def test_skeleton_of_a_bar_is_its_middle_row():
    label = np.zeros((9, 21), dtype=np.uint8)
    label[3:6, 3:18] = 2
    noisy = Skeleton()(label, generator(0))
    assert set(np.unique(noisy)) == {0, 2}
    # the ends are ragged by up to the half-width of the bar
    assert noisy[4, 5:16].all()
    assert noisy[:, 5:16].sum() == 2 * 11
    assert (noisy[label == 0] == 0).all()


def test_skeleton_keeps_topology(scene):
    ring = np.zeros((40, 40), dtype=np.uint8)
    rows, columns = np.mgrid[:40, :40]
    distance = np.hypot(rows - 20, columns - 20)
    ring[(distance > 8) & (distance < 15)] = 1
    noisy = Skeleton()(ring, generator(0))
    holes = ndimage.label(noisy == 0)[1]
    assert (ndimage.label(noisy, np.ones((3, 3)))[1], holes) == (1, 2)
    assert noisy.sum() < 0.2 * ring.sum()


@pytest.mark.parametrize("radius", ["0", "-1", "1.5", "true"])
def test_radius_must_be_a_positive_integer(radius):
    with pytest.raises(ConfigError, match=r"at '.*' \(column 8\): radius_px: "):
        parse_noise(f"dilate:{radius}")


def test_classes_beyond_the_labels_are_refused():
    with pytest.raises(ValueError, match=r"names 4 but the labels have the classes 0\.\.1"):
        Dilation(radius_px=1, classes=(4,))(np.array([[0, 1]]), generator(0))


def test_pieces_are_thinned_as_the_whole_class_is(scene):
    noisy = Skeleton()(scene, generator(0), 3)
    for klass in (1, 2):
        whole = Skeleton()((scene == klass).astype(np.uint8), generator(0), 2)
        assert np.array_equal(noisy == klass, whole == 1)
