"""What layers hold, and what is said of layers that hold nothing of use."""

import numpy as np
import pytest

from metastructure.napari.stacks import ONE_CLASS, Stack, check_fit, count_stack_classes, image_stack, label_stack


def test_a_flat_label_keeps_its_axes(discs: np.ndarray) -> None:
    stack = label_stack("cells", discs.astype(np.int64))
    assert stack.is_flat
    assert stack.items() == ["cells"]
    assert stack.slices[0].dtype == np.uint8
    np.testing.assert_array_equal(stack.join(stack.slices), discs)


def test_a_third_axis_is_one_of_slices(discs: np.ndarray) -> None:
    stack = label_stack("cells", np.stack([discs, discs.T[:48, :].repeat(2, axis=1)[:, :64]]))
    assert [one.shape for one in stack.slices] == [(48, 64), (48, 64)]
    assert stack.items() == ["cells 000", "cells 001"]
    assert stack.join(stack.slices).shape == (2, 48, 64)
    assert count_stack_classes(stack) == 3


def test_every_value_above_0_is_one_class_if_asked_for() -> None:
    stack = label_stack("cells", np.array([[0, 255, 70_000], [3, 0, 0]]), one_class=True)
    assert stack.slices[0].tolist() == [[0, 1, 1], [1, 0, 0]]


def test_ignore_stays_where_there_are_classes() -> None:
    assert label_stack("cells", np.array([[0, 255, 1]])).slices[0].tolist() == [[0, 255, 1]]


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (np.full((4, 5), 0.5), TypeError, "holds float64 numbers, and a label holds whole classes"),
        (np.zeros((2, 3, 4, 5), int), ValueError, "has 4 axes, of sizes 2 x 3 x 4 x 5"),
        (np.zeros(5, int), ValueError, "has 1 axes"),
        (np.zeros((0, 5), int), ValueError, "has no pixels"),
        (np.array([[-1, 2]]), ValueError, "the value -1; classes start at 0"),
        (np.array([[0, 64]]), ValueError, f"numbered objects, not classes. Tick '{ONE_CLASS}'"),
        (np.array([[0, 300]]), ValueError, "holds the value 300"),
        (np.array([[0, 255]]), ValueError, f"If 255 marks objects, tick '{ONE_CLASS}'"),
    ],
)
def test_what_is_no_label_is_told(data: np.ndarray, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        label_stack("my cells", data)
    assert words in str(caught.value)
    assert "'my cells'" in str(caught.value)


def test_colours_are_channels_and_transparency_is_left_out() -> None:
    stack = image_stack("street", np.zeros((2, 6, 7, 4), np.uint8), is_rgb=True)
    assert [one.shape for one in stack.slices] == [(6, 7, 3)] * 2
    assert image_stack("street", np.zeros((6, 7, 3), np.uint8), is_rgb=True).is_flat
    assert len(image_stack("grey", np.zeros((6, 7, 3), np.uint8)).slices) == 6


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((3, 3), np.nan), "NaN or infinite"),
        (np.zeros((3, 3), complex), "complex128; an image holds real numbers"),
        (np.zeros((2, 2, 3, 3)), "has 4 axes"),
    ],
)
def test_what_is_no_image_is_told(data: np.ndarray, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        image_stack("cells", data)
    assert words in str(caught.value)


def test_images_fit_labels_in_size_and_number() -> None:
    label, grey, colour = np.zeros((4, 5), np.uint8), np.zeros((4, 5)), np.zeros((4, 5, 3))
    labels = Stack("labels", [label] * 2, False)
    check_fit(Stack("images", [grey] * 2, False), labels)
    check_fit(Stack("images", [colour] * 2, False), labels)
    with pytest.raises(ValueError, match="'images' has 4 x 5 pixels in 3 slices but 'labels' has 4 x 5 pixels in 2"):
        check_fit(Stack("images", [grey] * 3, False), labels)
    with pytest.raises(ValueError, match="'images' has 5 x 4 pixels in 2 slices but"):
        check_fit(Stack("images", [grey.T] * 2, False), labels)
