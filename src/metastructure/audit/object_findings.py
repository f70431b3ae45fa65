"""Objects that are missing, spurious or of another class, or drawn as lines or boxes.

`N` images.
"""

import numpy as np

from metastructure.audit.audit_result import Confidence, Finding
from metastructure.audit.gathered import Gathered
from metastructure.audit.judging import judge, most_telling, percent, pooled_ratio, unknown
from metastructure.audit.label_band import FloatArray
from metastructure.structure.estimate import Estimate

THIN_CLEAR, THIN_DOUBTFUL = 0.95, 0.9
"""Share of object pixels at the boundary; a line of two pixels has 1, a disc of radius 10 has 0.2."""

GOES_ON = 0.5
"""Of the step from far outside to inside, what is left one or two pixels beside a line: blur leaves less."""

BOX_DOUBTFUL, BOX_CLEAR = 0.2, 0.5
LIKE_INSIDE = 0.7
"""Of the contrast of its middle, what the corners of a box have at least if the box is the object's true outline."""

MISSING_DOUBTFUL, MISSING_CLEAR = 0.05, 0.06
"""Exact generated mitochondria come out at up to 0.08, with an interval from 0.04, for what glows out of focus."""

SPURIOUS_DOUBTFUL, SPURIOUS_CLEAR = 0.01, 0.03
"""Exact generated labels come out at 0."""

SWAPPED_DOUBTFUL, SWAPPED_CLEAR = 0.06, 0.08
"""Exact generated streets, whose seven classes overlap, come out at 0.025 to 0.053, with a fifth swapped at 0.06 to
0.10; published labels of real streets at 0.075, with a fifth swapped at 0.13."""

NOTHING_STANDS_OUT = "no image shows objects that stand out from what is around them"
NO_IMAGES = "there are no images to compare with"
NO_OBJECTS = "there are no objects"


def goes_on(gathered: Gathered) -> float:
    """Return how much beside the objects the images still look like their inside, 0 none, 1 as much; NaN if unknown."""
    sums = np.array([[look.shape.beside, look.shape.far, look.shape.inside] for look in gathered.looks])
    total, num = sums[..., 0].sum(axis=0), sums[..., 1].sum(axis=0)
    if not num.all():
        return float("nan")
    beside, far, inside = total / num
    return float((beside - far) / (inside - far)) if inside > far else float("nan")


def find_skeleton(gathered: Gathered, stopped_by: str | None) -> Finding:
    """Return whether objects are drawn as lines."""
    edge = [look.shape.num_edge for look in gathered.looks]
    of = [look.shape.num_object_pixels for look in gathered.looks]
    evidence = unknown(stopped_by) if stopped_by else pooled_ratio(edge, of, gathered.rng("skeleton"), NO_OBJECTS)
    confidence, beside = judge(evidence, THIN_DOUBTFUL, THIN_CLEAR), goes_on(gathered)
    if confidence == "clear" and not beside > GOES_ON:
        confidence = "weak" if np.isnan(beside) else "none"
    shown = f"{percent(evidence.value)} of the object pixels touch another class"
    seen = "" if np.isnan(beside) else f", and beside them the images still look {percent(max(beside, 0))} like inside"
    sentences: dict[Confidence, str] = {
        "clear": f"Objects are drawn as lines: {shown}{seen}.",
        "weak": f"Objects are drawn one or two pixels thin: {shown}; whether they are that thin cannot be told.",
        "none": f"Objects are not drawn as lines: {shown}{seen}.",
        "not tested": f"Whether objects are drawn as lines is unknown: {evidence.reason}.",
    }
    return Finding(
        kind="skeleton",
        evidence=evidence,
        unit="share of object pixels",
        confidence=confidence,
        sentence=sentences[confidence],
        null=f"a line that is really thin, beside which blur leaves less than {percent(GOES_ON)} of its contrast",
        images=most_telling(gathered.names, thin_share(gathered), THIN_DOUBTFUL)
        if confidence in ("clear", "weak")
        else (),
    )


def thin_share(gathered: Gathered) -> FloatArray:
    """Return the share of object pixels that touch another class in each label, (N,); NaN without objects."""
    shapes = [look.shape for look in gathered.looks]
    return np.array([s.num_edge / s.num_object_pixels if s.num_object_pixels else np.nan for s in shapes])


def find_box(gathered: Gathered) -> Finding:
    """Return whether objects are drawn as boxes."""
    found = np.array([np.nansum(look.shape.is_box) for look in gathered.looks])
    tried = np.array([(~np.isnan(look.shape.is_box)).sum() for look in gathered.looks])
    evidence = pooled_ratio(found, tried, gathered.rng("box"), "no object is large enough and whole")
    confidence = judge(evidence, BOX_DOUBTFUL, BOX_CLEAR)
    middle = sum(look.shape.middle for look in gathered.looks)
    corner = sum(look.shape.corner for look in gathered.looks) / middle if middle > 0 else float("nan")
    if confidence == "clear" and not corner < LIKE_INSIDE:
        confidence = "weak" if np.isnan(corner) else "none"
    shown = f"{percent(evidence.value)} of the objects fill their bounding boxes"
    corners = (
        "" if np.isnan(corner) else f"; their corners stand out {percent(max(corner, 0))} as much as their middles"
    )
    sentences: dict[Confidence, str] = {
        "clear": f"Objects are drawn as boxes: {shown}{corners}.",
        "weak": f"Objects may be drawn as boxes: {shown}{corners}.",
        "none": f"Objects are not drawn as boxes: {shown}{corners}.",
        "not tested": f"Whether objects are drawn as boxes is unknown: {evidence.reason}.",
    }
    return Finding(
        kind="box",
        evidence=evidence,
        unit="share of objects",
        confidence=confidence,
        sentence=sentences[confidence],
        null="an outline that the image supports has corners that look like the inside of the object",
        images=most_telling(gathered.names, found) if confidence in ("clear", "weak") else (),
    )


def find_missing_objects(gathered: Gathered, stopped_by: str | None, rivals: tuple[Finding, ...]) -> Finding:
    """Return whether objects were left out; never clear where a rival is, since such boundaries uncover parts too."""
    found, mirrored = missing_counts(gathered)
    evidence = _by_objects(gathered, found - mirrored, "missing", stopped_by)
    num = int(found.sum())
    shown = f"{num} parts of the background look like objects, {int(mirrored.sum())} as many the other way round"
    limits = (MISSING_DOUBTFUL, MISSING_CLEAR)
    if any(rival.confidence == "clear" for rival in rivals):
        limits, shown = (MISSING_DOUBTFUL, np.inf), f"{shown}, but boundaries that are off may have uncovered them"
    return _finding(
        gathered,
        "missing",
        evidence,
        limits,
        {
            "clear": f"Objects are missing: {shown}; that is {percent(max(evidence.value, 0))} of the drawn ones.",
            "weak": f"Some objects may be missing: {shown}.",
            "none": f"No more objects seem to be missing than by chance: {shown}.",
            "not tested": f"Whether objects are missing is unknown: {evidence.reason}.",
        },
        "as many parts of the background that differ from it by as much the other way",
        found,
    )


def find_spurious_objects(gathered: Gathered, stopped_by: str | None) -> Finding:
    """Return whether objects were drawn where there are none."""
    found = spurious_counts(gathered)
    evidence = _by_objects(gathered, 2 * found, "spurious", stopped_by)
    shown = f"{int(found.sum())} of {int(gathered.num_judged.sum())} objects have the opposite contrast of the others"
    return _finding(
        gathered,
        "spurious",
        evidence,
        (SPURIOUS_DOUBTFUL, SPURIOUS_CLEAR),
        {
            "clear": f"Objects are drawn where there is nothing: {shown}; with as many again that have none, "
            f"{percent(evidence.value)}.",
            "weak": f"Some objects may be drawn where there is nothing: {shown}.",
            "none": f"Objects stand out from what is around them: {shown}.",
            "not tested": f"Whether objects are spurious is unknown: {evidence.reason}.",
        },
        "objects drawn anywhere have either contrast equally often, so that twice those with the opposite one are "
        "spurious; real ones have it not",
        found,
    )


def find_swapped(gathered: Gathered) -> Finding:
    """Return whether objects carry the class of others."""
    misfits = gathered.misfits
    if gathered.num_classes < 3:
        evidence = unknown("there is one class of objects only")
    elif misfits is None:
        evidence = unknown("fewer than two classes have enough objects with an image")
    else:
        tried = np.bincount(gathered.image_of_object, minlength=len(gathered.looks))
        evidence = pooled_ratio(gathered.num_misfits, tried, gathered.rng("swapped"), NO_OBJECTS)
    num = 0 if misfits is None else int(misfits.is_misfit.sum())
    shown = f"{num} objects have the colours of another class ({percent(max(evidence.value, 0))})"
    return _finding(
        gathered,
        "swapped",
        evidence,
        (SWAPPED_DOUBTFUL, SWAPPED_CLEAR),
        {
            "clear": f"Objects carry the wrong class: {shown}.",
            "weak": f"Some objects may carry the wrong class: {shown}.",
            "none": f"Colours fit the classes: {shown}.",
            "not tested": f"Whether objects carry the wrong class is unknown: {evidence.reason}.",
        },
        f"another class is 50 times likelier for at most {percent(SWAPPED_CLEAR)} of the objects of labels believed "
        "right, whose classes overlap",
        np.nan_to_num(gathered.num_misfits),
    )


def missing_counts(gathered: Gathered) -> tuple[FloatArray, FloatArray]:
    """Return the candidates of each image and their mirror images, (N,) each."""
    found = np.array([float(len(look.missing_score)) for look in gathered.looks])
    return found, np.array([float(look.num_mirrored) for look in gathered.looks])


def spurious_counts(gathered: Gathered) -> FloatArray:
    """Return the objects of opposite contrast in each image, (N,)."""
    return np.array([float(look.is_spurious.sum()) for look in gathered.looks])


def _by_objects(gathered: Gathered, numbers: FloatArray, kind: str, stopped_by: str | None) -> Estimate:
    if stopped_by is not None:
        return unknown(stopped_by)
    reason = NOTHING_STANDS_OUT if gathered.has_images else NO_IMAGES
    return pooled_ratio(numbers, gathered.num_judged, gathered.rng(kind), reason)


def _finding(
    gathered: Gathered,
    kind: str,
    evidence: Estimate,
    bounds: tuple[float, float],
    sentences: dict[Confidence, str],
    null: str,
    counts: FloatArray,
) -> Finding:
    confidence = judge(evidence, *bounds)
    return Finding.model_validate(
        {
            "kind": kind,
            "evidence": evidence,
            "unit": "share of objects",
            "confidence": confidence,
            "sentence": sentences[confidence],
            "null": null,
            "images": most_telling(gathered.names, counts) if confidence in ("clear", "weak") else (),
        }
    )
