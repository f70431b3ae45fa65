"""A few labels with their densities, as arrays, for the page of a measurement.

`H` rows, `W` columns.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metastructure.data.files import ImageArray, load_image
from metastructure.data.label_set import Label, load_entry, pick_evenly
from metastructure.data.measurement import ExampleFiles, Measurement
from metastructure.label import IGNORE
from metastructure.structure.density import density
from metastructure.structure.windows import FloatArray

NUM_MAPS = 3


@dataclass(frozen=True, eq=False)
class DensityMap:
    """The density of one class at one half-width, in the label and in the clean one; (H, W), NaN where undefined."""

    klass: int
    half_width_px: int
    label: FloatArray
    clean: FloatArray | None


@dataclass(frozen=True, eq=False)
class MeasuredExample:
    """One label with what belongs to it."""

    id: str
    label: Label
    clean: Label | None
    image: ImageArray | None
    maps: tuple[DensityMap, ...]


def load_examples(measurement: Measurement) -> list[MeasuredExample]:
    """Return the examples of a measurement, read from their files again.

    Notes
    -----
    With one class beside the most common one, its densities at up to three half-widths; with more, the three
    most common of them at the middle half-width.

    Raises
    ------
    DataError
        If a file has gone or is damaged.
    """
    choices = choose_maps(measurement)
    return [_load(example, choices) for example in measurement.examples]


def choose_maps(measurement: Measurement) -> list[tuple[int, int]]:
    """Return the classes and half-widths that are shown."""
    widths = measurement.half_widths_px
    classes = rank_classes(measurement)
    if len(classes) == 1:
        return [(classes[0], widths[place]) for place in pick_evenly(len(widths), NUM_MAPS)]
    return [(klass, measurement.surviving_half_width_px) for klass in classes[:NUM_MAPS]]


def rank_classes(measurement: Measurement) -> list[int]:
    """Return the classes that occur, most common first, without the most common of all if there is another."""
    ranked = _rank(measurement)
    return ranked[1:] or ranked


def find_left_out(measurement: Measurement) -> int | None:
    """Return the most common class, which `rank_classes` leaves out, or None if it is the only one or there is none."""
    ranked = _rank(measurement)
    return ranked[0] if len(ranked) > 1 else None


def _rank(measurement: Measurement) -> list[int]:
    present = [one for one in measurement.classes if one.share > 0]
    return [one.klass for one in sorted(present, key=lambda one: -one.share)]


def _load(example: ExampleFiles, choices: list[tuple[int, int]]) -> MeasuredExample:
    label = load_entry(Path(example.label), example.slice)
    clean = None if example.clean is None else load_entry(Path(example.clean), example.slice)
    return MeasuredExample(
        id=example.id,
        label=label,
        clean=clean,
        image=None if example.image is None else load_image(example.image),
        maps=tuple(
            DensityMap(
                klass,
                half_width_px,
                _density(label, klass, half_width_px),
                None if clean is None else _density(clean, klass, half_width_px),
            )
            for klass, half_width_px in choices
        ),
    )


def _density(label: Label, klass: int, half_width_px: int) -> FloatArray:
    """Return the density of one class; the others are taken together to save memory."""
    alone = np.where(label == IGNORE, IGNORE, label == klass).astype(np.uint8)
    return np.asarray(density(alone, half_width_px, num_classes=2)[1])
