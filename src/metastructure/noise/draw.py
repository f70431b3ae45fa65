"""One noisy label, drawn from the seed and the item alone: once for all, or anew each epoch."""

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.rng import generator


def corrupt(
    label: LabelArray,
    model: NoiseModel,
    *,
    seed: int,
    item: str,
    epoch: int | None = None,
    num_classes: int | None = None,
) -> LabelArray:
    """Return the noisy version of one image's label, the same on any worker, engine and order.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Classes 0..C-1; IGNORE stays unless the model is meant to write it.
    model : NoiseModel
        From `metastructure.noise.parse_noise`.
    seed : int, at least 0
        The seed of the run.
    item : str
        The image's id.
    epoch : int, optional
        None gives the fixed draw, one per image as published; an integer a draw for that epoch.
    num_classes : int, optional
        C; give it where the data set's C is known.

    Examples
    --------
    >>> import numpy as np
    >>> from metastructure.noise import parse_noise
    >>> label, flip = np.zeros((8, 8), dtype=np.uint8), parse_noise("flip:0.5")
    >>> fixed = corrupt(label, flip, seed=0, item="a")
    >>> bool((fixed == corrupt(label, flip, seed=0, item="a")).all())
    True
    >>> bool((fixed == corrupt(label, flip, seed=0, item="a", epoch=0)).all())
    False
    """
    purpose = "noise" if epoch is None else f"noise, epoch {epoch}"
    return model(label, generator(seed, item, purpose), num_classes)
