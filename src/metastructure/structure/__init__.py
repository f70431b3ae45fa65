"""What the structure of labels is: densities, their similarity, surviving classes, theory checks, point patterns."""

from metastructure.structure.centroids import centroid_k, object_centroids
from metastructure.structure.density import densities, density, density_blocks
from metastructure.structure.distances import (
    DistanceFunction,
    empty_space_f,
    j_function,
    nearest_neighbour_g,
    pool_distances,
)
from metastructure.structure.envelopes import Envelope, deviation_envelope, extreme_rank_envelope, pointwise_envelope
from metastructure.structure.estimate import Estimate
from metastructure.structure.lemma_1 import Lemma1, check_lemma_1
from metastructure.structure.nulls import relabel_pixels, scatter_pixels, simulate_curves
from metastructure.structure.pair_counts import PairCounts, pair_counts, pair_counts_between
from metastructure.structure.ripley import cross_k, cross_k_between, ripley_k
from metastructure.structure.second_order import SecondOrder, pool_second_order
from metastructure.structure.similarity import ScaleSimilarity, Similarity, similarity
from metastructure.structure.surviving import SurvivingClasses, estimate_surviving
from metastructure.structure.theory import (
    Lemma2Case,
    Theorem1,
    Theorem2Case,
    check_lemma_2,
    check_theorem_1,
    check_theorem_2,
)

__all__ = [
    "DistanceFunction",
    "Envelope",
    "Estimate",
    "Lemma1",
    "Lemma2Case",
    "PairCounts",
    "ScaleSimilarity",
    "SecondOrder",
    "Similarity",
    "SurvivingClasses",
    "Theorem1",
    "Theorem2Case",
    "centroid_k",
    "check_lemma_1",
    "check_lemma_2",
    "check_theorem_1",
    "check_theorem_2",
    "cross_k",
    "cross_k_between",
    "densities",
    "density",
    "density_blocks",
    "deviation_envelope",
    "empty_space_f",
    "estimate_surviving",
    "extreme_rank_envelope",
    "j_function",
    "nearest_neighbour_g",
    "object_centroids",
    "pair_counts",
    "pair_counts_between",
    "pointwise_envelope",
    "pool_distances",
    "pool_second_order",
    "relabel_pixels",
    "ripley_k",
    "scatter_pixels",
    "similarity",
    "simulate_curves",
]
