"""Segment images without any label: one call from images to labels, scores and what was assumed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from metastructure.counts import count
from metastructure.data.files import ImageArray
from metastructure.errors import DataError
from metastructure.unsupervised.base import Method, Predictor, Score, Side, Work
from metastructure.unsupervised.blank import find_blank
from metastructure.unsupervised.methods import DEFAULT_METHOD, MethodSpec, parse_method
from metastructure.unsupervised.polarity import decide_side

THRESHOLD = 0.5


@dataclass(frozen=True)
class Fitted:
    """A method fitted to images, which labels these and others.

    Attributes
    ----------
    method : Method
    side : "bright" or "dark"
        Of the objects against what surrounds them.
    side_share : float
        Share of the images that spoke for that side; NaN if it was given.
    predictor : callable
        From an image to its score.
    """

    method: Method
    side: Side
    side_share: float
    predictor: Predictor

    @property
    def notes(self) -> tuple[str, ...]:
        """What the method chose by itself while it was fitted, in sentences; nothing once it was read from a file."""
        return tuple(getattr(self.predictor, "notes", ()))

    def score(self, image: ImageArray) -> Score:
        """Return the score of one image, (H, W) float32 in [0, 1]; zeros where `find_blank` sees nothing.

        Raises
        ------
        TypeError, ValueError
            If it is not an array of finite numbers.
        """
        check_images([image], ["the image"])
        if find_blank(image):
            return np.zeros(image.shape[:2], dtype=np.float32)
        return self.predictor(image)

    def predict(self, image: ImageArray) -> npt.NDArray[np.uint8]:
        """Return the label of one image, (H, W) uint8 with 1 where the score is above 0.5."""
        return (self.score(image) > THRESHOLD).astype(np.uint8)


@dataclass(frozen=True)
class Segmentation:
    """Labels of images that had none.

    Attributes
    ----------
    labels : list of (H, W) uint8 arrays
        0 background, 1 object.
    scores : list of (H, W) float32 arrays
    fitted : Fitted
    """

    labels: list[npt.NDArray[np.uint8]]
    scores: list[Score]
    fitted: Fitted


def fit_method(
    images: Sequence[ImageArray],
    method: MethodSpec = DEFAULT_METHOD,
    *,
    side: Side | Literal["auto"] = "auto",
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    names: Sequence[str] | None = None,
) -> Fitted:
    """Return a method fitted to images without labels.

    Parameters
    ----------
    images : sequence of (H, W) or (H, W, K) arrays
        Sizes may differ, the number of channels not.
    method : str, mapping or Method
        A key of METHODS, with settings if wanted: see `parse_method`.
    side : "auto", "bright" or "dark"
        Whether objects are brighter or darker than what surrounds them; ``auto`` takes them to be the smaller part of
        most images.
    seed : int
        Of all that is drawn.
    device, threads
        Where and on how many cores networks are trained.
    on_progress : callable, optional
        ``on_progress(done, total)``.
    names : sequence of str, optional
        What errors call the images; by default "image 0" and on.

    Raises
    ------
    TypeError, ValueError
        If there is no image, or one is not an array of finite numbers of the other's number of channels.
    ConfigError
        If the method is unknown or a setting impossible.
    DataError
        If every image is constant or shows nothing but noise.
    """
    method = parse_method(method)
    check_images(images, names)
    if side not in ("auto", "bright", "dark"):
        raise ValueError(f"side must be auto, bright or dark; got {side!r}.")
    varied = [image for image in images if not find_blank(image)]
    if not varied:
        raise DataError(f"nothing can be told apart in {count(len(images), 'image')}: constant, or nothing but noise.")
    chosen, share = decide_side(varied) if side == "auto" else (side, float("nan"))
    work = Work(chosen, seed, device, threads, **({} if on_progress is None else {"on_progress": on_progress}))
    return Fitted(method, chosen, share, method.fit(varied, work))


def segment(
    images: Sequence[ImageArray],
    method: MethodSpec = DEFAULT_METHOD,
    *,
    side: Side | Literal["auto"] = "auto",
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """Return a label for each image, told from the images alone.

    Parameters, errors: see `fit_method`.

    Examples
    --------
    >>> rows, columns = np.mgrid[:32, :32]
    >>> blob = 100.0 * np.exp(-((rows - 12) ** 2 + (columns - 20) ** 2) / 30)
    >>> [int(label.sum()) for label in segment([blob, 100 - blob], "otsu", side="bright").labels]
    [109, 923]
    """
    fitted = fit_method(images, method, side=side, seed=seed, device=device, threads=threads, on_progress=on_progress)
    scores = [fitted.score(image) for image in images]
    return Segmentation([(score > THRESHOLD).astype(np.uint8) for score in scores], scores, fitted)


def check_images(images: Sequence[ImageArray], names: Sequence[str] | None = None) -> int:
    """Return K if the images can be segmented together, else raise.

    Raises
    ------
    TypeError, ValueError
        That names the image.
    """
    given: object = images
    if isinstance(given, np.ndarray):
        came = f"an array of shape {given.shape}"
        is_list = given.ndim > 3 or (given.ndim == 3 and given.shape[-1] not in (3, 4))
    else:
        came, is_list = type(given).__name__, isinstance(given, Sequence)
    if not is_list:
        raise TypeError(f"Give a list of images; got {came}. Only one image goes into brackets: [image].")
    if not len(images):
        raise ValueError("Give at least one image.")
    channels = None
    for index, image in enumerate(images):
        name = f"image {index}" if names is None else names[index]
        if not isinstance(image, np.ndarray) or image.dtype.kind not in "uifb":
            kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
            raise TypeError(f"{name} must be a numpy array of numbers; got {kind}.")
        if image.ndim not in (2, 3) or not image.size:
            raise ValueError(f"{name} must be (H, W) or (H, W, K); got shape {image.shape}.")
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise ValueError(f"{name} holds NaN or infinite values; replace them first.")
        K = 1 if image.ndim == 2 else image.shape[2]
        if channels not in (None, K):
            raise ValueError(f"{name} has {K} channels, the ones before {channels}; convert all alike.")
        channels = K
    return channels or 1
