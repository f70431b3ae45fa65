"""k-means: pixels go to the nearest of a few colours, and the brightest colour is the object."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.cluster.vq import kmeans2

from metastructure.data.files import ImageArray
from metastructure.rng import generator
from metastructure.unsupervised.base import Method, Predictor, Score, Side, Work, score_around

NUM_STARTS, NUM_ROUNDS = 8, 30
MAX_PIXELS = 1 << 14
"""Drawn to find the colours; all pixels are then assigned."""

Colours = npt.NDArray[np.float64]


class KMeans(Method):
    """The colours of an image in a few clusters, those of the brightest one being the object.

    Attributes
    ----------
    num_clusters : int
        Fewer if the image holds fewer colours.

    Notes
    -----
    Unlike most methods here it sees the channels apart. The best of eight starts drawn as k-means++ draws them counts.
    The score falls from the object's colour to half way between it and the nearest other, where it is 0.5.

    References
    ----------
    Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (1982). Arthur and
    Vassilvitskii, "k-means++: the advantages of careful seeding", Symposium on Discrete Algorithms (2007).
    """

    name: ClassVar[str] = "kmeans"

    num_clusters: int = Field(default=2, ge=2, le=16)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        return lambda image: self._score(image, work)

    def _score(self, image: ImageArray, work: Work) -> Score:
        colours = _to_colours(image, work.side)
        rng = generator(work.seed, "", "kmeans")
        centres = self._find_centres(rng.permutation(colours)[:MAX_PIXELS], rng)
        centres = centres[np.argsort(centres.mean(axis=1), kind="stable")]
        distances = np.stack([np.square(colours - centre).sum(axis=1) for centre in centres])
        nearer = distances[:-1].min(axis=0) - distances[-1]
        return score_around(nearer.reshape(image.shape[:2]), 0.0)

    def _find_centres(self, colours: Colours, rng: np.random.Generator) -> Colours:
        distinct = np.unique(colours, axis=0)
        if len(distinct) <= self.num_clusters:
            return distinct
        found = []
        for _ in range(NUM_STARTS):
            start = _draw_start(colours, self.num_clusters, rng)
            centres, nearest = kmeans2(colours, start, NUM_ROUNDS, minit="matrix")
            found.append((float(np.square(colours - centres[nearest]).sum()), centres))
        best: Colours = min(found, key=lambda pair: pair[0])[1]
        return best


def _draw_start(colours: Colours, num: int, rng: np.random.Generator) -> Colours:
    """Return colours drawn one after the other, each by its squared distance to those before (k-means++)."""
    centres = [colours[rng.integers(len(colours))]]
    distance = np.full(len(colours), np.inf)
    for _ in range(1, num):
        distance = np.minimum(distance, np.square(colours - centres[-1]).sum(axis=1))
        centres.append(colours[rng.choice(len(colours), p=distance / distance.sum())])
    return np.stack(centres)


def _to_colours(image: ImageArray, side: Side) -> Colours:
    """Return the pixels as rows of channels, (H W, K) in [0, 1], all channels on one scale, objects bright."""
    pixels = np.asarray(image, dtype=np.float64).reshape(image.shape[0] * image.shape[1], -1)
    low, high = pixels.min(), pixels.max()
    scaled = (pixels - low) / (high - low)
    return np.asarray(scaled if side == "bright" else 1 - scaled)
