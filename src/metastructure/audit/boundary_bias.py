"""How far labels reach beyond the edges of their images, in signed pixels, with neither network nor clean labels.

`H` rows, `W` columns, `A` channels, `C` classes, `N` images, `K` depths. A boundary lies between two classes; its shift
is positive where the higher class reaches too far, so where objects are drawn too large over the background 0.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from metastructure.audit.bias_result import BoundaryBias, ImageBias, PairBias
from metastructure.audit.edge_profile import (
    EdgeSums,
    depths_px,
    edge_sums,
    mean_profile,
    peak_height,
    peak_px,
    slopes,
)
from metastructure.audit.label_band import FloatArray, label_band
from metastructure.audit.registration import ABOVE_CHANCE, chance_height, register, rolls
from metastructure.audit.speckle import remove_speckle
from metastructure.data.files import ImageArray
from metastructure.label import LabelArray, check_label, count_classes, is_ignored
from metastructure.structure.estimate import Counts, Estimate, bootstrap_images, why_undefined

CONFIDENCE = 0.95
NUM_RESAMPLES = 500
REACH_PX = 8

LEAST_BOUNDARY_PIXELS = 20
LEAST_POOLED_SUPPORT = 0.25
"""Share of the boundary pixels, pooled, that a depth needs."""

NO_OBJECTS = "no boundary between class 0 and another"
HIDDEN = "every boundary lies beside IGNORE or the edge of the image"
ONE_CLASS = "the label holds one class only"
UNKNOWN = "the label is all IGNORE"
SMOOTHED_AWAY = "no boundary is left once random pixels are smoothed off"
SPECKLED = "too many pixels of the label are random; repair it first"
FLAT = "the image shows no edge that follows the boundary"
NO_IMAGE = "no image shows an edge that follows its boundary"

_Pair = tuple[int, int]


class _Row(NamedTuple):
    """One image's profile of some boundaries, divided by its highest, and the pixels along them."""

    profile: FloatArray
    num_boundary_pixels: int


class _Sight(NamedTuple):
    """What one image shows: for its objects, and for each pair of classes that can be told from chance."""

    image: ImageBias
    objects: _Row | None
    pairs: dict[_Pair, _Row | None]


def estimate_boundary_bias(
    images: Iterable[ImageArray],
    labels: Iterable[LabelArray],
    rng: np.random.Generator,
    num_classes: int | None = None,
    *,
    names: Iterable[str] | None = None,
    reach_px: int = REACH_PX,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> BoundaryBias:
    """Return how far the labels' boundaries lie outside (above 0) or inside (below 0) the edges of their images.

    Parameters
    ----------
    images : iterable of N (H, W) or (H, W, A) arrays
        Of any number type; only one is held at a time. Objects may be brighter, darker or of another colour.
    labels : iterable of N (H, W) arrays of integers
        Classes 0..C-1. A boundary that IGNORE, or the image's edge, may hide another from has no say.
    rng : numpy Generator
        From `metastructure.rng.generator`; for the bootstrap.
    num_classes : int, optional
        C, where the labels are to be checked against it.
    names : iterable of N str, optional
        What the result and errors call the images; by default their numbers from 0.
    reach_px : int, 2 to 32
        The largest shift that is looked for. Objects that are not as wide limit it further.
    confidence : float in (0, 1)
    num_resamples : int, at least 1

    Returns
    -------
    BoundaryBias
        Values are NaN with a reason where the images show nothing: no boundary, no edge, or an edge that is at the
        end of what can be seen.

    Raises
    ------
    TypeError, ValueError
        If a label breaks the contract, an image does not fit its label or is not finite, or there are not as many
        images as labels.

    Notes
    -----
    The derivative of the image towards the inside of the objects is averaged over each level set of the label's signed
    distance. It peaks where the image's edge is: at depth δ if the labels reach δ too far. An edge is where the image
    changes fastest, which blur does not move on a straight edge between two even sides. It lies inside the rim of an
    object that grows brighter inwards, by 0.25 px on generated nuclei, and outside an object not much wider than the
    blur, by 0.3 px on generated tubules (benchmarks/results/boundary_bias.md). Differences between label sets of the
    same images are free of this.

    The sign or colour of the contrast is decided object by object (`edge_sums`). A label that was moved as a whole
    shows by a shift that follows the direction of its boundary, n · t; t is found on a grid of whole pixels and the
    label moved back. Single objects that were each moved another way are not seen, and widen the profile alone.

    Random pixels are first smoothed off (`remove_speckle`), which moves convex boundaries a little.

    References
    ----------
    Marr and Hildreth, "Theory of edge detection", Proceedings of the Royal Society of London B 207 (1980): an edge is
    where the derivative across it is largest.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> row, column = np.indices((64, 64)) - 32
    >>> image = 100 - 60 * (np.hypot(row, column) < 20)
    >>> drawn_too_large = (np.hypot(row, column) < 22).astype(np.uint8)
    >>> bias = estimate_boundary_bias([image], [drawn_too_large], generator(0, "", "bias"))
    >>> round(bias.shift_px.value, 1), bias.shift_px.reason
    (1.9, 'one image only: no interval')
    """
    if not 2 <= reach_px <= 32:
        raise ValueError(f"reach_px must lie in 2..32; got {reach_px}.")
    sights = [
        _look(image, label, name, num_classes, reach_px) for name, image, label in _in_step(images, labels, names)
    ]
    if not sights:
        raise ValueError("there are no images; give at least one image with its label.")
    found = sorted({pair for sight in sights for pair in sight.pairs})
    groups = [[sight.objects for sight in sights], *([sight.pairs.get(pair) for sight in sights] for pair in found)]
    profiles = np.stack([_stack(rows, reach_px) for rows in groups])
    weights = np.array([[row.num_boundary_pixels if row else 0 for row in rows] for rows in groups])
    shifts = _pool(profiles, weights, reach_px, rng, confidence, num_resamples)
    used, pixels = (weights > 0).sum(axis=1), weights.sum(axis=1)
    return BoundaryBias(
        shift_px=shifts[0],
        num_images=int(used[0]),
        num_boundary_pixels=int(pixels[0]),
        images=tuple(sight.image for sight in sights),
        pairs=tuple(
            PairBias(low=low, high=high, shift_px=shift, num_images=int(num), num_boundary_pixels=int(length))
            for (low, high), shift, num, length in zip(found, shifts[1:], used[1:], pixels[1:], strict=True)
        ),
        depths_px=tuple(depths_px(reach_px).tolist()),
        profile=tuple(_pooled_profile(profiles[0], weights[0]).tolist()),
    )


def _in_step(
    images: Iterable[ImageArray], labels: Iterable[LabelArray], names: Iterable[str] | None
) -> Iterator[tuple[str, ImageArray, LabelArray]]:
    """Give name, image and label; raise if there are not as many of each."""
    left_images, left_labels = iter(images), iter(labels)
    left_names = map(str, count()) if names is None else iter(names)
    for number in count():
        image, label = next(left_images, None), next(left_labels, None)
        if image is None and label is None:
            return
        if image is None or label is None:
            fewer, more = ("images", "labels") if image is None else ("labels", "images")
            raise ValueError(f"there are {number} {fewer} but more {more}; give one label for each image.")
        name = next(left_names, None)
        if name is None:
            raise ValueError(f"there are {number} names but more images; give one name for each image, or none.")
        yield name, image, label


def _look(image: ImageArray, label: LabelArray, name: str, num_classes: int | None, reach_px: int) -> _Sight:
    """Return what one image shows."""
    _check(image, label, name, num_classes)
    classes = num_classes or count_classes(label)
    seen = np.unique(label[~is_ignored(label)])
    if len(seen) < 2:
        return _blind(name, ONE_CLASS if len(seen) else UNKNOWN)
    calm, smoothing_px = remove_speckle(label, classes)
    if np.isinf(smoothing_px):
        return _blind(name, SPECKLED)
    if len(np.unique(calm[~is_ignored(calm)])) < 2:
        return _blind(name, SMOOTHED_AWAY, smoothing_px)
    band = label_band(calm, classes, reach_px)
    if not len(band.place):
        return _blind(name, HIDDEN, smoothing_px)
    seen_by = slopes(image)
    band, moved = register(seen_by, calm, band, classes, reach_px)
    pairs = np.unique(band.pair)
    real, *rolled = edge_sums(seen_by, band, pairs, reach_px, [(0, 0), *rolls(label.shape)])
    named = {(int(pair // classes), int(pair % classes)): index for index, pair in enumerate(pairs)}
    rows = {pair: _row(real, rolled, [index])[0] for pair, index in named.items()}
    objects, reason = _row(real, rolled, [index for (low, _), index in named.items() if low == 0])
    past_px = 0.0
    if objects is None:
        shift_px = np.nan
    else:
        shift_px, reason = _locate(objects.profile, reach_px)
        past_px = peak_px(objects.profile, reach_px)[0] if np.isnan(shift_px) else 0.0
    return _Sight(
        ImageBias(
            name=name,
            shift_px=shift_px,
            translation_px=moved,
            smoothing_px=smoothing_px,
            num_boundary_pixels=objects.num_boundary_pixels if objects else 0,
            reason=reason,
            past_px=past_px,
        ),
        objects,
        rows,
    )


def _check(image: ImageArray, label: LabelArray, name: str, num_classes: int | None) -> None:
    check_label(label, num_classes, f"the label of image {name}")
    if label.ndim != 2:
        raise ValueError(f"the label of image {name} has shape {label.shape}; give a volume slice by slice.")
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "uifb":
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"image {name} must be a numpy array of numbers; got {kind}.")
    if image.ndim not in (2, 3) or image.shape[:2] != label.shape:
        raise ValueError(
            f"image {name} must be (H, W) or (H, W, A) and as large as its label, {label.shape}; got {image.shape}."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"image {name} holds NaN or infinite values; replace them first.")


def _blind(name: str, reason: str, smoothing_px: float = 0.0) -> _Sight:
    image = ImageBias(
        name=name,
        shift_px=np.nan,
        translation_px=(0.0, 0.0),
        smoothing_px=smoothing_px,
        num_boundary_pixels=0,
        reason=reason,
    )
    return _Sight(image, None, {})


def _row(real: EdgeSums, rolled: list[EdgeSums], chosen: list[int]) -> tuple[_Row | None, str | None]:
    """Return the profile of the chosen pairs of classes, or the reason why there is none."""
    if not chosen:
        return None, NO_OBJECTS
    num_pixels = _boundary_pixels(real, chosen)
    if num_pixels < LEAST_BOUNDARY_PIXELS:
        return None, f"only {num_pixels} boundary pixels; at least {LEAST_BOUNDARY_PIXELS} are needed"
    profile = _plain_profile(real, chosen)
    chance = chance_height([float(peak_height(_plain_profile(sums, chosen))) for sums in rolled])
    highest = float(peak_height(profile))
    if highest <= ABOVE_CHANCE * chance or highest <= 0:
        return None, FLAT
    return _Row(profile / highest, num_pixels), None


def _boundary_pixels(sums: EdgeSums, chosen: list[int]) -> int:
    middle = sums.pixels.shape[-1] // 2
    return int(sums.pixels[chosen, :, middle + 1 : middle + 3].sum())  # depths 0.5 and 0.9 px


def _plain_profile(sums: EdgeSums, chosen: list[int]) -> FloatArray:
    return mean_profile(EdgeSums(sums.rise[chosen].sum(axis=(0, 1)), sums.pixels[chosen].sum(axis=(0, 1))))


def _locate(profile: FloatArray, reach_px: int) -> tuple[float, str | None]:
    """Return where a profile peaks, or NaN and that this is at the end of what it covers."""
    peak, at_end = peak_px(profile, reach_px)
    if not at_end:
        return peak, None
    way = "beyond" if peak > 0 else "short of"
    return np.nan, f"the label reaches {abs(peak):g} px or more {way} the edge, which is the end of what can be seen"


def _stack(rows: list[_Row | None], reach_px: int) -> FloatArray:
    """Return the profiles of N images, (N, K), NaN where there is none."""
    none = np.full(len(depths_px(reach_px)), np.nan)
    return np.stack([none if row is None else row.profile for row in rows])


def _pooled_profile(profiles: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean of N profiles at the depths that enough of the weight has."""
    support = weights @ ~np.isnan(profiles)
    enough = (support > 0) & (support >= LEAST_POOLED_SUPPORT * weights.sum())
    pooled: FloatArray = np.full(support.shape, np.nan)
    return np.divide(weights @ np.nan_to_num(profiles), support, out=pooled, where=enough)


def _pool(
    profiles: FloatArray,
    weights: FloatArray,
    reach_px: int,
    rng: np.random.Generator,
    confidence: float,
    num_resamples: int,
) -> list[Estimate]:
    """Return the shift of each group of boundaries, from profiles (groups, N, K) and weights (groups, N)."""

    def located(times: Counts) -> list[tuple[float, str | None]]:
        pooled = [_pooled_profile(rows, times * weight) for rows, weight in zip(profiles, weights, strict=True)]
        return [_locate(profile, reach_px) if (profile > 0).any() else (np.nan, NO_IMAGE) for profile in pooled]

    values = located(np.ones(profiles.shape[1], dtype=np.int64))
    intervals = bootstrap_images(
        lambda times: np.array([value for value, _ in located(times)]),
        profiles.shape[1],
        rng,
        confidence,
        num_resamples,
    )
    estimates = []
    for (value, reason), (low, high), weight in zip(values, intervals, weights, strict=True):
        num_used = int((weight > 0).sum())
        if num_used < 2 or np.isnan(value):
            low = high = np.nan
        low, high = np.clip([low, high], -reach_px, reach_px)
        estimates.append(Estimate(value=value, low=low, high=high, reason=why_undefined(value, reason, num_used)))
    return estimates
