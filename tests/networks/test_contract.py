"""One contract for every network: shapes, any size, channels, gradients, and the table itself."""

import pytest
import torch
from torch import nn

from metastructure.errors import ConfigError
from metastructure.networks import NETWORKS, NetworkSpec, Padded, build_network

SMALL = {"residual_unet": {"width": 8}, "unet": {"width": 4}}
"""Settings that make each network quick; a network that is missing here fails the first test."""


def test_every_network_is_in_the_contract() -> None:
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("in_channels", "num_classes", "out_channels"), [(1, 2, 1), (3, 11, 11), (5, 3, 3)])
def test_channels(name: str, in_channels: int, num_classes: int, out_channels: int) -> None:
    network = build_network(NetworkSpec(name=name, settings=SMALL[name]), in_channels, num_classes)
    assert network(torch.zeros(2, in_channels, 32, 48)).shape == (2, out_channels, 32, 48)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (100, 30)])
def test_any_size(name: str, size: tuple[int, int]) -> None:
    network = build_network(NetworkSpec(name=name, settings=SMALL[name]), 1, 2).eval()
    assert network(torch.zeros(1, 1, *size)).shape == (1, 1, *size)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns_and_the_seed_decides_the_start(name: str) -> None:
    spec = NetworkSpec(name=name, settings=SMALL[name])
    torch.manual_seed(3)
    network = build_network(spec, 1, 2)
    torch.manual_seed(3)
    twin = build_network(spec, 1, 2)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), twin.parameters(), strict=True))
    network(torch.randn(2, 1, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_published_parameter_count_of_the_u_net() -> None:
    count = sum(parameter.numel() for parameter in build_network(NetworkSpec(name="unet"), 1, 2).parameters())
    # Ronneberger's layout with 64..1024 channels has 31.0 M parameters (batch norm and decoder details move the
    # third digit)
    assert count == pytest.approx(31.0e6, rel=0.01)


def test_padding_changes_nothing_where_none_is_needed() -> None:
    inner = nn.Conv2d(1, 1, 3, padding=1)
    image = torch.randn(1, 1, 16, 24)
    assert torch.equal(Padded(inner, 8)(image), inner(image))
    assert Padded(inner, 8)(image[..., :13, :19]).shape == (1, 1, 13, 19)


def make_flat(in_channels: int, out_channels: int, bias: bool = True) -> nn.Module:
    """A network by import path."""
    return nn.Conv2d(in_channels, out_channels, 1, bias=bias)


def make_pooled(in_channels: int, out_channels: int) -> nn.Module:
    """A network whose output has half the size, which is refused."""
    return nn.Conv2d(in_channels, out_channels, 2, stride=2)


def test_a_network_by_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = _by_path(monkeypatch, "make_flat", {"bias": False})
    assert build_network(spec, 3, 4)(torch.zeros(1, 3, 9, 9)).shape == (1, 4, 9, 9)


def _by_path(monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, object]) -> NetworkSpec:
    import sys
    import types

    module = types.ModuleType("somebodys_networks")
    module.make_flat, module.make_pooled = make_flat, make_pooled  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebodys_networks", module)
    return NetworkSpec(factory=f"somebodys_networks:{name}", settings=settings)


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("make_none", {}, "cannot be imported"),
        ("make_flat", {"depth": 3}, "cannot be called with in_channels, out_channels and \\['depth'\\]"),
        ("make_pooled", {}, r"must map \(1, 1, 64, 64\) to \(1, 1, 64, 64\)"),
    ],
)
def test_a_factory_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build_network(_by_path(monkeypatch, name, settings), 1, 2)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"name": "unett"}, "unknown network 'unett'; known: residual_unet, unet"),
        ({"name": "unet", "factory": "a:b"}, "either by name or by factory"),
        ({"name": "unet", "settings": {"widht": 3}}, "no setting 'widht'; its settings: width"),
        ({"factory": "package.function"}, "package.module:function"),
    ],
)
def test_a_spec_that_does_not_fit(content: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        NetworkSpec.model_validate(content)


def test_short_and_default_specs() -> None:
    assert NetworkSpec.model_validate("unet") == NetworkSpec(name="unet")
    assert NetworkSpec.model_validate({}).name == "residual_unet"
    assert NetworkSpec(name="unet", settings={"width": 8}).title == "unet(width=8)"
