"""The comparison of annotators in words: whom to trust, how each of them errs, what could not be told."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from metastructure.audit.annotator_result import AnnotatorComparison, AnnotatorReport
from metastructure.audit.judging import percent
from metastructure.structure.estimate import Estimate

LEAST_SHIFT_PX = 0.25
"""A smaller shift is no habit."""

LEAST_SHARE = 0.01
"""Of the objects missed or added, of pixels with another class, or of pixels agreed on beyond what is explained."""


class AnnotatorVerdict(BaseModel):
    """What a comparison of annotators comes to.

    Attributes
    ----------
    headline : str
    sentences : tuple of str
        One for each annotator, those to trust most first; then what pairs of them share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    headline: str
    sentences: tuple[str, ...]


class JudgedAnnotators(BaseModel):
    """A comparison with its verdict, as ``annotators.json`` holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    verdict: AnnotatorVerdict
    comparison: AnnotatorComparison


def judge_annotators(found: AnnotatorComparison) -> AnnotatorVerdict:
    """Return a comparison in words."""
    ranked = sorted(found.annotators, key=lambda one: one.place or len(found.annotators) + 1)
    sentences = [_describe(one, found.against) for one in ranked]
    sentences += [
        f"{pair.first} and {pair.second} agree in {percent(pair.excess)} of the pixels more than they would if they "
        "erred independently: errors they have in common pass for the truth."
        for pair in found.pairs
        if pair.excess >= LEAST_SHARE
    ]
    return AnnotatorVerdict(headline=_headline(found), sentences=tuple(sentences))


def _headline(found: AnnotatorComparison) -> str:
    if found.method == "each alone":
        return f"Whom to trust cannot be told: {found.reason}."
    groups = found.ranking()
    if not groups:
        return "Whom to trust cannot be told."
    best, *others = groups
    if not others:
        return f"{_list(best)} cannot be told apart: they agree as well with what all have in common."
    lead = f"Trust {_list(best)} most" + ("; which of them more cannot be told" if len(best) > 1 else "")
    score = found.annotator(best[0]).dice
    alike = [f"{_list(group)} cannot be told apart" for group in others if len(group) > 1]
    last = others[-1]
    parts = [f"{lead}: Dice {_number(score)} with what all have in common", *alike]
    if len(last) == 1:
        parts.append(f"{last[0]} agrees least, {_number(found.annotator(last[0]).dice)}")
    return f"{'; '.join(parts)}."


def _describe(one: AnnotatorReport, against: str) -> str:
    place = f"place {one.place}, Dice {_number(one.dice)}; " if one.place else ""
    return f"{one.name}: {place}{'; '.join(_habits(one, against)) or 'no habit stands out'}."


def _habits(one: AnnotatorReport, against: str) -> list[str]:
    habits = []
    if _is_clear(one.consensus_shift_px, LEAST_SHIFT_PX):
        habits.append(f"draws {_shift(one.consensus_shift_px)} {against}")
    if _is_clear(one.edge_shift_px, LEAST_SHIFT_PX):
        habits.append(f"draws {_shift(one.edge_shift_px)} the edges of the images")
    for share, verb in ((one.missed, "misses"), (one.added, "adds")):
        if _is_clear(share, LEAST_SHARE):
            habits.append(f"{verb} {percent(share.value)} of the objects")
    inner = one.inner_error
    if _is_clear(inner, LEAST_SHARE):
        habits.append(f"gives another class to {percent(inner.value)} of the pixels away from boundaries")
    if not one.place:
        habits += _random_pixels(one)
    return habits


def _random_pixels(one: AnnotatorReport) -> list[str]:
    """Return what the structure of his labels alone tells."""
    kept = [row[klass] for klass, row in enumerate(one.transition)]
    known = [cell for cell in kept if not np.isnan(cell.value)]
    if not known:
        return [f"random pixels not tested: {kept[0].reason}"]
    worst = min(known, key=lambda cell: cell.value)
    if worst.value > 1 - LEAST_SHARE:
        return ["no random pixels"]
    return [f"up to {percent(1 - worst.value)} of the pixels of a class are random"]


def _is_clear(found: Estimate, least: float) -> bool:
    """Return whether a value is no less than `least` and its interval, if there is one, excludes 0."""
    return abs(found.value) >= least and not found.low <= 0 <= found.high


def _shift(found: Estimate) -> str:
    side = "outside" if found.value > 0 else "inside"
    span = "" if np.isnan(found.low) else f" ({found.low:+.1f} to {found.high:+.1f})"
    return f"{abs(found.value):.1f} px {side}{span}"


def _number(found: Estimate) -> str:
    span = "" if np.isnan(found.low) else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.2f}{span}"


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
