"""What the checks of the theory found: numbers, and a verdict on each statement that the numbers could refute.

`C` classes, h a half-width, s = (C - 1) / C the rate at which symmetric flips are singular.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from metastructure.structure import Estimate, Lemma1, Lemma2Case, Theorem1, Theorem2Case


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Verdict(StrEnum):
    """What these labels say of a statement."""

    holds = "holds"
    fails = "fails"
    unseen = "cannot be seen with these images"


class Statement(_Result):
    """One statement and what became of it.

    Attributes
    ----------
    name, claim : str
    criterion : str
        When it holds, fails or cannot be seen, with the tolerance and its reason.
    verdict : Verdict
    reason : str
        The numbers that decided.
    """

    name: str
    claim: str
    criterion: str
    verdict: Verdict
    reason: str


class Lemma1Case(_Result):
    """Lemma 1 under one noise, by a short name."""

    name: str
    check: Lemma1


class WindowCase(_Result):
    """What one half-width sees.

    Attributes
    ----------
    half_width_px : int
    signal_to_noise : float
        The weakest signal that flips at half the singular rate leave, as a multiple of the sampling error; measured.
    edge : float
        What noise alone reaches once in a hundred times in the direction of that signal.
    dilated : Estimate
        Corrected similarity of dilated labels.
    """

    half_width_px: int
    signal_to_noise: float
    edge: float
    dilated: Estimate

    @property
    def margin(self) -> float:
        """How far the signal stands above the edge: below 1 it is not seen."""
        return self.signal_to_noise / self.edge


class ExactCase(_Result):
    """Flips at exactly the singular rate.

    Attributes
    ----------
    name : str
    realised_sigma_min : float
        Smallest singular value of the realised matrix, all images together.
    realised_rank : int
        Its rank at 1e-9: what `matrix_rank` would say.
    corrected : Estimate
        The similarity.
    half_widths_px : tuple of int
    ratios : tuple of float
        Measured over predicted error of Lemma 1; the last half-width is the widest that fits.
    """

    name: str
    realised_sigma_min: float
    realised_rank: int
    corrected: Estimate
    half_widths_px: tuple[int, ...]
    ratios: tuple[float, ...]


class TheoryReport(_Result):
    """All checks of the theory on one set of labels.

    Attributes
    ----------
    labels : str
        What was checked: a folder, or generated labels.
    num_images, num_found : int
        Images used, and how many there were to choose from.
    max_side_px : int
        Larger labels were cut to so many of their middle rows and columns.
    num_classes, num_present : int
        C, and how many of them occur.
    object_width_px : float
        Mean chord along rows and columns of the class whose mean chord is the shortest.
    seed : int
    half_width_px : int
        Of all checks but Lemma 1 and the windows.
    confidence : float
        Of all intervals.
    singular_rate : float
        s.
    noises : dict of str to str
        What each name stands for, as a spec that `metastructure.noise.parse_noise` reads.
    lemma_1 : tuple of Lemma1Case
        Randomised labels; the last is the counter-example, boundary noise.
    lemma_2 : tuple of Lemma2Case
    dilated, eroded : Theorem1
    theorem_2 : tuple of Theorem2Case
        The same noises in the same order as `lemma_2`.
    sweep : tuple of (rate, name)
        Symmetric flips among them, by rate.
    windows : tuple of WindowCase
    exact : tuple of ExactCase
        Each pixel drawn on its own; counts exact in each image.
    widest_share : float
        Mean share of the image in the widest window of `exact`.
    statements : tuple of Statement
    """

    labels: str
    num_images: int
    num_found: int
    max_side_px: int
    num_classes: int
    num_present: int
    object_width_px: float
    seed: int
    half_width_px: int
    confidence: float
    singular_rate: float
    noises: dict[str, str]
    lemma_1: tuple[Lemma1Case, ...]
    lemma_2: tuple[Lemma2Case, ...]
    dilated: Theorem1
    eroded: Theorem1
    theorem_2: tuple[Theorem2Case, ...]
    sweep: tuple[tuple[float, str], ...]
    windows: tuple[WindowCase, ...]
    exact: tuple[ExactCase, ...]
    widest_share: float
    statements: tuple[Statement, ...] = ()
