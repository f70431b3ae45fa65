"""One training in two processes of this machine's CPU, over gloo on the loopback."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from metastructure.errors import ConfigError, RunError
from metastructure.training import Machine, PixelStore, TrainingSettings
from metastructure.training.distributed import train_on
from metastructure.training.losses import parse_loss

MACHINES = {devices: Machine(device="cpu", threads=1, devices=devices) for devices in (1, 2)}


class Plain(nn.Module):
    """Two convolutions without batch norm, so that parts of a batch give exactly the parts of its gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


def make_store(scale: float = 1.0) -> PixelStore:
    """Return five images, so that a batch of three leaves two over, and a batch of four a single one."""
    rng = np.random.default_rng(0)
    images = [scale * rng.normal(size=(1, 40, 36 + 2 * k)).astype(np.float32) for k in range(5)]
    return PixelStore(images, [(image[0] > 0).astype(np.uint8) for image in images], 32)


def fit(devices: int, store: PixelStore | None = None, **changes):
    """Return (weights, history, epochs told) of a short training."""
    settings = TrainingSettings.model_validate({"epochs": 2, "batch_size": 4, "crop_px": 32, **changes})
    torch.manual_seed(0)
    network, told = Plain(), []
    machine = MACHINES[devices]
    history = train_on(
        machine, machine.fabric(), network, store or make_store(), settings,
        seed=3, compute_loss=parse_loss("cross_entropy"), on_epoch=lambda *news: told.append(news),
    )  # fmt: skip
    return copy.deepcopy(network.state_dict()), history, told


@pytest.mark.parametrize("batch_size", [3, 4])
def test_two_processes_train_as_one(batch_size):
    one, history, told = fit(1, batch_size=batch_size)
    two, shared, heard = fit(2, batch_size=batch_size)
    assert all(torch.allclose(one[name], two[name], atol=2e-5) for name in one)
    np.testing.assert_allclose(shared.loss, history.loss, rtol=1e-4)
    assert [epoch for epoch, _ in heard] == [epoch for epoch, _ in told] == [1, 2]


def test_a_divergence_is_told_as_in_one_process():
    with pytest.raises(RunError, match=r"diverged in epoch 1.*lower the learning rate"):
        fit(2, make_store(np.inf))


def test_watching_needs_one_device():
    machine = MACHINES[2]
    with pytest.raises(ConfigError, match="one device"):
        train_on(machine, machine.fabric(), Plain(), make_store(), TrainingSettings(), seed=0, watch=lambda _: {})


def test_what_cannot_be_sent_is_said_so():
    machine = MACHINES[2]
    with pytest.raises(ConfigError, match="cannot be sent to other processes"):
        train_on(
            machine, machine.fabric(), Plain(), make_store(), TrainingSettings(crop_px=32), seed=0, redraw=lambda _: []
        )


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_parts_of_a_batch_are_the_batch(batch):
    store = make_store()
    whole = list(store.epoch(0, 7, batch, 1, "dihedral"))
    parts = [list(store.epoch(0, 7, batch, 1, "dihedral", rank, 3)) for rank in range(3)]
    for step, (images, labels, weight) in enumerate(whole):
        own = [part[step] for part in parts if part[step][2] > 0]
        assert weight == 1
        assert torch.equal(torch.cat([part[0] for part in own]), images)
        assert torch.equal(torch.cat([part[1] for part in own]), labels)
        assert sum(part[step][2] for part in parts) == pytest.approx(3)
