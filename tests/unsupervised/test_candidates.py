"""The candidate of least L_DMI: closed form against the published search, and against the determinant itself."""

import numpy as np
import pytest
import torch

from metastructure.training.losses import parse_loss
from metastructure.unsupervised.candidates import best_candidate, dmi_loss, search_candidate


def predictions() -> list[np.ndarray]:
    """Shapes of predictions: flat, peaked, two-humped, few values, and one of a single pixel apart."""
    rng = np.random.default_rng(3)
    single = np.full((8, 9), 0.2)
    single[2, 3] = 0.9
    return [
        rng.random((17, 23)),
        rng.beta(0.3, 2, (40, 31)),
        np.where(rng.random((30, 30)) < 0.2, 0.9, 0.1) + 0.05 * rng.random((30, 30)),
        rng.choice([0.1, 0.4, 0.8], (12, 12), p=[0.7, 0.2, 0.1]),
        single,
    ]


@pytest.mark.parametrize("prediction", predictions())
def test_no_threshold_beats_the_mean(prediction: np.ndarray) -> None:
    best = dmi_loss(prediction, best_candidate(prediction))
    for threshold in np.unique(prediction)[:-1]:
        assert best <= dmi_loss(prediction, prediction > threshold) + 1e-9


@pytest.mark.parametrize("prediction", predictions())
@pytest.mark.parametrize("num", [2, 30, 400])
def test_the_search_finds_the_same_up_to_its_grid(prediction: np.ndarray, num: int) -> None:
    found = search_candidate(prediction, num)
    step = np.ptp(prediction) / max(num - 1, 1)
    differs = found != best_candidate(prediction)
    assert np.abs(prediction[differs] - prediction.mean()).max(initial=0) <= step


def test_no_candidate_at_all_beats_the_mean() -> None:
    """Not only thresholds: all 2⁶ labels of six pixels."""
    p = np.array([[0.05, 0.3, 0.32, 0.4, 0.9, 0.95]])
    best = dmi_loss(p, best_candidate(p))
    for bits in range(1, 63):
        label = np.array([[bool(bits >> k & 1) for k in range(6)]])
        assert best <= dmi_loss(p, label) + 1e-12


def test_it_is_the_training_loss_up_to_a_constant() -> None:
    p = np.array([[0.1, 0.2, 0.9, 0.4]])
    logits = torch.tensor(np.log(p / (1 - p)), dtype=torch.float64)[None, None]
    for label in ([0, 0, 1, 1], [0, 1, 1, 0]):
        loss = parse_loss("dmi")(logits, torch.tensor([[label]]))
        assert dmi_loss(p, np.array([label], dtype=bool)) == pytest.approx(float(loss) - 2 * np.log(4), abs=1e-4)


def test_a_constant_prediction_has_no_candidate() -> None:
    assert not best_candidate(np.full((3, 4), 0.3)).any()
    assert dmi_loss(np.full((3, 4), 0.3), np.zeros((3, 4), dtype=bool)) == np.inf
