"""Model files: they come back the same, and everything that is not one is refused in a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from metastructure.errors import DataError, RunError
from metastructure.networks import NetworkSpec, build_network
from metastructure.training import TrainingSettings
from metastructure.training.checkpoint import save_checkpoint
from metastructure.training.model_file import Model, ModelHeader, load_model, read_header, save_model

SPEC = NetworkSpec(name="residual_unet", settings={"width": 4})
built: list[int] = []


def tiny(in_channels: int, out_channels: int) -> nn.Module:
    built.append(in_channels)
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _model(spec: NetworkSpec = SPEC, **changes: object) -> Model:
    torch.manual_seed(3)
    header = ModelHeader(
        network=spec,
        num_channels=1,
        num_classes=2,
        training=TrainingSettings(epochs=3),
        seed=5,
        loss=(0.5, 0.25),
        **changes,  # type: ignore[arg-type]
    )
    return Model(header, build_network(spec, 1, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.pt", _model(threshold=0.3, class_names=("sea", "land"), unseen_classes=(1,)))
    return tmp_path / "model.pt"


def _rewrite(path: Path, **changes: object) -> None:
    torch.save({**torch.load(path, weights_only=True), **changes}, path)


def _change_header(path: Path, **changes: object) -> None:
    header = json.loads(torch.load(path, weights_only=True)["header"])
    _rewrite(path, header=json.dumps({**header, **changes}))


def test_it_comes_back_with_every_field_and_weight(path: Path) -> None:
    model = _model(threshold=0.3, class_names=("sea", "land"), unseen_classes=(1,))
    again = load_model(path)
    assert again.header == model.header == read_header(path)
    assert again.fingerprint == model.fingerprint
    assert not again.network.training
    state = model.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.network.state_dict().items())


def test_the_fingerprint_sees_header_and_weights() -> None:
    model = _model()
    before = model.fingerprint
    assert _model(threshold=0.4).fingerprint != before
    with torch.no_grad():
        next(model.network.parameters()).view(-1)[0] += 1e-3
    assert model.fingerprint != before


def test_the_threshold_decides_after_q_is_undone() -> None:
    p_CHW = np.array([[[0.8, 0.45]], [[0.2, 0.55]]], np.float32)
    assert _model(threshold=0.2).label(p_CHW).tolist() == [[1, 1]]
    assert _model(threshold=0.6).label(p_CHW).tolist() == [[0, 0]]
    inverted = _model(transition=((0.1, 0.9), (0.9, 0.1)))
    assert inverted.label(p_CHW).tolist() == [[1, 0]]


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_what_is_no_model_is_refused(path: Path, content: bytes | None) -> None:
    path.write_bytes(path.read_bytes()[:-700] if content is None else content)  # cut short, or never one
    with pytest.raises(DataError, match=r"model\.pt: this is no model of metastructure, or it is damaged\.$"):
        load_model(path)


def test_a_missing_file_a_checkpoint_and_other_files_of_torch_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such model file; make one with 'metastructure train'"):
        load_model(tmp_path / "none.pt")
    save_checkpoint(tmp_path / "c.pt", {"identity": "a"})
    with pytest.raises(DataError, match="this is a checkpoint of a training under way, not a model"):
        load_model(tmp_path / "c.pt")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(DataError, match="this is a file of torch, not a model"):
        load_model(tmp_path / "w.pt")


def test_a_file_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "pickled.pt")
    with pytest.raises(DataError, match="no model of metastructure, or it is damaged"):
        load_model(tmp_path / "pickled.pt")


def test_another_version_or_network_is_told(path: Path) -> None:
    _change_header(path, network={"name": "residual_unet", "settings": {"width": 6}})
    with pytest.raises(RunError, match=r"weights do not fit its network residual_unet\(width=6\)"):
        load_model(path)
    _change_header(path, network={"name": "transformer"})
    with pytest.raises(RunError, match=r"does not understand its network .*transformer"):
        load_model(path)
    _change_header(path, network=SPEC.model_dump(), wavelets=True)
    with pytest.raises(RunError, match="does not understand its wavelets"):
        load_model(path)
    _rewrite(path, format=99)
    with pytest.raises(RunError, match=r"has format 99, this metastructure .* reads 1"):
        load_model(path)


def test_a_foreign_network_is_built_only_for_who_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("foreign_networks")
    module.tiny = tiny  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "foreign_networks", module)
    factory = "foreign_networks:tiny"
    save_model(tmp_path / "m.pt", _model(NetworkSpec(factory=factory)))
    built.clear()
    with pytest.raises(RunError, match=f"if you trust it, name it as the factory .--factory {factory}."):
        load_model(tmp_path / "m.pt")
    with pytest.raises(RunError, match="made by 'foreign_networks:tiny'"):
        load_model(tmp_path / "m.pt", "os:system")
    assert not built
    assert load_model(tmp_path / "m.pt", factory).header.network.factory == factory
