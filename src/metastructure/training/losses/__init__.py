"""Losses: frozen models ``loss(logits, target, weights)``, named in specs by the table `LOSSES`."""

from metastructure.training.losses.base import Loss
from metastructure.training.losses.correction import BackwardCrossEntropy, ForwardCrossEntropy
from metastructure.training.losses.cross_entropy import CrossEntropy
from metastructure.training.losses.dmi import DeterminantMutualInformation
from metastructure.training.losses.overlap import Dice, GeneralisedDice, IoU
from metastructure.training.losses.robust import Brier, GeneralisedCrossEntropy, SymmetricCrossEntropy
from metastructure.training.losses.spec import LOSSES, needs_transition, parse_loss, with_transition
from metastructure.training.losses.total import LossSum

__all__ = [
    "LOSSES",
    "BackwardCrossEntropy",
    "Brier",
    "CrossEntropy",
    "DeterminantMutualInformation",
    "Dice",
    "ForwardCrossEntropy",
    "GeneralisedCrossEntropy",
    "GeneralisedDice",
    "IoU",
    "Loss",
    "LossSum",
    "SymmetricCrossEntropy",
    "needs_transition",
    "parse_loss",
    "with_transition",
]
