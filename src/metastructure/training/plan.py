"""What a training does about label noise, decided once from its settings and its noisy labels.

`C` classes; Q[clean, noisy].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from metastructure.label import LabelArray
from metastructure.rng import generator
from metastructure.structure.latent_transition import Convention, estimate_transition
from metastructure.training.decode import Decoder
from metastructure.training.half_width import choose_half_width
from metastructure.training.losses import Loss, needs_transition, parse_loss, with_transition
from metastructure.training.settings import TrainingSettings
from metastructure.training.targets import DensityTarget
from metastructure.transition import TransitionMatrix

MIN_SIGMA = 0.005
"""Below this smallest singular value Q is not undone: sampling error would be multiplied by up to two hundred."""


@dataclass(frozen=True)
class Plan:
    """The decisions.

    Attributes
    ----------
    transition : TransitionMatrix or None
        The Q that is undone.
    loss : Loss
    make_target : DensityTarget or None
        None where the labels themselves are learnt.
    decoder : Decoder
        From the network's probabilities to clean ones.
    note : str or None
        Why no Q is undone although one was asked for.
    """

    transition: TransitionMatrix | None
    loss: Loss
    make_target: DensityTarget | None
    decoder: Decoder
    note: str | None = None


def make_plan(
    settings: TrainingSettings,
    labels: Sequence[LabelArray],
    num_classes: int,
    known: TransitionMatrix | None = None,
    device: torch.device | str = "cpu",
) -> Plan:
    """Return the plan of a training.

    Parameters
    ----------
    settings : TrainingSettings
    labels : sequence of (H, W) integer arrays
        The labels to be learnt, noisy as they are.
    num_classes : int
    known : TransitionMatrix, optional
        Q, where `settings.transition` is ``known``; None says that the noise has none.
    device : torch device
        Where targets are computed.
    """
    transition, note = _find_transition(settings, labels, num_classes, known)
    identity = TransitionMatrix.identity(num_classes)
    loss = parse_loss(settings.loss)
    undone_by_loss = needs_transition(loss)
    if undone_by_loss:
        loss = with_transition(loss, transition or identity)
    if settings.target == "label":
        return Plan(transition, loss, None, Decoder(None if undone_by_loss else transition), note)
    half_width_px = settings.half_width_px
    if half_width_px is None:
        half_width_px = choose_half_width(labels, transition or identity)
    undone = identity if undone_by_loss or transition is None else transition
    return Plan(transition, loss, DensityTarget(num_classes, half_width_px, undone, device), Decoder(), note)


def _find_transition(
    settings: TrainingSettings, labels: Sequence[LabelArray], num_classes: int, known: TransitionMatrix | None
) -> tuple[TransitionMatrix | None, str | None]:
    if settings.transition == "none":
        return None, None
    if settings.transition == "known":
        found, why = known, "this noise has none"
    else:
        found, why = _estimate(labels, num_classes, settings.convention)
    if found is None:
        return None, f"no transition matrix is undone: {why}"
    if not found.sigma_min() >= MIN_SIGMA:
        return None, f"no transition matrix is undone: it is singular or nearly so (sigma_min {found.sigma_min():.2g})"
    return found, None


def _estimate(
    labels: Sequence[LabelArray], num_classes: int, convention: Convention
) -> tuple[TransitionMatrix | None, str]:
    """Return Q from the noisy labels alone, or why there is none; classes that they lack keep their name."""
    estimate = estimate_transition(
        labels, generator(0, "", "bootstrap"), num_classes=num_classes, convention=convention, num_resamples=2
    )
    if not estimate.identified:
        return None, str(estimate.reason)
    rows = estimate.matrix().rows
    return TransitionMatrix(np.where(np.isnan(rows), np.eye(num_classes), rows)), ""
