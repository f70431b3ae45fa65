"""The audit of the labels of a layer: the verdict as text, and the suspicious objects with their slices."""

from typing import NamedTuple

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_result import ObjectAudit
from metastructure.audit.verdict import judge
from metastructure.napari.scratch import scratch_folder, slice_names, write_stack
from metastructure.napari.stacks import OnItem, Stack, check_fit, count_stack_classes


class Suspect(NamedTuple):
    """A suspicious object.

    Attributes
    ----------
    slice : int
        0 in a layer without slices.
    found : ObjectAudit
    """

    slice: int
    found: ObjectAudit


class LayerAudit(NamedTuple):
    """What the audit of a layer comes to.

    Attributes
    ----------
    headline, sentences : str
        The verdict, and all that was found and not tested, a line each.
    suspects : list of Suspect
        The most suspicious first.
    """

    headline: str
    sentences: str
    suspects: list[Suspect]


def audit_stacks(images: Stack | None, labels: Stack, seed: int, on_item: OnItem) -> LayerAudit:
    """Return what `metastructure.audit.audit_folder` says of the labels of a layer, and of its images if there are any.

    Raises
    ------
    ValueError
        If the images do not fit the labels.
    DataError
        If no image can be used.
    """
    if images is not None:
        check_fit(images, labels)
    with scratch_folder() as folder:
        write_stack(labels, folder / "labels")
        if images is not None:
            write_stack(images, folder / "images")
        found = audit_folder(
            None if images is None else folder / "images",
            folder / "labels",
            num_classes=count_stack_classes(labels),
            seed=seed,
            on_item=on_item,
        )
        verdict = judge(found)
    place = {name: index for index, name in enumerate(slice_names(labels))}
    lines = [*verdict.sentences, *(f"Look first at: {name}" for name in verdict.first)]
    lines += [f"Not tested: {note}" for note in verdict.not_tested]
    suspects = [Suspect(place[one.image], one) for one in found.objects]
    suspects.sort(key=lambda suspect: -suspect.found.score)
    return LayerAudit(verdict.headline, "\n".join(lines), suspects)
