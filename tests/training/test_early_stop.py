"""Early stopping in the loop: the weights from before memorisation predict, resumed or not; else nothing changes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from metastructure.networks import NetworkSpec, build_network
from metastructure.training import History, Machine, PixelStore, TrainingSettings, train
from metastructure.training import loop as loop_module
from metastructure.training.early_learning import find_tangent
from metastructure.training.losses import parse_loss

FABRIC = Machine(device="cpu", threads=1).fabric()
SETTINGS = TrainingSettings(epochs=16, batch_size=4, crop_px=32, augment="none", stop="early")
CURVE = [1.0, 0.5, 0.3, 0.29, 0.28, 0.27, 0.26, 0.25, 0.24, 0.24, 0.21, 0.12, 0.05, 0.01, 0.0, 0.0]
STOPPED, KEPT = 14, 10  # epochs from 1: 12, 13 and 14 lie below the tangent by 0.1 (1 - 0.28); 11 does not


def network() -> torch.nn.Module:
    torch.manual_seed(7)
    return build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)


class Training:
    """A training whose losses follow a made curve, and whose gradients are true."""

    def __init__(self, curve: list[float], settings: TrainingSettings = SETTINGS, **options: object) -> None:
        self.curve, self.settings, self.options = curve, settings, options
        self.epoch, self.trained = 0, network()

    def _loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        true = parse_loss("cross_entropy")(logits, target)
        return true - true.detach() + self.curve[self.epoch]

    def run(self, first_epoch: int = 0, interrupt: int | None = None) -> History:
        draw = np.random.default_rng(0)
        labels = [(draw.random((32, 32)) < 0.4).astype(np.uint8) for _ in range(6)]
        store = PixelStore([label[None].astype(np.float32) for label in labels], labels, 32)
        self.epoch = first_epoch

        def on_epoch(epochs: int, loss: float) -> None:
            self.epoch = epochs
            if epochs == interrupt:
                raise KeyboardInterrupt

        return train(
            self.trained,
            store,
            self.settings,
            seed=1,
            fabric=FABRIC,
            compute_loss=self._loss,  # type: ignore[arg-type]
            on_epoch=on_epoch,
            **self.options,  # type: ignore[arg-type]
        )

    @property
    def weights(self) -> list[torch.Tensor]:
        return [value.detach().clone() for value in self.trained.state_dict().values()]


def same(first: Training, second: Training) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))


@pytest.mark.parametrize("average", ["none", "ema"])
def test_the_mean_weights_of_the_flattest_epoch_predict(adamw_steps: list[list[torch.Tensor]], average: str) -> None:
    """A slow reference: keep the weights of every step, and average those of that epoch by hand."""
    training = Training(CURVE, SETTINGS.model_copy(update={"average": average}))
    history = training.run()
    assert history.loss == pytest.approx(CURVE[:STOPPED])
    assert history.notes == [f"memorisation seen after epoch {STOPPED}; the weights of epoch {KEPT} predict"]
    assert len(adamw_steps) == 2 * STOPPED
    for parameter, *pair in zip(training.trained.parameters(), *adamw_steps[2 * KEPT - 2 : 2 * KEPT], strict=True):
        torch.testing.assert_close(parameter.detach(), (pair[0] + pair[1]) / 2, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("average", ["none", "ema"])
def test_without_memorisation_nothing_changes(average: str) -> None:
    quiet = [0.3 + 0.7 * 0.4**epoch for epoch in range(12)]
    settings = SETTINGS.model_copy(update={"average": average, "epochs": 12})
    stopping, plain = Training(quiet, settings), Training(quiet, settings.model_copy(update={"stop": "none"}))
    assert stopping.run().notes == []
    plain.run()
    assert same(stopping, plain)


@pytest.mark.parametrize("interrupt", [KEPT + 1, STOPPED])
def test_resume_ends_bit_for_bit_where_an_undisturbed_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt: int
) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    straight = Training(CURVE)
    history = straight.run()
    path = tmp_path / "c.pt"
    with pytest.raises(KeyboardInterrupt):
        Training(CURVE, checkpoint=path).run(interrupt=interrupt)
    resumed = Training(CURVE, checkpoint=path)
    again = resumed.run(first_epoch=interrupt)
    assert (again.loss, again.notes) == (history.loss, history.notes)
    assert same(straight, resumed)


def test_the_made_curve_is_what_it_says() -> None:
    tangent = find_tangent(CURVE[:STOPPED])
    assert tangent is not None
    assert tangent.epoch == KEPT - 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "step"}, "each step of the rate looks like memorisation"),
        ({"epochs": 9}, "stop: early needs at least 10 epochs to see memorisation, not 9"),
    ],
)
def test_settings_that_contradict_it(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingSettings.model_validate({"stop": "early"} | changes)


def test_records_with_a_removed_setting_that_did_nothing_can_be_read() -> None:
    settings = TrainingSettings(epochs=12)
    assert TrainingSettings.model_validate(settings.model_dump() | {"correct": "none"}) == settings
    with pytest.raises(ValidationError, match="correct"):
        TrainingSettings.model_validate({"correct": "self"})
