"""A noise whose strength is drawn anew for each image."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field, SerializeAsAny, model_validator

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel, format_spec, format_value
from metastructure.transition import TransitionMatrix

NUM_TRIALS = 513
"""Values of a range of fractions that must fit the field; families forbid intervals (a shift below 1), not points."""


class Varying(NoiseModel):
    """Apply a model with some of its fields drawn evenly from a range, per image.

    Parameters
    ----------
    model : NoiseModel
        A model of the family, with the low end in each of the varying fields.
    ranges : dict of field to (low, high)
        Both ends belong to the range; written ``dilate:1..4`` in specs. An integer field takes whole numbers.

    Raises
    ------
    ValueError
        If a range is empty or a value in it does not fit the field.

    Examples
    --------
    >>> from metastructure.noise import parse_noise
    >>> from metastructure.rng import generator
    >>> model = parse_noise("dilate:1..3")
    >>> line = np.array([[1, 0, 0, 0, 0]])
    >>> sorted({int(model(line, generator(0, str(item), "noise")).sum()) for item in range(30)})
    [2, 3, 4]
    """

    family: ClassVar[str] = "varying"

    model: SerializeAsAny[NoiseModel]
    ranges: dict[str, tuple[float, float]] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_ranges(self) -> "Varying":
        for field, (low, high) in self.ranges.items():
            if not low < high:
                raise ValueError(f"a range runs from low to high; got {format_value(low)}..{format_value(high)}")
            if isinstance(getattr(self.model, field), bool) or not isinstance(getattr(self.model, field), int | float):
                raise ValueError(f"{field} is not a number and cannot vary")
        for field, (low, high) in self.ranges.items():
            is_whole = isinstance(getattr(self.model, field), int)
            for value in range(int(low), int(high) + 1) if is_whole else np.linspace(low, high, NUM_TRIALS).tolist():
                self._with({field: value})
        return self

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if the model does not fit C classes."""
        self.model.check_num_classes(num_classes)

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return the mean matrix over the range, or None if the model has none.

        The matrices of all families are affine in each rate, so the mean over a range of one field is the matrix in
        its middle; with several varying fields there is none here.
        """
        if len(self.ranges) > 1 or self.model.transition(num_classes) is None:
            return None
        (field, ends), *_ = self.ranges.items()
        low, high = (self._with({field: end}).transition(num_classes) for end in ends)
        return None if low is None or high is None else TransitionMatrix((low.rows + high.rows) / 2)

    def known_share(self, num_classes: int) -> float | None:
        """Return 1 if the model ignores nothing, else None: the share then varies from image to image."""
        return 1.0 if self.model.known_share(num_classes) == 1.0 else None

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        drawn: dict[str, float] = {}
        for field, (low, high) in self.ranges.items():
            is_whole = isinstance(getattr(self.model, field), int)
            drawn[field] = int(rng.integers(int(low), int(high) + 1)) if is_whole else rng.uniform(low, high)
        return self._with(drawn)(label, rng, num_classes)

    def _with(self, values: dict[str, float]) -> NoiseModel:
        fields: dict[str, Any] = dict(self.model)
        for field, value in values.items():
            fields[field] = int(value) if isinstance(fields[field], int) and float(value).is_integer() else value
        return type(self.model)(**fields)

    def __str__(self) -> str:
        """Return the spec that makes this model again."""
        shown = {field: f"{_end(self, field, 0)}..{_end(self, field, 1)}" for field in self.ranges}
        return format_spec(self.model, shown)


def _end(varying: Varying, field: str, which: int) -> str:
    value = varying.ranges[field][which]
    return format_value(int(value) if isinstance(getattr(varying.model, field), int) else value)
