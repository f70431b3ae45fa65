"""Losses per pixel that grow less than cross-entropy where a label contradicts the network. Axes as in `base`.

All three are linear in the target, `Brier` up to a term without the network, so unbiased targets keep them unbiased.
"""

from typing import Annotated, ClassVar, final

import torch
from pydantic import Field

from metastructure.training.losses.base import PixelLoss


@final
class Brier(PixelLoss):
    """The mean of Σ_c (p_c - t_c)².

    Notes
    -----
    Never negative, whatever the target: no entry of an unbiased target can pull it down for ever. The square of the
    target is the same for every network, so the minimiser is that of a loss linear in the target.

    References
    ----------
    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 1950, eq. 2.

    Examples
    --------
    Probabilities (0.75, 0.25) against background: 0.25² + 0.25².

    >>> logits = torch.tensor([[[[0.0]], [[-1.0986123]]]])
    >>> round(Brier()(logits, torch.tensor([[[0]]])).item(), 4)
    0.125
    """

    name: ClassVar[str] = "brier"

    def _per_pixel(self, log_p_BCHW: torch.Tensor, target_BCHW: torch.Tensor) -> torch.Tensor:
        return (log_p_BCHW.exp() - target_BCHW).square().sum(dim=1)


@final
class GeneralisedCrossEntropy(PixelLoss):
    """The mean of Σ_c t_c (1 - p_c^q) / q.

    Parameters
    ----------
    q : float in (0, 1]
        Towards 0 cross-entropy, at 1 the mean absolute error (up to a factor).

    Notes
    -----
    At most 1/q for labels, so a wrong label has a bounded say. Not proper: the minimiser overstates the likelier class.

    References
    ----------
    Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels", NeurIPS
    2018, eq. 6; without their truncation.

    Examples
    --------
    p = 0.25 for the labelled class: (1 - 0.25^0.5) / 0.5.

    >>> logits = torch.tensor([[[[0.0]], [[-1.0986123]]]])
    >>> round(GeneralisedCrossEntropy(q=0.5)(logits, torch.tensor([[[1]]])).item(), 4)
    1.0
    """

    name: ClassVar[str] = "gce"

    q: Annotated[float, Field(gt=0, le=1)] = 0.7

    def _per_pixel(self, log_p_BCHW: torch.Tensor, target_BCHW: torch.Tensor) -> torch.Tensor:
        return -(target_BCHW * torch.expm1(self.q * log_p_BCHW)).sum(dim=1) / self.q


@final
class SymmetricCrossEntropy(PixelLoss):
    """`alpha` times cross-entropy plus `beta` times reverse cross-entropy, -Σ_c p_c log t_c with log 0 = `log_zero`.

    Parameters
    ----------
    alpha, beta : float, at least 0
    log_zero : float below 0
        A in the paper.

    Notes
    -----
    For a label the reverse term is -A (1 - p of its class). That form, -A Σ_c t_c (1 - p_c), serves soft targets too:
    it is linear in the target and needs no logarithm of a negative entry.

    References
    ----------
    Wang et al., "Symmetric cross entropy for robust learning with noisy labels", ICCV 2019, section 3.

    Examples
    --------
    p = 0.25 for the labelled class: 0.1 · ln 4 + 1 · 4 · 0.75.

    >>> logits = torch.tensor([[[[0.0]], [[-1.0986123]]]])
    >>> round(SymmetricCrossEntropy()(logits, torch.tensor([[[1]]])).item(), 4)
    3.1386
    """

    name: ClassVar[str] = "sce"

    alpha: Annotated[float, Field(ge=0)] = 0.1
    beta: Annotated[float, Field(ge=0)] = 1.0
    log_zero: Annotated[float, Field(lt=0)] = -4.0

    def _per_pixel(self, log_p_BCHW: torch.Tensor, target_BCHW: torch.Tensor) -> torch.Tensor:
        wrong_BCHW = -torch.expm1(log_p_BCHW)
        return (target_BCHW * (-self.alpha * log_p_BCHW - self.beta * self.log_zero * wrong_BCHW)).sum(dim=1)
