"""Noise specs: the same noise as text (``sample:0.1 + dilate:2``), as YAML, or as a model.

Text is ``family[:argument{,argument}]`` joined with ``+`` left to right. An argument is the value of the family's main
field, or ``field=value``; a number may be a range, ``dilate:1..4``, drawn anew for each image. ``a at 0.3`` strikes
that fraction of the images; parentheses group. YAML is such a text, a mapping ``{family: sample, fraction: 0.1}``
(with ``at: 0.3`` if wanted), or a list, applied in turn.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from metastructure.errors import ConfigError
from metastructure.noise.annotators import Annotator, Consensus
from metastructure.noise.at import AtFraction
from metastructure.noise.base import NoiseModel
from metastructure.noise.boundary import Dilation, Erosion, Skeleton
from metastructure.noise.chain import Chain
from metastructure.noise.class_flipping import ClassFlipping, PairFlipping
from metastructure.noise.clean import Clean
from metastructure.noise.flipping import Flipping, MatrixFlipping
from metastructure.noise.jitter import BoundaryJitter
from metastructure.noise.markov import MarkovBoundary
from metastructure.noise.merging import Merging
from metastructure.noise.motion import Displacement, Rotation
from metastructure.noise.object_swap import ObjectSwap
from metastructure.noise.omission import Inclusion, Omission
from metastructure.noise.opening import Closing, Opening
from metastructure.noise.polygon import PolygonSimplification
from metastructure.noise.random_label import RandomLabel
from metastructure.noise.sampling import Sampling
from metastructure.noise.shift import BoundaryShift
from metastructure.noise.unlabelled import Unlabelled
from metastructure.noise.varying import Varying
from metastructure.noise.weak import Boxes, Discs, Points, Scribbles

_PIXEL: tuple[type[NoiseModel], ...] = (
    Clean, Sampling, Flipping, PairFlipping, ClassFlipping, MatrixFlipping, RandomLabel,
)  # fmt: skip
_BOUNDARY: tuple[type[NoiseModel], ...] = (
    Dilation, Erosion, Skeleton, Opening, Closing, BoundaryShift, BoundaryJitter, MarkovBoundary,
    PolygonSimplification,
)  # fmt: skip
_OBJECT: tuple[type[NoiseModel], ...] = (
    Displacement, Rotation, Omission, Inclusion, Merging, ObjectSwap,
)  # fmt: skip
_ANNOTATION: tuple[type[NoiseModel], ...] = (
    Points, Scribbles, Boxes, Discs, Unlabelled, Annotator, Consensus,
)  # fmt: skip

NOISE: dict[str, type[NoiseModel]] = {model.family: model for model in (*_PIXEL, *_BOUNDARY, *_OBJECT, *_ANNOTATION)}
"""Every family by its name in specs; what joins them (``+``, ``at``, ``..``) is syntax."""

_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE]-?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
_OPENING, _CLOSING = "([{", ")]}"

NoiseSpec = str | Mapping[str, Any] | Sequence[Any] | NoiseModel


def parse_noise(spec: NoiseSpec) -> NoiseModel:
    """Return the model that a spec describes.

    Parameters
    ----------
    spec : str, mapping, sequence or NoiseModel
        ``"flip:0.45"``, ``"sample:0.1,fill=ignore + dilate:2"``, ``{"family": "flip", "rate": 0.45}``, a list
        of these applied in turn, or a model, which is returned as it is.

    Raises
    ------
    ConfigError
        If the family or a field is unknown, or a value does not fit; the message quotes the spec, the part at
        fault and its column.

    Examples
    --------
    >>> parse_noise("flip:0.45")
    Flipping(rate=0.45, exact=False)
    >>> str(parse_noise([{"family": "sample", "fraction": 0.5}, "dilate:2"]))
    'sample:0.5 + dilate:2'
    >>> parse_noise("flip:0.3 + dilatee:2")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    metastructure.errors.ConfigError: noise 'flip:0.3 + dilatee:2', at 'dilatee' (column 12): ...
    """
    if isinstance(spec, NoiseModel):
        return spec
    if isinstance(spec, str):
        _check_brackets(spec)
        return _parse_sum(spec, spec, 0)
    if isinstance(spec, Mapping):
        return _parse_mapping(spec)
    if isinstance(spec, Sequence):
        return _chain([parse_noise(part) for part in spec])
    raise ConfigError(f"a noise is a text, a mapping or a list; got {type(spec).__name__} {spec!r}.")


def _chain(steps: Sequence[NoiseModel]) -> NoiseModel:
    """Return one model for the steps; chains within are opened, which changes no draw."""
    if not steps:
        raise ConfigError("a list of noises must not be empty; write 'clean' for none.")
    flat = [inner for step in steps for inner in (step.steps if isinstance(step, Chain) else (step,))]
    return flat[0] if len(flat) == 1 else Chain(steps=tuple(flat))


def _parse_sum(spec: str, text: str, column: int) -> NoiseModel:
    """Return the model of ``part + part``; `text` starts at `column` (from 0) of `spec`."""
    return _chain([_parse_part(spec, part, column + start) for part, start in _split_outside_brackets(text, "+")])


def _parse_part(spec: str, part: str, column: int) -> NoiseModel:
    """Return the model of ``atom`` or ``atom at fraction``."""
    column += len(part) - len(part.lstrip())
    part = part.strip()
    pieces = [piece for piece in re.finditer(r"\sat(?=\s|$)", part) if not _depth(part[: piece.start()])]
    if pieces:
        end = pieces[-1].end()
        text = part[end:].strip()
        where = _place(spec, text, column + len(part) - len(text))
        if not text:
            raise ConfigError(f"{where}: a fraction is missing after 'at'.")
        model = _parse_part(spec, part[: pieces[-1].start()], column)
        return _build(AtFraction, {"model": model, "fraction": _parse_value(text)}, lambda _: where)
    if part.startswith("(") and part.endswith(")"):
        return _parse_sum(spec, part[1:-1], column + 1)
    return _parse_family(spec, part, column)


def _parse_family(spec: str, part: str, column: int) -> NoiseModel:
    """Return the model of ``family:arguments``."""
    name, colon, rest = part.partition(":")
    model = _find_family(name.strip(), _place(spec, name.strip(), column))
    fields: dict[str, Any] = {}
    places: dict[str, str] = {}
    for argument, offset in _split_outside_brackets(rest, ",") if colon else []:
        text = argument.strip()
        where = _place(spec, text, column + len(name) + 1 + offset + len(argument) - len(argument.lstrip()))
        key, equals, value = text.partition("=")
        if not equals:
            if model.main_field is None:
                raise ConfigError(f"{where}: {model.family} takes no bare value; {_describe_fields(model)}.")
            key, value = model.main_field, text
        key = key.strip()
        if not value.strip():
            before = f"{key}=" if equals else f"{model.family}:"
            raise ConfigError(f"{where}: a value is missing after {before!r}.")
        if key in fields:
            raise ConfigError(f"{where}: {key} is given twice.")
        fields[key], places[key] = _parse_value(value.strip()), where
    return _build_varying(model, fields, lambda field: places.get(field, _place(spec, part, column)))


def _parse_mapping(spec: Mapping[str, Any]) -> NoiseModel:
    shown = f"noise {dict(spec)!r}"
    if "family" not in spec:
        raise ConfigError(f"{shown}: the key 'family' is missing; known families: {', '.join(NOISE)}.")
    family = _find_family(str(spec["family"]), shown)
    fields = {key: value for key, value in spec.items() if key not in ("family", "at")}
    model = _build_varying(family, fields, lambda _: shown)
    return _build(AtFraction, {"model": model, "fraction": spec["at"]}, lambda _: shown) if "at" in spec else model


def _find_family(name: str, where: str) -> type[NoiseModel]:
    if name not in NOISE:
        close = difflib.get_close_matches(name, NOISE, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"{where}: unknown noise; {hint}known families: {', '.join(NOISE)}.")
    return NOISE[name]


def _build_varying(model: type[NoiseModel], fields: dict[str, Any], locate: Callable[[str], str]) -> NoiseModel:
    """Return a model, or a varying one if a field's value is a range; both ends must fit the field."""
    matches = {key: _RANGE.fullmatch(value) for key, value in fields.items() if isinstance(value, str)}
    ranges = {key: tuple(_parse_value(end) for end in match.groups()) for key, match in matches.items() if match}
    if not ranges:
        return _build(model, fields, locate)
    low, _ = (_build(model, {**fields, **{key: ends[i] for key, ends in ranges.items()}}, locate) for i in (0, 1))
    return _build(Varying, {"model": low, "ranges": ranges}, lambda _: locate(next(iter(ranges))))


def _build(model: type[NoiseModel], fields: dict[str, Any], locate: Callable[[str], str]) -> NoiseModel:
    try:
        return model(**fields)
    except ValidationError as error:
        first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
        field = str(first["loc"][0]) if first["loc"] else ""
        where = locate(field)
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            raise ConfigError(f"{where}: {model.family} has no field {field!r}; {_describe_fields(model)}.") from None
        if first["type"] == "missing" and len(first["loc"]) == 1:
            raise ConfigError(f"{where}: {model.family} needs {field}; {_describe_fields(model)}.") from None
        inside = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        subject = f"{inside}: " if inside else ""
        raise ConfigError(f"{where}: {subject}{reason[:1].lower() + reason[1:]}.") from None


def _describe_fields(model: type[NoiseModel]) -> str:
    names = [f"{name} (the bare value)" if name == model.main_field else name for name in model.model_fields]
    return f"its fields: {', '.join(names)}" if names else "it has no fields"


def _place(spec: str, part: str, column: int) -> str:
    return f"noise {spec!r}, at {part!r} (column {column + 1})"


def _parse_value(text: str) -> Any:
    """Return JSON where it is (numbers, lists, true), else the text itself (``ignore``)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _depth(text: str) -> int:
    """Return how many brackets are open at the end of `text`."""
    return sum(character in _OPENING for character in text) - sum(character in _CLOSING for character in text)


def _check_brackets(spec: str) -> None:
    opened: list[int] = []
    for index, character in enumerate(spec):
        if character in _OPENING:
            opened.append(index)
        elif character in _CLOSING and (not opened or _OPENING.index(spec[opened.pop()]) != _CLOSING.index(character)):
            raise ConfigError(f"{_place(spec, character, index)}: this bracket closes none.")
    if opened:
        raise ConfigError(f"{_place(spec, spec[opened[-1]], opened[-1])}: this bracket is never closed.")


def _split_outside_brackets(text: str, separator: str) -> list[tuple[str, int]]:
    """Return the parts of `text` between separators outside brackets, each with the index it starts at."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == separator and depth == 0:
            parts.append((text[start:index], start))
            start = index + 1
    return [*parts, (text[start:], start)]
