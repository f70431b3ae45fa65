"""What every way of segmenting without labels shares: a frozen model of settings with one method, ``fit``.

`H` rows, `W` columns, `K` channels. Images are (H, W) or (H, W, K), as `load_image` gives them; sizes may differ. A
score is (H, W) float32 in [0, 1], above 0.5 where the object is. Nothing here imports torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from metastructure.data.files import ImageArray

Pixel = TypeVar("Pixel", bound=np.generic)
Side = Literal["bright", "dark"]
Score = npt.NDArray[np.float32]
Grey = npt.NDArray[np.float32]
Predictor = Callable[[ImageArray], Score]
"""From one image of at least two grey values to its score."""

LOOK_PX = 512
"""What is chosen for an image as a whole is chosen by a part of so many pixels a side: large images take long."""

_ANY_IMAGE = np.eye(2)
"""Given to methods that learn nothing, whose ``fit`` asks for images and does not look at them."""


def _ignore(done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Work:
    """How a method is to work, which is not a setting of the method.

    Attributes
    ----------
    side : "bright" or "dark"
        Whether objects are brighter or darker than what surrounds them.
    seed : int
        Of all that is drawn.
    device : "auto", "cpu" or "cuda"
        Where networks are trained.
    threads : int, optional
        CPU threads; by default all cores this process may use.
    on_progress : callable
        ``on_progress(done, total)`` while a method is fitted.
    """

    side: Side = "bright"
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    on_progress: Callable[[int, int], None] = field(default=_ignore)


class Method(BaseModel, ABC):
    """A way of telling objects from background that never sees a label.

    Attributes
    ----------
    name : str
        Its name in specs and in the table `metastructure.unsupervised.METHODS`.
    learns : bool
        Whether one image's score depends on the other images it was fitted to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    learns: ClassVar[bool] = False

    @abstractmethod
    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return a function from an image to its score.

        Parameters
        ----------
        images : sequence of (H, W) or (H, W, K) arrays
            At least one, none of them constant.
        work : Work
        """


def fit_alone(method: Method, work: Work) -> Predictor:
    """Return the predictor of a method that learns nothing from images, which it need not be given."""
    return method.fit([_ANY_IMAGE], work)


def middle(image: npt.NDArray[Pixel]) -> npt.NDArray[Pixel]:
    """Return the part of at most LOOK_PX a side from the middle of an image, a view.

    Examples
    --------
    >>> middle(np.zeros((600, 40, 3))).shape
    (512, 40, 3)
    """
    top, left = (max(0, (side - LOOK_PX) // 2) for side in image.shape[:2])
    return image[top : top + LOOK_PX, left : left + LOOK_PX]


def to_grey(image: ImageArray, side: Side = "bright") -> Grey:
    """Return the mean over the channels, scaled to [0, 1] from darkest to brightest, objects bright.

    Parameters
    ----------
    image : (H, W) or (H, W, K) array of numbers
    side : "bright" or "dark"
        Of the objects; dark ones are turned round. A constant image gives zeros.

    Examples
    --------
    >>> to_grey(np.array([[10, 20, 50]])).tolist()
    [[0.0, 0.25, 1.0]]
    >>> to_grey(np.array([[10, 20, 50]]), "dark").tolist()
    [[1.0, 0.75, 0.0]]
    """
    grey = np.asarray(image, dtype=np.float64)
    grey = grey.mean(axis=2) if grey.ndim == 3 else grey
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        return np.zeros(grey.shape, dtype=np.float32)
    scaled = (grey - low) / (high - low)
    return np.asarray(scaled if side == "bright" else 1 - scaled, dtype=np.float32)


def score_around(values: npt.NDArray[np.floating], threshold: float | npt.NDArray[np.floating]) -> Score:
    """Return scores that rise with `values` and pass 0.5 at the threshold, linear on both sides of it.

    Parameters
    ----------
    values : (H, W) array
    threshold : float or (H, W) array
        A value equal to it is background, as in scikit-image.

    Examples
    --------
    >>> score_around(np.array([[0.0, 2.0, 4.0, 12.0]]), 4.0).tolist()
    [[0.0, 0.25, 0.5, 1.0]]
    """
    distance = np.asarray(values, dtype=np.float64) - threshold
    below, above = -float(distance.min()), float(distance.max())
    distance = np.where(distance > 0, distance / max(above, 1e-12), distance / max(below, 1e-12))
    return np.asarray(0.5 + 0.5 * distance, dtype=np.float32)
