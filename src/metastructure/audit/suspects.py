"""The objects of a folder that are suspicious, each with its place, the reason and how suspicious it is.

`N` images, `J` objects of an image.
"""

from collections.abc import Iterator

import numpy as np

from metastructure.audit.audit_result import ObjectAudit, Why
from metastructure.audit.gathered import Gathered
from metastructure.audit.judging import robust_z, tail_of_count, tail_of_z
from metastructure.audit.label_band import FloatArray
from metastructure.audit.look import Look
from metastructure.audit.object_findings import missing_counts, spurious_counts

MOST_IN_IMAGE = 100
OFF_CHANCE = 0.05
"""Of a boundary as far off, all objects of the folder counted; of as many suspicious objects in one image."""


def list_suspects(gathered: Gathered, kinds: frozenset[str]) -> tuple[ObjectAudit, ...]:
    """Return the suspicious objects by image, the most suspicious first.

    Parameters
    ----------
    gathered : Gathered
    kinds : set of str
        The kinds of error that the folder shows. Of others objects are told where their image has more of them than
        the other images explain; boundaries that are off are judged against all others of the folder.
    """
    off, chance = _boundaries(gathered)
    judged = gathered.num_judged
    counts = {
        "missing": (missing_counts(gathered)[0], judged),
        "spurious": (spurious_counts(gathered), judged),
        "swapped": (gathered.num_misfits, gathered.num_objects),
    }
    told = {kind: (tail_of_count(*numbers) < OFF_CHANCE) | (kind in kinds) for kind, numbers in counts.items()}
    found, first = [], 0
    for place, look in enumerate(gathered.looks):
        stop = first + len(look.klass)
        suspects = [
            *(_missing(look) if told["missing"][place] else ()),
            *(_spurious(look) if told["spurious"][place] else ()),
            *(_misfits(gathered, place) if told["swapped"][place] else ()),
            *(_boxes(look) if "box" in kinds else ()),
            *_off(look, off[first:stop], chance[first:stop]),
        ]
        found += sorted(suspects, key=lambda suspect: -suspect.score)[:MOST_IN_IMAGE]
        first = stop
    return tuple(found)


def _missing(look: Look) -> Iterator[ObjectAudit]:
    klass = int(look.klass[0]) if len(np.unique(look.klass)) == 1 else -1
    for box, centre, area, score in zip(
        look.missing_box, look.missing_centre, look.missing_area, look.missing_score, strict=True
    ):
        yield _suspect(look.name, klass, centre, box, int(area), float(np.clip(score, 0, 1)), "missing")


def _spurious(look: Look) -> Iterator[ObjectAudit]:
    for index in np.flatnonzero(look.is_spurious).tolist():
        yield _object(look, index, 1 - float(np.clip(look.level[index], 0, 1)), "spurious")


def _misfits(gathered: Gathered, place: int) -> Iterator[ObjectAudit]:
    misfits, look = gathered.misfits, gathered.looks[place]
    if misfits is None or not look.features.shape[1]:
        return
    first = int(np.searchsorted(gathered.image_of_object, place))
    for index in np.flatnonzero(misfits.is_misfit[first : first + len(look.klass)]).tolist():
        at = first + index
        yield _object(
            look, index, 1 - float(misfits.own_chance[at]), "other class", suggested=int(misfits.suggested[at])
        )


def _boxes(look: Look) -> Iterator[ObjectAudit]:
    for index in np.flatnonzero(look.shape.is_box == 1).tolist():
        sides = look.box[index, 2:] - look.box[index, :2]
        yield _object(look, index, float(look.area[index] / sides.prod()), "box")


def _boundaries(gathered: Gathered) -> tuple[FloatArray, FloatArray]:
    """Return how far each object's boundary is off, less the folder's median, and the chance of that."""
    off = np.concatenate([np.zeros(0), *(look.object_px for look in gathered.looks)])
    z = robust_z(off)
    num = int((~np.isnan(z)).sum())
    middle = np.median(off[~np.isnan(off)]) if num else 0.0
    return off - middle, np.minimum(1.0, tail_of_z(z) * max(num, 1))


def _off(look: Look, off: FloatArray, chance: FloatArray) -> Iterator[ObjectAudit]:
    for index in np.flatnonzero(chance < OFF_CHANCE).tolist():
        why: Why = "boundary too far out" if off[index] > 0 else "boundary too far in"
        yield _object(look, index, 1 - float(chance[index]), why)


def _object(look: Look, index: int, score: float, why: Why, suggested: int | None = None) -> ObjectAudit:
    return _suspect(
        look.name,
        int(look.klass[index]),
        look.centre[index],
        look.box[index],
        int(look.area[index]),
        score,
        why,
        suggested,
    )


def _suspect(
    name: str,
    klass: int,
    centre: FloatArray,
    box: np.ndarray,
    area_px: int,
    score: float,
    why: Why,
    suggested: int | None = None,
) -> ObjectAudit:
    top, left, bottom, right = (int(side) for side in box)
    return ObjectAudit(
        image=name,
        klass=klass,
        row=float(centre[0]),
        column=float(centre[1]),
        box=(top, left, bottom, right),
        area_px=area_px,
        score=score,
        why=why,
        suggested=suggested,
    )
