"""Results as JSON that every parser reads, undefined and infinite numbers included."""

import json
import math
from typing import Any

from pydantic import BaseModel


def to_json(found: BaseModel) -> str:
    """Return a result as JSON text.

    Parameters
    ----------
    found : BaseModel

    Notes
    -----
    JSON has no NaN and no infinity, and ``null`` could not tell them apart: a ratio to an error of 0 is infinite, that
    of an absent class undefined. They are written as the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, which
    `model_validate_json`, Python's ``float`` and JavaScript's ``Number`` read back as numbers.

    Examples
    --------
    >>> from metastructure.structure.estimate import Estimate
    >>> print(to_json(Estimate(value=0.5, low=float("nan"), high=float("inf"))))
    {
     "value": 0.5,
     "low": "NaN",
     "high": "Infinity",
     "reason": null
    }
    """
    return json.dumps(_spell(found.model_dump(mode="json")), indent=1, allow_nan=False, ensure_ascii=False)


def _spell(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _spell(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_spell(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
