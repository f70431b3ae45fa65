"""L_DMI: how much a prediction tells of a noisy label, whatever the noise. Axes as in `base`."""

from typing import Annotated, ClassVar, final

import torch
from pydantic import Field

from metastructure.training.losses.base import RegionLoss, divide_safely


@final
class DeterminantMutualInformation(RegionLoss):
    """-log|det U|, U[c, k] the mean over pixels of p_c t_k: the joint distribution of prediction and label.

    Parameters
    ----------
    per : "batch" or "image"
        The region over which U is a mean; see `RegionLoss`.
    epsilon : float in [1e-6, 1)
        Where singular values are cut off softly, as below.

    Notes
    -----
    Noise that is the same for every pixel makes U Q out of U, so the loss of noisy labels is that of clean ones
    minus log|det Q|, a constant: the minimiser needs no Q. It does not tell which class is which, since |det| does
    not change when the network's classes are permuted: begin from a network trained with cross-entropy, or add a loss
    that names the classes (``dmi + iou``).

    To be safe: with π_k the share of class k, U = A diag(π), where A[c, k] is the mean of p_c over class k. The loss is
    -½ log det(AᵀA + ε²) - Σ log π_k, which is the formula above for singular values of A far above ε, and has a
    gradient of at most 1/ε where the prediction is constant and U singular. A class without pixels loses its row and
    its column. Soft targets enter U linearly; a class whose entries sum to 0 or less counts as absent.

    References
    ----------
    Xu, Cao, Kong and Wang, "L_DMI: a novel information-theoretic loss function for training deep nets robust to label
    noise", NeurIPS 2019, section 4. They add no ε; theirs is of |det U| as it is.

    Examples
    --------
    Labels (0, 1), foreground probability 0.25 and 0.75: U = [[0.375, 0.125], [0.125, 0.375]], det U = 0.125.

    >>> logits = torch.tensor([[[[-1.0986123, 1.0986123]]]])
    >>> round(DeterminantMutualInformation()(logits, torch.tensor([[[0, 1]]])).item(), 4)  # ln 8
    2.0794
    """

    name: ClassVar[str] = "dmi"

    epsilon: Annotated[float, Field(ge=1e-6, lt=1)] = 1e-3

    def _of_regions(
        self, p_RCN: torch.Tensor, weighted_target_RCN: torch.Tensor, weights_RN: torch.Tensor
    ) -> torch.Tensor:
        joint_RCC = (p_RCN @ weighted_target_RCN.transpose(1, 2)).double()
        mass_RC = weighted_target_RCN.sum(dim=2).double()
        present_RC = mass_RC > 0
        both_RCC = present_RC[:, :, None] & present_RC[:, None, :]
        identity_CC = torch.eye(mass_RC.shape[1], dtype=joint_RCC.dtype, device=joint_RCC.device)
        mean_RCC = torch.where(both_RCC, divide_safely(joint_RCC, mass_RC[:, None, :]), identity_CC)
        gram_RCC = mean_RCC.transpose(1, 2) @ mean_RCC + self.epsilon**2 * identity_CC
        share_RC = torch.where(present_RC, divide_safely(mass_RC, weights_RN.sum(dim=1, keepdim=True).double()), 1)
        loss_R = -0.5 * torch.linalg.slogdet(gram_RCC).logabsdet - share_RC.log().sum(dim=1)
        known_R = present_RC.any(dim=1)
        return divide_safely((loss_R * known_R).sum(), known_R.sum()).to(p_RCN.dtype)
