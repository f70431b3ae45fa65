"""A folder of images before it is segmented: which of them can be used, how many channels, where the objects are.

`H` rows, `W` columns, `K` channels. Images are read one at a time and none is kept.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from metastructure.data.files import IMAGE_SUFFIXES, ImageArray, load_image
from metastructure.data.journal import hash_file
from metastructure.errors import DataError, RunError
from metastructure.training.paths import find_images
from metastructure.unsupervised.base import Side
from metastructure.unsupervised.blank import Blank, find_blank
from metastructure.unsupervised.polarity import decide_side

OnPhase = Callable[[str, int, int], None]
"""``on_phase(what, done, total)`` while a folder is worked on."""

TOLD_FAILURES = 3


@dataclass(frozen=True)
class FolderLook:
    """What one pass over a folder found.

    Attributes
    ----------
    root : Path
        The folder, or that of a single image.
    hashes : dict
        SHA-256 of each image that can be used, by its path below `root`, sorted.
    varied : tuple of str
        Those of them that show something.
    blank : dict
        Why the others do not.
    failures : dict
        Why an image cannot be used, by its path below `root`.
    channels : int
        1 or 3: what all images are made to have, see `with_channels`.
    mixed : bool
        Whether there were grey and colour images.
    side : "bright" or "dark"
        Of the objects.
    side_share : float
        Share of the images in `varied` that spoke for it; NaN if it was given.
    """

    root: Path
    hashes: dict[str, str]
    varied: tuple[str, ...]
    blank: dict[str, Blank]
    failures: dict[str, str]
    channels: int
    mixed: bool
    side: Side
    side_share: float

    def load(self, name: str) -> ImageArray:
        """Return an image with the channels of the folder."""
        return with_channels(load_image(self.root / name), self.channels)


def look_at_images(
    images: Path, side: Side | Literal["auto"], channels: int | None = None, on_phase: OnPhase | None = None
) -> FolderLook:
    """Return what a folder of images, or a single one, holds.

    Parameters
    ----------
    images : Path
        Sub-folders are included.
    side : "auto", "bright" or "dark"
        See `fit_method`.
    channels : int, optional
        1 or 3; by default 3 if all images are in colour, else 1.
    on_phase : callable, optional

    Raises
    ------
    DataError
        If there is no image.
    RunError
        If none of them can be used.
    """
    root, paths = (images.parent, [images]) if images.is_file() else (images, find_images(images))
    if images.is_file() and images.suffix.lower() not in IMAGE_SUFFIXES:
        raise DataError(f"{images}: this is no image; give a PNG, JPEG or TIFF file, or a folder of them.")
    hashes, failures, num_channels = dict[str, str](), dict[str, str](), set[int]()
    varied, blank = list[str](), dict[str, Blank]()

    def read() -> Iterator[ImageArray]:
        for index, path in enumerate(paths, start=1):
            name = path.relative_to(root).as_posix()
            try:
                image, hashes[name] = load_image(path), hash_file(path)
            except DataError as error:
                failures[name] = str(error)
            else:
                num_channels.add(1 if image.ndim == 2 else image.shape[2])
                why = find_blank(image)
                if why is None:
                    varied.append(name)
                    yield image
                else:
                    blank[name] = why
            if on_phase is not None:
                on_phase("reading", index, len(paths))

    if side == "auto":
        found, share = decide_side(read())
    else:
        found, share = side, float("nan")
        deque(read(), maxlen=0)  # for what it notes, not for the pixels
    if not hashes:
        raise RunError(f"None of the images in {images} can be used. {join_failures(failures)}")
    K = channels or min(num_channels)
    return FolderLook(root, hashes, tuple(varied), blank, failures, K, len(num_channels) > 1, found, share)


def with_channels(image: ImageArray, channels: int) -> ImageArray:
    """Return an image with 1 channel, (H, W), or 3, (H, W, 3).

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array
        Colour becomes the mean over its channels, grey three equal channels.
    channels : int
        1 or 3.

    Examples
    --------
    >>> with_channels(np.array([[[10, 20, 60]]]), 1).tolist()
    [[30.0]]
    >>> with_channels(np.array([[7]]), 3).tolist()
    [[[7, 7, 7]]]
    """
    if channels == 1 and image.ndim == 3:
        return np.asarray(np.asarray(image, dtype=np.float64).mean(axis=2))
    return np.repeat(image[..., None], channels, axis=2) if channels > 1 and image.ndim == 2 else image


def join_failures(failures: dict[str, str]) -> str:
    """Return the first reasons, and how many more there are."""
    reasons = list(failures.values())
    more = len(reasons) - TOLD_FAILURES
    return " ".join(reasons[:TOLD_FAILURES]) + (f" And {more} more." if more > 0 else "")
