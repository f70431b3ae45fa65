"""From tables to budgets: hand-worked laws, when nothing can be told, and a slow bootstrap beside the fast one."""

import numpy as np
import pytest

from metastructure.metrics import bootstrap_interval
from metastructure.rng import generator
from metastructure.study.budget_curve import Lines, fit_power_laws, monotone
from metastructure.study.budget_estimate import Points, make_curve, resample_scores, weigh_sloppy

SHARES = np.array([1 / 64, 1 / 16, 1 / 4, 1 / 2, 1.0])
NAMES = ("a", "b", "c", "d", "clean")


def _points(scores: np.ndarray, noise: float = 0.0, num: int = 200) -> Points:
    """Points whose resamples differ by one common shift, as images do, and by noise of each point."""
    rng = np.random.default_rng(0)
    rows = scores + rng.normal(0, 0.3, (num, 1)) + rng.normal(0, noise, (num, len(scores)))
    rows[0] = scores
    return Points(NAMES[-len(scores) :], np.broadcast_to(SHARES[-len(scores) :], rows.shape), rows)


def test_the_budget_of_a_power_law_by_hand() -> None:
    """90 - 4 / sqrt(n) is 86 with all labels and 85 at sqrt(n) = 0.8; 82 at sqrt(n) = 0.5."""
    curve, _ = make_curve("images", 128, _points(90 - 4 / np.sqrt(SHARES)), loss=1.0)
    assert curve.told == "found"
    assert curve.budget.value == pytest.approx(0.64)
    assert [curve.budget.low, curve.budget.high] == pytest.approx([0.64, 0.64])  # the shift moves a, not b and c
    assert curve.law is not None
    assert [curve.law.a.value, curve.law.b.value, curve.law.c.value] == pytest.approx([90, 4, 0.5])
    assert curve.law.a.low < 89.9 < 90.1 < curve.law.a.high
    assert curve.drop.value == pytest.approx(4 * (8 - 1))
    assert curve.no_law is None
    assert make_curve("images", 128, _points(90 - 4 / np.sqrt(SHARES)), loss=4.0)[0].budget.value == pytest.approx(0.25)


def test_a_budget_on_lines_by_hand() -> None:
    """70, 80 and 84 at 1/4, 1/2 and 1: 82 lies half way between 1/2 and 1 on the log axis."""
    curve, _ = make_curve("images", 8, _points(np.array([70.0, 80.0, 84.0])), loss=2.0)
    assert curve.law is None
    assert "3 different shares" in str(curve.no_law)
    assert curve.budget.value == pytest.approx(np.sqrt(0.5))


def test_lines_never_fall() -> None:
    """72 between 80 and 84 is pooled with what lies before it: 76, 76, 84."""
    curve, _ = make_curve("images", 8, _points(np.array([80.0, 72.0, 84.0])), loss=4.0)
    assert (np.diff(curve.line.scores) >= 0).all()
    assert (curve.line.scores[0], curve.line.scores[-1]) == pytest.approx((76, 84))
    assert curve.budget.value == pytest.approx(np.sqrt(0.5))
    assert curve.points[0].score.value == 80  # points are shown as they were measured


def test_no_end_of_an_interval_lies_below_the_smallest_share() -> None:
    curve, curves = make_curve("pixels", 1000, _points(90 - 0.2 / np.sqrt(SHARES), noise=0.02), loss=1.39)
    assert curve.told == "found"
    assert curve.law is not None
    assert (curves.shares(curves.scores(np.ones(1))[:, 0] - 1.39) < SHARES[0]).mean() > 0.05
    assert curve.budget.low == SHARES[0] < curve.budget.value < curve.budget.high


def test_a_loss_beyond_the_smallest_share_is_not_extrapolated() -> None:
    curve, _ = make_curve("pixels", 1000, _points(90 - 0.2 / np.sqrt(SHARES)), loss=1.39)  # the drop is 1.4
    assert SHARES[0] < curve.budget.value < SHARES[1]
    curve, _ = make_curve("pixels", 1000, _points(90 - 0.2 / np.sqrt(SHARES)), loss=5.0)
    assert curve.told == "smallest"
    assert (curve.budget.value, curve.budget.low, curve.budget.high) == (SHARES[0],) * 3


def test_a_flat_curve_without_noise_needs_the_smallest_share_only() -> None:
    curve, _ = make_curve("images", 64, _points(np.full(5, 80.0)), loss=1.0)
    assert (curve.told, curve.budget.value) == ("smallest", SHARES[0])
    assert curve.law is None


def test_a_curve_flatter_than_its_noise_tells_nothing() -> None:
    curve, curves = make_curve("images", 64, _points(np.array([79.8, 80.2, 79.9, 80.1, 80.3]), noise=1.5), loss=1.0)
    assert curve.told == "unknown"
    assert np.isnan([curve.budget.value, curve.budget.low, curve.budget.high]).all()
    assert "not above its noise" in str(curve.budget.reason)
    sloppy = weigh_sloppy(_points(np.array([78.0])), (curve, curves))
    assert np.isnan(sloppy[0].worth.value)
    assert sloppy[0].worth.reason == curve.budget.reason


def test_fewer_labels_that_score_higher_tell_nothing() -> None:
    curve, _ = make_curve("images", 64, _points(np.array([84.0, 83.0, 82.0, 81.0, 80.0])), loss=1.0)
    assert curve.told == "unknown"
    assert "more seeds" in str(curve.budget.reason)


@pytest.mark.parametrize(("score", "worth"), [(82.0, 0.25), (85.0, 0.64), (30.0, 1 / 64), (86.5, 1.0), (95.0, 1.0)])
def test_what_sloppy_labels_are_worth_by_hand(score: float, worth: float) -> None:
    """On 90 - 4 / sqrt(n), which is 58 at 1/64 and 86 at 1."""
    careful = _points(90 - 4 / np.sqrt(SHARES))
    all_points = Points((*NAMES, "boxes"), np.pad(careful.shares_RP, ((0, 0), (0, 1)), constant_values=1.0),
                        np.pad(careful.scores_RP, ((0, 0), (0, 1)), constant_values=score))  # fmt: skip
    images = make_curve("images", 128, all_points.pick(NAMES), loss=1.0)
    (found,) = weigh_sloppy(all_points.pick(["boxes"]), images)
    assert found.worth.value == pytest.approx(worth)
    assert found.worth.low <= found.worth.value <= found.worth.high
    assert (found.worth.low < found.worth.high) is (score in (82.0, 85.0, 86.5))  # its ends are kept at 1/64 and 1


def test_what_sloppy_labels_are_worth_is_paired_with_the_curve() -> None:
    """Hard test images lower sloppy and careful scores alike, and the share stays."""
    scores = _points(np.append(90 - 4 / np.sqrt(SHARES[1:]), 82.0))
    points = Points(("b", "c", "d", "clean", "boxes"), np.tile(np.append(SHARES[1:], 1.0), (200, 1)), scores.scores_RP)
    images = make_curve("images", 128, points.pick(NAMES[1:]), loss=1.0)
    (found,) = weigh_sloppy(points.pick(["boxes"]), images)
    assert [found.worth.value, found.worth.low, found.worth.high] == pytest.approx([0.25] * 3)


def test_without_the_curve_of_images_nothing_is_worth_anything() -> None:
    (found,) = weigh_sloppy(_points(np.array([80.0])), None)
    assert "not asked for" in str(found.worth.reason)


def test_the_order_of_the_points_changes_nothing() -> None:
    points = _points(90 - 4 / np.sqrt(SHARES), noise=0.4)
    one, _ = make_curve("images", 128, points, loss=1.0)
    other, _ = make_curve("images", 128, points.pick(["d", "clean", "a", "c", "b"]), loss=1.0)
    assert one.points == other.points
    assert one.budget.model_dump() == pytest.approx(other.budget.model_dump())
    assert one.line.scores == pytest.approx(other.line.scores)


def _tables(num_seeds: int, num_images: int, num_classes: int = 2) -> np.ndarray:
    """Made tables of five kinds of labels, better with the share, each image and seed with its own difficulty."""
    rng = np.random.default_rng(3)
    hard = rng.uniform(0.5, 1.5, num_images) * rng.uniform(0.8, 1.2, (num_seeds, 1))
    wrong = 0.08 * SHARES[:, None, None] ** -0.4 * hard
    C = num_classes
    tables = np.zeros((5, num_seeds, num_images, C, C), dtype=np.int64)
    for klass in range(C):
        size = 1000 // (klass + 1)
        errors = np.minimum(size * wrong, size).astype(int)
        tables[..., klass, klass] = size - errors
        tables[..., klass, (klass + 1) % C] = errors
    return tables


def _slow_score(tables_SNCC: np.ndarray, seeds: list[int], images: list[int]) -> float:
    """Dice by counting for two classes, pooled IoU for more; in points."""
    C = tables_SNCC.shape[-1]
    if C == 2:
        dices = []
        for s in seeds:
            for n in images:
                (_, spurious), (missed, hits) = tables_SNCC[s, n].tolist()
                dices.append(2 * hits / (2 * hits + missed + spurious))
        return 100 * sum(dices) / len(dices)
    means = []
    for s in seeds:
        pooled = sum(tables_SNCC[s, n] for n in images)
        ious = [pooled[k, k] / (pooled[k].sum() + pooled[:, k].sum() - pooled[k, k]) for k in range(C)]
        means.append(100 * sum(ious) / C)
    return sum(means) / len(means)


@pytest.mark.parametrize(("num_seeds", "num_classes"), [(1, 2), (3, 2), (2, 3)])
def test_the_interval_is_that_of_a_slow_bootstrap(num_seeds: int, num_classes: int) -> None:
    tables = _tables(num_seeds, 9, num_classes)
    shares = np.repeat(SHARES[:, None], num_seeds, axis=1) * np.linspace(1, 0.9, num_seeds)
    rng = generator(5, "", "bootstrap")
    seed_draws, image_draws = rng.integers(num_seeds, size=(60, num_seeds)), rng.integers(9, size=(60, 9))
    points = resample_scores(NAMES, tables, generator(5, "", "bootstrap"), 60).with_shares(shares)
    curve, _ = make_curve("images", 128, points, loss=2.0)

    budgets = []
    rows = [(list(range(num_seeds)), list(range(9))), *zip(seed_draws.tolist(), image_draws.tolist(), strict=True)]
    for row, (seeds, images) in enumerate(rows):
        scores = [_slow_score(tables[place], seeds, images) for place in range(5)]
        mean_shares = [sum(shares[place, s] for s in seeds) / num_seeds for place in range(5)]
        assert points.scores_RP[row] == pytest.approx(scores)
        assert points.shares_RP[row] == pytest.approx(mean_shares)
        one = np.array([mean_shares]), np.array([scores])
        fitted = fit_power_laws(*one) if curve.law else Lines(np.log(one[0]), monotone(one[1]))
        budgets.append(
            _bisect(lambda share, by=fitted: float(by.scores(np.array([share]))[0, 0]), 2.0, shares[0].mean())
        )
    low, high = np.quantile(budgets[1:], [0.025, 0.975])
    assert [curve.budget.value, curve.budget.low, curve.budget.high] == pytest.approx([budgets[0], low, high], abs=1e-3)
    assert curve.budget.low < curve.budget.value < curve.budget.high


def _bisect(score_at, loss: float, smallest: float) -> float:  # type: ignore[no-untyped-def]
    enough, low, high = score_at(1.0) - loss, float(smallest), 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if score_at(middle) >= enough else (middle, high)
    return high


def test_the_interval_of_a_point_is_that_of_the_metrics() -> None:
    """Another stream of draws: the ends agree to a fifth of the width with 600 resamples."""
    tables = _tables(3, 20)
    point = resample_scores(NAMES, tables, generator(0), 600).with_shares(np.repeat(SHARES[:, None], 3, 1)).points()[1]
    other = bootstrap_interval(
        lambda s, n: _slow_score(tables[1], s.tolist(), n.tolist()), 3, 20, generator(1), num_resamples=600
    )
    assert point.labels == "b"
    assert point.score.value == pytest.approx(other.value)
    width = other.high - other.low
    assert [point.score.low, point.score.high] == pytest.approx([other.low, other.high], abs=width / 5)


def test_resamples_without_an_object_are_left_out() -> None:
    tables = _tables(1, 2)
    tables[:, :, 0] = [[100, 0], [0, 0]]  # the first image has none, and none was predicted
    scores = resample_scores(NAMES, tables, generator(0), 200)
    assert 1 < len(scores.scores_RP) < 201
    assert np.isfinite(scores.scores_RP).all()
    assert len(scores.seeds_RS) == len(scores.scores_RP)
