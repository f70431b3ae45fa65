"""Several annotators of the same images: how far they agree, how each of them errs, whom to trust.

`A` annotators, `N` images, `C` classes, `H` rows, `W` columns. Labels are gone through twice, image by image, and once
more for each thing asked beside agreement; a table of answers stays of each image.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from metastructure._version import __version__
from metastructure.audit.annotator_answers import AnswerCounter
from metastructure.audit.annotator_fit import (
    NEEDED,
    Models,
    PairTables,
    Voices,
    find_voices,
    fit_answers,
    why_not_agreement,
)
from metastructure.audit.annotator_outlines import Difference, Outline, compare_outlines, find_outline
from metastructure.audit.annotator_report import (
    ComparedLabels,
    Shapes,
    note_annotators,
    report_annotators,
    report_images,
    report_pairs,
    report_shares,
)
from metastructure.audit.annotator_result import AnnotatorComparison
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.consensus import find_consensus
from metastructure.audit.judging import unknown
from metastructure.data.files import ImageArray
from metastructure.label import LabelArray, check_label, count_classes
from metastructure.rng import generator
from metastructure.structure.estimate import Estimate
from metastructure.structure.latent_transition import EstimatedTransition, estimate_transition

NUM_RESAMPLES = 100
"""Of the intervals of edge shifts, and of matrices from one annotator's labels alone."""

NO_IMAGES = "no images were given"
TWO = 2
"""Voices of which each is held against the other: their consensus is one of them where they differ."""

Labels = Mapping[str, Mapping[str, LabelArray]]
OnItem = Callable[[int, int], None]


def compare_annotators(
    labels: Labels,
    images: Mapping[str, ImageArray] | None = None,
    num_classes: int | None = None,
    *,
    seed: int = 0,
    on_item: OnItem | None = None,
) -> AnnotatorComparison:
    """Return how far annotators agree, each one's transition matrix and boundary shift, and whom to trust.

    Parameters
    ----------
    labels : mapping from annotator to mapping from image to (H, W) label
        At least two annotators; an image that one of them skipped is missing from his. IGNORE is no answer. A mapping
        that reads a file when asked (`FolderLabels`) keeps one image in memory. Sizes may differ from image to image.
    images : mapping from image to (H, W) or (H, W, channels) array, optional
        For shifts against their edges; not all need be there.
    num_classes : int, optional
        C; without it what the labels hold, for which they are gone through once more.
    seed : int, at least 0
        Of the bootstrap.
    on_item : callable, optional
        ``on_item(done, total)`` after each image of each pass.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two annotators, a label breaks the contract, or two labels of one image differ in size.

    Notes
    -----
    With three annotators or more, matrices and class shares are those under which the answers are likeliest, given that
    annotators err independently (`AnswerTable.fit`). Errors that most annotators share cannot be seen: they are taken
    for the truth. Two annotators, or copies, say nothing of who errs; each one's matrix is then estimated from the
    structure of his labels (`estimate_transition`), which shows random pixels and no others, and each is held against
    the other.

    What is hard for one annotator, at a boundary, is hard for all, so their errors are not independent. Pixels near a
    boundary of the majority and those further than `INNER_PX` from every one are therefore fitted apart, which takes
    off most of this, not all.

    Boundaries and objects are those left when random pixels are smoothed off (`remove_speckle`).

    References
    ----------
    Dawid, Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Journal of the Royal
    Statistical Society C 1979. Warfield, Zou, Wells, "Simultaneous truth and performance level estimation (STAPLE)",
    IEEE Transactions on Medical Imaging 2004.

    Examples
    --------
    The third misses half of the objects.

    >>> first, second, third = np.zeros((3, 40, 80), dtype=np.uint8)
    >>> first[10:30, 10:30] = second[10:30, 10:30] = third[11:30, 10:30] = 1
    >>> first[10:30, 50:70] = second[11:30, 50:70] = 1
    >>> found = compare_annotators({"ann": {"x": first}, "bo": {"x": second}, "cy": {"x": third}})
    >>> [(one.name, round(one.dice.value, 2), one.missed.value) for one in found.annotators]
    [('ann', 0.99, 0.0), ('bo', 1.0, 0.0), ('cy', 0.66, 0.5)]
    """
    names = _check_names(labels)
    C = num_classes or max(count_classes(check_label(one)) for of in labels.values() for one in of.values())
    ids = tuple(sorted({image for of in labels.values() for image in of}))
    step = _Steps(2 * len(ids) + (sum(len(of) for of in labels.values()) if images else 0), on_item)
    counter = AnswerCounter(len(names), C)
    for image, given in _each_image(labels, ids, C):
        counter.add(given)
        step(image)
    answers = counter.answers()
    pairs = PairTables(answers.patterns, C)
    voices = find_voices(pairs.count(np.asarray(answers.counts.sum(axis=0))), len(names))
    reason = why_not_agreement(answers, voices, C)
    fitted = fit_answers(answers, voices, C, generator(seed, "agreement", "annotators"), reason is None)
    edges = tuple(_edge_shift(name, of, images, C, seed, step) for name, of in labels.items())
    alone = tuple(_estimate_alone(name, of, C, seed) if reason else None for name, of in labels.items())
    shapes = _compare_shapes(labels, ids, C, voices, fitted.models, step)
    found = ComparedLabels(
        names=names,
        ids=ids,
        num_classes=C,
        seed=seed,
        answers=answers,
        pairs=pairs,
        voices=voices,
        fitted=fitted,
        alone=alone,
        edges=edges,
        shapes=shapes,
    )
    reports = report_annotators(found)
    shares, near_shares, inner_shares = report_shares(found)
    return AnnotatorComparison(
        metastructure=__version__,
        seed=seed,
        num_images=len(ids),
        num_classes=C,
        method="each alone" if reason else "agreement",
        reason=reason,
        voices=tuple(tuple(names[one] for one in members) for members in voices),
        against="the other" if len(voices) == TWO else "the consensus",
        class_shares=shares,
        near_shares=near_shares,
        inner_shares=inner_shares,
        annotators=reports,
        pairs=report_pairs(found),
        images=report_images(found),
        tied_share=shapes.num_tied / shapes.num_answered if shapes.num_answered else float("nan"),
        notes=note_annotators(found, reports, reason),
    )


class _Steps:
    """Counts the images gone through over all passes."""

    def __init__(self, total: int, on_item: OnItem | None) -> None:
        self._done, self._total, self._on_item = 0, total, on_item

    def __call__(self, _: str) -> None:
        self._done += 1
        if self._on_item is not None:
            self._on_item(self._done, self._total)


def _check_names(labels: Labels) -> tuple[str, ...]:
    if not isinstance(labels, Mapping) or not all(isinstance(of, Mapping) for of in labels.values()):
        raise TypeError(
            "labels must map the name of each annotator to a mapping from the name of each image to its label, such as "
            "{'ann': {'image 1': label}, 'bo': {'image 1': label}}."
        )
    if len(labels) < 2:
        raise ValueError(
            f"to compare annotators takes at least two; got {', '.join(labels) or 'none'}. One set of labels alone is "
            "for `audit_folder`."
        )
    empty = [name for name, of in labels.items() if not of]
    if empty:
        raise ValueError(f"{empty[0]} has no label; give at least one, or leave this annotator out.")
    return tuple(labels)


def _each_image(labels: Labels, ids: Sequence[str], C: int) -> Iterator[tuple[str, list[LabelArray | None]]]:
    """Give each image with its labels in the order of the annotators, None where there is none; all checked."""
    for image in ids:
        given = {name: of[image] for name, of in labels.items() if image in of}
        first = next(iter(given))
        for name, label in given.items():
            check_label(label, C, f"the label of image {image} by {name}")
            if label.ndim != 2:
                raise ValueError(
                    f"the label of image {image} by {name} has shape {label.shape}; give a volume slice by slice."
                )
            if label.shape != given[first].shape:
                raise ValueError(
                    f"the labels of image {image} differ in size: {given[first].shape} by {first}, {label.shape} by "
                    f"{name}; all labels of one image must be as large as the image."
                )
        yield image, [given.get(name) for name in labels]


def _compare_shapes(
    labels: Labels, ids: Sequence[str], C: int, voices: Voices, models: Models | None, step: _Steps
) -> Shapes:
    to_consensus, between = list[list[Difference | None]](), list[list[Difference | None]]()
    num_tied = num_answered = num_speckled = 0
    for image, given in _each_image(labels, ids, C):
        consensus, tied = find_consensus(given, voices, models and (models.near, models.inner), C)
        outlines = [None if label is None else find_outline(label, C) for label in given]
        agreed = find_outline(consensus, C)
        others = _find_others(outlines, voices) if len(voices) == TWO else [agreed] * len(outlines)
        if sum(any(given[one] is not None for one in members) for members in voices) < min(NEEDED, len(voices)):
            others = [None] * len(outlines)
        to_consensus.append([_compare(one, other) for one, other in zip(outlines, others, strict=True)])
        between.append([_compare(one, other) for one, other in combinations(outlines, 2)])
        num_tied += int(tied.sum())
        num_answered += int((consensus < C).sum())
        num_speckled += sum(label is not None and one is None for label, one in zip(given, outlines, strict=True))
        step(image)
    return Shapes(to_consensus, between, num_tied, num_answered, num_speckled)


def _find_others(outlines: Sequence[Outline | None], voices: Voices) -> list[Outline | None]:
    """Return, for each annotator, the outline that the other of two voices drew."""
    drawn = [next((outlines[one] for one in members if outlines[one] is not None), None) for members in voices]
    return [drawn[1] if annotator in voices[0] else drawn[0] for annotator in range(len(outlines))]


def _compare(first: Outline | None, second: Outline | None) -> Difference | None:
    return None if first is None or second is None else compare_outlines(first, second)


def _edge_shift(
    name: str,
    of: Mapping[str, LabelArray],
    images: Mapping[str, ImageArray] | None,
    C: int,
    seed: int,
    step: _Steps,
) -> Estimate:
    ids = [image for image in sorted(of) if images is not None and image in images]
    if images is None or not ids:
        return unknown(NO_IMAGES)

    def counted() -> Iterator[LabelArray]:
        for image in ids:
            step(image)
            yield of[image]

    rng = generator(seed, name, "annotators' edges")
    pictures = (images[image] for image in ids)
    return estimate_boundary_bias(pictures, counted(), rng, C, names=ids, num_resamples=NUM_RESAMPLES).shift_px


def _estimate_alone(name: str, of: Mapping[str, LabelArray], C: int, seed: int) -> EstimatedTransition:
    with np.errstate(invalid="ignore"):
        rng = generator(seed, name, "annotators alone")
        return estimate_transition((of[image] for image in sorted(of)), rng, C, num_resamples=NUM_RESAMPLES)
