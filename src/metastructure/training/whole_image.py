"""What a trained model says of one image of any size: its label, its probabilities, or both.

`H` rows, `W` columns, `K` channels, `C` classes, `h` rows of a strip.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric

from metastructure.data.files import ImageArray
from metastructure.label import LabelArray
from metastructure.metrics import ScoreHistogram
from metastructure.training.decode import Probabilities
from metastructure.training.model_file import Model
from metastructure.training.pairs import check_image, count_channels
from metastructure.training.predict import TILE_PX, join_strips, predict_strips, zscore_reader

Label = npt.NDArray[np.uint8]


def predict_label(model: Model, image: ImageArray, fabric: Fabric, name: str, tile_px: int) -> Label:
    """Return the label, (H, W); no probability map is ever held.

    Parameters
    ----------
    model : Model
    image : (H, W) or (H, W, K) array
    fabric : Fabric
        Device and precision.
    name : str
        What errors call the image.
    tile_px : int
        As for `metastructure.training.predict.predict_strips`.

    Raises
    ------
    TypeError, ValueError
        If the image is no array of numbers, holds NaN, or has another number of channels than the model.
    """
    strips = _strips(model, image, fabric, name, tile_px)
    label = np.empty(image.shape[:2], dtype=np.uint8)
    for _ in _fill(model, label, strips):
        pass
    return label


def predict_map(model: Model, image: ImageArray, fabric: Fabric, name: str, tile_px: int) -> Probabilities:
    """Return the class probabilities, (C, H, W), with the transition matrix undone; the rest as `predict_label`."""
    strips = _strips(model, image, fabric, name, tile_px)
    return join_strips(map(model.decoder.posterior, strips), image.shape[:2])


def predict_label_and_map(
    model: Model, image: ImageArray, fabric: Fabric, name: str, tile_px: int
) -> tuple[Label, Probabilities]:
    """Return both, predicted once; the rest as `predict_label`."""
    strips = _strips(model, image, fabric, name, tile_px)
    label = np.empty(image.shape[:2], dtype=np.uint8)
    posterior = join_strips(map(model.decoder.posterior, _fill(model, label, strips)), image.shape[:2])
    return label, posterior


def choose_threshold(model: Model, images: Iterable[ImageArray], labels: Iterable[LabelArray], fabric: Fabric) -> float:
    """Return the threshold of two classes with the best mean Dice; 0.5 where no label holds foreground."""
    scores = ScoreHistogram.empty()
    for image, label in zip(images, labels, strict=True):
        p_CHW = join_strips(_strips(model, image, fabric, "validation image", TILE_PX), image.shape[:2])
        scores += ScoreHistogram.from_image(model.decoder.score(p_CHW), label)
    best = scores.best_threshold()
    return 0.5 if np.isnan(best) else best


def _strips(model: Model, image: ImageArray, fabric: Fabric, name: str, tile_px: int) -> Iterator[Probabilities]:
    """Check the image, and return the network's probabilities in strips (C, h, W)."""
    K, trained = check_image(image, name), model.header.num_channels
    if trained != K:
        raise ValueError(f"{name} has {count_channels(K)}, but the network was fitted to {trained}; convert it.")
    try:
        read = zscore_reader(image)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return predict_strips(model.network, read, image.shape[:2], fabric, tile_px)


def _fill(model: Model, label: Label, strips: Iterator[Probabilities]) -> Iterator[Probabilities]:
    """Yield the strips, and fill the rows of `label` that belong to each."""
    top = 0
    for strip in strips:
        label[top : top + strip.shape[1]] = model.label(strip)
        top += strip.shape[1]
        yield strip
