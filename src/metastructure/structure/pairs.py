"""From pairs of clean and noisy labels to moments by half-width, with every check that a caller may run into.

`N` images, `S` half-widths, `C` classes.
"""

from collections.abc import Iterable, Sequence

from metastructure.label import LabelArray, check_label, count_classes
from metastructure.structure.density import check_half_widths, check_image
from metastructure.structure.moments import Moments, image_moments
from metastructure.structure.windows import WindowName, find_window

Pair = tuple[LabelArray, LabelArray]
"""The clean and the noisy label of one image, in this order."""


def collect_moments(
    pairs: Iterable[Pair], half_widths_px: Sequence[int], window: WindowName, num_classes: int | None
) -> tuple[list[list[Moments]], int]:
    """Return the moments by half-width and image, S lists of N, and C.

    Parameters
    ----------
    pairs : iterable of (clean, noisy)
        Gone through once; kept in memory only if `num_classes` is not given.
    half_widths_px, window
        As for `densities`.
    num_classes : int, optional
        C; without it the most that any label holds.

    Raises
    ------
    TypeError, ValueError
        As `metastructure.structure.similarity.similarity` says.
    """
    find_window(window)
    if num_classes is None:
        pairs = list(pairs)
        num_classes = find_num_classes(pairs)
    by_image = []
    for index, (clean, noisy) in enumerate(pairs):
        check_pair(clean, noisy, num_classes, index)
        widths = check_half_widths(half_widths_px, clean.shape)
        by_image.append(image_moments(clean, noisy, widths, window, num_classes))
    if not by_image:
        raise ValueError("There are no labels to measure: give at least one pair of clean and noisy label.")
    return [list(scale) for scale in zip(*by_image, strict=True)], num_classes


def find_num_classes(pairs: Sequence[Pair]) -> int:
    """Return the C, at least 2, that fits every label."""
    labels = [check_label(label, name=f"A label of pair {index}") for index, pair in enumerate(pairs) for label in pair]
    return max(map(count_classes, labels), default=2)


def check_pair(clean: LabelArray, noisy: LabelArray, num_classes: int, index: int) -> None:
    """Raise unless both are labels of one image with classes below C; `index` names the pair in the message."""
    check_image(clean, num_classes, f"The clean label of pair {index}")
    check_image(noisy, num_classes, f"The noisy label of pair {index}")
    if clean.shape != noisy.shape:
        raise ValueError(
            f"The two labels of pair {index} must have the same shape; got {clean.shape} and {noisy.shape}."
        )
