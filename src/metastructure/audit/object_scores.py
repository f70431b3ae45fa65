"""What out-of-fold probabilities say against single objects: missing, spurious, of another class, too large, displaced.

`C` classes, `H` rows, `W` columns, `N` objects. Objects are connected regions, over edges and corners, of the classes
1..C-1, in the label or in the prediction (the likeliest class of each pixel); class 0 is what lies around them.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from metastructure.audit.calibration import Probabilities, check_probabilities
from metastructure.audit.label_evidence import BAND_PX, REACH_PX, FloatArray, Mask, contradiction
from metastructure.label import IGNORE, LabelArray
from metastructure.noise.objects import number_objects

HALF = 0.5
"""An object is found again if label and prediction share at least this part of the smaller of the two."""

LEAST_LEFT = 0.1
"""Share of an object that must be predicted; one drawn three times too wide has as much left."""

LEAST_MOVE_PX = 1.0
"""Smaller displacements are within what a grid of pixels can tell."""

ObjectKind = Literal["missing", "spurious", "other class", "too large", "too small", "displaced", "fine"]
Index = npt.NDArray[np.intp]


class ObjectScore(BaseModel):
    """What is said against one object.

    Attributes
    ----------
    kind : str
        ``missing``: predicted, and mostly background in the label; ``spurious``: the other way round; ``other class``:
        another object class is predicted for most of it; ``too large``, ``too small`` or ``displaced``, whichever is
        the larger, if it is 1 px or more; else ``fine``.
    label_class, predicted_class : int
    row, column : float
        Centre.
    box : (first row, first column, last row + 1, last column + 1)
    num_pixels : int
        Of the object, where a missing one is the predicted object.
    weight : float
        Contradiction above the level within 8 px of the object and nearer to it than to others, summed, in nats; of a
        missing one over its own pixels.
    shift_px : float
        How far its boundary reaches too far, within 3 px; NaN if it is missing or nothing is known beside it.
    offset_px : (row, column) of float
        From the centre of what is predicted for it to the label's; NaN if it is missing, spurious or of another class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    kind: ObjectKind
    label_class: int
    predicted_class: int
    row: float
    column: float
    box: tuple[int, int, int, int]
    num_pixels: int
    weight: float
    shift_px: float
    offset_px: tuple[float, float]


class _Pieces(NamedTuple):
    """Objects of a label or a prediction: an image of their numbers from 1, and by number, 0 included, the rest."""

    numbers: Index
    classes: Index
    sizes: Index
    centres: FloatArray
    boxes: Index

    def __len__(self) -> int:
        return len(self.classes) - 1


def score_objects(p_CHW: Probabilities, label: LabelArray, level: float = 0.0) -> tuple[ObjectScore, ...]:
    """Return the objects of an image, those of the greatest weight first.

    Parameters
    ----------
    p_CHW : (C, H, W) array of float
        Out-of-fold probabilities.
    label : (H, W) array of integers
        IGNORE pixels say nothing.
    level : float
        In nats, as `LabelScores.level` of the folder.

    Raises
    ------
    ValueError
        If probabilities and label do not fit together.

    Notes
    -----
    Each pixel belongs to the label object it is nearest to, if that is within 8 px and no missing object has it. Where
    predicted objects merge two of the label, each keeps the part that is nearer to it. An object that was missed at
    the side of another is found if less than half of the predicted region is labelled; else it is a part of its
    neighbour, which is too small.

    Examples
    --------
    >>> p1 = np.full((20, 20), 0.1, np.float32)
    >>> p1[3:8, 3:8] = p1[12:18, 12:18] = 0.9
    >>> label = np.zeros((20, 20), np.uint8)
    >>> label[3:8, 5:10] = 1
    >>> [(one.kind, one.num_pixels, one.offset_px) for one in score_objects(np.stack([1 - p1, p1]), label)]
    [('missing', 36, (nan, nan)), ('displaced', 25, (0.0, 2.0))]
    """
    check_probabilities(p_CHW, label)
    predicted = np.where(label != IGNORE, p_CHW.argmax(axis=0), IGNORE)
    excess = np.maximum(contradiction(p_CHW, label) - level, 0)
    seen = _find(predicted, len(p_CHW))
    covered = np.bincount(seen.numbers.reshape(-1), (label > 0).reshape(-1), minlength=len(seen) + 1)
    missing = covered < HALF * seen.sizes
    missing[0] = False
    taken = missing[seen.numbers] & (label == 0)
    found = [*_score_drawn(p_CHW, label, predicted, excess, taken), *_score_missing(excess, seen, missing)]
    return tuple(sorted(found, key=lambda one: (-one.weight, one.row, one.column)))


def _find(label: LabelArray, num_classes: int) -> _Pieces:
    found, classes = number_objects(label, num_classes)
    numbers, num = found.astype(np.intp), len(classes)
    sizes = np.bincount(numbers.reshape(-1), minlength=num)
    sides = [
        (0, 0, 0, 0),
        *((*(s.start for s in box), *(s.stop for s in box)) for box in ndimage.find_objects(numbers)),
    ]
    boxes = np.array(sides, dtype=np.intp)
    return _Pieces(numbers, classes.astype(np.intp), sizes, _centres(numbers, numbers > 0, num), boxes)


def _box(pieces: _Pieces, n: int | np.integer) -> tuple[int, int, int, int]:
    top, left, bottom, right = pieces.boxes[n].tolist()
    return top, left, bottom, right


def _centres(numbers: Index, chosen: Mask, num: int) -> FloatArray:
    """Return the mean row and column of the chosen pixels by number, (num, 2); NaN without any."""
    rows, columns = np.nonzero(chosen)
    which = numbers[chosen]
    count = np.bincount(which, minlength=num)
    with np.errstate(invalid="ignore"):
        return np.stack([np.bincount(which, axis, minlength=num) / count for axis in (rows, columns)], axis=1)


def _score_missing(excess: FloatArray, seen: _Pieces, missing: Mask) -> list[ObjectScore]:
    """Return the predicted objects that are missing."""
    weights = np.bincount(seen.numbers.reshape(-1), excess.reshape(-1), minlength=len(missing))
    return [
        ObjectScore(
            kind="missing",
            label_class=0,
            predicted_class=int(seen.classes[n]),
            row=float(seen.centres[n, 0]),
            column=float(seen.centres[n, 1]),
            box=_box(seen, n),
            num_pixels=int(seen.sizes[n]),
            weight=float(weights[n]),
            shift_px=float("nan"),
            offset_px=(float("nan"), float("nan")),
        )
        for n in np.flatnonzero(missing)
    ]


def _score_drawn(
    p_CHW: Probabilities, label: LabelArray, predicted: LabelArray, excess: FloatArray, taken: Mask
) -> list[ObjectScore]:
    """Return the objects of the label; pixels taken by missing ones are none of their business."""
    drawn = _find(label, len(p_CHW))
    num = len(drawn) + 1
    if num == 1:
        return []
    outside, nearest = ndimage.distance_transform_edt(drawn.numbers == 0, return_indices=True)
    cell = np.where((outside <= REACH_PX) & ~taken, drawn.numbers[tuple(nearest)], 0)
    weights = np.bincount(cell.reshape(-1), excess.reshape(-1), minlength=num)
    known, own_class = label != IGNORE, drawn.classes[cell]
    again = known & (cell > 0) & (predicted == own_class)
    votes = np.stack(
        [np.bincount(drawn.numbers[predicted == klass], minlength=num) for klass in range(len(p_CHW))], axis=1
    )
    likeliest = votes.argmax(axis=1)
    shared, left = votes[np.arange(num), drawn.classes], np.bincount(cell[again], minlength=num)
    kept = (shared >= HALF * np.minimum(drawn.sizes, left)) & (left >= LEAST_LEFT * drawn.sizes)
    offsets = drawn.centres - _centres(cell, again, num)
    shifts = _shifts(p_CHW, label, cell, outside, own_class, num)
    scores = []
    for n in range(1, num):
        kind, offset = _kind(bool(kept[n]), int(likeliest[n]), float(shifts[n]), offsets[n])
        scores.append(
            ObjectScore(
                kind=kind,
                label_class=int(drawn.classes[n]),
                predicted_class=int(drawn.classes[n] if kept[n] else likeliest[n]),
                row=float(drawn.centres[n, 0]),
                column=float(drawn.centres[n, 1]),
                box=_box(drawn, n),
                num_pixels=int(drawn.sizes[n]),
                weight=float(weights[n]),
                shift_px=float(shifts[n]),
                offset_px=offset,
            )
        )
    return scores


def _shifts(
    p_CHW: Probabilities, label: LabelArray, cell: Index, outside: FloatArray, own_class: Index, num: int
) -> FloatArray:
    """Return the displacement of each object's boundary, as `find_shift` does that of a class."""
    inner = ndimage.distance_transform_edt(_padded(label == own_class) | _padded(label == IGNORE))[1:-1, 1:-1]
    band = (cell > 0) & (label != IGNORE) & (np.where(outside > 0, outside, inner) - 0.5 < BAND_PX)
    p_own = np.take_along_axis(p_CHW, own_class[None], axis=0)[0].astype(np.float64)
    excess = np.bincount(cell[band], (outside[band] == 0) - p_own[band], minlength=num)
    area = np.bincount(cell[band], minlength=num)
    with np.errstate(invalid="ignore"):
        shift: FloatArray = excess / (area / (2 * BAND_PX))
    return shift


def _padded(mask: Mask) -> Mask:
    """Return a mask with a rim of True: the image's edge is no boundary."""
    return np.pad(mask, 1, constant_values=True)


def _kind(
    kept: bool, likeliest: int, shift_px: float, offset: npt.NDArray[np.float64]
) -> tuple[ObjectKind, tuple[float, float]]:
    if not kept:
        return ("spurious" if likeliest == 0 else "other class"), (float("nan"), float("nan"))
    row, column = float(offset[0]), float(offset[1])
    length = float(np.hypot(row, column))
    if max(abs(shift_px), length) < LEAST_MOVE_PX:
        return "fine", (row, column)
    if length > abs(shift_px):
        return "displaced", (row, column)
    return ("too large" if shift_px > 0 else "too small"), (row, column)
