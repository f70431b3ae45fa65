"""Soft Dice and soft IoU: overlaps of probabilities with a target. Axes as in `base`.

With p the probabilities, t the target and sums over the known pixels of a region, weighted: I_c = Σ p_c t_c,
P_c = Σ p_c, T_c = Σ t_c. A class with T_c <= 0 is absent and is left out; so nothing is ever divided by 0.

The target enters I_c and T_c linearly and nowhere else. For labels that is the published form, since t² = t. For an
unbiased target the sums are unbiased, and the ratio right up to O(1 / pixels); single sums may then leave their range,
so a loss may fall below 0, but every denominator stays positive. Entries of a target beyond what its pixels can tell
are fitted like any noise: prefer a loss that is linear in the target where regions are small.
"""

from typing import ClassVar, final

import torch

from metastructure.training.losses.base import RegionLoss, divide_safely


@final
class Dice(RegionLoss):
    """The mean over present classes of 1 - 2 I_c / (Σ p_c² + T_c).

    Parameters
    ----------
    per : "batch" or "image"
        The region; see `RegionLoss`.
    background : bool
        Whether class 0 counts. The published loss is of the foreground alone; but without class 0 an image that
        holds nothing else says nothing.

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net", 3DV 2016, section 3 (squares in the denominator).

    Examples
    --------
    Foreground p = (0.5, 0.5), labels (1, 0): I = 0.5, Σ p² = 0.5, T = 1, for both classes.

    >>> round(Dice()(torch.zeros(1, 1, 1, 2), torch.tensor([[[1, 0]]])).item(), 4)  # 1 - 1 / 1.5
    0.3333
    """

    name: ClassVar[str] = "dice"

    background: bool = True

    def _of_regions(
        self, p_RCN: torch.Tensor, weighted_target_RCN: torch.Tensor, weights_RN: torch.Tensor
    ) -> torch.Tensor:
        overlap_RC, mass_RC = _sum_over_region(p_RCN, weighted_target_RCN)
        squares_RC = (weights_RN[:, None] * p_RCN.square()).sum(dim=2)
        present_RC = _find_present(mass_RC, self.background)
        return _mean_over_present(2 * overlap_RC, squares_RC + mass_RC, present_RC)


@final
class GeneralisedDice(RegionLoss):
    """1 - 2 Σ_c v_c I_c / Σ_c v_c (P_c + T_c) with v_c = 1 / T_c², so that every class counts alike.

    Parameters
    ----------
    per : "batch" or "image"
        The region; see `RegionLoss`.

    Notes
    -----
    A class of few pixels has a great weight. With unbiased targets its T_c is uncertain, and so is the whole loss.

    References
    ----------
    Sudre et al., "Generalised Dice overlap as a deep learning loss function for highly unbalanced segmentations",
    DLMIA 2017, section 2.1.

    Examples
    --------
    Foreground p = 0.5 thrice, labels (1, 0, 0): v = (1/4, 1), I = (1, 0.5), P = (1.5, 1.5), T = (2, 1);
    1 - 2 (0.25 + 0.5) / (0.875 + 2.5).

    >>> round(GeneralisedDice()(torch.zeros(1, 1, 1, 3), torch.tensor([[[1, 0, 0]]])).item(), 4)
    0.5556
    """

    name: ClassVar[str] = "generalised_dice"

    def _of_regions(
        self, p_RCN: torch.Tensor, weighted_target_RCN: torch.Tensor, weights_RN: torch.Tensor
    ) -> torch.Tensor:
        overlap_RC, mass_RC = _sum_over_region(p_RCN, weighted_target_RCN)
        present_RC = _find_present(mass_RC, background=True)
        share_RC = divide_safely(mass_RC, weights_RN.sum(dim=1, keepdim=True))
        importance_RC = torch.where(present_RC, divide_safely(torch.ones_like(share_RC), share_RC).square(), 0)
        overlap_R = (importance_RC * overlap_RC).sum(dim=1)
        extent_R = (importance_RC * ((weights_RN[:, None] * p_RCN).sum(dim=2) + mass_RC)).sum(dim=1)
        return _mean_over_present(2 * overlap_R, extent_R, present_RC.any(dim=1))


@final
class IoU(RegionLoss):
    """The mean over present classes of 1 - I_c / (P_c + T_c - I_c).

    Parameters
    ----------
    per : "batch" or "image"
        The region; see `RegionLoss`.
    background : bool
        Whether class 0 counts; see `Dice`.

    Notes
    -----
    P_c - I_c, what is predicted outside the class, is taken as 0 where a target above 1 would make it negative.

    References
    ----------
    Rahman and Wang, "Optimizing intersection-over-union in deep neural networks for image segmentation", ISVC 2016,
    section 3; of the foreground alone there.

    Examples
    --------
    Foreground p = (0.5, 0.5), labels (1, 0): I = 0.5, P = 1, T = 1, for both classes.

    >>> round(IoU()(torch.zeros(1, 1, 1, 2), torch.tensor([[[1, 0]]])).item(), 4)  # 1 - 0.5 / 1.5
    0.6667
    """

    name: ClassVar[str] = "iou"

    background: bool = True

    def _of_regions(
        self, p_RCN: torch.Tensor, weighted_target_RCN: torch.Tensor, weights_RN: torch.Tensor
    ) -> torch.Tensor:
        overlap_RC, mass_RC = _sum_over_region(p_RCN, weighted_target_RCN)
        outside_RC = ((weights_RN[:, None] * p_RCN).sum(dim=2) - overlap_RC).clamp(min=0)
        return _mean_over_present(overlap_RC, outside_RC + mass_RC, _find_present(mass_RC, self.background))


def _sum_over_region(p_RCN: torch.Tensor, weighted_target_RCN: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return I_c and T_c of each region."""
    return (p_RCN * weighted_target_RCN).sum(dim=2), weighted_target_RCN.sum(dim=2)


def _find_present(mass_RC: torch.Tensor, background: bool) -> torch.Tensor:
    present_RC = mass_RC > 0
    if not background:
        present_RC[:, 0] = False
    return present_RC


def _mean_over_present(above: torch.Tensor, below: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Return the mean of 1 - above / below over the entries that are present, 0 if none is."""
    loss = 1 - above / torch.where(present, below, 1)
    return divide_safely((loss * present).sum(), present.sum())
