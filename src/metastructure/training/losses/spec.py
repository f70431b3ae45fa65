"""Loss specs: ``gce``, ``gce:q=0.5``, ``dmi:per=image + iou``, or ``{name: gce, q: 0.5}``.

Text is ``name[:field=value{,field=value}]``; a plus adds losses, so a value cannot hold one.
"""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from metastructure.errors import ConfigError
from metastructure.training.losses.base import Loss
from metastructure.training.losses.correction import BackwardCrossEntropy, CorrectedLoss, ForwardCrossEntropy
from metastructure.training.losses.cross_entropy import CrossEntropy
from metastructure.training.losses.dmi import DeterminantMutualInformation
from metastructure.training.losses.overlap import Dice, GeneralisedDice, IoU
from metastructure.training.losses.robust import Brier, GeneralisedCrossEntropy, SymmetricCrossEntropy
from metastructure.training.losses.total import LossSum
from metastructure.transition import TransitionMatrix

_MEMBERS: tuple[type[Loss], ...] = (
    CrossEntropy, Brier, GeneralisedCrossEntropy, SymmetricCrossEntropy, ForwardCrossEntropy, BackwardCrossEntropy,
    Dice, GeneralisedDice, IoU, DeterminantMutualInformation,
)  # fmt: skip

LOSSES: dict[str, type[Loss]] = {loss.name: loss for loss in _MEMBERS}
"""Every loss by its name in specs; what joins them (``+``) is syntax."""


def parse_loss(spec: str | Mapping[str, Any] | Loss) -> Loss:
    """Return the loss that a spec describes; ``str`` of it is the spec's shortest form.

    Parameters
    ----------
    spec : str, mapping or Loss
        A loss is returned as it is.

    Raises
    ------
    ConfigError
        If the name or a field is unknown, or a value does not fit.

    Examples
    --------
    >>> parse_loss({"name": "gce", "q": 0.5})
    GeneralisedCrossEntropy(q=0.5)
    >>> str(parse_loss("dmi:per=image,epsilon=0.001+iou"))
    'dmi:per=image + iou'
    >>> parse_loss("gcee")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    metastructure.errors.ConfigError: loss 'gcee': unknown loss 'gcee'; did you mean 'gce'? Known losses: ...
    """
    if isinstance(spec, Loss):
        return spec
    if isinstance(spec, Mapping):
        where, fields = f"loss {dict(spec)!r}", dict(spec)
        if "name" not in fields:
            raise ConfigError(f"{where}: the key 'name' is missing; known losses: {', '.join(LOSSES)}.")
        return _build(str(fields.pop("name")), fields, where)
    if not isinstance(spec, str):
        raise ConfigError(f"a loss is a text or a mapping; got {type(spec).__name__} {spec!r}.")
    terms = tuple(_parse_term(part.strip(), f"loss {spec!r}") for part in spec.split("+"))
    return LossSum(terms=terms) if len(terms) > 1 else terms[0]


def needs_transition(loss: Loss) -> bool:
    """Return True if a loss, or a term of a sum, corrects by a transition matrix that it has not got.

    Examples
    --------
    >>> needs_transition(parse_loss("forward + iou")), needs_transition(parse_loss("iou"))
    (True, False)
    """
    if isinstance(loss, LossSum):
        return any(needs_transition(term) for term in loss.terms)
    return isinstance(loss, CorrectedLoss) and loss.transition is None


def with_transition(loss: Loss, transition: TransitionMatrix) -> Loss:
    """Return the loss with the matrix wherever one is needed and none was given.

    Raises
    ------
    ConfigError
        If the matrix has no inverse and the loss needs it, or a class was never seen.

    Examples
    --------
    >>> str(with_transition(parse_loss("forward"), TransitionMatrix([[1, 0], [0.5, 0.5]])))
    'forward:transition=[[1,0],[0.5,0.5]]'
    """
    if isinstance(loss, LossSum):
        return LossSum(terms=tuple(with_transition(term, transition) for term in loss.terms))
    if not needs_transition(loss):
        return loss
    return _build(loss.name, {"transition": transition.rows.tolist()}, f"loss '{loss.name}'")


def _parse_term(text: str, where: str) -> Loss:
    """Return the loss of ``name:field=value,...``."""
    name, colon, rest = text.partition(":")
    fields: dict[str, Any] = {}
    for argument in re.split(r",(?=\s*\w+\s*=)", rest) if colon else []:
        key, equals, value = (piece.strip() for piece in argument.partition("="))
        if not (equals and key and value):
            raise ConfigError(f"{where}, at {argument.strip()!r}: write a setting as field=value.")
        if key in fields:
            raise ConfigError(f"{where}: {key} is given twice.")
        try:
            fields[key] = json.loads(value)
        except json.JSONDecodeError:
            fields[key] = value
    return _build(name.strip(), fields, where)


def _build(name: str, fields: dict[str, Any], where: str) -> Loss:
    if name not in LOSSES:
        close = difflib.get_close_matches(name, LOSSES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"{where}: unknown loss {name!r}; {hint}Known losses: {', '.join(LOSSES)}.")
    known = ", ".join(LOSSES[name].model_fields)
    try:
        return LOSSES[name](**fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            has = f"its fields: {known}" if known else "it has no fields"
            raise ConfigError(f"{where}: {name} has no field {field!r}; {has}.") from None
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ConfigError(f"{where}: {field} of {name}: {reason[:1].lower() + reason[1:]}.") from None
