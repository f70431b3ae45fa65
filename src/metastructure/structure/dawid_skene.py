"""Several annotators of one hidden class: each one's transition matrix and the class shares, from their answers alone.

`A` annotators, `C` classes, `P` patterns of answers, `G` sets of annotators who answered. Given the hidden class the
annotators answer independently: P(x) = Σ_j π_gj Π_a Q_a[j, x_a], over those who answered.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from metastructure.structure.windows import FloatArray

NO_ANSWER = -1

MAX_STEPS = 1000
TRIAL_STEPS = 20
"""After which the likeliest start alone goes on."""

DENSE_ENTRIES = 1_000_000
"""Up to which the table of answers is kept dense, which is faster."""

TOLERANCE = 1e-7
"""Largest change of an entry of Q or π in the last step."""

LEAST_PROBABILITY = 1e-12
"""What an answer never seen counts as in the E step, so that no pattern is impossible."""

LEAST_PIXELS = 1.0
"""A class with fewer expected pixels has no row."""

MOST_SHRUNK = 10.0
"""A leap makes no probability smaller than the plain steps did by more than this factor: 0 would be for good."""

SHARE_STEPS = 50
LEAST_GAIN = 10.0
"""Of log likelihood: what a class must be worth to be in a part of the pixels."""

BETTER = 1e-6
"""By how much the log likelihood of another start must be higher to be taken."""

Answers = npt.NDArray[np.integer]


class AnnotatorModel(NamedTuple):
    """Shares (G, C), by who answered; rows (A, C, C) of Q_a[hidden, answered]; shares of all together (C,).

    A hidden class that was not found has NaN rows and the share 0.
    """

    group_shares: FloatArray
    rows: FloatArray
    shares: FloatArray


class AnswerTable:
    """Patterns of answers, made ready to be fitted to more than one set of counts.

    Parameters
    ----------
    patterns : (P, A) array of integers
        The class that each annotator gave, `NO_ANSWER` where he gave none.
    num_classes : int
        C.
    """

    def __init__(self, patterns: Answers, num_classes: int) -> None:
        self.patterns = np.asarray(patterns, dtype=np.intp)
        self.num_classes = num_classes
        P, A = self.patterns.shape
        known = self.patterns != NO_ANSWER
        self.num_answers = known.sum(axis=1)
        pattern, annotator = np.nonzero(known)
        column = annotator * num_classes + self.patterns[known]
        self._given = _indicator(pattern, column, (P, A * num_classes))
        self._group = np.unique(known, axis=0, return_inverse=True)[1].reshape(-1)
        self._of_group = _indicator(self._group, np.arange(P), (int(self._group.max(initial=0)) + 1, P))

    def fit(
        self, counts: npt.ArrayLike, like: AnnotatorModel | None = None, max_steps: int = MAX_STEPS
    ) -> AnnotatorModel:
        """Return the annotators' matrices and the class shares of greatest likelihood.

        Parameters
        ----------
        counts : (P,) array
            Pixels with each pattern. Pixels with one answer say nothing of the annotators and are left out.
        like : AnnotatorModel, optional
            Where to start; a class without any share there stays without. Without `like` from the votes, and from the
            votes with each annotator's counted more, of which the likeliest end is kept.
        max_steps : int

        Returns
        -------
        AnnotatorModel
            A hidden class bears the name that annotators give it most often. All NaN if nobody answered beside another.

        Notes
        -----
        Expectation maximisation. E: r_pj ∝ π_gj Π_a Q_a[j, x_pa]. M: π_g and Q_a are the shares of the expected counts
        n_p r_pj. Steps are made longer where they keep their direction. Every set g of annotators who answered has
        class shares of its own, so that an annotator who was given other images than the rest is not blamed for what
        they hold. Identified where three annotators answered together, each of them better than chance; every other
        one is then tied to them through the images they share.

        References
        ----------
        Dawid, Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Journal of the
        Royal Statistical Society C 1979. For two classes and a voxel-wise prior this is STAPLE: Warfield, Zou, Wells,
        "Simultaneous truth and performance level estimation (STAPLE)", IEEE Transactions on Medical Imaging 2004.
        Varadhan, Roland, "Simple and globally convergent methods for accelerating the convergence of any EM algorithm",
        Scandinavian Journal of Statistics 2008.

        Examples
        --------
        Of three annotators only the second ever misses class 1, the third alone sees it where there is none.

        >>> table = AnswerTable(np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]]), 2)
        >>> model = table.fit(np.array([60, 20, 5, 15]))
        >>> model.shares.round(3).tolist(), model.rows[1].round(3).tolist(), model.rows[2].round(3).tolist()
        ([0.8, 0.2], [[1.0, 0.0], [0.25, 0.75]], [[0.75, 0.25], [0.0, 1.0]])
        """
        weights = np.where(self.num_answers > 1, np.asarray(counts, dtype=np.float64), 0.0)
        A, C = self.patterns.shape[1], self.num_classes
        if not weights.any():
            return AnnotatorModel(np.full((1, C), np.nan), np.full((A, C, C), np.nan), np.full(C, np.nan))
        if like is not None:
            return _name_classes(self._climb(like, weights, max_steps)[0])
        best, highest = self._climb(self._maximise(self._votes(), weights), weights, TRIAL_STEPS)
        for annotator in range(A):
            start = self._maximise(self._votes(annotator), weights)
            model, likelihood = self._climb(start, weights, TRIAL_STEPS)
            if likelihood > highest + BETTER:
                best, highest = model, likelihood
        return _name_classes(self._climb(best, weights, max_steps)[0])

    def start_from(self, counts: npt.ArrayLike, model: AnnotatorModel) -> AnnotatorModel:
        """Return where to start with the counts of some of the pixels: other shares, and no class that is not there.

        Parameters
        ----------
        counts : (P,) array
        model : AnnotatorModel
            Of all pixels; its matrices are kept.

        Notes
        -----
        A class is left out if without it the likelihood falls by a factor of less than exp(`LEAST_GAIN`). Left in, it
        would be free to explain away what annotators err alike by chance.
        """
        weights = np.where(self.num_answers > 1, np.asarray(counts, dtype=np.float64), 0.0)
        best, highest = self._share_out(model, weights)
        for klass in np.argsort(best.shares, kind="stable")[:-1]:
            group_shares = best.group_shares.copy()
            group_shares[:, klass] = 0.0
            found, likelihood = self._share_out(best._replace(group_shares=normalise(group_shares)), weights)
            if likelihood > highest - LEAST_GAIN:
                best, highest = found, likelihood
        return best

    def _share_out(self, model: AnnotatorModel, weights: FloatArray) -> tuple[AnnotatorModel, float]:
        """Return the model with the likeliest shares for its matrices, and the log likelihood."""
        for _ in range(SHARE_STEPS):
            share_of, likelihoods = self._responsibilities(model)
            after = self._maximise(share_of, weights)
            model = model._replace(group_shares=after.group_shares, shares=after.shares)
        return model, float(weights @ likelihoods)

    def posterior(self, model: AnnotatorModel) -> FloatArray:
        """Return the probability of each class given the answers, (P, C), with the shares of all together.

        Uniform where nobody answered.
        """
        joint = self._log_answers(model.rows) + np.log(np.maximum(model.shares, LEAST_PROBABILITY))
        joint[self.num_answers == 0] = 0.0
        joint = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))

    def _climb(self, model: AnnotatorModel, weights: FloatArray, max_steps: int) -> tuple[AnnotatorModel, float]:
        """Return where EM ends, and the log likelihood just before: two plain steps, then one from a leap ahead.

        A leap may cost likelihood; if it may not, it is refused along ridges, where it is needed most. Plain steps
        alone decide where to stop.
        """
        for _ in range(max(1, max_steps // 3)):
            first, _ = self._step(model, weights)
            second, likelihood = self._step(first, weights)
            if _largest_change(first, second) <= TOLERANCE:
                break
            model, _ = self._step(_leap(model, first, second), weights)
        return second, likelihood

    def _step(self, model: AnnotatorModel, weights: FloatArray) -> tuple[AnnotatorModel, float]:
        """Return the model after one step of EM, and the log likelihood before."""
        share_of, likelihoods = self._responsibilities(model)
        return self._maximise(share_of, weights), float(weights @ likelihoods)

    def _votes(self, favoured: int | None = None) -> FloatArray:
        C = self.num_classes
        votes = np.asarray((self._given @ np.tile(np.eye(C), (self.patterns.shape[1], 1))), dtype=np.float64)
        votes /= np.maximum(votes.sum(axis=1, keepdims=True), 1)
        if favoured is not None:
            answered = np.flatnonzero(self.patterns[:, favoured] != NO_ANSWER)
            votes[answered] /= 2
            votes[answered, self.patterns[answered, favoured]] += 0.5
        return votes

    def _maximise(self, share_of: FloatArray, weights: FloatArray) -> AnnotatorModel:
        A, C = self.patterns.shape[1], self.num_classes
        expected = share_of * weights[:, None]
        tables = np.asarray(self._given.T @ expected).reshape(A, C, C).transpose(0, 2, 1)
        by_group = np.asarray(self._of_group @ expected)
        return AnnotatorModel(
            normalise(by_group), normalise(tables, LEAST_PIXELS), np.asarray(normalise(expected.sum(axis=0)))
        )

    def _responsibilities(self, model: AnnotatorModel) -> tuple[FloatArray, FloatArray]:
        """Return r (P, C) and the log likelihood of each pattern (P,)."""
        shares = np.nan_to_num(model.group_shares)
        shares[~shares.any(axis=1)] = 1.0  # nobody of this group was counted
        with np.errstate(divide="ignore"):
            joint = self._log_answers(model.rows) + np.log(shares)[self._group]
        highest = joint.max(axis=1, keepdims=True)
        joint = np.exp(joint - highest)
        total = joint.sum(axis=1, keepdims=True)
        return joint / total, (highest + np.log(total))[:, 0]

    def _log_answers(self, rows: FloatArray) -> FloatArray:
        """Return Σ_a log Q_a[j, x_pa], (P, C)."""
        logs = np.log(np.maximum(np.nan_to_num(rows), LEAST_PROBABILITY))
        return np.asarray(self._given @ logs.transpose(0, 2, 1).reshape(-1, self.num_classes))


def _indicator(
    row: npt.NDArray[np.intp], column: npt.NDArray[np.intp], shape: tuple[int, int]
) -> FloatArray | sparse.csr_array:
    """Return a matrix with ones at these places."""
    ones = sparse.csr_array((np.ones(len(row)), (row, column)), shape=shape)
    return np.asarray(ones.toarray()) if shape[0] * shape[1] <= DENSE_ENTRIES else ones


def _leap(start: AnnotatorModel, first: AnnotatorModel, second: AnnotatorModel) -> AnnotatorModel:
    """Return where two steps of EM seem to lead to (scheme S3 of Varadhan and Roland 2008)."""
    steps = [one - zero for zero, one in zip(start, first, strict=True)]
    bends = [two - one - step for one, two, step in zip(first, second, steps, strict=True)]
    length, bend = (np.sqrt(sum(float(np.nansum(part**2)) for part in parts)) for parts in (steps, bends))
    if not bend:
        return second
    far = max(1.0, length / bend)
    leapt = [zero + 2 * far * r + far**2 * v for zero, r, v in zip(start, steps, bends, strict=True)]
    return AnnotatorModel(
        *(normalise(np.maximum(part, end / MOST_SHRUNK)) for part, end in zip(leapt, second, strict=True))
    )


def _largest_change(before: AnnotatorModel, after: AnnotatorModel) -> float:
    return max(
        float(np.abs(np.nan_to_num(new) - np.nan_to_num(old)).max()) for new, old in zip(after, before, strict=True)
    )


def normalise(masses: FloatArray, least: float = 0.0) -> FloatArray:
    """Return masses divided by their sum over the last axis; NaN where that is no more than `least`."""
    total = masses.sum(axis=-1, keepdims=True)
    shares: FloatArray = np.divide(masses, total, out=np.full_like(masses, np.nan), where=total > least)
    return shares


def _name_classes(model: AnnotatorModel) -> AnnotatorModel:
    """Return the model with each hidden class named as annotators name it most often."""
    agreement = model.shares[:, None] * np.nan_to_num(model.rows).sum(axis=0)
    hidden, name = linear_sum_assignment(-agreement)
    order = hidden[np.argsort(name)]
    return AnnotatorModel(model.group_shares[:, order], model.rows[:, order], model.shares[order])
