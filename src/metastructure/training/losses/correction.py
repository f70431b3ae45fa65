"""Cross-entropy corrected by a transition matrix Q, rows clean: forward and backward. Axes as in `base`."""

from typing import Annotated, ClassVar, final

import numpy as np
import torch
from pydantic import AfterValidator, field_validator

from metastructure.training.losses.base import (
    Loss,
    is_known,
    log_probabilities,
    mean_over_known,
    weigh_known,
)
from metastructure.training.losses.cross_entropy import cross_entropy_of_soft
from metastructure.transition import TransitionMatrix

Rows = tuple[tuple[float, ...], ...]


def _check_transition(rows: Rows | None) -> Rows | None:
    if rows is not None and np.isnan(TransitionMatrix(rows).rows).any():
        raise ValueError("A class was never seen (a row of NaN); a correction needs the whole transition matrix.")
    return rows


class CorrectedLoss(Loss):
    """A loss that knows the noise.

    Parameters
    ----------
    transition : C rows of C floats, optional
        Q, rows the clean class, each summing to 1. Without it the loss waits for `with_transition`.
    """

    transition: Annotated[Rows | None, AfterValidator(_check_transition)] = None

    def _matrix(self, num_classes: int) -> TransitionMatrix:
        if self.transition is None:
            raise ValueError(f"{self.name} has no transition matrix yet; give `transition` or use `with_transition`.")
        matrix = TransitionMatrix(self.transition)
        if matrix.num_classes != num_classes:
            raise ValueError(
                f"The transition matrix of {self.name} has {matrix.num_classes} classes; the logits have {num_classes}."
            )
        return matrix


@final
class ForwardCrossEntropy(CorrectedLoss):
    """The mean of -Σ_m t_m log (Qᵀ p)_m: the network predicts clean classes, the loss compares noisy ones.

    Parameters
    ----------
    transition : C rows of C floats, optional
        Q; see `CorrectedLoss`. May be singular, though clean classes are then not determined.

    Notes
    -----
    Bounded below by 0 for labels. The minimiser is the clean posterior if Q has full rank, also past the singular
    rate. A label that Q says cannot occur (a column of zeros) says nothing and costs nothing. Linear in the target,
    but in the noisy one: a target that Q⁻¹ has already made unbiased must not be corrected again.

    References
    ----------
    Patrini et al., "Making deep neural networks robust to label noise: a loss correction approach", CVPR 2017,
    theorem 2.

    Examples
    --------
    p = (0.5, 0.5) and label 1: (Qᵀ p)_1 = 0.5 · 0 + 0.5 · 0.5 = 0.25.

    >>> loss = ForwardCrossEntropy(transition=((1.0, 0.0), (0.5, 0.5)))
    >>> round(loss(torch.zeros(1, 1, 1, 1), torch.tensor([[[1]]])).item(), 4)  # ln 4
    1.3863
    """

    name: ClassVar[str] = "forward"

    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        log_p_BCHW = log_probabilities(logits_BCHW)
        C = log_p_BCHW.shape[1]
        columns_CC = torch.as_tensor(self._matrix(C).rows.T.copy(), dtype=log_p_BCHW.dtype, device=log_p_BCHW.device)
        columns_CC[columns_CC.sum(dim=1) == 0] = 1.0
        log_columns_CC = columns_CC.log()
        if target.ndim == 3:
            column_BCHW = log_columns_CC[target * is_known(target)].permute(0, 3, 1, 2)
            loss_BHW = -torch.logsumexp(log_p_BCHW + column_BCHW, dim=1)
        else:
            loss_BHW = torch.zeros_like(log_p_BCHW[:, 0])
            for m in range(C):
                noisy_BHW = torch.logsumexp(log_p_BCHW + log_columns_CC[m].view(1, C, 1, 1), dim=1)
                loss_BHW = loss_BHW - target[:, m] * noisy_BHW
        return mean_over_known(loss_BHW, weigh_known(target, weights_BHW, log_p_BCHW.dtype))


@final
class BackwardCrossEntropy(CorrectedLoss):
    """The mean of -Σ_j (Q⁻ᵀ t)_j log p_j: cross-entropy with a target made unbiased.

    Parameters
    ----------
    transition : C rows of C floats, optional
        Q; see `CorrectedLoss`. Must have an inverse.

    Notes
    -----
    Its mean over the noise is the clean cross-entropy exactly. Q⁻¹ has negative entries, so it has no lower bound, and
    a network that can memorise lowers it for ever; smooth the target over a window first, or use `forward`.

    References
    ----------
    Patrini et al., as for `ForwardCrossEntropy`, theorem 1; Natarajan et al., "Learning with noisy labels", NeurIPS
    2013, lemma 1 (two classes).

    Examples
    --------
    Q⁻¹ = [[1, 0], [-1, 2]], so label 1 has the target (-1, 2): -(-1) ln 0.5 - 2 ln 0.5.

    >>> loss = BackwardCrossEntropy(transition=((1.0, 0.0), (0.5, 0.5)))
    >>> round(loss(torch.zeros(1, 1, 1, 1), torch.tensor([[[1]]])).item(), 4)  # ln 2
    0.6931
    """

    name: ClassVar[str] = "backward"

    @field_validator("transition")
    @classmethod
    def _check_invertible(cls, rows: Rows | None) -> Rows | None:
        if rows is not None:
            TransitionMatrix(rows).inverse()
        return rows

    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        inverse = self._matrix(max(2, logits_BCHW.shape[1])).inverse()
        inverse_CC = torch.as_tensor(inverse, dtype=logits_BCHW.dtype, device=logits_BCHW.device)
        if target.ndim == 3:
            known_BHW = is_known(target)
            unbiased_BHWC = inverse_CC[target * known_BHW] * known_BHW[..., None]
        else:
            unbiased_BHWC = target.to(inverse_CC.dtype).movedim(1, 3) @ inverse_CC
        return cross_entropy_of_soft(logits_BCHW, unbiased_BHWC.movedim(3, 1), weights_BHW)
