"""Density targets: the local density of the noisy label, made an unbiased estimate of the clean one by Q⁻¹.

`B` batch, `C` classes, `H` rows, `W` columns; Q[clean, noisy]. The derivation is in docs/training-under-noise.md.
"""

from typing import final

import torch
from torch.nn import functional

from metastructure.label import IGNORE
from metastructure.transition import TransitionMatrix

MAX_OVERSHOOT = 3.0
"""Targets are clipped to [-MAX_OVERSHOOT, 1 + MAX_OVERSHOOT], lest one pixel in a nearly empty window outshout all."""


@final
class DensityTarget:
    """Makes a soft target from integer labels.

    Parameters
    ----------
    num_classes : int
        C.
    half_width_px : int
        h; the window is a box of (2h + 1)² pixels, cut off at the crop's edge. 0 leaves single pixels.
    transition : TransitionMatrix
        Q of the noise in the labels; invertible.
    device : torch device

    Raises
    ------
    ValueError
        If Q is singular or not C x C.

    Notes
    -----
    With D the density vector of the noisy label over the known pixels of the window, E D = Qᵀ f (Lemma 1), f being
    the clean density; so Q⁻ᵀ D has the mean f, whatever Q. Its entries sum to 1 but leave [0, 1].

    References
    ----------
    Natarajan et al., "Learning with noisy labels", NeurIPS 2013 (unbiased losses by Q⁻¹, single labels).

    Examples
    --------
    >>> target = DensityTarget(2, 1, TransitionMatrix([[0.9, 0.1], [0.3, 0.7]]))
    >>> target(torch.tensor([[[1, 0, 255]]]))[0, 1, 0].numpy().round(4)  # (1/2 - 0.1) / (0.7 - 0.1); IGNORE unknown
    array([ 0.6667,  0.6667, -0.    ], dtype=float32)
    """

    def __init__(
        self,
        num_classes: int,
        half_width_px: int,
        transition: TransitionMatrix,
        device: torch.device | str = "cpu",
    ) -> None:
        if transition.num_classes != num_classes:
            raise ValueError(f"The transition matrix has {transition.num_classes} classes, the labels {num_classes}.")
        self.num_classes, self.half_width_px = num_classes, half_width_px
        inverse = torch.from_numpy(transition.inverse()).float()
        self.inverse_CC = None if torch.equal(inverse, torch.eye(num_classes)) else inverse.to(device)

    def __call__(self, labels_BHW: torch.Tensor) -> torch.Tensor:
        """Return the (B, C, H, W) float32 target; all 0 where the label is IGNORE."""
        classes = torch.arange(self.num_classes, device=labels_BHW.device)
        known_B1HW = (labels_BHW != IGNORE)[:, None]
        density_BCHW = self._mean(labels_BHW[:, None] == classes[:, None, None], known_B1HW)
        if self.inverse_CC is not None:
            density_BCHW = torch.einsum("bmhw,mc->bchw", density_BCHW, self.inverse_CC)
            density_BCHW = density_BCHW.clamp(-MAX_OVERSHOOT, 1 + MAX_OVERSHOOT)
        return density_BCHW * known_B1HW

    def _mean(self, classes_BCHW: torch.Tensor, known_B1HW: torch.Tensor) -> torch.Tensor:
        """Return the share of each class among the known pixels of every window."""
        h = self.half_width_px
        if h == 0:
            return classes_BCHW.float()
        planes = torch.cat([classes_BCHW, known_B1HW], dim=1).float()
        across = functional.avg_pool2d(planes, (1, 2 * h + 1), stride=1, padding=(0, h))
        sums = functional.avg_pool2d(across, (2 * h + 1, 1), stride=1, padding=(h, 0))
        return sums[:, :-1] / sums[:, -1:].clamp(min=torch.finfo(sums.dtype).tiny)
