"""The repair of the labels of a layer: what would come of it, and what of a layer's values to change."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from metastructure.audit.repair_folder import repair_folder
from metastructure.audit.repair_result import Repair
from metastructure.napari.scratch import read_labels, scratch_folder, write_stack
from metastructure.napari.stacks import Array, OnItem, Stack, count_stack_classes
from metastructure.structure.latent_transition import Convention


class LayerRepair(NamedTuple):
    """Repaired labels with the axes of their layer, and what was done in words."""

    labels: Array
    text: str


def repair_stack(labels: Stack, method: str, convention: Convention | None, on_item: OnItem) -> LayerRepair:
    """Return the labels of a layer as `metastructure.audit.repair_folder` mends them.

    Parameters
    ----------
    labels : Stack
    method : str
        ``"denoise"``, with the transition matrix estimated from these labels, or ``"shift:PX"``.
    convention : "background" or "diagonal", optional
        Of the estimate.
    on_item : callable

    Raises
    ------
    ConfigError, DataError
        If the method is not one, or the matrix cannot be estimated.
    """
    with scratch_folder() as folder:
        write_stack(labels, folder / "labels")
        found = repair_folder(
            folder / "labels",
            folder / "repaired",
            method=method,
            convention=convention,
            num_classes=count_stack_classes(labels),
            on_item=on_item,
        )
        return LayerRepair(read_labels(labels, folder / "repaired"), describe_repair(found))


def describe_repair(repair: Repair) -> str:
    """Return what was changed, by which matrix, and what became of the objects."""
    recipe = repair.recipe
    if recipe.nothing_to_repair:
        return f"Nothing to repair: {recipe.nothing_to_repair}."
    changed, known = (sum(getattr(file, name) for file in repair.files) for name in ("num_changed", "num_known"))
    lines = [f"{changed} of {known} pixels changed ({100 * changed / max(known, 1):.2f} %)."]
    if recipe.transition is not None:
        rows = "; ".join(" ".join(f"{entry:.3f}" for entry in row) for row in recipe.transition)
        lines.append(f"Estimated chances, a row for each true class: {rows}.")
    for fate in ("vanished", "merged", "split"):
        if num := sum(file.objects.get(fate, 0) for file in repair.files):
            lines.append(f"Objects {fate}: {num}.")
    return " ".join(lines)


def values_after(before: Array, repaired: Array, one_class: bool) -> Array:
    """Return the values that a layer is to hold once its repair is accepted, in the layer's dtype.

    Parameters
    ----------
    before : (H, W) or (N, H, W) array
        What the layer holds.
    repaired : array of uint8 of that shape
        The repaired classes.
    one_class : bool
        Whether the layer's values are numbers of objects, or a mask: pixels of an object keep theirs, and new ones
        get that of the nearest object of the slice, 1 where there is none.

    Examples
    --------
    >>> values_after(np.array([[7, 7, 0, 0, 9]]), np.array([[0, 1, 1, 0, 1]]), True).tolist()
    [[0, 7, 7, 0, 9]]
    """
    if not one_class:
        return repaired.astype(before.dtype)
    if before.ndim == 3:
        return np.stack([values_after(*pair, True) for pair in zip(before, repaired, strict=True)])
    nearest = before
    if (before > 0).any():
        place = ndimage.distance_transform_edt(before == 0, return_distances=False, return_indices=True)
        nearest = before[tuple(place)]
    return np.where(repaired > 0, np.maximum(nearest, 1), 0).astype(before.dtype)
