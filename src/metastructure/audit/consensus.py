"""One label from those of several annotators, each weighed by what his matrix says.

`A` annotators, `C` classes, `H` rows, `W` columns.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from metastructure.audit.annotator_answers import Codes, decode_answers, encode_answers, find_inner
from metastructure.audit.annotator_fit import Voices, join_answers
from metastructure.audit.annotator_result import AnnotatorComparison
from metastructure.label import IGNORE, LabelArray
from metastructure.structure.dawid_skene import NO_ANSWER, AnnotatorModel, AnswerTable
from metastructure.structure.estimate import Estimate
from metastructure.structure.windows import FloatArray

Rows = tuple[tuple[Estimate, ...], ...]

TIED = 1e-9
"""Two classes are equally likely if their probabilities differ by no more."""


def consensus_label(
    labels: Mapping[str, LabelArray], found: AnnotatorComparison
) -> tuple[LabelArray, npt.NDArray[np.bool_]]:
    """Return the likeliest class of each pixel of one image, and where no class is likelier than another.

    Parameters
    ----------
    labels : mapping from annotator to (H, W) label
        Of those who labelled the image.
    found : AnnotatorComparison
        Of the same annotators.

    Returns
    -------
    label : (H, W) array of uint8
        argmax_j π_j Π_a Q_a[j, x_a] over the answers x_a to the pixel, with the matrices of its zone, near a boundary
        or away; where there is one answer, that. Without matrices (`method` is "each alone") the class given most
        often. Of equal classes the lowest; IGNORE where nobody answered. Annotators with equal labels have one vote.
    tied : (H, W) array of bool

    Raises
    ------
    ValueError
        If there is no label, or one is by nobody of the comparison.
    """
    names = [one.name for one in found.annotators]
    strange = [name for name in labels if name not in names]
    if strange or not labels:
        raise ValueError(f"labels must be by some of {', '.join(names)}; got {', '.join(strange) or 'none'}.")
    voices = tuple(tuple(names.index(name) for name in voice) for voice in found.voices)
    models = None
    if found.method == "agreement":
        first = [found.annotator(voice[0]) for voice in found.voices]
        models = (
            _as_model([one.near_transition for one in first], found.near_shares),
            _as_model([one.inner_transition for one in first], found.inner_shares),
        )
    return find_consensus([labels.get(name) for name in names], voices, models, found.num_classes)


def find_consensus(
    labels: Sequence[LabelArray | None],
    voices: Voices,
    models: tuple[AnnotatorModel, AnnotatorModel] | None,
    num_classes: int,
) -> tuple[LabelArray, npt.NDArray[np.bool_]]:
    """As `consensus_label`, from the labels in the order of the annotators and the models near boundaries and away."""
    codes = encode_answers(labels, num_classes)
    consensus, tied = _choose(codes, labels, voices, None if models is None else models[0], num_classes)
    if models is not None and not np.isnan(models[1].shares).all():
        inner = find_inner([label for label in labels if label is not None], num_classes)
        consensus[inner], tied[inner] = _choose(codes[inner], labels, voices, models[1], num_classes)
    return consensus, tied


def _choose(
    codes: Codes,
    labels: Sequence[LabelArray | None],
    voices: Voices,
    model: AnnotatorModel | None,
    num_classes: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    distinct, place = np.unique(codes, return_inverse=True)
    patterns = join_answers(decode_answers(distinct, len(labels), num_classes), voices)
    belief = _count_votes(patterns, num_classes)
    if model is not None:
        many = (patterns != NO_ANSWER).sum(axis=1) > 1
        belief[many] = AnswerTable(patterns, num_classes).posterior(model)[many]
    highest = belief.max(axis=1, keepdims=True)
    equal = belief >= highest - TIED
    answered = (patterns != NO_ANSWER).any(axis=1)
    chosen = np.where(answered, equal.argmax(axis=1), IGNORE).astype(np.uint8)
    tied = answered & (equal.sum(axis=1) > 1)
    return chosen[place].reshape(codes.shape), tied[place].reshape(codes.shape)


def _as_model(matrices: Sequence[Rows], shares: Sequence[Estimate]) -> AnnotatorModel:
    rows = np.array([[[one.value for one in row] for row in matrix] for matrix in matrices])
    values = np.array([share.value for share in shares])
    return AnnotatorModel(values[None], rows, values)


def _count_votes(patterns: npt.NDArray[np.intp], num_classes: int) -> FloatArray:
    return np.stack([(patterns == klass).sum(axis=1) for klass in range(num_classes)], axis=1).astype(np.float64)
