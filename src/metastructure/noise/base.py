"""What every noise family shares: a frozen model with one method, ``model(label, rng)``.

A family fills in `_corrupt`; the label contract, IGNORE and the untouched input are taken care of here.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
from pydantic import BaseModel, ConfigDict

from metastructure.label import IGNORE, LabelArray, check_label, count_classes
from metastructure.transition import TransitionMatrix


class NoiseModel(BaseModel, ABC):
    """A way of corrupting one label, without state.

    Attributes
    ----------
    family : str
        The name in specs and in the table `metastructure.noise.NOISE`.
    main_field : str or None
        The field that ``name:value`` sets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: ClassVar[str]
    main_field: ClassVar[str | None] = None

    @final
    def __call__(self, label: LabelArray, rng: np.random.Generator, num_classes: int | None = None) -> LabelArray:
        """Return a corrupted copy of `label`, same shape and dtype.

        Parameters
        ----------
        label : (H, W) or (D, H, W) array of integers
            Classes 0..C-1. IGNORE pixels stay IGNORE, count for nothing and influence nothing.
        rng : numpy Generator
            From ``metastructure.rng.generator(seed, item, "noise")``.
        num_classes : int, optional
            C. Without it, what this one label holds, at least 2; a data set's C is often larger.

        Raises
        ------
        TypeError, ValueError
            If the label breaks the contract, or the model does not fit C classes.
        """
        label = np.ascontiguousarray(check_label(label, num_classes))
        C = num_classes or count_classes(label)
        self.check_num_classes(C)
        noisy = self._corrupt(label, rng, C).astype(label.dtype, copy=False)
        noisy[label == IGNORE] = IGNORE
        return noisy

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if this model cannot act on `num_classes` classes."""

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return Q for C classes, or None where the family has none that is the same for every pixel.

        Pixels that become IGNORE are left out of Q. The pixels of one object, or of one image, may share a draw:
        a realised matrix then converges with the number of objects or images, not of pixels.
        """
        return None

    def known_share(self, num_classes: int) -> float | None:
        """Return the share of known pixels that stay known, or None where it is not the same for all of them.

        It decides what Q a composition has: see `Chain` and `AtFraction`.
        """
        return 1.0

    @abstractmethod
    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        """Return a new array from a C-contiguous label; IGNORE pixels may come back with any value."""

    def __str__(self) -> str:
        """Return the spec that makes this model again."""
        return format_spec(self)


def format_spec(model: NoiseModel, shown: Mapping[str, str] | None = None) -> str:
    """Return a model as ``family:main,field=value``, without the fields that hold their default.

    Parameters
    ----------
    model : NoiseModel
        A model of one of the families in `metastructure.noise.NOISE`.
    shown : mapping of field to str, optional
        What to write for some of the fields instead of their value.
    """
    parts: list[str] = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        text = (shown or {}).get(name, format_value(value))
        if name == model.main_field:
            if value is not None:
                parts.insert(0, text)
        elif name in (shown or {}) or value != field.default:
            parts.append(f"{name}={text}")
    return f"{model.family}:{','.join(parts)}" if parts else model.family


def format_value(value: Any) -> str:
    """Return a field's value as specs write it: ``0.1``, ``ignore``, ``[0.2,0.8]``, ``{"bias_px":1}``.

    Examples
    --------
    >>> format_value((0.25, (1, True))), format_value(0.1 + 0.2)
    ('[0.25,[1,true]]', '0.30000000000000004')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return json.dumps(value.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))
    if isinstance(value, tuple | list):
        return f"[{','.join(format_value(entry) for entry in value)}]"
    if not isinstance(value, float):
        return str(value)
    text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return text.replace("e+", "e")  # a plus joins noises
