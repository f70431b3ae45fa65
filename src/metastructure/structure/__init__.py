"""What the structure of labels is: densities, their similarity, surviving classes, and the theory's checks."""

from metastructure.structure.density import densities, density, density_blocks
from metastructure.structure.estimate import Estimate
from metastructure.structure.lemma_1 import Lemma1, check_lemma_1
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
    "Estimate",
    "Lemma1",
    "Lemma2Case",
    "ScaleSimilarity",
    "Similarity",
    "SurvivingClasses",
    "Theorem1",
    "Theorem2Case",
    "check_lemma_1",
    "check_lemma_2",
    "check_theorem_1",
    "check_theorem_2",
    "densities",
    "density",
    "density_blocks",
    "estimate_surviving",
    "similarity",
]
