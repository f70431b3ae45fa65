"""One look at one label and its image: all numbers that the audit keeps of them, a few hundred bytes for each object.

`H` rows, `W` columns, `C` classes, `J` objects, `M` parts of the background that may be missing objects, `F` features.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from metastructure.audit.boundary_wander import measure_wander
from metastructure.audit.label_band import FloatArray, Index
from metastructure.audit.label_shape import LabelShape, measure_shape
from metastructure.audit.likeness import contrasts, measure_likeness
from metastructure.audit.missing_objects import find_missing
from metastructure.audit.object_colour import object_features
from metastructure.audit.object_table import find_object_table
from metastructure.audit.speckle import lonely_share, remove_speckle
from metastructure.data.files import ImageArray
from metastructure.data.label_set import Label
from metastructure.label import IGNORE, LabelArray

ALIKE = "inside and outside of the objects look the same"
NOTHING_TO_COMPARE = "the label holds no object, or nothing else"
SPECKLED = "too many pixels of the label are random; repair it first"

BACKGROUND_LIKE = 0.5
"""An object whose mean likeness is below half looks like class 0 of its image."""


class Look(NamedTuple):
    """What is kept of one label and its image.

    Attributes
    ----------
    name, label_digest, image_digest : str
        The digest of an image that is not there is empty.
    num_known, num_foreground : int
        Pixels that are not IGNORE, and those among them that are not class 0.
    num_classes_seen : int
    lonely_share : float
    smoothing_px : float
        Of the window that took random pixels off; infinite where there are too many, so that nothing is known of
        objects.
    klass, area, box, centre
        Of the J objects, see `ObjectTable`, as they are once random pixels are smoothed off.
    contrast, level, object_px, features : (J,) and (J, F) arrays
        See `contrasts`, `Likeness`, `Wander` and `object_features`; NaN, F = 0, without an image.
    shape : LabelShape
    wander_products, wander_pairs
        See `Wander`.
    missing_box, missing_centre, missing_area, missing_score
        Of the M parts that may be missing objects; M = 0 where nothing was looked for.
    num_mirrored : int
    sees_image : bool
    reason : str or None
        Why the image says nothing.
    """

    name: str
    label_digest: str
    image_digest: str
    num_known: int
    num_foreground: int
    num_classes_seen: int
    lonely_share: float
    smoothing_px: float
    klass: Index
    area: Index
    box: Index
    centre: FloatArray
    contrast: FloatArray
    level: FloatArray
    object_px: FloatArray
    features: FloatArray
    shape: LabelShape
    wander_products: float
    wander_pairs: int
    missing_box: Index
    missing_centre: FloatArray
    missing_area: Index
    missing_score: FloatArray
    num_mirrored: int
    sees_image: bool
    reason: str | None

    @property
    def is_spurious(self) -> np.ndarray:
        """Return True for objects that are darker, say, than what is around them though the others are brighter."""
        with np.errstate(invalid="ignore"):
            found: np.ndarray = (self.contrast < 0) & (self.level < BACKGROUND_LIKE)
        return found


def look_at(name: str, label: Label, image: ImageArray | None, num_classes: int, reason: str | None) -> Look:
    """Return the numbers of one label (H, W) and its image, None if it cannot be used for the `reason`."""
    known = label != IGNORE
    counts = np.bincount(label[known], minlength=2)
    calm, smoothing_px = remove_speckle(label, num_classes) if known.any() else (label, 0.0)
    if np.isinf(smoothing_px):
        calm, image, reason = np.where(known, 0, label), None, SPECKLED
    objects = find_object_table(calm, num_classes)
    nothing = np.full(len(objects.klass), np.nan)
    contrast, level, object_px, features = nothing, nothing, nothing, np.empty((len(nothing), 0))
    likeness = missing = wander = None
    if image is not None:
        features = object_features(image, objects)
        likeness = measure_likeness(image, calm, objects)
        if likeness is None:
            reason = ALIKE if len(objects.klass) and (calm == 0).any() else NOTHING_TO_COMPARE
    if likeness is not None:
        contrast, level = contrasts(likeness, calm, objects), objects.mean(likeness.value)
        missing = find_missing(likeness, calm, objects, contrast)
        with np.errstate(invalid="ignore"):
            follows_no_edge = (contrast < 0) & (level < BACKGROUND_LIKE)
        wander = measure_wander(likeness, calm, objects, num_classes, follows_no_edge)
        object_px = wander.object_px
    return Look(
        name=name,
        label_digest=_digest(label),
        image_digest="" if image is None else _digest(image),
        num_known=int(counts.sum()),
        num_foreground=int(counts[1:].sum()),
        num_classes_seen=int((counts > 0).sum()),
        lonely_share=lonely_share(label) if known.any() else np.nan,
        smoothing_px=smoothing_px,
        klass=objects.klass,
        area=objects.area,
        box=objects.box,
        centre=objects.centre,
        contrast=contrast,
        level=level,
        object_px=object_px,
        features=features,
        shape=measure_shape(calm, objects, likeness),
        wander_products=wander.products if wander else 0.0,
        wander_pairs=wander.num_pairs if wander else 0,
        missing_box=missing.table.box if missing else np.empty((0, 4), dtype=np.intp),
        missing_centre=missing.table.centre if missing else np.empty((0, 2)),
        missing_area=missing.table.area if missing else np.empty(0, dtype=np.intp),
        missing_score=missing.score if missing else np.empty(0),
        num_mirrored=missing.num_mirrored if missing else 0,
        sees_image=likeness is not None,
        reason=reason,
    )


def _digest(pixels: ImageArray | LabelArray) -> str:
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
