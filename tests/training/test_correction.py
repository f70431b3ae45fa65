"""Label correction: what is replaced and what is kept, by hand, and in the loop, resumed or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from metastructure.errors import ConfigError
from metastructure.label import IGNORE, LabelArray
from metastructure.networks import NetworkSpec, build_network
from metastructure.training import Machine, PixelStore, TrainingSettings, correction, train
from metastructure.training import loop as loop_module
from metastructure.training.correction import correct_label, find_thresholds

FABRIC = Machine(device="cpu", threads=1).fabric()
SETTINGS = TrainingSettings(epochs=12, batch_size=3, crop_px=32, correct="self", learning_rate=0.01)
NAN = float("nan")


def test_thresholds_by_hand() -> None:
    first = np.array([[[0.9, 0.2], [0.5, 0.1]], [[0.1, 0.8], [0.5, 0.9]], [[0, 0], [0, 0]]], np.float32)
    second = np.array([[[0.6]], [[0.4]], [[0]]], np.float32)
    pairs = [(np.array([[0, 1], [IGNORE, 0]]), first), (np.array([[0]], np.uint8), second)]
    np.testing.assert_allclose(find_thresholds(pairs), [(0.9 + 0.1 + 0.6) / 3, 0.8, NAN], rtol=1e-6)


def test_confident_pixels_are_replaced_and_others_kept() -> None:
    p_C1W = np.array([[0.7, 0.3, 0.35, 0.5, 0.7, 0.3], [0.2, 0.6, 0.25, 0.3, 0.2, 0.1], [0.1, 0.1, 0.4, 0.2, 0.1, 0.6]])
    label = np.array([[1, 0, 1, 2, IGNORE, 0]])
    thresholds = np.array([0.6, 0.2, NAN])
    # reached: {0, 1} most probable 0; {1}; {1} though 2 is more probable; {1}; IGNORE; none
    assert correct_label(label, p_C1W[:, None], thresholds).tolist() == [[0, 1, 1, 1, IGNORE, 0]]


def test_renaming_classes_renames_the_result() -> None:
    draw = np.random.default_rng(0)
    p_CHW = draw.dirichlet([1, 1, 1], (5, 7)).transpose(2, 0, 1)
    label = draw.integers(3, size=(5, 7))
    thresholds, names = np.array([0.5, 0.4, 0.7]), np.array([2, 0, 1])  # class c is now called names[c]
    back = np.argsort(names)
    renamed = correct_label(names[label], p_CHW[back], thresholds[back])
    np.testing.assert_array_equal(renamed, names[correct_label(label, p_CHW, thresholds)])


@pytest.mark.parametrize(("lost", "added"), [(0.0, 0.0), (0.9, 0.0), (0.4, 0.4), (0.6, 0.3)])
def test_exact_posteriors_of_the_noisy_label_give_the_clean_one(lost: float, added: float) -> None:
    """With p* = Qᵀ p, p being certain, the thresholds separate the classes whatever Q below the singular rate."""
    draw = np.random.default_rng(0)
    clean = (draw.random((200, 200)) < 0.3).astype(np.uint8)
    foreground = np.where(clean == 1, 1 - lost, added).astype(np.float32)
    noisy = (draw.random(clean.shape) < foreground).astype(np.uint8)
    p_CHW = np.stack([1 - foreground, foreground])
    np.testing.assert_array_equal(correct_label(noisy, p_CHW, find_thresholds([(noisy, p_CHW)])), clean)


def _scene() -> tuple[list[LabelArray], list[LabelArray]]:
    """Return clean labels and labels with a fifth of the pixels flipped, some IGNORE; sizes differ, one is padded."""
    draw = np.random.default_rng(0)
    clean = [np.kron(draw.random((6, 7)) < 0.4, np.ones((6, 6))).astype(np.uint8) for _ in range(5)]
    clean.append(clean[0][:20, :24])
    noisy = [np.where(draw.random(label.shape) < 0.2, 1 - label, label).astype(np.uint8) for label in clean]
    noisy[1][:4] = IGNORE
    return clean, noisy


def _store() -> PixelStore:
    clean, noisy = _scene()
    return PixelStore([label[None].astype(np.float32) * 2 - 1 for label in clean], noisy, 32)


def _network() -> torch.nn.Module:
    torch.manual_seed(7)
    return build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)


def _corrected_share(notes: list[str]) -> list[tuple[float, int]]:
    return [(float(note.split(" ")[0]), int(note.split(" ")[-1])) for note in notes]


def test_flipped_pixels_are_mended_and_the_mended_labels_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correction, "find_elbow", lambda losses: 0 if len(losses) >= 8 else None)
    monkeypatch.setattr(correction, "REPEAT_EPOCHS", 3)
    store, noisy_P = _store(), _store().labels_P
    clean_P = PixelStore([np.zeros((1, *label.shape), np.float32) for label in _scene()[0]], _scene()[0], 32).labels_P
    seen: list[torch.Tensor] = []

    def look(epoch: int, loss: float) -> None:
        seen.append(store.labels_P.clone())

    history = train(_network(), store, SETTINGS, seed=1, fabric=FABRIC, on_epoch=look)
    changed = [not torch.equal(labels, noisy_P) for labels in seen]
    assert changed == [False] * 7 + [True] * 5
    shares = _corrected_share(history.notes)
    assert [epoch for _, epoch in shares] == [8, 11]
    known = noisy_P != IGNORE
    for labels, (share, _) in zip((seen[7], seen[10]), shares, strict=True):
        assert torch.equal(labels == IGNORE, ~known)
        assert 100 * float((labels != noisy_P)[known].double().mean()) == pytest.approx(share, abs=0.006)
        wrong = float((labels != clean_P)[known].double().mean())
        assert wrong < 0.5 * float((noisy_P != clean_P)[known].double().mean())


def test_labels_are_those_of_the_epochs_mean_and_begin_with_the_noisy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow reference for one correction, and for one of labels that an earlier one had spoilt."""
    store = _store()
    noisy = _scene()[1]
    network = _network()
    aid = correction.SelfCorrection(network, store, 100, FABRIC)
    monkeypatch.setattr(correction, "find_elbow", lambda losses: 1)
    states = []
    for number in range(2):
        for parameter in network.parameters():
            parameter.data += 0.1 * number
        states.append({name: value.clone() for name, value in network.state_dict().items()})
        aid.end_step(network)
    store.labels_P = 1 - store.labels_P  # spoilt
    (note,) = aid.end_epoch([1.0])
    mean = _network()
    mean.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    images = [image.numpy() for image in _images(store)]
    predicted = list(correction.predict_probabilities(mean, images, FABRIC))
    padded = [*noisy[:5], np.pad(noisy[5], ((0, 12), (0, 8)), constant_values=IGNORE)]
    thresholds = find_thresholds(zip(padded, predicted, strict=True))
    expected = [correct_label(label, p, thresholds).ravel() for label, p in zip(padded, predicted, strict=True)]
    np.testing.assert_array_equal(store.labels_P.numpy(), np.concatenate(expected))
    assert note.endswith("after epoch 1")


def _images(store: PixelStore) -> list[torch.Tensor]:
    bounds = zip(store.offsets.tolist(), store.heights.tolist(), store.widths.tolist(), strict=True)
    return [store.pixels_PK[top : top + h * w].T.reshape(-1, h, w) for top, h, w in bounds]


@pytest.mark.parametrize("interrupt", [3, 4])
def test_resume_ends_bit_for_bit_where_an_undisturbed_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt: int
) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(correction, "find_elbow", lambda losses: 0 if len(losses) >= 4 else None)
    monkeypatch.setattr(correction, "REPEAT_EPOCHS", 2)
    settings = SETTINGS.model_copy(update={"epochs": 8})

    def stop(epoch: int, loss: float) -> None:
        if epoch == interrupt:
            raise KeyboardInterrupt

    straight, resumed, path = _network(), _network(), tmp_path / "c.pt"
    history = train(straight, _store(), settings, seed=1, fabric=FABRIC)
    assert [epoch for _, epoch in _corrected_share(history.notes)] == [4, 6]  # and not after the last
    with pytest.raises(KeyboardInterrupt):
        train(_network(), _store(), settings, seed=1, fabric=FABRIC, checkpoint=path, on_epoch=stop)
    again = train(resumed, _store(), settings, seed=1, fabric=FABRIC, checkpoint=path)
    assert (again.loss, again.notes) == (history.loss, history.notes)
    for a, b in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_before_the_elbow_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correction, "find_elbow", lambda losses: None)
    plain, corrected = _network(), _network()
    settings = SETTINGS.model_copy(update={"epochs": 3})
    train(plain, _store(), settings.model_copy(update={"correct": "none"}), seed=1, fabric=FABRIC)
    assert train(corrected, _store(), settings, seed=1, fabric=FABRIC).notes == []
    for a, b in zip(plain.state_dict().values(), corrected.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_all_ignore_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correction, "find_elbow", lambda losses: 0)
    store = PixelStore([np.ones((1, 20, 20), np.float32)], [np.full((20, 20), IGNORE, np.uint8)], 32)
    history = train(_network(), store, SETTINGS.model_copy(update={"epochs": 2}), seed=0, fabric=FABRIC)
    assert history.notes == ["0.00 % of the known labels corrected after epoch 1"]
    assert (store.labels_P == IGNORE).all()


def test_what_contradicts_it() -> None:
    with pytest.raises(ValidationError, match="correct: self changes the noise that transition undoes"):
        TrainingSettings(correct="self", transition="estimated")
    with pytest.raises(ConfigError, match=r"needs labels that stay, not such as are drawn anew each epoch \(draw: onl"):
        train(_network(), _store(), SETTINGS, seed=0, fabric=FABRIC, redraw=lambda epoch: _scene()[1])
