"""How wide the window of a density target should be, from the noisy labels and Q alone.

`C` classes, `H` rows, `W` columns, `S` half-widths.
"""

from collections.abc import Sequence

import numpy as np

from metastructure.label import IGNORE, LabelArray
from metastructure.structure import densities
from metastructure.structure.windows import FloatArray, find_window
from metastructure.transition import TransitionMatrix

HALF_WIDTHS_PX = (0, 1, 2, 3, 4, 6, 8)
NUM_LABELS = 64
"""Of a large set this many labels, evenly spaced, are looked at."""

VARIANCE_WEIGHT = 0.01
"""What a unit of the target's variance counts against a unit of its squared blur.

The blur of a boundary is the same in every image, while the sampling error is another one each time, so a training
averages most of it away. Chosen on validation labels (docs/decisions/005-density-targets.md).
"""


def choose_half_width(
    labels: Sequence[LabelArray], transition: TransitionMatrix, variance_weight: float = VARIANCE_WEIGHT
) -> int:
    """Return the half-width in pixels that balances the blur of boundaries against sampling error.

    Parameters
    ----------
    labels : sequence of (H, W) integer arrays
        The noisy labels; IGNORE is left out.
    transition : TransitionMatrix
        Q of their noise, invertible.
    variance_weight : float
        0 asks for no blur at all, 1 for the smallest mean squared error of the target itself.

    Notes
    -----
    The blur that `measure_errors` sees under strong noise is uncertain where the window is small, so its shape is
    given: along straight boundaries of length L px per pixel of area the pixels k = 1..h away from it on either side
    are off by (h + 1 - k) / (2h + 1) in two classes, together 2/3 L h (h + 1) / (2h + 1). L is fitted to all
    half-widths with weights (2h + 1)², one over the variance of what is measured.

    Only half-widths below the shorter side of every label are considered; 0 always is.
    """
    picked = [labels[index] for index in np.unique(np.linspace(0, len(labels) - 1, NUM_LABELS).astype(int))]
    side = min(min(label.shape) for label in picked)
    widths = np.array([h for h in HALF_WIDTHS_PX if h < max(side, 1)])
    measured, variance = measure_errors(picked, transition, widths.tolist())
    shape = 2 / 3 * widths * (widths + 1) / (2 * widths + 1)
    weights = shape * (2 * widths + 1) ** 2
    length = max((weights @ measured) / max(weights @ shape, 1), 0)
    return int(widths[np.argmin(length * shape + variance_weight * variance)])


def measure_errors(
    labels: Sequence[LabelArray], transition: TransitionMatrix, half_widths_px: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Return the mean squared blur and the variance of density targets, each (S,), without clean labels.

    Notes
    -----
    Let u be the indicator vector of the clean class, v = Q⁻ᵀ u* that of the noisy one made unbiased, f the mean of u
    over a window of n known pixels and t that of v. Then E t = f, and with V = E |v|² - 1 the variance of v summed
    over classes (|u|² is 1), the window's own pixel being one of the n,

        E t·t = E f·f + V E[1/n]        E t·v = E f·u + V E[1/n]
        blur = E |f - u|² = E f·f - 2 E f·u + 1 = E t·t - 2 E t·v + 1 + V E[1/n]
        variance = E |t - f|² = V E[1/n]
    """
    gram = transition.inverse() @ transition.inverse().T
    C, box = transition.num_classes, find_window("box")
    num_pixels, squares = 0, 0.0
    own, products, shares = (np.zeros(len(half_widths_px)) for _ in range(3))
    for label in labels:
        known = label != IGNORE
        classes = label[known]
        num_pixels += len(classes)
        squares += gram[classes, classes].sum()
        prepared = box.prepare(known)
        for place, density in enumerate(densities(label, half_widths_px, "box", C)):
            at_known = density[:, known]
            mixed = gram @ at_known
            own[place] += (at_known * mixed).sum()
            products[place] += mixed[classes, np.arange(len(classes))].sum()
            shares[place] += (1 / box.sums(prepared, half_widths_px[place])[known]).sum()
    if not num_pixels:
        raise ValueError("Every pixel of the labels is IGNORE; there is no density to balance.")
    variance = (squares / num_pixels - 1) * shares / num_pixels
    return (own - 2 * products) / num_pixels + 1 + variance, variance
