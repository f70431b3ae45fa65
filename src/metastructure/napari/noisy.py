"""Noise on the labels of a layer, the same as ``metastructure corrupt`` draws on files of the slices' names."""

from metastructure.napari.stacks import Array, OnItem, Stack, count_stack_classes
from metastructure.noise.draw import corrupt
from metastructure.noise.spec import parse_noise

COMMON = (
    "flip:0.3",
    "sample:0.1",
    "random",
    "dilate:2",
    "erode:2",
    "shift:-1.5",
    "skeleton",
    "jitter:2",
    "polygon:2",
    "move:3",
    "omit:0.2",
    "include:0.2",
    "merge:6",
    "boxes",
    "discs:3",
    "points",
    "scribbles",
    "dilate:1..4 + flip:0.1",
)
"""What the drop-down offers; any other spec can be typed."""


def draw_noisy(labels: Stack, spec: str, seed: int, on_item: OnItem) -> Array:
    """Return noisy labels, uint8, with the axes of their layer.

    Parameters
    ----------
    labels : Stack
    spec : str
        As `metastructure.parse_noise` reads it.
    seed : int, at least 0
        With the name of a slice it decides the draw.
    on_item : callable

    Raises
    ------
    ConfigError, ValueError
        If the spec is wrong, or does not fit the classes.
    """
    model, C = parse_noise(spec), count_stack_classes(labels)
    noisy = []
    for done, (item, label) in enumerate(zip(labels.items(), labels.slices, strict=True), start=1):
        noisy.append(corrupt(label, model, seed=seed, item=item, num_classes=C))
        on_item(done, len(labels.slices))
    return labels.join(noisy)
