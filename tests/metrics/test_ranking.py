"""The score histogram against slow references: AUC by all pairs, threshold by trying every one."""

import numpy as np
import pytest

from metastructure.contingency import contingency_table
from metastructure.metrics import ScoreHistogram, foreground_dice, nanmean


def _pairs_auc(probability: np.ndarray, label: np.ndarray) -> float:
    positive, negative = probability[label == 1], probability[label == 0]
    wins = (positive[:, None] > negative[None]).sum() + 0.5 * (positive[:, None] == negative[None]).sum()
    return float(wins / (positive.size * negative.size))


def _draw(seed: int, shape: tuple[int, int] = (20, 15)) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    label = (draw.random(shape) < 0.3).astype(np.uint8)
    return 1 / (1 + np.exp(-draw.normal(label * 1.5 - 2, 1.0))), label


def test_auc_hand_worked_with_ties() -> None:
    # positives .2 .6, negatives .2 .4: pairs (.2,.2) 1/2, (.2,.4) 0, (.6,.2) 1, (.6,.4) 1 -> 2.5 / 4
    p, y = np.array([[0.2, 0.6, 0.2, 0.4]]), np.array([[1, 1, 0, 0]])
    assert ScoreHistogram.from_image(p, y).auc() == 0.625


def test_auc_equals_all_pairs() -> None:
    p, y = _draw(0)
    # two scores of one of 65536 bins count as a tie: an error below 1e-3 for 300 pixels
    assert ScoreHistogram.from_image(p, y).auc() == pytest.approx(_pairs_auc(p, y), abs=1e-3)


def test_auc_limits() -> None:
    y = np.array([[0, 0, 1]])
    assert ScoreHistogram.from_image(np.array([[0.0, 0.1, 1.0]]), y).auc() == 1
    assert ScoreHistogram.from_image(np.array([[0.9, 1.0, 0.0]]), y).auc() == 0
    assert ScoreHistogram.from_image(np.full((1, 3), 0.3), y).auc() == 0.5
    assert np.isnan(ScoreHistogram.from_image(np.full((1, 3), 0.3), np.zeros((1, 3), int)).auc())


def test_small_probabilities_keep_their_order() -> None:
    # 10 % sampling of a rare class pushes all probabilities far below 0.01; they must not fall into one bin
    p, y = np.array([[1e-6, 2e-6, 4e-6, 8e-6]]), np.array([[0, 0, 1, 1]])
    found = ScoreHistogram.from_image(p, y)
    assert found.auc() == 1
    assert 2e-6 < found.best_threshold() < 4e-6


def test_probabilities_near_the_end_of_float32_keep_their_order() -> None:
    p = (1 / (1 + np.exp(-np.array([[-30.0, -25.0, -20.0, -18.0]])))).astype(np.float32)
    found = ScoreHistogram.from_image(p, np.array([[0, 0, 1, 1]]))
    assert found.auc() == 1
    assert p[0, 1] < found.best_threshold() < p[0, 2]
    lost = ScoreHistogram.from_image(np.zeros((1, 2)), np.array([[1, 1]]))
    assert lost.best_threshold() == 0


def test_ignore_is_left_out() -> None:
    p, y = np.array([[0.1, 0.9, 0.99]]), np.array([[0, 1, 255]])
    assert ScoreHistogram.from_image(p, y).counts.sum() == 2


def test_histograms_add_up() -> None:
    (p, y), (q, z) = _draw(1), _draw(2)
    both = ScoreHistogram.from_image(p, y) + ScoreHistogram.from_image(q, z)
    assert both.auc() == pytest.approx(_pairs_auc(np.vstack([p, q]), np.vstack([y, z])), abs=1e-3)


def test_threshold_is_the_best_of_all_for_the_mean_over_images() -> None:
    images = [_draw(5), _draw(6, (9, 9)), (np.full((4, 4), 0.2), np.zeros((4, 4), np.uint8))]
    found = sum((ScoreHistogram.from_image(p, y) for p, y in images[1:]), ScoreHistogram.from_image(*images[0]))

    def mean_dice(threshold: float) -> float:
        tables = [contingency_table(y, (p >= threshold).astype(np.uint8), 2) for p, y in images]
        return float(nanmean(foreground_dice(np.stack(tables))))

    best = max(mean_dice(threshold) for p, _ in images for threshold in np.append(p.ravel(), 1.0))
    # the histogram sees thresholds only at its bin edges
    assert mean_dice(found.best_threshold()) == pytest.approx(best, abs=2e-3)


def test_threshold_cuts_an_empty_gap_in_its_middle() -> None:
    p, y = np.array([[0.1, 0.9]]), np.array([[0, 1]])
    assert ScoreHistogram.from_image(p, y).best_threshold() == pytest.approx(0.5, abs=0.01)


def test_threshold_without_foreground_is_nan() -> None:
    assert np.isnan(ScoreHistogram.from_image(np.full((2, 2), 0.4), np.zeros((2, 2), int)).best_threshold())
