"""What came of segmenting a folder, with one method or with several, as it is kept in JSON.

`H` rows, `W` columns.
"""

from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from metastructure._version import __version__
from metastructure.unsupervised.base import Method, Side
from metastructure.unsupervised.blank import Blank

LABELS_NAME = "labels"
EMPTY_BELOW, FULL_ABOVE = 0.0005, 0.9
"""Foreground shares outside of which somebody should look at a label."""

DOUBTED_SHARE = 0.75
"""The side of the objects is in doubt where fewer images speak for it."""


class SegmentedImage(BaseModel):
    """One image and its label.

    Attributes
    ----------
    file : str
        The image, below the folder of images.
    label : str
        Its label, below the folder of labels.
    height, width : int
    foreground : float
        Share of the pixels that are 1.
    blank : "constant", "noise" or None
        Why the image shows nothing, see `metastructure.unsupervised.blank.find_blank`; its label is empty then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    label: str
    height: int
    width: int
    foreground: float
    blank: Blank | None

    @property
    def remark(self) -> str:
        """Return why somebody should look at it, or nothing."""
        if self.blank:
            return "constant image" if self.blank == "constant" else "nothing but noise"
        if self.foreground < EMPTY_BELOW:
            return "empty" if not self.foreground else "nearly empty"
        return "nearly full" if self.foreground > FULL_ABOVE else ""


class FolderSegmentation(BaseModel):
    """A folder of images segmented with one method.

    Attributes
    ----------
    images, out : str
        The two folders; the labels are in ``OUT/labels``.
    method : dict
        Name and all settings.
    side : "bright" or "dark"
        Of the objects against what surrounds them.
    side_share : float
        Share of the images that spoke for that side; NaN if it was given.
    num_asked : int
        How many images that is the share of: those that show something.
    channels : int
        1 or 3, of the images as the method saw them.
    mixed : bool
        Whether the folder held grey and colour images.
    seed : int
    fitted : str, optional
        The folder to name for ``--fitted``; None if the method cannot be used on other images.
    fit_seconds, label_seconds : float
        Wall-clock time of fitting, and of scoring all images.
    num_new : int
        Labels that this call wrote; the others were done before.
    items : tuple of SegmentedImage
        Sorted by file name.
    notes : tuple of str
        What the method warned of or chose while it was fitted, and why it is not kept.
    failures : dict
        Why an image has no label, by file name.
    versions : dict
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: str
    out: str
    method: dict[str, Any]
    side: Side
    side_share: float
    num_asked: int
    channels: int
    mixed: bool
    seed: int
    fitted: str | None
    fit_seconds: float
    label_seconds: float
    num_new: int
    items: tuple[SegmentedImage, ...]
    notes: tuple[str, ...]
    failures: dict[str, str]
    versions: dict[str, str]

    @property
    def labels(self) -> Path:
        """Return the folder of labels."""
        return Path(self.out) / LABELS_NAME

    @property
    def odd(self) -> tuple[SegmentedImage, ...]:
        """Return the images whose label is empty or nearly full."""
        return tuple(item for item in self.items if item.remark)


class ComparedMethod(BaseModel):
    """One of several methods.

    Attributes
    ----------
    title : str
        Name and settings that are not the defaults.
    result : FolderSegmentation
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    result: FolderSegmentation


class Comparison(BaseModel):
    """A folder of images segmented with several methods.

    Attributes
    ----------
    images, out : str
        The two folders; labels are in ``OUT/METHOD/labels``.
    methods : tuple of ComparedMethod
        Those that gave labels.
    failed : dict
        Why a method gave none, by title.
    agreement : tuple of tuples of float
        Dice between the labels of each two of `methods`, all pixels pooled; NaN where both are empty.
    num_compared : int
        Images of that agreement, evenly spread.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: str
    out: str
    methods: tuple[ComparedMethod, ...]
    failed: dict[str, str]
    agreement: tuple[tuple[float, ...], ...]
    num_compared: int


def method_title(method: Method) -> str:
    """Return the spec of a method: its name, and the settings that are not the defaults.

    Examples
    --------
    >>> from metastructure.unsupervised import parse_method
    >>> method_title(parse_method("adaptive:kind=mean"))
    'adaptive:kind=mean'
    """
    settings = flatten(method.model_dump(mode="json", exclude_defaults=True))
    return method.name + ":" * bool(settings) + ",".join(f"{key}={value}" for key, value in settings.items())


def flatten(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with groups as dotted names and none for None, as they are written on the command line.

    Examples
    --------
    >>> flatten({"ems": None, "training": {"rounds": 5}})
    {'ems': 'none', 'training.rounds': 5}
    """
    flat = dict[str, Any]()
    for key, value in settings.items():
        inner = {"": "none" if value is None else value} if not isinstance(value, dict) else flatten(value)
        flat.update({f"{key}.{name}".rstrip("."): one for name, one in inner.items()})
    return flat


def spread_evenly(num: int, most: int) -> list[int]:
    """Return at most `most` of the indices 0..num-1, evenly spread, the first and the last among them.

    Examples
    --------
    >>> spread_evenly(10, 4)
    [0, 3, 6, 9]
    >>> spread_evenly(2, 4)
    [0, 1]
    """
    return [round(place) for place in np.linspace(0, num - 1, min(num, most)).tolist()]


def used_versions() -> dict[str, str]:
    """Return the versions of what takes part in a segmentation."""
    names = ("numpy", "scipy", "scikit-image", "torch")
    return {"metastructure": __version__, "python": python_version(), **{name: version(name) for name in names}}
