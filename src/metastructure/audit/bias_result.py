"""What `estimate_boundary_bias` tells of the boundaries of labels.

`N` images, `K` depths.
"""

from pydantic import BaseModel, ConfigDict

from metastructure.structure.estimate import Estimate

_FROZEN = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ImageBias(BaseModel):
    """What one image says of the boundaries of its objects with class 0.

    Attributes
    ----------
    name : str
    shift_px : float
        Above 0 where the label reaches beyond the edge; NaN where `reason` says why.
    translation_px : (row, column) of float
        How far the whole label is moved against the image, which is no bias of its boundary and taken off it; 0 unless
        moving it back makes the edge much clearer.
    smoothing_px : float
        Standard deviation of the window that took random pixels off the label; 0 for none.
    num_boundary_pixels : int
        Pixels of objects along boundaries with class 0 that have an answer.
    reason : str or None
    past_px : float
        Where the edge lies at the end of what can be seen or past it, so that `shift_px` is NaN: that end; else 0.
    """

    model_config = _FROZEN

    name: str
    shift_px: float
    translation_px: tuple[float, float]
    smoothing_px: float
    num_boundary_pixels: int
    reason: str | None
    past_px: float = 0.0


class PairBias(BaseModel):
    """The boundaries between two classes, pooled over the images.

    Attributes
    ----------
    low, high : int
        The classes.
    shift_px : Estimate
        Above 0 where class `high` reaches too far.
    num_images, num_boundary_pixels : int
        Images whose edges can be told from chance, and pixels of `high` along the boundary in them.
    """

    model_config = _FROZEN

    low: int
    high: int
    shift_px: Estimate
    num_images: int
    num_boundary_pixels: int


class BoundaryBias(BaseModel):
    """The bias of the labels' boundaries, with what it rests on.

    Attributes
    ----------
    shift_px : Estimate
        Of all boundaries with class 0, pooled: above 0 where objects reach beyond their edges.
    num_images : int
        Images whose edges can be told from chance, of the N in `images`.
    num_boundary_pixels : int
        In them.
    images : N ImageBias
    pairs : PairBias for each two classes that share a boundary in some image
    depths_px : K float
        Signed distances from the label's boundary, above 0 inside.
    profile : K float
        Mean inward derivative of the images at these depths, each image's divided by its highest; its peak is
        `shift_px`. NaN where too few pixels are that deep.
    """

    model_config = _FROZEN

    shift_px: Estimate
    num_images: int
    num_boundary_pixels: int
    images: tuple[ImageBias, ...]
    pairs: tuple[PairBias, ...]
    depths_px: tuple[float, ...]
    profile: tuple[float, ...]
