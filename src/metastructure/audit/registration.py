"""How far a label is moved as a whole against its image, found by the directions in which its boundaries are off.

`H` rows, `W` columns, `T` translations, `K` depths. A translation is (rows, columns) in whole pixels.
"""

from collections.abc import Sequence

import numpy as np

from metastructure.audit.edge_profile import EdgeSums, Slopes, align, edge_sums, mean_profile, peak_height
from metastructure.audit.label_band import FloatArray, Index, LabelBand, label_band
from metastructure.label import IGNORE, LabelArray

ROLLS = ((0.38, 0.24), (0.24, 0.62), (0.62, 0.76), (0.76, 0.38), (0.31, 0.50), (0.50, 0.31))
"""Shares of the height and width by which an image is rolled under its label to see what chance gives; none is near 0
along either axis, as edges that run along the other would meet themselves."""

ABOVE_CHANCE = 2.4
"""How much higher than by chance a profile must peak. On generated images of noise or of another scene the ratio is
above it in one of 80 of 96 x 96 and none of 32 of 256 x 256 pixels; under their own labels it is above 3.6 and 12."""

TRANSLATION_GAIN = 1.25
"""How much higher the profile must peak once the label is moved back. On generated labels a translation by 2 px gains
1.3 to 1.8; labels that were not moved gain at most 1.2, or, where erosion left a few dots, what chance gives too."""

MENDING_GAIN, MOST_MENDS = 1.05, 3

LEAST_COUNTED = 0.25
"""Share of the boundary that a depth needs once the label is moved; the rest may lie beyond the reach."""


def register(
    image: Slopes, label: LabelArray, band: LabelBand, num_classes: int, reach_px: int
) -> tuple[LabelBand, tuple[float, float]]:
    """Return the band of the label moved to where the image's edges are clear, and how far it had been moved.

    Parameters
    ----------
    image : Slopes
    label : (H, W) array of integers
    band : LabelBand
        Of the label.
    num_classes, reach_px : int
        As for `label_band`; no translation is longer than the reach along an axis.

    Returns
    -------
    band : LabelBand
        The same where the label is not clearly moved.
    moved_px : (row, column) of float

    Notes
    -----
    The first step must be clearly better than none, and than chance; the next ones mend it, as a step that is found by
    directions is exact for straight boundaries only.
    """
    shifts = _translations(reach_px)
    moved, heights = np.zeros(2, dtype=np.intp), _heights_moved(image, band, shifts, reach_px)[0]
    for gain in (TRANSLATION_GAIN, *[MENDING_GAIN] * MOST_MENDS):
        best = int(heights.argmax())
        if heights[best] < gain * heights[0] or np.abs(moved + shifts[best]).max() > reach_px:
            break
        if not moved.any():
            by_chance = _heights_moved(image, band, shifts, reach_px, rolls(label.shape))
            if heights[best] <= ABOVE_CHANCE * chance_height(by_chance.max(axis=1)):
                break
        nearer = label_band(_move_back(label, moved + shifts[best]), num_classes, reach_px)
        if not len(nearer.place):
            break
        found = _heights_moved(image, nearer, shifts, reach_px)[0]
        if found[0] <= heights[0]:
            break
        moved, band, heights = moved + shifts[best], nearer, found
    return band, (float(moved[0]), float(moved[1]))


def rolls(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the rows and columns by which an image is rolled to see what chance gives."""
    return [(round(down * shape[0]), round(right * shape[1])) for down, right in ROLLS]


def chance_height(heights: Sequence[float] | FloatArray) -> float:
    """Return the second highest of the heights under the rolls: one of them may lie on another edge by accident."""
    return float(np.sort(heights)[-2])


def _translations(reach_px: int) -> Index:
    """Return the whole-pixel translations within reach, (T, 2), none first."""
    steps = np.arange(-reach_px, reach_px + 1)
    shifts = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    length = (shifts**2).sum(axis=1)
    chosen: Index = shifts[np.argsort(length, kind="stable")][: int((length <= reach_px**2).sum())]
    return chosen


def _heights_moved(
    image: Slopes, band: LabelBand, shifts: Index, reach_px: int, rolls: Sequence[tuple[int, int]] = ((0, 0),)
) -> FloatArray:
    """Return how high the profile of all boundaries peaks for each roll and translation, (rolls, T)."""
    heights = []
    for sums in edge_sums(image, band, np.unique(band.pair), reach_px, rolls):
        aligned = align(EdgeSums(sums.rise.sum(axis=0), sums.pixels.sum(axis=0)), shifts)
        full = aligned.pixels >= LEAST_COUNTED * aligned.pixels[0].max()
        heights.append(peak_height(np.where(full, mean_profile(aligned), np.nan)))
    return np.stack(heights)


def _move_back(label: LabelArray, moved: Index) -> LabelArray:
    """Return the label that was moved by (row, column) where it came from, IGNORE where nothing is known."""
    back = np.full_like(label, IGNORE)
    parts = [_overlap(size, int(step)) for size, step in zip(label.shape, moved, strict=True)]
    back[tuple(target for target, _ in parts)] = label[tuple(source for _, source in parts)]
    return back


def _overlap(size: int, step: int) -> tuple[slice, slice]:
    return slice(max(0, -step), size - max(0, step)), slice(max(0, step), size - max(0, -step))
