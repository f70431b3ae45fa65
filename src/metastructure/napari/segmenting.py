"""Labels for the images of a layer that has none, told from the images alone."""

from typing import Literal

from metastructure.napari.stacks import Array, OnItem, Stack
from metastructure.unsupervised.base import Side
from metastructure.unsupervised.segment import fit_method


def segment_stack(
    images: Stack, method: str, side: Side | Literal["auto"], seed: int, on_item: OnItem
) -> tuple[Array, Side]:
    """Return labels, uint8, with the axes of the layer, and whether objects were taken as bright or dark.

    Parameters
    ----------
    images : Stack
        The method is fitted to all of them.
    method, side, seed
        As for `metastructure.segment`.
    on_item : callable
        Called while the method is fitted, then for each image.

    Raises
    ------
    ConfigError, DataError, ValueError
        As `metastructure.unsupervised.fit_method`.
    """
    fitted = fit_method(images.slices, method, side=side, seed=seed, on_progress=on_item, names=images.items())
    labels = []
    for done, image in enumerate(images.slices, start=1):
        labels.append(fitted.predict(image))
        on_item(done, len(images.slices))
    return images.join(labels), fitted.side
