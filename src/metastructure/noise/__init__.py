"""Label noise: one file per family, frozen models with one method ``model(label, rng)``."""

from metastructure.noise.annotators import Annotator, Consensus, majority_label, soft_label
from metastructure.noise.at import AtFraction
from metastructure.noise.base import NoiseModel
from metastructure.noise.boundary import Dilation, Erosion, Skeleton
from metastructure.noise.chain import Chain
from metastructure.noise.class_flipping import ClassFlipping, PairFlipping
from metastructure.noise.clean import Clean
from metastructure.noise.draw import corrupt
from metastructure.noise.flipping import Flipping, MatrixFlipping
from metastructure.noise.jitter import BoundaryJitter
from metastructure.noise.markov import MarkovBoundary
from metastructure.noise.merging import Merging
from metastructure.noise.motion import Displacement, Rotation
from metastructure.noise.object_swap import ObjectSwap
from metastructure.noise.omission import Inclusion, Omission
from metastructure.noise.opening import Closing, Opening
from metastructure.noise.polygon import PolygonSimplification
from metastructure.noise.profile import TransitionProfile, count_by_distance
from metastructure.noise.random_label import RandomLabel
from metastructure.noise.sampling import Sampling
from metastructure.noise.shift import BoundaryShift
from metastructure.noise.spec import NOISE, NoiseSpec, parse_noise
from metastructure.noise.unlabelled import Unlabelled
from metastructure.noise.varying import Varying
from metastructure.noise.weak import Boxes, Discs, Points, Scribbles

__all__ = [
    "NOISE",
    "Annotator",
    "AtFraction",
    "BoundaryJitter",
    "BoundaryShift",
    "Boxes",
    "Chain",
    "ClassFlipping",
    "Clean",
    "Closing",
    "Consensus",
    "Dilation",
    "Discs",
    "Displacement",
    "Erosion",
    "Flipping",
    "Inclusion",
    "MarkovBoundary",
    "MatrixFlipping",
    "Merging",
    "NoiseModel",
    "NoiseSpec",
    "ObjectSwap",
    "Omission",
    "Opening",
    "PairFlipping",
    "Points",
    "PolygonSimplification",
    "RandomLabel",
    "Rotation",
    "Sampling",
    "Scribbles",
    "Skeleton",
    "TransitionProfile",
    "Unlabelled",
    "Varying",
    "corrupt",
    "count_by_distance",
    "majority_label",
    "parse_noise",
    "soft_label",
]
