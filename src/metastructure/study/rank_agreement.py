"""How well the predictors of a table rank its conditions as an outcome does, with intervals.

`n` conditions, `B` resamples. Every coefficient is a sum over pairs of conditions of ``sign(x_i - x_j)``, in which a
condition may count several times or not at all: that is what a bootstrap resample is.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from metastructure.structure import Estimate
from metastructure.study.predictors import PREDICTORS

FloatArray = npt.NDArray[np.float64]
Known = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]
Statistic = Callable[[FloatArray, Times], float]
"""From an outcome and how often each condition counts to one number."""

MIN_CONDITIONS = 4
"""Three conditions are in perfect order by chance in one case of six."""

CONFIDENCE = 0.95
NUM_RESAMPLES = 2000
NO_DRAWS = "no resampled outcomes were given"


class RankAgreement(BaseModel):
    """How one predictor ranks the conditions.

    Attributes
    ----------
    predictor : str
    num_conditions, num_missing : int
        Conditions for which predictor and outcome are known, and the others, which are left out.
    rho : Estimate
        Spearman's, with ties at their mid-ranks.
    rho_on_other_tests : Estimate
        The same value with an interval that also speaks of other test images and seeds; NaN without `draws`.
    tau : Estimate
        Kendall's tau-b.
    in_order : Estimate
        Share of the decided pairs that the predictor orders as the test does; a pair that it ties counts one half.
        NaN without `draws`.
    num_decided : int
        Pairs of conditions whose order the test data decide.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    predictor: str
    num_conditions: int
    num_missing: int
    rho: Estimate
    rho_on_other_tests: Estimate
    tau: Estimate
    in_order: Estimate
    num_decided: int


class RhoDifference(BaseModel):
    """Spearman's rho of the first predictor minus that of the second, over the conditions that both know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    first: str
    second: str
    num_conditions: int
    difference: Estimate


class PredictorComparison(BaseModel):
    """All predictors against one outcome, in the order asked for, and all pairs of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    outcome: str
    agreements: tuple[RankAgreement, ...]
    differences: tuple[RhoDifference, ...]


def compare_predictors(
    table: pd.DataFrame,
    rng: np.random.Generator,
    outcome: str = "score",
    predictors: Sequence[str] = tuple(PREDICTORS),
    draws: FloatArray | None = None,
    margin: float = 0.0,
    num_resamples: int = NUM_RESAMPLES,
) -> PredictorComparison:
    """Return how well each predictor ranks the conditions as the outcome does, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        One row a condition, from `measure_predictors`; of one data set, network and recipe, since the scores of two
        differ for reasons that no label shows.
    rng : numpy Generator
    outcome : str
        A column of the table.
    predictors : sequence of str
        Columns of the table.
    draws : (B, n) array, optional
        The outcome on resampled test data, from `resample_scores`; columns as the rows of the table.
    margin : float
        As for `decided_pairs`.
    num_resamples : int
        Of the conditions.

    Raises
    ------
    ValueError
        If the table lacks a column, or `draws` has not one column for each row.

    Notes
    -----
    Conditions are resampled, not images. The question is how a predictor ranks conditions; their number limits the
    answer, while all images and pixels of a condition speak of the same rank. One set of resamples serves all
    predictors, so differences are paired. The intervals speak of conditions like these as if they were drawn at
    random; they were chosen. They are percentile intervals, and resamples without a coefficient are left out.

    NaN with a reason for fewer than 4 conditions and for a column that is the same for all.

    References
    ----------
    Daniels, "The relation between measures of correlation in the universe of sample permutations", Biometrika 1944,
    for coefficients as sums over pairs; Kendall, "The treatment of ties in ranking problems", Biometrika 1945; Efron,
    Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> table = pd.DataFrame({"score": [91, 90, 70, 50], "similarity": [1, 0.9, 0.95, 0.1]})
    >>> agreement = compare_predictors(table, generator(0), predictors=["similarity"]).agreements[0]
    >>> round(agreement.rho.value, 3), round(agreement.tau.value, 3), agreement.in_order.reason
    (0.8, 0.667, 'no resampled outcomes were given')
    """
    missing = [name for name in (outcome, *predictors) if name not in table]
    if missing:
        raise ValueError(f"the table has no column {missing[0]!r}; it has {', '.join(map(str, table.columns))}.")
    n = len(table)
    if draws is not None and draws.shape[1:] != (n,):
        raise ValueError(f"draws must have one column for each of the {n} rows; got shape {draws.shape}.")
    y = table[outcome].to_numpy(float)
    times = rng.multinomial(n, np.full(n, 1 / n), size=num_resamples) if n else np.zeros((0, 0), dtype=np.int64)
    still = _Resamples(y, times, np.broadcast_to(y, times.shape))
    moving = None if draws is None else _Resamples(y, times, draws[rng.integers(len(draws), size=num_resamples)])
    order = None if draws is None else decided_pairs(y, draws, margin)
    columns = {name: table[name].to_numpy(float) for name in predictors}
    return PredictorComparison(
        outcome=outcome,
        agreements=tuple(_agree(name, x, still, moving, order) for name, x in columns.items()),
        differences=tuple(_differ(pair, columns, still) for pair in itertools.combinations(columns, 2)),
    )


def spearman(x: FloatArray, y: FloatArray, times: Times | None = None) -> float:
    """Return Spearman's rank correlation of n values, each counted `times` (once); NaN if one of the two is constant.

    Examples
    --------
    >>> spearman(np.array([1.0, 2, 2, 3]), np.array([10.0, 30, 20, 40])).__round__(4)
    0.9487
    """
    counts = np.ones(len(x)) if times is None else times
    rank_x, rank_y = _signs(x) @ counts, _signs(y) @ counts  # twice the mid-rank, less its mean
    return _ratio(counts @ (rank_x * rank_y), (counts @ rank_x**2) * (counts @ rank_y**2))


def kendall(x: FloatArray, y: FloatArray, times: Times | None = None) -> float:
    """Return Kendall's tau-b; as `spearman` otherwise.

    Examples
    --------
    >>> kendall(np.array([1.0, 2, 2, 3]), np.array([10.0, 30, 20, 40])).__round__(4)
    0.9129
    """
    counts = np.ones(len(x)) if times is None else times
    a, b = _signs(x), _signs(y)
    return _ratio(counts @ (a * b) @ counts, (counts @ a**2 @ counts) * (counts @ b**2 @ counts))


def decided_pairs(outcome: FloatArray, draws: FloatArray, margin: float = 0.0, confidence: float = 0.95) -> FloatArray:
    """Return the sign of each difference between two conditions that the test data decide, (n, n); else 0.

    Parameters
    ----------
    outcome : (n,) array
    draws : (B, n) array
        The same on resampled test data.
    margin : float
        A pair is decided if the interval of its difference over the draws leaves out 0 and the difference is larger
        than this, in units of the outcome. Draws from a single seed know nothing of other seeds: a margin of what
        seeds make of a score stands in for that.
    confidence : float in (0, 1)

    Examples
    --------
    >>> draws = np.array([[90.0, 91.0, 70.0], [92.0, 91.5, 72.0]])
    >>> decided_pairs(draws.mean(axis=0), draws).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [-1.0, -1.0, 0.0]]
    """
    n, tail = len(outcome), (1 - confidence) / 2
    signs = _signs(outcome)
    for i, j in itertools.combinations(range(n), 2):
        low, high = np.quantile(draws[:, i] - draws[:, j], [tail, 1 - tail])
        if not (low > 0 or high < 0) or not abs(outcome[i] - outcome[j]) > margin:
            signs[i, j] = signs[j, i] = 0
    return signs


def rank_gaps(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return by how many places each x ranks above its y, ties at their mid-ranks; NaN where either is.

    Examples
    --------
    >>> rank_gaps(np.array([0.9, 0.5, 0.1]), np.array([50.0, 70, 90])).tolist()
    [2.0, 0.0, -2.0]
    """
    known = ~(np.isnan(x) | np.isnan(y))
    gaps = np.full(len(x), np.nan)
    gaps[known] = (_signs(x[known]) - _signs(y[known])).sum(axis=1) / 2
    return gaps


@dataclass(frozen=True, eq=False)
class _Resamples:
    """The outcome as measured, (n,), and for each resample how often a condition counts and its outcome, (B, n)."""

    outcome: FloatArray
    times: Times
    outcomes: FloatArray

    def estimate(self, statistic: Statistic, known: Known) -> Estimate:
        everyone = np.ones(known.sum(), dtype=np.int64)
        value = statistic(self.outcome[known], everyone) if known.sum() >= MIN_CONDITIONS else np.nan
        if np.isnan(value):
            return _undefined(_why_undefined(known))
        values = [statistic(y[known], times[known]) for y, times in zip(self.outcomes, self.times, strict=True)]
        defined = np.asarray(values)[~np.isnan(values)]
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(defined, [tail, 1 - tail]) if defined.size else (np.nan, np.nan)
        return Estimate(value=value, low=float(low), high=float(high))


def _agree(
    name: str, x: FloatArray, still: _Resamples, moving: _Resamples | None, order: FloatArray | None
) -> RankAgreement:
    known = ~(np.isnan(x) | np.isnan(still.outcome))
    mine = x[known]
    decided = np.zeros((known.sum(), known.sum())) if order is None else order[np.ix_(known, known)]

    def rho(y: FloatArray, times: Times) -> float:
        return spearman(mine, y, times)

    return RankAgreement(
        predictor=name,
        num_conditions=int(known.sum()),
        num_missing=int((~known).sum()),
        rho=still.estimate(rho, known),
        rho_on_other_tests=moving.estimate(rho, known) if moving else _undefined(NO_DRAWS),
        tau=still.estimate(lambda y, times: kendall(mine, y, times), known),
        in_order=_undefined(NO_DRAWS)
        if order is None
        else still.estimate(lambda _, times: _share_in_order(mine, decided, times), known),
        num_decided=int(np.abs(decided).sum() / 2),
    )


def _differ(pair: tuple[str, str], columns: dict[str, FloatArray], still: _Resamples) -> RhoDifference:
    x, other = (columns[name] for name in pair)
    known = ~(np.isnan(x) | np.isnan(other) | np.isnan(still.outcome))
    return RhoDifference(
        first=pair[0],
        second=pair[1],
        num_conditions=int(known.sum()),
        difference=still.estimate(
            lambda y, times: spearman(x[known], y, times) - spearman(other[known], y, times), known
        ),
    )


def _signs(x: FloatArray) -> FloatArray:
    return np.asarray(np.sign(x[:, None] - x[None, :]))


def _share_in_order(x: FloatArray, order: FloatArray, times: Times) -> float:
    total = times @ np.abs(order) @ times
    return float((times @ (_signs(x) * order) @ times / total + 1) / 2) if total else np.nan


def _ratio(above: FloatArray | float, below_squared: FloatArray | float) -> float:
    return float(above / np.sqrt(below_squared)) if below_squared else np.nan


def _undefined(reason: str) -> Estimate:
    return Estimate(value=np.nan, low=np.nan, high=np.nan, reason=reason)


def _why_undefined(known: Known) -> str:
    if known.sum() < MIN_CONDITIONS:
        return f"{known.sum()} conditions are known; a rank correlation needs {MIN_CONDITIONS}"
    return "all conditions are equal in one of the two, or no pair is decided"
