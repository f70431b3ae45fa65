"""The loop: it learns, resumes bit for bit, keeps its settings, and says so when it cannot go on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from metastructure.errors import ConfigError, RunError
from metastructure.networks import NetworkSpec, build_network
from metastructure.training import History, Machine, PixelStore, TrainingSettings, train
from metastructure.training import loop as loop_module

FABRIC = Machine(device="cpu", threads=1).fabric()
SETTINGS = TrainingSettings(epochs=4, batch_size=4, crop_px=32)


def _store() -> PixelStore:
    draw = np.random.default_rng(0)
    labels = [(draw.random((36, 40)) < 0.4).astype(np.uint8) for _ in range(6)]
    return PixelStore([label[None].astype(np.float32) * 2 - 1 for label in labels], labels, 32)


def _network() -> torch.nn.Module:
    torch.manual_seed(7)
    return build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)


def _train(network: torch.nn.Module, settings: TrainingSettings = SETTINGS, **options: object) -> History:
    return train(network, _store(), settings, seed=1, fabric=FABRIC, **options)  # type: ignore[arg-type]


def _weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in network.state_dict().values()]


def test_it_learns_and_tells_each_epoch() -> None:
    seen: list[tuple[int, float]] = []
    history = _train(
        _network(), SETTINGS.model_copy(update={"epochs": 40}), on_epoch=lambda n, loss: seen.append((n, loss))
    )
    assert [number for number, _ in seen] == list(range(1, 41))
    assert [loss for _, loss in seen] == history.loss
    assert history.loss[-1] < 0.6 * history.loss[0]


@pytest.mark.parametrize(
    ("optimizer", "schedule", "average"),
    [("adamw", "onecycle", "none"), ("sgd", "step", "none"), ("adamw", "constant", "ema"), ("sgd", "onecycle", "ema")],
)
def test_resume_ends_bit_for_bit_where_an_undisturbed_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, schedule: str, average: str
) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    settings = TrainingSettings.model_validate(
        SETTINGS.model_dump()
        | {"optimizer": optimizer, "schedule": schedule, "step_epochs": 2, "learning_rate": 0.01, "average": average}
    )
    straight = _network()
    history = _train(straight, settings)

    def interrupt(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        _train(_network(), settings, checkpoint=path, identity="a", on_epoch=interrupt)
    torch.manual_seed(99)  # whatever else the process drew must not matter
    resumed = build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)
    again = _train(resumed, settings, checkpoint=path, identity="a")
    assert again.loss == history.loss
    assert all(torch.equal(a, b) for a, b in zip(_weights(straight), _weights(resumed), strict=True))


def test_averages_are_those_of_the_weights_on_the_way(adamw_steps: list[list[torch.Tensor]]) -> None:
    """A slow reference: keep the weights of every step, and average them by hand."""
    network = _network()
    settings = SETTINGS.model_copy(update={"average": "ema", "ema_decay": 0.6, "schedule": "constant"})
    _train(network, settings)
    assert len(adamw_steps) == 8  # 6 images in batches of 4, 4 epochs
    mean = adamw_steps[0]
    for number, weights in enumerate(adamw_steps[1:], start=1):
        share = 0.4 / (1 - 0.6 ** (number + 1))
        mean = [old + share * (new - old) for old, new in zip(mean, weights, strict=True)]
    for parameter, expected in zip(network.parameters(), mean, strict=True):
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-4, atol=1e-6)


def test_targets_are_made_from_each_batch_of_labels() -> None:
    seen: list[torch.Size] = []

    def invert(labels_BHW: torch.Tensor) -> torch.Tensor:
        seen.append(labels_BHW.shape)
        return torch.where(labels_BHW == 255, 255, 1 - labels_BHW)

    plain, inverted = _network(), _network()
    settings = SETTINGS.model_copy(update={"epochs": 30})
    _train(plain, settings)
    _train(inverted, settings, make_target=invert)
    assert len(seen) == 60
    assert seen[0] == (4, 32, 32)
    image = torch.from_numpy((np.random.default_rng(3).random((1, 1, 32, 32)) < 0.4).astype(np.float32) * 2 - 1)
    with torch.no_grad():
        first, second = (network.eval()(image) for network in (plain, inverted))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < -0.5


def test_watching_changes_nothing_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    watched, alone = _network(), _network()

    def watch(network: torch.nn.Module) -> dict[str, float]:
        assert not network.training
        return {"mean": float(network(torch.ones(1, 1, 32, 32)).mean())}

    def interrupt(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    history = _train(watched, watch=watch)
    _train(alone)
    assert all(torch.equal(a, b) for a, b in zip(_weights(watched), _weights(alone), strict=True))
    assert len({entry["mean"] for entry in history.watched}) == 4
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        _train(_network(), watch=watch, checkpoint=path, on_epoch=interrupt)
    assert _train(_network(), watch=watch, checkpoint=path).watched == history.watched


def test_same_seed_same_weights_other_seed_others() -> None:
    first, second, third = _network(), _network(), _network()
    _train(first)
    _train(second)
    train(third, _store(), SETTINGS, seed=2, fabric=FABRIC)
    assert all(torch.equal(a, b) for a, b in zip(_weights(first), _weights(second), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(_weights(first), _weights(third), strict=True))


def test_labels_are_redrawn_each_epoch_and_after_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    asked: list[int] = []

    def redraw(epoch: int) -> list[np.ndarray]:
        asked.append(epoch)
        return [np.full((36, 40), epoch % 2, np.uint8) for _ in range(6)]

    def interrupt(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    path = tmp_path / "c.pt"
    with pytest.raises(KeyboardInterrupt):
        _train(_network(), checkpoint=path, redraw=redraw, on_epoch=interrupt)
    resumed, straight = _network(), _network()
    _train(resumed, checkpoint=path, redraw=redraw)
    assert asked == [0, 1, 2, 3]
    _train(straight, redraw=redraw)
    assert all(torch.equal(a, b) for a, b in zip(_weights(straight), _weights(resumed), strict=True))


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    _train(_network(), checkpoint=tmp_path / "c.pt", identity="a")
    with pytest.raises(RunError, match="belongs to another training"):
        _train(_network(), checkpoint=tmp_path / "c.pt", identity="b")
    (tmp_path / "c.pt").write_bytes(b"half a checkpoint")
    with pytest.raises(RunError, match=r"c\.pt: this checkpoint cannot be read; delete it"):
        _train(_network(), checkpoint=tmp_path / "c.pt", identity="a")


def test_divergence_stops_with_advice() -> None:
    settings = SETTINGS.model_copy(update={"optimizer": "sgd", "learning_rate": 1e12, "schedule": "constant"})
    with pytest.raises(RunError, match=r"training diverged in epoch \d: .* lower the learning rate"):
        _train(_network(), settings)


def test_an_all_ignore_label_teaches_nothing_but_works() -> None:
    store = PixelStore([np.ones((1, 20, 20), np.float32)], [np.full((20, 20), 255, np.uint8)], 32)
    history = train(_network(), store, SETTINGS, seed=0, fabric=FABRIC)
    assert history.loss == [0.0] * 4


def test_one_cycle_ends_at_a_small_rate() -> None:
    optimizer = loop_module._make_optimizer(_network(), SETTINGS)
    scheduler = loop_module._make_scheduler(optimizer, SETTINGS, steps_per_epoch=2)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert max(rates) == pytest.approx(SETTINGS.learning_rate, rel=0.2)
    assert rates[-1] < 0.1 * SETTINGS.learning_rate


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="no GPU; use 'auto' or 'cpu'"):
        Machine(device="cuda").fabric()
