"""Decoding: from what a network that was trained on noisy labels says to what that means for clean ones.

`C` classes, `H` rows, `W` columns; Q[clean, noisy]. The derivation is in docs/training-under-noise.md.
"""

from typing import final

import numpy as np
import numpy.typing as npt

from metastructure.transition import TransitionMatrix

Probabilities = npt.NDArray[np.float32]


@final
class Decoder:
    """Undoes Q in predicted probabilities.

    Parameters
    ----------
    transition : TransitionMatrix, optional
        Q of the labels the network learnt to predict; without it nothing is undone.

    Raises
    ------
    ValueError
        If Q is singular.

    Notes
    -----
    Cross-entropy on noisy labels is smallest at p* = Qᵀ p, p being the clean posterior. So p = Q⁻ᵀ p*. For two classes
    p >= 0.5 where p* >= (Q[0, 1] + Q[1, 1]) / 2, or <= where the second row lies below the first: past the singular
    rate the answer turns round by itself.

    References
    ----------
    Natarajan et al., "Learning with noisy labels", NeurIPS 2013, theorem 9 (the threshold under two-class noise).
    """

    def __init__(self, transition: TransitionMatrix | None = None) -> None:
        self.transition = transition
        self._inverse_CC = None if transition is None else transition.inverse()

    def posterior(self, p_CHW: Probabilities) -> Probabilities:
        """Return the clean posterior, (C, H, W), clipped to [0, 1] and normalised again.

        Examples
        --------
        >>> decoder = Decoder(TransitionMatrix([[1.0, 0.0], [0.9, 0.1]]))  # 10 % sampling
        >>> decoder.posterior(np.array([[[0.92]], [[0.08]]], np.float32)).round(2).ravel().tolist()
        [0.20000000298023224, 0.800000011920929]
        """
        if self._inverse_CC is None:
            return p_CHW
        clean_CHW = np.clip(self._invert(p_CHW), 0, 1)
        return np.asarray(clean_CHW / clean_CHW.sum(axis=0), dtype=np.float32)

    def score(self, p_CHW: Probabilities) -> Probabilities:
        """Return foreground scores, (H, W) in [0, 1], for two classes: 0.5 is the threshold, no order is lost.

        Where the posterior is clipped, pixels that p* still ranks would become equal. Here the logit is moved, so that
        the threshold on p* comes to lie at 0.5, and turned round where Q says so.

        Examples
        --------
        >>> decoder = Decoder(TransitionMatrix([[0.1, 0.9], [0.7, 0.3]]))  # inverted; the threshold is 0.6
        >>> decoder.score(np.array([[[0.4, 0.1]], [[0.6, 0.9]]], np.float32)).round(2).tolist()
        [[0.5, 0.14000000059604645]]
        """
        if self.transition is None:
            return np.asarray(p_CHW[1])
        lower, upper = self.transition.rows[:, 1]
        threshold = (lower + upper) / 2
        above, below = p_CHW[1] * (1 - threshold), p_CHW[0] * threshold
        score = (above if upper > lower else below) / (above + below)
        return np.asarray(score, dtype=np.float32)

    def label(self, p_CHW: Probabilities) -> npt.NDArray[np.uint8]:
        """Return the most probable clean class of each pixel, (H, W); of equal ones the first."""
        if len(p_CHW) == 2:
            return np.asarray(self.score(p_CHW) >= 0.5, dtype=np.uint8)
        clean_CHW = p_CHW if self._inverse_CC is None else self._invert(p_CHW)
        return np.asarray(clean_CHW.argmax(axis=0), dtype=np.uint8)

    def _invert(self, p_CHW: Probabilities) -> npt.NDArray[np.float64]:
        assert self._inverse_CC is not None
        return np.asarray(np.einsum("mhw,mc->chw", p_CHW, self._inverse_CC))
