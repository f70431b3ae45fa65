"""Power laws and lines through scores: hand-worked laws, limits, invariances, and slow fits beside them."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from metastructure.study.budget_curve import (
    EXPONENTS,
    HIGHEST_SCORE,
    OUTLIER_POINTS,
    Curves,
    Lines,
    PowerLaws,
    fit_curves,
    fit_power_laws,
    monotone,
)

SHARES = np.array([1 / 64, 1 / 16, 1 / 4, 1 / 2, 1.0])


def _law(a: float, b: float, c: float, shares: np.ndarray = SHARES) -> np.ndarray:
    return a - b * shares**-c


@pytest.mark.parametrize(("a", "b", "c"), [(90.0, 4.0, 0.5), (80.0, 2.0, 0.25), (95.0, 0.5, 1.0), (99.0, 9.0, 0.125)])
def test_points_on_a_power_law_give_it_back(a: float, b: float, c: float) -> None:
    curves, reason = fit_curves(SHARES[None], _law(a, b, c)[None])
    assert reason is None
    assert isinstance(curves, PowerLaws)
    assert [curves.a[0], curves.b[0], curves.c[0]] == pytest.approx([a, b, c], abs=1e-6)


def test_a_law_between_two_powers_of_the_grid_is_met_to_a_tenth_of_a_point() -> None:
    scores = _law(92, 3, 0.5 * 2 ** (1 / 32))
    curves, _ = fit_curves(SHARES[None], scores[None])
    assert curves.scores(SHARES)[0] == pytest.approx(scores, abs=0.1)  # half a step of 4 % in the power


def test_shares_that_reach_a_score_by_hand() -> None:
    """90 - 4 / sqrt(n): 86 with all, 85 where sqrt(n) = 0.8, 90 never."""
    law = PowerLaws(*(np.repeat(value, 3) for value in (90.0, 4.0, 0.5)))
    assert law.shares(np.array([86.0, 85.0, 90.0])).tolist() == pytest.approx([1.0, 0.64, np.inf])
    lines = Lines(np.log([[0.01, 0.1, 1.0]] * 4), np.array([[50.0, 70.0, 80.0]] * 4))
    reached = lines.shares(np.array([60.0, 49.0, 80.0, 81.0]))
    assert reached.tolist() == pytest.approx([np.sqrt(0.01 * 0.1), 0.01, 1.0, np.inf])


def test_the_smallest_share_on_a_plateau_is_taken() -> None:
    lines = Lines(np.log([[0.01, 0.1, 0.5, 1.0]]), np.array([[50.0, 70.0, 70.0, 80.0]]))
    assert lines.shares(np.array([70.0])).tolist() == pytest.approx([0.1])


FAMILY = [
    PowerLaws(np.array([90.0, 70.0]), np.array([4.0, 0.5]), np.array([0.5, 1.0])),
    Lines(np.log([[0.02, 0.2, 1.0], [0.03, 0.3, 1.0]]), np.array([[50.0, 70.0, 80.0], [20.0, 60.0, 61.0]])),
]


@pytest.mark.parametrize("curves", FAMILY, ids=lambda curves: type(curves).__name__)
def test_every_curve_rises_and_turns_round(curves: Curves) -> None:
    assert {type(one) for one in FAMILY} == set(Curves.__subclasses__())
    shares = np.geomspace(0.05, 1, 9)
    scores = curves.scores(shares)
    assert scores.shape == (2, 9)
    assert (np.diff(scores) > 0).all()
    for place, share in enumerate(shares):
        assert curves.shares(scores[:, place]) == pytest.approx([share, share])


def test_the_order_of_the_points_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    order = np.array([3, 0, 4, 2, 1])
    for noise in (0.2, 8.0):  # a law, and lines
        scores = _law(90, 4, 0.5) + rng.normal(0, noise, (40, 5))
        shares = np.broadcast_to(SHARES, scores.shape)
        one, why = fit_curves(shares, scores)
        other, why_other = fit_curves(shares[:, order], scores[:, order])
        assert why == why_other
        assert one.scores(SHARES) == pytest.approx(other.scores(SHARES), abs=1e-6)
        assert one.shares(np.full(40, 70.0)) == pytest.approx(other.shares(np.full(40, 70.0)), rel=1e-6)


def test_one_wild_point_does_not_bend_the_curve() -> None:
    shares = np.geomspace(1 / 128, 1, 8)
    scores = _law(90, 4, 0.5, shares)
    wild = scores.copy()
    wild[4] -= 15
    law = fit_power_laws(shares[None], wild[None])
    others = np.delete(np.arange(8), 4)
    assert np.abs(law.scores(shares)[0] - scores)[others].max() < 1.2  # least squares is off by more than 3
    assert np.abs(_least_squares(shares, wild, "linear") - scores)[others].max() > 2


def test_never_above_a_hundred_and_never_falling() -> None:
    straight = fit_power_laws(SHARES[None], (96 + 3 * np.log(SHARES) / np.log(64))[None])
    assert straight.a[0] <= HIGHEST_SCORE
    steep = fit_power_laws(SHARES[None], np.array([[20.0, 50.0, 80.0, 90.0, 99.9]]))
    assert steep.a[0] == HIGHEST_SCORE
    assert fit_power_laws(SHARES[None], np.array([[70.0, 68.0, 66.0, 64.0, 60.0]])).b[0] == 0


def test_the_fit_is_as_good_as_a_slow_one() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        scores = _law(90, 4, 0.5) + rng.normal(0, 0.7, 5)
        law = fit_power_laws(SHARES[None], scores[None])
        assert _huber(law.scores(SHARES)[0] - scores) <= _huber(_least_squares(SHARES, scores, "huber") - scores) + 0.01


def _least_squares(shares: np.ndarray, scores: np.ndarray, loss: str) -> np.ndarray:
    """Return the fitted scores by another optimiser, from several starts."""
    fits = [
        least_squares(
            lambda p: p[0] - p[1] * shares ** -p[2] - scores,
            (85, 1, start),
            bounds=([-100, 0, EXPONENTS[0]], [HIGHEST_SCORE, 500, EXPONENTS[-1]]),
            loss=loss,
            f_scale=OUTLIER_POINTS,
        )
        for start in (0.1, 0.5, 1.0)
    ]
    best = min(fits, key=lambda fit: fit.cost)
    return np.asarray(best.x[0] - best.x[1] * shares ** -best.x[2])


def _huber(away: np.ndarray) -> float:
    far = np.abs(away)
    return float(np.where(far <= OUTLIER_POINTS, far**2 / 2, OUTLIER_POINTS * (far - OUTLIER_POINTS / 2)).sum())


@pytest.mark.parametrize(
    ("shares", "scores", "words"),
    [
        (SHARES, np.full(5, 80.0), "does not rise"),
        (SHARES, 80 - 2 * np.arange(5.0), "does not rise"),
        (SHARES[-3:], _law(90, 4, 0.5, SHARES[-3:]), "3 different shares"),
        (SHARES[[0, 1, 1, 4]], _law(90, 4, 0.5)[[0, 1, 1, 4]], "3 different shares"),
        (SHARES, 90 + 5 * np.log(SHARES), "do not determine"),
        (SHARES, 60 + 0.5 * np.log(SHARES), "do not determine"),
        (SHARES, np.array([60.0, 80.0, 80.0, 80.0, 80.0]), "do not determine"),
        (SHARES, np.array([70.0, 79.0, 79.1, 79.1, 79.1]), "do not determine"),
    ],
)
def test_points_that_decide_no_power_are_joined(shares: np.ndarray, scores: np.ndarray, words: str) -> None:
    curves, reason = fit_curves(shares[None], scores[None])
    assert isinstance(curves, Lines)
    assert reason is not None
    assert words in reason


def test_one_point_that_decides_the_power_alone_is_told() -> None:
    """Without the first point the others lie on a straight line over the logarithm, which has no power."""
    scores = 90 + 5 * np.log(SHARES)
    scores[0] -= 6
    curves, reason = fit_curves(SHARES[None], scores[None])
    assert EXPONENTS[0] < fit_power_laws(SHARES[None], scores[None]).c[0] < EXPONENTS[-1]
    assert isinstance(curves, Lines)
    assert "one point alone" in str(reason)


def test_resamples_that_disagree_on_the_power_are_told() -> None:
    scores = _law(90, 4, 0.5) + np.random.default_rng(0).normal(0, 6, (200, 5))
    scores[0] = _law(90, 4, 0.5)
    _, reason = fit_curves(np.broadcast_to(SHARES, scores.shape), scores)
    assert "do not determine" in str(reason)


def test_an_estimate_at_the_bound_is_told_though_its_resamples_are_not() -> None:
    scores = np.vstack([60 + 0.5 * np.log(SHARES), np.tile(_law(90, 4, 0.5), (99, 1))])
    _, reason = fit_curves(np.broadcast_to(SHARES, scores.shape), scores)
    assert "do not determine" in str(reason)


def test_monotone_is_that_of_pooling_neighbours() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(0, 1, (30, 7)).round(1)
    assert monotone(scores) == pytest.approx(np.stack([_pool(row) for row in scores]))


def _pool(row: np.ndarray) -> np.ndarray:
    blocks: list[list[float]] = []
    for value in row:
        blocks.append([float(value)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
