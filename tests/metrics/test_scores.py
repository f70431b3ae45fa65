"""Scores of many images: by hand, and with intervals like those of the general bootstrap."""

import numpy as np
import pytest

from metastructure.metrics import accuracy, bootstrap_interval, dice, iou, nanmean
from metastructure.metrics.scores import make_scores
from metastructure.rng import generator

TABLES = np.random.default_rng(3).integers(0, 30, (12, 3, 3))
TABLES[:5, 2] = TABLES[:5, :, 2] = 0  # images without class 2


def test_values_by_hand() -> None:
    scores = make_scores(["a", "b"], np.array([[[5, 1], [2, 2]], [[4, 2], [0, 6]]]))
    assert scores.classes[1].share == pytest.approx(10 / 22)
    assert scores.classes[1].dice.value == pytest.approx(2 * 8 / (10 + 11))
    assert scores.classes[1].iou.value == pytest.approx(8 / (10 + 11 - 8))
    assert scores.classes[1].image_dice.value == pytest.approx((4 / 7 + 12 / 14) / 2)
    assert scores.image_dice == scores.classes[1].image_dice
    assert scores.accuracy.value == pytest.approx(17 / 22)


def test_intervals_are_those_of_the_general_bootstrap() -> None:
    scores = make_scores(list("abcdefghijkl"), TABLES, seed=7)
    slow = {
        scores.dice: lambda t: float(nanmean(dice(t.sum(0))[1:])),
        scores.iou: lambda t: float(nanmean(iou(t.sum(0)))),
        scores.image_dice: lambda t: float(nanmean(nanmean(dice(t)[:, 1:], axis=1))),
        scores.accuracy: lambda t: float(accuracy(t.sum(0))),
        scores.classes[2].image_dice: lambda t: float(nanmean(dice(t)[:, 2])),
        scores.classes[2].iou: lambda t: float(iou(t.sum(0))[2]),
    }
    for found, statistic in slow.items():
        expected = bootstrap_interval(
            lambda _, n, of=statistic: of(TABLES[n]), 1, len(TABLES), generator(7, "", "bootstrap")
        )
        assert tuple(found) == pytest.approx(tuple(expected), rel=1e-12)


def test_classes_may_be_left_without_a_score_and_one_image_has_no_interval() -> None:
    scores = make_scores(["a"], TABLES[6:7], without=[1])
    assert np.isnan(scores.classes[1].dice.value)
    values = iou(TABLES[6])
    assert scores.iou.value == pytest.approx((values[0] + values[2]) / 2)
    assert np.isnan(scores.iou.low)
    absent = make_scores(["a", "b"], TABLES[:2])
    assert np.isnan(absent.classes[2].dice.value)
    assert np.isnan(absent.classes[2].dice.low)


def test_ids_and_tables_must_go_together() -> None:
    with pytest.raises(ValueError, match=r"one .C, C. table an image"):
        make_scores(["a"], TABLES)
    with pytest.raises(ValueError, match="at least one"):
        make_scores([], TABLES[:0])
