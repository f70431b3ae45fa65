"""Are objects brighter or darker than what surrounds them? Told from images alone, once for a whole folder."""

from collections.abc import Iterable

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Side, middle, to_grey
from metastructure.unsupervised.blank import find_blank
from metastructure.unsupervised.local_fitting import LocalFitting


def decide_side(images: Iterable[ImageArray]) -> tuple[Side, float]:
    """Return the side of the objects and the share of images that speak for it.

    Parameters
    ----------
    images : iterable of (H, W) or (H, W, K) arrays
        Constant ones have no say. Without any other the answer is "bright", with a share of NaN.

    Notes
    -----
    Objects are taken to be the smaller part of most images: each image says which of the two parts that
    `LocalFitting` finds in its middle, whatever the light, holds fewer pixels, and the majority decides. That is an
    assumption, not a finding: where objects fill more than half of most images it is wrong, and the side has to be
    given.
    """
    votes = [_smaller_side(image) for image in images]
    bright, dark = votes.count("bright"), votes.count("dark")
    if bright + dark == 0:
        return "bright", float("nan")
    return ("bright", bright / (bright + dark)) if bright >= dark else ("dark", dark / (bright + dark))


def _smaller_side(image: ImageArray) -> Side | None:
    if not to_grey(image).any():
        return None
    part = image if find_blank(middle(image)) else middle(image)
    return "bright" if (LocalFitting().evidence(part, "bright") > 0).mean() <= 0.5 else "dark"
