"""The audit in words: whether the errors matter, what they may cost, what to fix first, and what was not tested."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from metastructure.audit.audit_result import MIXED, Audit, Finding, Kind
from metastructure.audit.random_findings import HIDING_SHARE
from metastructure.audit.shift import shift_label
from metastructure.audit.speckle import remove_speckle
from metastructure.contingency import contingency_table
from metastructure.data.label_format import find_labels, read_label_file
from metastructure.data.label_set import pick_evenly
from metastructure.label import LabelArray
from metastructure.metrics import foreground_dice, nanmean
from metastructure.structure.estimate import Estimate
from metastructure.structure.latent_transition import NO_STRUCTURE

Level = Literal["harmless", "costs", "fix first", "cannot tell"]

STRUCTURAL: tuple[Kind, ...] = ("skeleton", "box", "moved", "missing", "spurious", "swapped", "jitter", "duplicate")
"""Kinds that networks learn as if they were true, beside a bias of the boundary, whose cost can be stated."""

LEAST_SIGMA = 0.03
"""Random noise of two classes whose matrix has a smallest singular value of this or more is no reason to worry: flips
of 48 %, with 0.04, and 10 % sampling, with 0.07, cost less than a point on nuclei (docs/results/nuc-recipes.md). The
value of sampling falls as the root of the number of classes, at no more cost (docs/results/camvid-recipes.md)."""

BELOW_RANDOM: tuple[Kind, ...] = ("random", "outlier", "duplicate", "empty", "unreadable")
"""What can be judged all the same, where more than HIDING_SHARE of the pixels are random."""

HARDLY_ANY_POINTS = 1.0
"""A bias that costs less is told and not warned of: the margin within which our studies call two trainings equal."""

OF_OBJECTS: tuple[Kind, ...] = ("missing", "spurious", "swapped")
"""What networks say of the whole folder; single labels that stand out are named, and change no level."""

NAMED: tuple[Kind, ...] = ("empty", "duplicate", "moved", "outlier")
"""Kinds that single images have: a clear finding names them."""

NUM_NAMED = 3
CHANCE = 0.05
"""That any image at all of a folder without errors is named as one to look at first."""

NUM_FIRST = 10
NUM_SHIFTED = 64


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Cost(_Value):
    """What a boundary bias may cost: Dice, in points, between labels as they are and moved back by the bias."""

    points: float
    low: float
    high: float


class Verdict(_Value):
    """What the audit comes to.

    Attributes
    ----------
    level : "harmless", "costs", "fix first" or "cannot tell"
    headline : str
    sentences : tuple of str
        The clear findings, then the weak ones, each with its number.
    cost : Cost or None
        Of the boundary bias, if one is clear.
    first : tuple of str
        Images to look at first, the most suspicious first.
    not_tested : tuple of str
    """

    level: Level
    headline: str
    sentences: tuple[str, ...]
    cost: Cost | None
    first: tuple[str, ...]
    not_tested: tuple[str, ...]


def judge(audit: Audit) -> Verdict:
    """Return the verdict on an audit; a few of its labels are read again to state what a bias costs.

    Raises
    ------
    DataError
        If a label is not there any more.
    """
    hidden = hidden_kinds(audit)
    clear = {one.kind: one for one in audit.findings if one.confidence == "clear" and one.kind not in hidden}
    bias = clear.get("bias")
    cost = None if bias is None else _boundary_cost(audit, bias.evidence)
    costly = cost is not None and cost.points >= HARDLY_ANY_POINTS
    by_network = () if audit.network is None else audit.network.findings
    clear |= {one.kind: one for one in by_network if one.kind in OF_OBJECTS and one.confidence == "clear"}
    structural = [clear[kind] for kind in STRUCTURAL if kind in clear]
    least_sigma = LEAST_SIGMA * np.sqrt(2 / audit.num_classes)
    ruined = "random" in clear and not audit.random.sigma_min.value >= least_sigma
    first = _first(audit, [name for kind in NAMED if kind in clear for name in clear[kind].images])
    level = _level(audit, bool(structural) or ruined, costly)
    untested = list(_untested(audit))
    if hidden:
        untested.append(f"{_join([NAMES[kind] for kind in hidden])}: too many random pixels to tell")
    told = {one.sentence for one in audit.findings}
    return Verdict(
        level=level,
        headline=_headline(audit, level, clear, cost if costly else None, ruined, bool(first)),
        sentences=tuple(_sentences(audit, hidden, cost)),
        cost=cost,
        first=first,
        not_tested=(*untested, *(note for note in audit.notes if note not in told)),
    )


class Judged(_Value):
    """An audit with its verdict, as ``audit.json`` holds it."""

    verdict: Verdict
    audit: Audit


def _is_noisy(audit: Audit) -> bool:
    is_random = audit.finding("random").confidence == "clear" and audit.random_share.value > HIDING_SHARE
    return is_random or audit.random.reason == NO_STRUCTURE


def _find_mixture(audit: Audit) -> str:
    return next((note for note in audit.notes if note.startswith(MIXED)), "")


def hidden_kinds(audit: Audit) -> tuple[Kind, ...]:
    """Return the kinds that cannot be judged for random pixels."""
    kinds = (one.kind for one in audit.findings if one.confidence != "not tested")
    return tuple(kind for kind in kinds if kind not in BELOW_RANDOM) if _is_noisy(audit) else ()


def _level(audit: Audit, is_structural: bool, is_costly: bool) -> Level:
    if is_structural:
        return "fix first"
    if is_costly:
        return "costs"
    found = (*audit.findings, *(() if audit.network is None else audit.network.findings))
    tested = {one.kind for one in found if one.confidence != "not tested" and not _is_guess(one)}
    doubted = audit.masks or _is_noisy(audit) or _find_mixture(audit)
    enough = {"random", "bias", "missing"} <= tested and audit.num_images > 1 and not doubted
    return "harmless" if enough else "cannot tell"


def _is_guess(one: Finding) -> bool:
    """Return whether a finding is not clear for want of an interval, as with a single image."""
    return one.confidence in ("weak", "none") and bool(np.isnan(one.evidence.low))


def quiet_kinds(audit: Audit) -> tuple[Kind, ...]:
    """Return the kinds that were looked for, could be judged, and were not found."""
    hidden = hidden_kinds(audit)
    found = (one for one in audit.findings if one.confidence == "none" and not _is_guess(one))
    return tuple(one.kind for one in found if one.kind not in hidden)


def _headline(
    audit: Audit,
    level: Level,
    clear: dict[Kind, Finding],
    cost: Cost | None,
    ruined: bool,
    has_first: bool,
) -> str:
    structural = [kind for kind in STRUCTURAL if kind in clear]
    looks = " A few images stand out; look at them." if has_first else ""
    if audit.random.reason == NO_STRUCTURE:
        return (
            "No structure was found: neighbouring pixels agree no more often than pixels drawn at random, and random "
            "labels teach a network nothing. Very noisy ones show what structure they have only in large numbers: if "
            "you expect more of these, audit more of them."
        )
    if level == "fix first":
        names = [NAMES[kind] for kind in structural] + ["random pixels beyond repair"] * ruined
        learnt = (
            " Networks learn errors that follow objects as if they were true." if structural != ["duplicate"] else ""
        )
        bias = "" if cost is None else f" The boundaries' bias alone may cost {describe_cost(cost)}."
        return f"Fix first: {_join(names)}.{learnt if structural else ''}{bias}"
    if level == "costs":
        assert cost is not None
        return (
            f"The boundaries lie beside the edges of the images; that may cost {describe_cost(cost)}. "
            f"'metastructure repair --method shift:{-clear['bias'].evidence.value:.1f}' moves them back."
        )
    if _is_noisy(audit):
        share = 100 * audit.random_share.value
        return (
            f"About {share:.0f} % of the pixels are random errors. Networks read through these, but they hide what "
            "else may be wrong: take them out with 'metastructure repair', and audit what comes of it."
        )
    if audit.masks:
        named = ", ".join(audit.masks[:NUM_NAMED]) + (" ..." if len(audit.masks) > NUM_NAMED else "")
        return (
            f"{len(audit.masks)} of {audit.num_images} labels hold 0 and 255 only ({named}), and 255 is IGNORE: if "
            "they are masks, write 1 for 255, and audit again."
        )
    mixture = _find_mixture(audit)
    if mixture:
        return f"Two sets of classes may be mixed: {mixture.removeprefix(MIXED).lstrip(': ')}."
    if level == "cannot tell":
        why = audit.boundary_reason or (
            "one image says too little" if audit.num_images < 2 else "the images show too little"
        )
        found = f"Found: {_join([NAMES[kind] for kind in clear])}." if clear else "Nothing wrong was found."
        return f"{found} What matters most was not tested ({why})."
    if "random" in clear:
        return (
            "Harmless: the errors found are random, pixel by pixel. Networks read through them; 'metastructure train' "
            f"undoes what they do to the probabilities.{looks}"
        )
    return f"Harmless: no error was found that would matter.{looks}"


def describe_cost(cost: Cost) -> str:
    """Return the cost in words."""
    span = "" if np.isnan(cost.low) else f" ({cost.low:.1f} to {cost.high:.1f})"
    return f"about {cost.points:.1f} Dice points{span}"


NAMES: dict[Kind, str] = {
    "random": "random pixels",
    "jitter": "boundaries that wander",
    "bias": "boundaries too far out or in",
    "skeleton": "thin strokes in place of objects",
    "box": "boxes in place of objects",
    "missing": "missing objects",
    "spurious": "objects where there are none",
    "swapped": "exchanged classes",
    "outlier": "images unlike the others",
    "moved": "labels moved against their images",
    "duplicate": "duplicates",
    "empty": "empty labels",
    "unreadable": "files that cannot be read",
    "boundary": "single labels drawn too large or too small",
}
"""What people call the kinds of error."""


def _sentences(audit: Audit, hidden: tuple[Kind, ...], cost: Cost | None) -> Iterator[str]:
    for confidence in ("clear", "weak"):
        for one in audit.findings:
            if one.confidence == confidence and one.kind not in hidden:
                yield _name(one) if one.kind in NAMED else one.sentence
                if one.kind == "bias" and cost is not None:
                    yield f"Labels as they are and moved back by this bias differ by {cost.points:.1f} Dice points."
    for one in () if audit.network is None else audit.network.findings:
        if one.confidence in ("clear", "weak"):
            yield _name(one)


def _untested(audit: Audit) -> Iterator[str]:
    """Give what was not tested, kinds with the same reason in one sentence."""
    reasons: dict[str, list[Finding]] = {}
    for one in audit.findings:
        if one.confidence == "not tested":
            reasons.setdefault(one.evidence.reason or one.sentence, []).append(one)
    for reason, members in reasons.items():
        names = _join([NAMES[one.kind] for one in members])
        yield f"{names}: {reason if len(members) > 1 else members[0].sentence}"
    if audit.network is not None:
        yield "errors that all labels share, such as a bias of every boundary: the networks learnt them too"
        objects = [one for one in audit.network.findings if one.confidence == "not tested"]
        if objects:
            yield f"what networks say of objects: {objects[0].evidence.reason}"
        if audit.network.skipped:
            yield (
                f"by networks: {len(audit.network.skipped)} labels without a usable image, such as "
                f"{audit.network.skipped[0]}"
            )


def _name(one: Finding) -> str:
    """Return the sentence with the images that show it."""
    if not one.images:
        return one.sentence
    more = f" and {len(one.images) - NUM_NAMED} more" if len(one.images) > NUM_NAMED else ""
    return f"{one.sentence.rstrip('.')}: {', '.join(one.images[:NUM_NAMED])}{more}."


def _first(audit: Audit, known: list[str]) -> tuple[str, ...]:
    """Return images to look at: those that networks or findings name, then those beyond chance."""
    ranked = sorted(audit.images, key=lambda one: (-one.suspicion, one.name))
    beyond = [one.name for one in ranked if one.suspicion > 1 - CHANCE / len(ranked)]
    standing_out = () if audit.network is None else audit.network.standing_out
    return tuple(dict.fromkeys([*standing_out, *known, *beyond]))[:NUM_FIRST]


def _boundary_cost(audit: Audit, bias: Estimate) -> Cost:
    """Return what labels lose against themselves moved back by the bias, over some of them."""
    folder, unusable = Path(audit.labels), audit.finding("unreadable").images
    paths = [
        path for path in find_labels(folder) if path.relative_to(folder).with_suffix("").as_posix() not in unusable
    ]
    labels = [read_label_file(paths[k], audit.num_classes).pixels for k in pick_evenly(len(paths), NUM_SHIFTED)]
    flat = [one for label in labels for one in (label if label.ndim == 3 else label[None])]
    flat = [remove_speckle(one, audit.num_classes)[0] for one in flat]  # random pixels are not the boundary's cost
    points, *ends = (_lost_points(flat, px, audit.num_classes) for px in (bias.value, bias.low, bias.high))
    return Cost(points=points, low=min(ends), high=max(ends))


def _lost_points(labels: list[LabelArray], bias_px: float, num_classes: int) -> float:
    """Return the points at a bias, between those of the whole pixels to its sides on a straight line."""
    if np.isnan(bias_px):
        return float("nan")
    nearer = int(abs(bias_px))
    low, high = (
        _points_of_whole(labels, int(np.copysign(px, bias_px)), num_classes) if px else 0.0
        for px in (nearer, nearer + 1)
    )
    return low + (abs(bias_px) - nearer) * (high - low)


def _points_of_whole(labels: list[LabelArray], bias_px: int, num_classes: int) -> float:
    tables = [contingency_table(shift_label(one, -bias_px, num_classes).label, one, num_classes) for one in labels]
    return float(100 * (1 - nanmean(foreground_dice(np.stack(tables)))))


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
