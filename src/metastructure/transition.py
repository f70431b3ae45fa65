"""The noise transition matrix Q as a value: build, compose, estimate, and say how far it is from singular.

`Q[j, m] = P(noisy class = m | clean class = j)`: rows are the clean class and sum to 1, columns the
noisy one. Some libraries store the transpose. A row of NaN stands for a clean class that was never seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

ROW_SUM_TOLERANCE = 1e-6
"""Rows typed by hand with six decimals pass; rows that forget an entry do not."""


@dataclass(frozen=True, eq=False)
class TransitionMatrix:
    """A row-stochastic matrix, checked at construction and read-only after.

    Parameters
    ----------
    rows : (C, C) array-like of floats in [0, 1]
        Rows are the clean class. Each sums to 1, or is NaN throughout (class never seen).

    Raises
    ------
    ValueError
        If `rows` is not square, has an entry outside [0, 1], or a row that does not sum to 1; a matrix whose
        columns sum to 1 is named as a likely transpose.

    Examples
    --------
    >>> one_sided = TransitionMatrix([[1.0, 0.0], [0.9, 0.1]])
    >>> one_sided.rows[1, 0]
    np.float64(0.9)
    >>> (one_sided @ TransitionMatrix.symmetric(0.25, 2)).rows.round(3).tolist()
    [[0.75, 0.25], [0.7, 0.3]]
    """

    rows: npt.NDArray[np.float64]

    def __init__(self, rows: npt.ArrayLike) -> None:
        matrix = np.array(rows, dtype=np.float64)
        _check_rows(matrix)
        matrix.setflags(write=False)
        object.__setattr__(self, "rows", matrix)

    @classmethod
    def identity(cls, num_classes: int) -> Self:
        """Return the matrix of labels without noise."""
        return cls(np.eye(num_classes))

    @classmethod
    def symmetric(cls, rate: float, num_classes: int) -> Self:
        """Return the matrix that keeps a class with 1 - `rate` and spreads `rate` evenly over the others.

        Singular at ``rate = (C - 1) / C``: every row is then uniform.

        Examples
        --------
        >>> TransitionMatrix.symmetric(0.3, 4).rows[0].round(3).tolist()
        [0.7, 0.1, 0.1, 0.1]
        """
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2; got {num_classes}.")
        off = rate / (num_classes - 1)
        return cls(np.full((num_classes, num_classes), off) + np.eye(num_classes) * (1 - rate - off))

    @classmethod
    def from_counts(cls, table: npt.ArrayLike) -> Self:
        """Return the matrix estimated from a contingency table (rows clean, columns noisy).

        The maximum-likelihood estimate: each row divided by its sum. A class without pixels gives a NaN row.

        Examples
        --------
        >>> TransitionMatrix.from_counts([[3, 1], [0, 0]]).rows.tolist()
        [[0.75, 0.25], [nan, nan]]
        """
        counts = np.asarray(table, dtype=np.float64)
        sums = counts.sum(axis=1, keepdims=True)
        return cls(np.divide(counts, sums, out=np.full_like(counts, np.nan), where=sums > 0))

    @property
    def num_classes(self) -> int:
        """C, the number of rows."""
        return int(self.rows.shape[0])

    def __matmul__(self, after: "TransitionMatrix") -> "TransitionMatrix":
        """Return the matrix of this noise followed by `after`."""
        return TransitionMatrix(self.rows @ after.rows)

    def __eq__(self, other: object) -> bool:
        """Two matrices are equal if every entry is, NaN rows included."""
        return isinstance(other, TransitionMatrix) and np.array_equal(self.rows, other.rows, equal_nan=True)

    def sigma_min(self) -> float:
        """Return the smallest singular value over the rows of the classes seen; NaN if none was.

        0 means that some class can no longer be told from a mixture of the others. It is also the
        spectral-norm distance to the nearest singular matrix (Eckart and Young 1936). A realised matrix is
        practically never singular, so its rank says nothing: give this number with its interval.

        Examples
        --------
        >>> round(TransitionMatrix.symmetric(0.45, 2).sigma_min(), 12)
        0.1
        >>> round(TransitionMatrix.symmetric(0.9, 2).sigma_min(), 12)
        0.8
        """
        seen = self.rows[~np.isnan(self.rows).any(axis=1)]
        return float(np.linalg.svd(seen, compute_uv=False).min()) if len(seen) else float("nan")

    def rank(self, threshold: float = 1e-9) -> int:
        """Return how many singular values, over the rows of the classes seen, exceed `threshold`.

        For a matrix known exactly this is the number of classes that survive the noise (Lemma 2 of Luo et al. 2022).
        For an estimated one give the sampling error as the threshold, or read `sigma_min` with its interval.

        Examples
        --------
        >>> TransitionMatrix.symmetric(0.5, 2).rank(), TransitionMatrix([[0.9, 0.1], [0, 1]]).rank()
        (1, 2)
        """
        seen = self.rows[~np.isnan(self.rows).any(axis=1)]
        return int((np.linalg.svd(seen, compute_uv=False) > threshold).sum())

    def inverse(self) -> npt.NDArray[np.float64]:
        """Return the inverse, (C, C), whose rows also sum to 1 but whose entries leave [0, 1].

        Raises
        ------
        ValueError
            If the matrix is singular to working precision or has a NaN row.
        """
        if not self.sigma_min() > np.finfo(np.float64).eps * self.num_classes or np.isnan(self.rows).any():
            raise ValueError(
                "The transition matrix is singular (or a class was never seen): some classes cannot be told "
                f"apart any more; smallest singular value {self.sigma_min():.3g}."
            )
        return np.asarray(np.linalg.inv(self.rows), dtype=np.float64)


def sigma_min_interval(
    tables: Sequence[npt.NDArray[np.integer]],
    rng: np.random.Generator,
    confidence: float = 0.95,
    num_resamples: int = 1000,
) -> tuple[float, float]:
    """Return a bootstrap interval of `TransitionMatrix.sigma_min`, resampling whole images.

    Parameters
    ----------
    tables : sequence of (C, C) arrays of counts
        One contingency table (rows clean, columns noisy) per image.
    rng : numpy Generator
        From `metastructure.rng.generator`.
    confidence : float in (0, 1)
        Coverage of the interval.
    num_resamples : int
        Bootstrap resamples of the images.

    Returns
    -------
    low, high : float
        The percentile interval; NaN for fewer than two images.

    Notes
    -----
    The smallest singular value is at least 0, so near a singular matrix its estimate is biased upwards by the
    sampling error; the interval has the same bias and excludes 0 there.
    """
    if len(tables) < 2:
        return float("nan"), float("nan")
    stacked = np.stack(tables)
    values = []
    for _ in range(num_resamples):
        picked = stacked[rng.integers(len(stacked), size=len(stacked))].sum(axis=0)
        values.append(TransitionMatrix.from_counts(picked).sigma_min())
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _check_rows(matrix: npt.NDArray[np.float64]) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 1:
        raise ValueError(f"A transition matrix must be square (C, C); got shape {matrix.shape}.")
    unseen = np.isnan(matrix).all(axis=1)
    seen = matrix[~unseen]
    if np.isnan(seen).any():
        raise ValueError("A row of a transition matrix must be NaN throughout (class never seen) or nowhere.")
    outside = (seen < -ROW_SUM_TOLERANCE) | (seen > 1 + ROW_SUM_TOLERANCE)
    if outside.any():
        raise ValueError(f"Entries of a transition matrix are probabilities in [0, 1]; got {seen[outside][0]:g}.")
    sums = seen.sum(axis=1)
    wrong = np.abs(sums - 1) > ROW_SUM_TOLERANCE
    if wrong.any():
        hint = ""
        if np.allclose(matrix.sum(axis=0), 1, atol=ROW_SUM_TOLERANCE):
            hint = " Its columns do: is it transposed? Rows are the clean class."
        row = int(np.flatnonzero(~unseen)[np.flatnonzero(wrong)[0]])
        raise ValueError(
            f"Row {row} of the transition matrix sums to {sums[wrong][0]:.6g}; each row must sum to 1.{hint}"
        )
