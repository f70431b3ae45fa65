"""From the numbers of each image to one suspicion and the strongest reason, with the number of looks counted.

`N` images, `L` kinds of number looked at.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from metastructure.audit.audit_result import ImageAudit
from metastructure.audit.folder_findings import is_empty, usual_z
from metastructure.audit.gathered import Gathered
from metastructure.audit.judging import percent, robust_z, tail_of_count, tail_of_z
from metastructure.audit.label_band import FloatArray
from metastructure.audit.object_findings import missing_counts, spurious_counts, thin_share
from metastructure.audit.random_findings import wander_px

MOVED_CHANCE = 0.003
"""Share of images that are in place and seem moved: 1 of 340 (benchmarks/results/boundary_bias.md)."""

REASON_FROM = 0.1
"""A chance above it is no reason to give."""


class _Row(NamedTuple):
    """The chance of each image's number, (N,), and what it says of image i in words."""

    chance: FloatArray
    tell: Callable[[int], str]


def score_images(gathered: Gathered, misfit_objects: FloatArray) -> tuple[ImageAudit, ...]:
    """Return the record of each image.

    Notes
    -----
    Each number becomes the chance p of one as extreme: by Student's law about the folder's median for numbers on a
    scale, by Poisson's with the rate of the other images for counts of objects, by how frequent they are for events.
    The suspicion is (1 - min p)^L: by Šidák's bound the smallest of L chances is as small with probability at most
    1 - (1 - min p)^L.

    References
    ----------
    Šidák, "Rectangular confidence regions for the means of multivariate normal distributions", Journal of the American
    Statistical Association 1967.
    """
    rows = _rows(gathered, misfit_objects)
    chances = np.stack([row.chance for row in rows])
    looked = np.array([bool((row.chance < 1).any()) for row in rows])
    num_looks, least = max(1, int(looked.sum())), chances.min(axis=0)
    suspicion = (1 - least) ** num_looks
    strongest = chances.argmin(axis=0)
    names = [rows[row].tell(i) if least[i] < REASON_FROM else "" for i, row in enumerate(strongest)]
    wander = wander_px(gathered)
    return tuple(_record(gathered, i, float(suspicion[i]), names[i], misfit_objects, wander) for i in range(len(names)))


def _rows(gathered: Gathered, misfits: FloatArray) -> list[_Row]:
    lonely = np.array([look.lonely_share for look in gathered.looks])
    thin, wander, shift = thin_share(gathered), wander_px(gathered), gathered.shifts_px
    length = np.nan_to_num(np.linalg.norm(gathered.moved_px, axis=1))
    missing, spurious = missing_counts(gathered)[0], spurious_counts(gathered)
    past = np.array([0.0 if image is None else image.past_px for image in gathered.image_bias])
    blind = np.array([image is not None and image.reason is not None for image in gathered.image_bias]) & (past == 0)
    middle = float(np.nanmedian(shift)) if not np.isnan(shift).all() else np.nan
    judged, usual = gathered.num_judged, usual_z(gathered)
    reasons = [image.reason if image is not None else None for image in gathered.image_bias]

    def tell_shift(i: int) -> str:
        return f"{reasons[i]}" if past[i] else f"boundary {shift[i]:+.1f} px off the edges, {middle:+.1f} elsewhere"

    return [
        _Row(tail_of_z(robust_z(np.sqrt(lonely)), two_sided=False), lambda i: f"{percent(lonely[i])} lonely pixels"),
        _Row(tail_of_z(robust_z(np.where(past != 0, past, shift))), tell_shift),
        _Row(tail_of_z(robust_z(wander), two_sided=False), lambda i: f"boundary wanders by {wander[i]:.1f} px"),
        _Row(np.where(length > 0, MOVED_CHANCE, 1.0), lambda i: f"the whole label is moved by {length[i]:.0f} px"),
        _Row(_how_frequent(blind.astype(np.float64)), lambda i: f"{reasons[i]}"),
        _Row(tail_of_z(robust_z(thin)), lambda i: f"{percent(thin[i])} of the object pixels touch another class"),
        _Row(tail_of_count(missing, judged), lambda i: f"{missing[i]:.0f} objects may be missing"),
        _Row(tail_of_count(spurious, judged), lambda i: f"{spurious[i]:.0f} objects show nothing in the image"),
        _Row(tail_of_count(misfits, gathered.num_objects), lambda i: f"{misfits[i]:.0f} objects look misnamed"),
        _Row(
            np.minimum(1.0, 3 * np.stack([tail_of_z(row) for row in usual]).min(axis=0)),
            lambda i: f"unusual {('foreground', 'number of objects', 'size of objects')[_most(usual[:, i])]}",
        ),
        _Row(_how_frequent(is_empty(gathered)), lambda i: "the label holds one class only"),
    ]


def _most(z: FloatArray) -> int:
    return int(np.argmax(np.abs(np.nan_to_num(z))))


def _how_frequent(event: FloatArray) -> FloatArray:
    """Return for images with an event its share of all images, else 1."""
    frequent: FloatArray = np.where(event > 0, event.mean(), 1.0)
    return frequent


def _record(
    gathered: Gathered, i: int, suspicion: float, strongest: str, misfits: FloatArray, wander: FloatArray
) -> ImageAudit:
    look, image = gathered.looks[i], gathered.image_bias[i]
    judged = gathered.num_judged[i]
    num = gathered.num_objects[i]

    def share(count: float, of: float) -> float:
        return float(count / of) if of > 0 else float("nan")

    is_box = look.shape.is_box
    return ImageAudit(
        name=look.name,
        lonely_share=look.lonely_share,
        shift_px=float(gathered.shifts_px[i]),
        wander_px=float(wander[i]),
        moved_px=(float(gathered.moved_px[i, 0]), float(gathered.moved_px[i, 1])),
        thin_share=share(look.shape.num_edge, look.shape.num_object_pixels),
        box_share=share(np.nansum(is_box), (~np.isnan(is_box)).sum()),
        missing_share=share(len(look.missing_score), judged),
        spurious_share=share(look.is_spurious.sum(), judged),
        swapped_share=share(misfits[i], num),
        foreground_share=share(look.num_foreground, look.num_known),
        num_objects=float(num),
        object_px=float(np.median(look.area)) if len(look.area) else float("nan"),
        suspicion=suspicion,
        strongest=strongest,
        reason=look.reason or (image.reason if image is not None else None),
    )
