"""What a layer of a viewer holds, as the images or labels of a stack, or one sentence that says why not.

`N` slices, `H` rows, `W` columns, `K` channels. A layer of two axes is a stack of one; of three, (N, H, W), each slice
is an image of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.data.label_set import MOST_CLASSES_COUNTED, Label
from metastructure.label import IGNORE, LabelArray, count_classes

Array = npt.NDArray[Any]
OnItem = Callable[[int, int], None]
"""``on_item(done, total)``; whoever calls it may be stopped by an exception from it."""

ONE_CLASS = "every value above 0 is one class"
"""What the tick box says."""


class Stack(NamedTuple):
    """The slices of a layer.

    Attributes
    ----------
    name : str
        Of the layer.
    slices : list of N (H, W) or (H, W, K) arrays
    is_flat : bool
        Whether the layer has no axis of slices; N is 1 then.
    """

    name: str
    slices: list[Array]
    is_flat: bool

    def items(self) -> list[str]:
        """Return a name for each slice: that of the layer, with the number of the slice where there is an axis of them.

        Examples
        --------
        >>> Stack("cells", [np.zeros((2, 2))] * 2, False).items()
        ['cells 000', 'cells 001']
        """
        return [self.name] if self.is_flat else [f"{self.name} {index:03d}" for index in range(len(self.slices))]

    def join(self, slices: Sequence[Array]) -> Array:
        """Return one array of the layer's axes from an array for each slice."""
        return slices[0] if self.is_flat else np.stack(slices)


def label_stack(name: str, data: Any, one_class: bool = False) -> Stack:
    """Return the labels that a layer holds as classes in uint8.

    Parameters
    ----------
    name : str
        What the sentences call the layer.
    data : (H, W) or (N, H, W) array of integers
        Classes 0..254, and 255 for IGNORE; anything that numpy can turn into an array.
    one_class : bool
        Take every value above 0 as class 1, 255 too: for numbered objects, and masks of 0 and 255.

    Raises
    ------
    TypeError, ValueError
        If the layer holds no such labels.

    Examples
    --------
    >>> label_stack("cells", np.array([[0, 7], [300, 7]]), one_class=True).slices[0].tolist()
    [[0, 1], [1, 1]]
    """
    values = _read(name, data, "labels", 0)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.dtype.kind not in "iu":
        raise TypeError(
            f"Layer '{name}' holds {values.dtype} numbers, and a label holds whole classes 0, 1, 2 ... Round or "
            "threshold it, and make a Labels layer of that."
        )
    if int(values.min()) < 0:
        raise ValueError(f"Layer '{name}' holds the value {values.min()}; classes start at 0.")
    classes = (values > 0).astype(np.uint8) if one_class else _check_classes(name, values)
    return Stack(name, list(classes[None] if classes.ndim == 2 else classes), classes.ndim == 2)


def image_stack(name: str, data: Any, is_rgb: bool = False) -> Stack:
    """Return the images that a layer holds.

    Parameters
    ----------
    name : str
        What the sentences call the layer.
    data : (H, W) or (N, H, W) array of numbers
        With a last axis of 3 or 4 channels more where `is_rgb`; the fourth is left out.
    is_rgb : bool

    Raises
    ------
    TypeError, ValueError
        If the layer holds no such images, or no finite numbers.
    """
    values = _read(name, data, "images", int(is_rgb))
    if is_rgb:
        values = values[..., :3]
    if values.dtype.kind not in "uifb":
        raise TypeError(f"Layer '{name}' holds {values.dtype}; an image holds real numbers.")
    if values.dtype.kind == "f":
        values = values.astype(np.float32 if values.dtype.itemsize < 8 else np.float64, copy=False)
        if not np.isfinite(values).all():
            raise ValueError(f"Layer '{name}' holds NaN or infinite values; replace them first.")
    is_flat = values.ndim == 2 + is_rgb
    return Stack(name, list(values[None] if is_flat else values), is_flat)


def check_fit(images: Stack, labels: Stack) -> None:
    """Raise ValueError unless there is an image for each label, of its rows and columns."""
    if images.slices[0].shape[:2] != labels.slices[0].shape or len(images.slices) != len(labels.slices):
        raise ValueError(
            f"Layer '{images.name}' has {_describe(images)} but '{labels.name}' has {_describe(labels)}; choose two "
            "layers of one size."
        )


def count_stack_classes(labels: Stack) -> int:
    """Return the smallest C, at least 2, that fits every label of a stack."""
    return max(count_classes(label) for label in labels.slices)


def _read(name: str, data: Any, what: str, num_channel_axes: int) -> Array:
    """Return the pixels of a layer; of a pyramid the finest level."""
    values = np.asarray(data[0] if isinstance(data, list | tuple) or type(data).__name__ == "MultiScaleData" else data)
    num_axes = values.ndim - num_channel_axes
    if num_axes not in (2, 3):
        raise ValueError(
            f"Layer '{name}' has {num_axes} axes, of sizes {' x '.join(map(str, values.shape))}; expected rows and "
            f"columns, or a stack of {what}. Times, depths and channels together: take one of them (right-click the "
            "layer, Split Stack)."
        )
    if not values.size:
        raise ValueError(f"Layer '{name}' has no pixels.")
    return values


def _check_classes(name: str, values: LabelArray) -> Label:
    highest = int(values[values != IGNORE].max(initial=0))
    if highest == 0 and (values == 0).any() and (values == IGNORE).any():
        raise ValueError(
            f"Layer '{name}' holds 0 and 255 only, and 255 means unknown. If 255 marks objects, tick '{ONE_CLASS}'."
        )
    if highest > MOST_CLASSES_COUNTED - 1:
        raise ValueError(
            f"Layer '{name}' holds the value {highest}; these look like numbered objects, not classes. Tick "
            f"'{ONE_CLASS}', or give each class a number below {MOST_CLASSES_COUNTED}."
        )
    return values.astype(np.uint8)


def _describe(stack: Stack) -> str:
    rows, columns = stack.slices[0].shape[:2]
    return f"{rows} x {columns} pixels" + ("" if stack.is_flat else f" in {len(stack.slices)} slices")
