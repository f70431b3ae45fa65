"""The noises that the checks of the theory draw, fixed by the number of classes alone.

`C` classes, s = (C - 1) / C the rate at which symmetric flips are singular.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.noise import Dilation, Erosion, Flipping, MatrixFlipping, NoiseModel, Sampling

Randomising = Flipping | Sampling | MatrixFlipping
"""Each pixel drawn on its own from its row of one Q, but for exact counts."""

RADII_PX = (1, 2, 4, 8)
COUNTER_EXAMPLE_RADIUS_PX = 2
SAMPLED = 0.1
_BELOW = (0.5, 0.8, 0.9, 0.96)
_PAST = (0.1, 0.5, 0.8)
_KEPT_LEAST, _KEPT_MOST = 0.55, 0.85
"""Above one half, so that the matrix is strictly diagonally dominant and has full rank."""


@dataclass(frozen=True)
class TheoryNoises:
    """The noises by what they are drawn for.

    Attributes
    ----------
    sampled, asymmetric : Randomising
        Of full rank.
    lossy : Randomising
        Classes C - 2 and C - 1 drawn from the same row: one class is lost. For C = 2 both rows are (0.7, 0.3).
    sweep : tuple of (rate, Flipping)
        Symmetric flips from half of s to close to 1, s among them.
    weak, singular : Randomising
        Symmetric flips at half of s, and at s.
    exact : Randomising
        As `singular`, but with exactly the expected number of pixels of each class in each image.
    dilated, eroded : tuple of NoiseModel
        Growing radius.
    boundary : NoiseModel
        Not randomised: the counter-example of Lemma 1.
    """

    sampled: Randomising
    asymmetric: Randomising
    lossy: Randomising
    sweep: tuple[tuple[float, Randomising], ...]
    weak: Randomising
    singular: Randomising
    exact: Randomising
    dilated: tuple[NoiseModel, ...]
    eroded: tuple[NoiseModel, ...]
    boundary: NoiseModel

    def full_rank(self) -> dict[str, Randomising]:
        """Return three noises of full rank by name: symmetric, one-sided, without any symmetry."""
        rate, _ = self.sweep[0]
        return {name_flip(rate): self.weak, f"sample {SAMPLED:g}": self.sampled, "asymmetric": self.asymmetric}

    def randomised(self) -> dict[str, Randomising]:
        """Return all noises with a Q by name, flips in the order of their rate."""
        flips = {name_flip(rate): model for rate, model in self.sweep}
        return {**self.full_rank(), "rows merged": self.lossy, **flips}

    def sweep_names(self) -> tuple[tuple[float, str], ...]:
        """Return the rates of the symmetric flips with their names."""
        return tuple((rate, name_flip(rate)) for rate, _ in self.sweep)

    def specs(self) -> dict[str, str]:
        """Return what each name stands for, as `parse_noise` reads it."""
        unnamed = (*self.dilated, *self.eroded, self.exact)
        return {name: str(model) for name, model in self.randomised().items()} | {str(m): str(m) for m in unnamed}


def choose_noises(num_classes: int) -> TheoryNoises:
    """Return the noises for C classes.

    Examples
    --------
    >>> [round(rate, 3) for rate, _ in choose_noises(2).sweep]
    [0.25, 0.4, 0.45, 0.48, 0.5, 0.55, 0.75, 0.9]
    >>> choose_noises(3).lossy.transition(3).rank(), choose_noises(3).asymmetric.transition(3).rank()
    (2, 3)
    """
    s = singular_rate(num_classes)
    rates = [share * s for share in _BELOW] + [s] + [s + share * (1 - s) for share in _PAST]
    uniform = np.full((num_classes, num_classes), 1 / num_classes)
    return TheoryNoises(
        sampled=Sampling(fraction=SAMPLED, exact=False),
        asymmetric=MatrixFlipping(matrix=_asymmetric(num_classes)),
        lossy=MatrixFlipping(matrix=_lossy(num_classes)),
        sweep=tuple((rate, Flipping(rate=rate)) for rate in rates),
        weak=Flipping(rate=rates[0]),
        singular=Flipping(rate=s),
        exact=MatrixFlipping(matrix=_as_rows(uniform), exact=True),
        dilated=tuple(Dilation(radius_px=radius) for radius in RADII_PX),
        eroded=tuple(Erosion(radius_px=radius) for radius in RADII_PX),
        boundary=Dilation(radius_px=COUNTER_EXAMPLE_RADIUS_PX),
    )


def singular_rate(num_classes: int) -> float:
    """Return s, the rate at which symmetric flips leave nothing."""
    return (num_classes - 1) / num_classes


def name_flip(rate: float) -> str:
    """Return what tables call symmetric flips of this rate."""
    return f"flip {rate:.4g}"


def _asymmetric(num_classes: int) -> tuple[tuple[float, ...], ...]:
    """Return rows that keep ever more; what class j loses goes to class m in proportion to m + 1."""
    kept = np.linspace(_KEPT_LEAST, _KEPT_MOST, num_classes)
    weight = np.tile(np.arange(1.0, num_classes + 1), (num_classes, 1))
    np.fill_diagonal(weight, 0)
    return _as_rows(np.diag(kept) + (1 - kept)[:, None] * weight / weight.sum(axis=1, keepdims=True))


def _lossy(num_classes: int) -> tuple[tuple[float, ...], ...]:
    if num_classes == 2:
        return ((0.7, 0.3), (0.7, 0.3))
    rows = np.array(_asymmetric(num_classes))
    rows[-2] = rows[-1]
    return _as_rows(rows)


def _as_rows(matrix: npt.NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
