"""How one label is mended, by each of the methods: denoised, its boundary moved, or relabelled.

`C` classes, `H` rows, `W` columns. A label is named by its path below the folder, without the suffix.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from metastructure.audit.calibration import check_probabilities
from metastructure.audit.denoise import denoise_label
from metastructure.audit.predictions import OutOfFold
from metastructure.audit.relabel import relabel
from metastructure.audit.shift import shift_label
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray
from metastructure.transition import TransitionMatrix


class Mended(NamedTuple):
    """A label, what became of its objects by name of the fate, and why it is as it is."""

    pixels: LabelArray
    objects: dict[str, int]
    why: str


Mend = Callable[[str, LabelArray], Mended]
"""From a label's name and the label to the mended one."""


def leave(reason: str) -> Mend:
    """Return a method that changes nothing."""
    return lambda name, label: Mended(label, {}, f"nothing to repair: {reason}")


def denoise(transition: TransitionMatrix, half_width_px: int) -> Mend:
    """Return the method that undoes noise of single pixels; the window is cut to fit smaller labels."""

    def mend(name: str, label: LabelArray) -> Mended:
        if (label == IGNORE).all():
            return Mended(label, {}, "every pixel is IGNORE")
        h = min(half_width_px, min(label.shape[-2:]) - 1)
        repaired = denoise_label(label, transition, half_width_px=h)
        if np.array_equal(repaired, label):
            return Mended(label, {}, "no pixel is likelier to be wrong than right, given those around it")
        return Mended(repaired, {}, "these pixels are likelier to be wrong than right, given those around them")

    return mend


def shift(shift_px: float, num_classes: int) -> Mend:
    """Return the method that moves the boundaries of all objects."""

    def mend(name: str, label: LabelArray) -> Mended:
        shifted = shift_label(label, shift_px, num_classes)
        objects = {
            "before": shifted.num_before,
            "after": shifted.num_after,
            "vanished": shifted.num_vanished,
            "merged": shifted.num_merged,
            "split": shifted.num_split,
        }
        if not shifted.radius_px:
            return Mended(label, objects, f"a shift of {shift_px:g} px does not reach the next pixel")
        if np.array_equal(shifted.label, label):
            return Mended(label, objects, "no boundary between an object and class 0")
        damage = [f"{objects[name]} {name}" for name in ("vanished", "merged", "split") if objects[name]]
        warning = f"; objects: {', '.join(damage)}" if damage else ""
        return Mended(shifted.label, objects, f"boundary moved by {shifted.radius_px:+.2f} px{warning}")

    return mend


def relabel_suspects(predictions: OutOfFold, suspects: Mapping[str, str] | None) -> Mend:
    """Return the method that changes pixels to the class of which networks that never saw the label are sure.

    Parameters
    ----------
    predictions : OutOfFold
    suspects : dict from name to reason, or None
        The labels to change; None for all.

    Raises
    ------
    DataError
        From the method: if a label and its probabilities do not fit together.
    """

    def mend(name: str, label: LabelArray) -> Mended:
        same = {"added": 0, "removed": 0}
        if name not in predictions.fold_of:
            return Mended(label, same, "no networks predicted this image")
        if suspects is not None and name not in suspects:
            return Mended(label, same, "the label does not stand out: networks contradict it no more than others")
        p_CHW = predictions.probabilities(name)
        try:
            check_probabilities(p_CHW, label, predictions.num_classes)
        except ValueError as error:
            raise DataError(f"{predictions.folder}: not the predictions of label '{name}' ({error})") from None
        found = relabel(label, p_CHW)
        if not found.num_changed:
            return Mended(label, same, "networks are nowhere sure of another class")
        why = "networks that never saw the label are sure of other classes"
        reason = "" if suspects is None else f" ({suspects[name]})"
        return Mended(found.label, {"added": found.num_added, "removed": found.num_removed}, why + reason)

    return mend
