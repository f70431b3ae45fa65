"""Objects whose colour and size fit another class better, by the folder's classes and the others in the same image.

`J` objects of a folder, `C` classes, `F` features.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage, special

from metastructure.audit.label_band import FloatArray, Index
from metastructure.audit.object_table import ObjectTable
from metastructure.data.files import ImageArray

LEAST_OBJECTS = 6
"""A class with fewer is not known well enough to be compared with."""

TRIM, NUM_TRIMS = 0.8, 5
"""The share of a class's objects, the nearest to its middle, that its spread is taken from, again and again."""

FREEDOM = 4.0
"""Of Student's law for the features: objects far from every class say little."""

LEAST_RATIO = 50.0
"""How much likelier the other class must be. If the class is right and the laws are, a ratio of k happens with
probability at most 1/k for each other class."""


class Misfits(NamedTuple):
    """Of J objects the class they look like, the chance of their own against it, and whether they are suspect."""

    suggested: Index
    own_chance: FloatArray
    is_misfit: np.ndarray


def object_features(image: ImageArray, objects: ObjectTable) -> FloatArray:
    """Return (J, F): mean and log standard deviation of each channel within the object, log area, log aspect."""
    channels = np.moveaxis(np.atleast_3d(image).astype(np.float64), -1, 0)
    inner = ndimage.grey_erosion(objects.number, 3) == objects.number
    means, spreads = [], []
    for channel in channels:
        whole = objects.mean(channel)
        mean = objects.mean(channel, inner)
        mean = np.where(np.isnan(mean), whole, mean)
        variance = objects.mean(channel**2) - whole**2
        means.append(mean)
        spreads.append(np.log1p(np.sqrt(np.maximum(variance, 0.0))))
    sides = objects.box[:, 2:] - objects.box[:, :2]
    shapes = [np.log(objects.area), np.log(sides[:, 0] / sides[:, 1])]
    return np.stack([*means, *spreads, *shapes], axis=1).reshape(-1, 2 * len(channels) + 2)


def find_misfits(features: FloatArray, klass: Index, image: Index) -> Misfits | None:
    """Return which of J objects fit another class better; None if there are not two classes to compare.

    Parameters
    ----------
    features : (J, F) array
    klass, image : (J,) arrays of int

    Notes
    -----
    Each class is a Student law whose middle and spread come from its most central objects, so that those with a wrong
    name do not shape it. An object is suspect if another class is `LEAST_RATIO` times likelier over the folder, weighed
    by how frequent the classes are, and, where both classes have other objects in its image, the mean of the other
    class is nearer to it there, too.
    """
    classes = [one for one in np.unique(klass) if (klass == one).sum() >= LEAST_OBJECTS]
    if len(classes) < 2:
        return None
    scale = np.median(np.abs(features - np.median(features, axis=0)), axis=0)
    features = (features - np.median(features, axis=0)) / np.where(scale > 0, scale, 1.0)
    logs = np.stack([_log_density(features, features[klass == one]) for one in classes], axis=1)
    logs += np.log([(klass == one).mean() for one in classes])
    place = np.searchsorted(classes, klass)
    known = np.isin(klass, classes)
    own = np.where(known, logs[np.arange(len(klass)), np.minimum(place, len(classes) - 1)], np.inf)
    best = logs.argmax(axis=1)
    gain = logs[np.arange(len(klass)), best] - own
    suggested = np.array(classes, dtype=np.intp)[best]
    is_misfit = known & (suggested != klass) & (gain > np.log(LEAST_RATIO))
    for index in np.flatnonzero(is_misfit).tolist():
        is_misfit[index] = _agrees_in_image(index, suggested[index], features, klass, image)
    return Misfits(suggested, special.expit(-gain), is_misfit)


def _log_density(features: FloatArray, of_class: FloatArray) -> FloatArray:
    middle, central = np.median(of_class, axis=0), of_class
    F = features.shape[1]
    spread = np.eye(F)
    for _ in range(NUM_TRIMS):
        spread = np.atleast_2d(np.cov(central.T)) * (1 + 1 / len(central)) + 0.05 * np.eye(F)
        away = _squared(of_class, middle, spread)
        central = of_class[away <= np.quantile(away, TRIM)]
        middle = central.mean(axis=0)
    spread = spread * float(np.median(_squared(of_class, middle, spread))) / F
    _, log_det = np.linalg.slogdet(spread)
    log: FloatArray = -0.5 * log_det - 0.5 * (FREEDOM + F) * np.log1p(_squared(features, middle, spread) / FREEDOM)
    return log


def _squared(features: FloatArray, middle: FloatArray, spread: FloatArray) -> FloatArray:
    away = features - middle
    squared: FloatArray = (away * np.linalg.solve(spread, away.T).T).sum(axis=1)
    return squared


def _agrees_in_image(index: int, other: int, features: FloatArray, klass: Index, image: Index) -> bool:
    beside = image == image[index]
    beside[index] = False
    groups = [features[beside & (klass == one)] for one in (klass[index], other)]
    if not all(map(len, groups)):
        return True
    own, others = (np.linalg.norm(group.mean(axis=0) - features[index]) for group in groups)
    return bool(others < own)
