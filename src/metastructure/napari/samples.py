"""Sample data for the viewer: generated pictures, their exact labels, and labels with an error to be found.

`N` pictures, `H` rows, `W` columns.
"""

from typing import Any

import numpy as np

from metastructure.data.synthetic import generate
from metastructure.napari.noisy import draw_noisy
from metastructure.napari.stacks import Stack

LayerData = tuple[Any, dict[str, Any], str]

NUM_PICTURES = 6
SIZE_PX = 192


def make_er() -> list[LayerData]:
    """Return endoplasmic reticulum, of whose label pixels 30 % are flipped: to be denoised."""
    return make_sample("er", "flip:0.3")


def make_mito() -> list[LayerData]:
    """Return mitochondria, with labels drawn about 2 px too large: to be shifted."""
    return make_sample("mito", "dilate:2")


def make_nuc() -> list[LayerData]:
    """Return nuclei, of which a fifth have no label: to be audited."""
    return make_sample("nuc", "omit:0.2")


def make_sample(kind: str, noise: str, num_pictures: int = NUM_PICTURES, size_px: int = SIZE_PX) -> list[LayerData]:
    """Return the layers of N pictures: image, clean labels, noisy labels, each (N, H, W), as napari takes them."""
    pairs = [generate(kind, seed=0, index=index, height=size_px, width=size_px) for index in range(num_pictures)]
    images, labels = (np.stack(part) for part in zip(*pairs, strict=True))
    stack = Stack(f"{kind} labels", list(labels), False)
    noisy = draw_noisy(stack, noise, 0, lambda done, total: None)
    return [
        (images, {"name": f"{kind} images"}, "image"),
        (labels, {"name": stack.name, "visible": False}, "labels"),
        (noisy, {"name": f"{stack.name} {noise}"}, "labels"),
    ]
