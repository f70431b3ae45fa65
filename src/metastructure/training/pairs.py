"""Images and labels as a caller gives them: what goes together, and what is refused by name.

`H` rows, `W` columns, `K` channels, `C` classes.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from metastructure.data.files import ImageArray
from metastructure.data.formats.stack import Plane
from metastructure.data.masks import are_masks
from metastructure.label import IGNORE, LabelArray, check_label

Images = Sequence[ImageArray] | ImageArray
Labels = Sequence[LabelArray] | LabelArray


def check_pairs(
    images: Images,
    labels: Labels,
    num_classes: int | None = None,
    names: Sequence[str] | None = None,
    num_channels: int | None = None,
) -> int:
    """Return K if images and labels go together, else raise.

    Raises
    ------
    TypeError, ValueError
        That names the image, for: another number of labels than images, sizes or channels that differ, NaN or infinite
        values, a class outside 0..C-1.

    Examples
    --------
    >>> check_pairs([np.zeros((2, 3))], [np.zeros((3, 2), int)])
    Traceback (most recent call last):
    ValueError: image 0 is 2 x 3 pixels but its label is 3 x 2; images are (H, W) or (H, W, K), labels (H, W).
    """
    _check_list(images, "images")
    _check_list(labels, "labels")
    if len(images) != len(labels) or not len(images):
        raise ValueError(f"Give one label an image, and at least one; got {len(images)} images, {len(labels)} labels.")
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"image {index}" if names is None else names[index]
        K = check_image(image, name)
        check_label(as_label(label), num_classes, f"the label of {name}")
        if image.shape[:2] != label.shape:
            raise ValueError(
                f"{name} is {_size(image.shape[:2])} pixels but its label is {_size(label.shape)}; "
                "images are (H, W) or (H, W, K), labels (H, W)."
            )
        if num_channels not in (None, K):
            raise ValueError(f"{name} has {count_channels(K)}, the ones before {num_channels}; convert all alike.")
        if not is_finite(image):
            raise ValueError(f"{name} {NOT_FINITE}")
        num_channels = K
    return num_channels or 1


def check_image(image: object, name: str) -> int:
    """Return K if `image` is an array of numbers, (H, W) or (H, W, K), else raise TypeError or ValueError."""
    if not isinstance(image, np.ndarray | Plane) or image.dtype.kind not in "uifb":
        kind = image.dtype if isinstance(image, np.ndarray | Plane) else type(image).__name__
        raise TypeError(f"{name} must be a numpy array of numbers; got {kind}.")
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"{name} must be (H, W) or (H, W, K); got shape {image.shape}. Give several images as a list.")
    return 1 if image.ndim == 2 else int(image.shape[2])


NOT_FINITE = "holds NaN or infinite values (in float32, those beyond 3.4e38 too); replace them first."


def is_finite(image: ImageArray) -> bool:
    """Return False for NaN, infinite values, and such as become infinite in float32, in which networks compute.

    Examples
    --------
    >>> is_finite(np.array([[1e38]])), is_finite(np.array([[1e39]]))
    (True, False)
    """
    if image.dtype.kind != "f":
        return True
    with np.errstate(over="ignore"):
        return bool(np.isfinite(image.astype(np.float32, copy=False)).all())


def as_label(label: LabelArray) -> LabelArray:
    """Return a label as it is, but one of False and True as 0 and 1."""
    return label.astype(np.uint8) if isinstance(label, np.ndarray) and label.dtype.kind == "b" else label


def refuse_masks(labels: Iterable[LabelArray]) -> None:
    """Raise ValueError if labels to train on are masks of 0 and 255."""
    if are_masks(labels):
        raise ValueError(
            f"the labels hold only 0 and {IGNORE}, and {IGNORE} means IGNORE, so there is no object to learn. If "
            f"{IGNORE} marks your objects, give `label == {IGNORE}` for each label."
        )


def find_unseen(labels: Iterable[LabelArray], num_classes: int) -> tuple[int, ...]:
    """Return the classes that no label holds, and warn of them; raise ValueError if there is no class at all."""
    seen = {int(klass) for label in labels for klass in np.unique(label)} - {IGNORE}
    if not seen:
        raise ValueError("every training pixel is IGNORE (255); there is nothing to learn from.")
    unseen = tuple(klass for klass in range(num_classes) if klass not in seen)
    if unseen:
        listed = ", ".join(map(str, unseen))
        what = f"class {listed}" if len(unseen) == 1 else f"the classes {listed}"
        warnings.warn(f"no training label holds {what}; it will never be predicted rightly.", stacklevel=3)
    return unseen


def count_channels(number: int) -> str:
    """Return "1 channel" or "3 channels"."""
    return f"{number} channel{'s' * (number != 1)}"


def _check_list(given: object, what: str) -> None:
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str | bytes):
        raise TypeError(
            f"{what} must be a list of arrays, or several in one array; got {type(given).__name__}. Read files with "
            "load_image and load_label, or train on a folder with train_folder."
        )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
