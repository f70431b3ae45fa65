"""The label contract: an integer array of classes 0..C-1 in which 255 means IGNORE.

`H` rows, `W` columns, `D` slices, `C` classes. A label is (H, W) or (D, H, W); class 0 is the background of a
binary label. IGNORE pixels belong to no class: they are never counted, never trained on and never changed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

IGNORE = 255
MAX_CLASSES = IGNORE

LabelArray = npt.NDArray[np.integer[Any]]


def check_label(label: object, num_classes: int | None = None, name: str = "label") -> LabelArray:
    """Return `label` unchanged if it keeps the contract, else raise.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Classes 0..C-1, and 255 where a pixel is to be ignored.
    num_classes : int, optional
        C. Without it any class below 255 is allowed.
    name : str
        What the error calls the array: a file name, say.

    Raises
    ------
    TypeError
        If `label` is not an array of integers, or is int8, which cannot hold IGNORE.
    ValueError
        If it has no pixels, not two or three axes, or a class outside 0..C-1; also if C is not in 1..255.

    Examples
    --------
    >>> check_label(np.array([[0, 1], [1, 255]]), num_classes=2).shape
    (2, 2)
    >>> check_label(np.array([[0, 3]]), num_classes=2, name="a.png")
    Traceback (most recent call last):
    ValueError: a.png holds class 3; classes must lie in 0..1, or be 255 for IGNORE. Of numbered objects take label > 0.
    """
    if not isinstance(label, np.ndarray):
        raise TypeError(f"{name} must be a numpy array of integers; got {type(label).__name__}.")
    if label.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must hold integer classes; got {label.dtype}. Convert it, for example with "
            "`.astype(np.uint8)` after rounding or thresholding."
        )
    if label.dtype == np.int8:
        raise TypeError(f"{name} is int8, which cannot hold IGNORE = {IGNORE}; use uint8.")
    if label.ndim not in (2, 3):
        raise ValueError(f"{name} must be (H, W) or (D, H, W); got shape {label.shape}.")
    if label.size == 0:
        raise ValueError(f"{name} has no pixels; got shape {label.shape}.")
    limit = MAX_CLASSES if num_classes is None else num_classes
    if not 1 <= limit <= MAX_CLASSES:
        raise ValueError(
            f"num_classes must lie in 1..{MAX_CLASSES}; got {num_classes}. Without it any class is allowed."
        )
    wrong = (label >= limit) & (label != IGNORE)
    if label.dtype.kind == "i":
        wrong |= label < 0
    if wrong.any():
        raise ValueError(
            f"{name} holds class {int(label[wrong][0])}; classes must lie in 0..{limit - 1}, or be {IGNORE} for "
            "IGNORE. Of numbered objects take label > 0."
        )
    return label


def count_classes(label: LabelArray) -> int:
    """Return the smallest C, at least 2, that fits the classes of `label`.

    One image may lack the last classes of its data set: give C where it is known.

    Examples
    --------
    >>> count_classes(np.array([[0, 3], [255, 1]])), count_classes(np.zeros((2, 2), int))
    (4, 2)
    """
    seen = label[label != IGNORE]
    return max(2, int(seen.max()) + 1) if seen.size else 2


def is_ignored(label: LabelArray) -> npt.NDArray[np.bool_]:
    """Return True where `label` is IGNORE; same shape.

    Examples
    --------
    >>> is_ignored(np.array([[0, 255]]))
    array([[False,  True]])
    """
    ignored: npt.NDArray[np.bool_] = label == IGNORE
    return ignored
