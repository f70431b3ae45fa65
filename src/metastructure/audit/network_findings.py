"""What networks that never saw a label say against it: labels that stand out, objects, and findings for the folder.

`N` images, `C` classes, `H` rows, `W` columns. No network is needed here, only the probabilities it left.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from metastructure.audit.audit_files import AuditFiles
from metastructure.audit.audit_result import Confidence, Finding, Kind, NetworkAudit, ObjectAudit, Why
from metastructure.audit.calibration import Probabilities, check_probabilities
from metastructure.audit.judging import judge, most_telling, percent, pooled_ratio, robust_z, tail_of_z, unknown
from metastructure.audit.label_band import FloatArray
from metastructure.audit.label_scores import ImageScore, LabelScores, score_labels
from metastructure.audit.object_scores import ObjectKind, ObjectScore, score_objects
from metastructure.audit.predictions import OutOfFold
from metastructure.audit.relabel import SURE
from metastructure.audit.suspects import MOST_IN_IMAGE
from metastructure.data.label_set import Label, LabelSet
from metastructure.errors import DataError
from metastructure.rng import generator
from metastructure.structure.estimate import Estimate

SURE_NATS = float(np.log(SURE / (1 - SURE)))
"""An object is named if a pixel of it is contradicted at these odds, from which `relabel` takes a pixel for wrong."""

LEAST_SHIFT_PX, LEAST_MOVE_PX = 1.0, 2.0
OFF_CHANCE = 0.05
"""That any boundary of a folder whose labels are all alike is named. The two distances and this were settled on one
damaged training split (benchmarks/audit_cleanlab.py, seed 100)."""

OBJECTS_DOUBTFUL, OBJECTS_CLEAR = 0.03, 0.05
"""Of the objects. Of 7046 objects of real nuclei whose labels were left as they are networks missed or denied up to
2.2 % (the same split)."""

WHY: dict[ObjectKind, Why] = {
    "missing": "missing",
    "spurious": "spurious",
    "other class": "other class",
    "too large": "boundary too far out",
    "too small": "boundary too far in",
    "displaced": "displaced",
}

OBJECT_KINDS: tuple[tuple[Kind, ObjectKind, str], ...] = (
    ("missing", "missing", "objects that the labels lack"),
    ("spurious", "spurious", "objects being none"),
    ("swapped", "other class", "objects being of another class"),
)


def is_off(scores: LabelScores) -> dict[str, bool]:
    """Return by name whether a label's boundary is off all around, unlike those of the others of its folder.

    Notes
    -----
    By 1 px or more, and beyond one chance in twenty for the whole folder by Student's law about the median.
    """
    off = np.array([one.shift_px - scores.shift_px.get(one.shift_class, np.nan) for one in scores.images])
    chance = tail_of_z(robust_z(off)) * len(off)
    found = (np.abs(off) >= LEAST_SHIFT_PX) & (chance < OFF_CHANCE)
    return {one.name: bool(odd) for one, odd in zip(scores.images, found, strict=True)}


def is_moved(one: ImageScore) -> bool:
    """Return whether a label is likelier once it is moved back, by 2 px or more."""
    return one.translation_gain > 0 and float(np.hypot(*one.translation_px)) >= LEAST_MOVE_PX


def stand_out(scores: LabelScores) -> dict[str, str]:
    """Return the labels that are off or moved as a whole, the most suspect first, each with what is wrong in words."""
    off, told = is_off(scores), dict[str, str]()
    for one in scores.images:
        reasons = []
        if off[one.name]:
            reasons.append(f"boundary {one.shift_px:+.1f} px off, {scores.shift_px[one.shift_class]:+.1f} usually")
        if is_moved(one):
            reasons.append("moved by ({}, {}) px".format(*one.translation_px))
        if reasons:
            told[one.name] = "; ".join(reasons)
    return told


class Predicted:
    """The labels of a folder that have out-of-fold probabilities, each with them.

    Parameters
    ----------
    labels : LabelSet
    predictions : OutOfFold

    Raises
    ------
    DataError
        If no label has any.
    """

    def __init__(self, labels: LabelSet, predictions: OutOfFold) -> None:
        self._labels, self._predictions = labels, predictions
        self._place = {entry.id: k for k, entry in enumerate(labels.entries) if entry.id in predictions.fold_of}
        if not self._place:
            raise DataError(
                f"{predictions.folder}: these predictions are of none of the labels in {labels.folder}, but of images "
                f"such as '{next(iter(predictions))}'."
            )

    @property
    def names(self) -> list[str]:
        """Names of the labels, in their order."""
        return list(self._place)

    def load(self, name: str) -> tuple[Probabilities, Label]:
        """Return probabilities (C, H, W) and label (H, W).

        Raises
        ------
        DataError
            If they do not fit together.
        """
        p_CHW, label = self._predictions.probabilities(name), self._labels.load(self._place[name])
        try:
            check_probabilities(p_CHW, label, self._predictions.num_classes)
        except ValueError as error:
            raise DataError(f"{self._predictions.folder}: not the predictions of label '{name}' ({error})") from None
        return p_CHW, label


def look_through_networks(
    files: AuditFiles,
    predictions: OutOfFold,
    stopped_by: str | None,
    seed: int,
    step: Callable[[], None] = lambda: None,
) -> tuple[NetworkAudit, dict[str, list[ObjectAudit]]]:
    """Return what networks say of a folder, and by image the objects that they contradict.

    Parameters
    ----------
    files : AuditFiles
    predictions : OutOfFold
    stopped_by : str or None
        Why nothing can be said of objects.
    seed : int
        Of the intervals.
    step : callable
        Called three times for each predicted label.

    Raises
    ------
    DataError
        If predictions and labels do not go together.
    """
    pairs = Predicted(files.labels, predictions)
    names = pairs.names
    scores = score_labels(names, pairs.load, lambda done, total: step())
    suspects, counts, drawn = dict[str, list[ObjectAudit]](), dict[str, Counter[ObjectKind]](), list[int]()
    for name in names:
        objects = () if stopped_by else score_objects(*pairs.load(name), SURE_NATS)
        named = [one for one in objects if one.kind != "fine" and one.weight > 0]
        suspects[name] = [_suspect(name, one) for one in named[:MOST_IN_IMAGE]]
        counts[name] = Counter(one.kind for one in named)
        drawn.append(sum(one.kind != "missing" for one in objects))
        step()
    usual = np.array(drawn, dtype=np.float64)
    skipped = [name for name in files.ids() if name not in predictions.fold_of]
    return (
        NetworkAudit(
            folder=str(predictions.folder),
            num_folds=len(set(predictions.fold_of.values())),
            scores=scores,
            standing_out=stand_out(scores),
            findings=(
                *(
                    _objects(names, kind, words, [counts[name][which] for name in names], usual, stopped_by, seed)
                    for kind, which, words in OBJECT_KINDS[: 2 if predictions.num_classes < 3 else 3]
                ),
                _off(scores),
                _moved(scores),
            ),
            skipped=tuple(skipped),
        ),
        suspects,
    )


def join_objects(
    by_image: Sequence[ObjectAudit], by_network: Mapping[str, Sequence[ObjectAudit]]
) -> tuple[ObjectAudit, ...]:
    """Return the suspicious objects of both sides, one named by both once; those the networks contradict most first.

    Notes
    -----
    Two are the same if both are missing, or both are drawn, and their boxes share at least half of what they cover.
    """
    left: dict[str, list[ObjectAudit]] = {}
    for one in by_image:
        left.setdefault(one.image, []).append(one)
    joined = []
    for name in sorted({*left, *by_network}):
        own, members = left.get(name, []), []
        for said in by_network.get(name, ()):
            same = next((one for one in own if _is_same(one, said)), None)
            if same is not None:
                own.remove(same)
                said = same.model_copy(update={"network": said.network, "weight": said.weight})
            members.append(said)
        joined += sorted([*members, *own], key=lambda one: (-np.nan_to_num(one.weight), -np.nan_to_num(one.score)))
    return tuple(joined)


def _is_same(one: ObjectAudit, other: ObjectAudit) -> bool:
    if (one.why == "missing") != (other.why == "missing"):
        return False
    first, second = np.array(one.box), np.array(other.box)
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.maximum(sides, 0).prod())
    return 2 * shared >= float((first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod()) - shared


def _suspect(name: str, one: ObjectScore) -> ObjectAudit:
    return ObjectAudit(
        image=name,
        klass=one.predicted_class if one.kind == "missing" else one.label_class,
        row=one.row,
        column=one.column,
        box=one.box,
        area_px=one.num_pixels,
        score=float("nan"),
        why=WHY[one.kind],
        suggested=one.predicted_class if one.kind == "other class" else None,
        network=one.kind,
        weight=one.weight,
    )


def _objects(
    names: list[str], kind: Kind, words: str, found: list[int], drawn: FloatArray, stopped_by: str | None, seed: int
) -> Finding:
    """Return whether networks contradict more objects than those of good labels."""
    evidence = unknown(stopped_by or "")
    if not stopped_by:
        evidence = pooled_ratio(found, drawn, generator(seed, f"network {kind}", "audit"), "there are no objects")
    confidence = judge(evidence, OBJECTS_DOUBTFUL, OBJECTS_CLEAR)
    shown = f"{sum(found)} {words}, {percent(evidence.value)} of those drawn"
    sentences: dict[Confidence, str] = {
        "clear": f"Networks that never saw the label are sure of {shown}.",
        "weak": f"Networks that never saw the label are sure of {shown}, little more than in good labels.",
        "none": f"Networks that never saw the label are sure of {shown}, as in good labels.",
        "not tested": f"What networks say of objects is unknown: {evidence.reason}.",
    }
    return Finding(
        kind=kind,
        evidence=evidence,
        unit="share of objects",
        confidence=confidence,
        sentence=sentences[confidence],
        null=f"up to {percent(OBJECTS_DOUBTFUL)} of the objects of real nuclei, where networks err themselves",
        images=most_telling(names, np.array(found, dtype=np.float64)) if confidence in ("clear", "weak") else (),
    )


def _off(scores: LabelScores) -> Finding:
    off = is_off(scores)
    chosen = [one for one in scores.images if off[one.name]]
    sentence = "No boundary of a label is off all around unlike those of the others, by networks that never saw it."
    if chosen:
        shifts = [one.shift_px for one in chosen]
        sentence = (
            f"Networks that never saw the label put the boundaries of {len(chosen)} of {len(off)} labels elsewhere all "
            f"around, unlike those of the others: the labels reach too far by {min(shifts):+.1f} to {max(shifts):+.1f} "
            "px."
        )
    null = f"Student's law about the folder's median displacement, and at least {LEAST_SHIFT_PX:g} px"
    return _labels("boundary", chosen, sentence, null)


def _moved(scores: LabelScores) -> Finding:
    chosen = [one for one in scores.images if is_moved(one)]
    sentence = "No label is likelier, by networks that never saw it, once it is moved back as a whole."
    if chosen:
        middle = float(np.median([np.hypot(*one.translation_px) for one in chosen]))
        sentence = (
            f"{len(chosen)} of {len(scores.images)} labels are likelier, by networks that never saw them, once they "
            f"are moved back as a whole, by {middle:.1f} px (median)."
        )
    return _labels("moved", chosen, sentence, f"the label where it is, and at least {LEAST_MOVE_PX:g} px")


def _labels(kind: Kind, chosen: list[ImageScore], sentence: str, null: str) -> Finding:
    num = float(len(chosen))
    return Finding(
        kind=kind,
        evidence=Estimate(value=num, low=num, high=num),
        unit="labels",
        confidence="clear" if chosen else "none",
        sentence=sentence,
        null=null,
        images=tuple(one.name for one in chosen),
    )
