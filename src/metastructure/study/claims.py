"""Claims of a study in one line each: ``sample:0.1 ~ clean``, ``flip:0.45 [density] > flip:0.45 [plain]``.

A claim is ``SIDE RELATION SIDE`` with one of RELATIONS. A side is a noise in
any spelling that `metastructure.noise` reads, and after it, if wanted, a recipe in brackets. Noises hold none of
``~<>`` outside brackets, and a bracket within a noise follows ``:``, ``=``, ``,``, ``+`` or another bracket: both are
unambiguous.
"""

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from metastructure.errors import ConfigError
from metastructure.noise import parse_noise

RELATIONS = {"~": "equal within the margin", "<": "left below right", ">": "left above right"}
"""Every relation and what it says of the scores."""

_KNOWN = ", ".join(f"{sign} {meaning}" for sign, meaning in RELATIONS.items())
_OPENING, _CLOSING = "([{", ")]}"
_SIGNS = re.compile(r"[~<>=!≤≥≠≈](?:\s*[~<>=!≤≥≠≈])*")
_RECIPE = re.compile(r"(?<=[^\s:=,+(])\s*\[([^\[\]]*)\]$")


class Side(BaseModel):
    """What a claim speaks of: a noise in canonical text, and a recipe or None for each in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: str
    recipe: str | None = None

    def __str__(self) -> str:
        return self.noise if self.recipe is None else f"{self.noise} [{self.recipe}]"


class Claim(BaseModel):
    """A relation between the scores of two sides.

    Attributes
    ----------
    left, right : Side
    relation : "~", "<" or ">"
        Equal within a margin; left below right; left above right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: Side
    relation: Literal["~", "<", ">"]
    right: Side

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


def parse_claim(text: Any) -> Claim:
    """Return the claim that a text makes.

    Raises
    ------
    ConfigError
        In one line with the claim, the place at fault and what is expected there.

    Examples
    --------
    >>> claim = parse_claim("classflip:[0.10,0.6] [density] < clean[density]")
    >>> str(claim), claim.right
    ('classflip:[0.1,0.6] [density] < clean [density]', Side(noise='clean', recipe='density'))
    >>> parse_claim("flip:0.3 ~ ")
    Traceback (most recent call last):
    metastructure.errors.ConfigError: claim 'flip:0.3 ~ ', column 11: a noise is missing after '~'.
    """
    if not isinstance(text, str):
        raise ConfigError(f"a claim is a text such as 'sample:0.1 ~ clean'; got {type(text).__name__} {text!r}.")
    places = _find_relations(text)
    if not places:
        raise ConfigError(f"claim {text!r}: one of ~ < > is missing between two noises ({_KNOWN}).")
    for start, end in places:
        if text[start:end] not in RELATIONS:
            raise ConfigError(
                f"claim {text!r}, column {start + 1}: unknown relation {text[start:end]!r}; there are {_KNOWN}."
            )
    if len(places) > 1:
        place = places[1][0]
        raise ConfigError(f"claim {text!r}, column {place + 1}: a second {text[place]!r}; write two claims.")
    start, end = places[0]
    relation = text[start:end]
    left = _parse_side(text, 0, start, f"before {relation!r}")
    right = _parse_side(text, end, len(text), f"after {relation!r}")
    if (left.recipe is None) != (right.recipe is None):
        raise ConfigError(f"claim {text!r}: name a recipe in brackets on both sides or on neither.")
    if left == right:
        raise ConfigError(f"claim {text!r}: both sides are {str(left)!r}.")
    return Claim(left=left, relation=relation, right=right)  # type: ignore[arg-type]


def check_held(text: str, noises: Collection[str], recipes: Collection[str]) -> None:
    """Raise ValueError if a claim speaks of a noise or recipe that a study does not hold."""
    claim = parse_claim(text)
    for side in (claim.left, claim.right):
        if side.noise not in noises:
            raise ValueError(f"claim {text!r}: the study has no noise {side.noise!r}; it has {', '.join(noises)}")
        if side.recipe is not None and side.recipe not in recipes:
            raise ValueError(f"claim {text!r}: the study has no recipe {side.recipe!r}; it has {', '.join(recipes)}")


def _canonical_claim(text: Any) -> str:
    try:
        return str(parse_claim(text))
    except ConfigError as error:
        raise ValueError(str(error)) from None


ClaimText = Annotated[str, BeforeValidator(_canonical_claim)]
"""A claim in its canonical text."""


def _find_relations(text: str) -> list[tuple[int, int]]:
    """Return where signs stand outside brackets that are, or look like, a relation; a lone = belongs to a noise."""
    places = []
    for found in _SIGNS.finditer(text):
        before = text[: found.start()]
        depth = sum(before.count(sign) for sign in _OPENING) - sum(before.count(sign) for sign in _CLOSING)
        if found[0] != "=" and depth == 0:
            places.append(found.span())
    return places


def _parse_side(text: str, start: int, end: int, where: str) -> Side:
    side = text[start:end].strip()
    if not side:
        raise ConfigError(f"claim {text!r}, column {start + 1}: a noise is missing {where}.")
    found = _RECIPE.search(side)
    noise, recipe = (side[: found.start()], found[1].strip()) if found else (side, None)
    if recipe == "":
        column = text.rindex("[", start, end) + 1
        raise ConfigError(f"claim {text!r}, column {column}: a recipe is missing in the brackets.")
    try:
        return Side(noise=str(parse_noise(noise)), recipe=recipe)
    except ConfigError as error:
        raise ConfigError(f"claim {text!r}, {where}: {error}") from None
