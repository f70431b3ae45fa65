"""Which network: names, settings and their values, import paths, and what is said when they do not fit."""

import sys
import types

import pytest
import torch
from torch import nn

from metastructure.errors import ConfigError
from metastructure.networks import NetworkSpec, build_network


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
        ({"name": "unett"}, "unknown network 'unett'; known: residual_unet, unet, deeplab, hrnet"),
        ({"name": "unet", "factory": "a:b"}, "either by name or by factory"),
        ({"name": "unet", "settings": {"widht": 3}}, "no setting 'widht'; its settings: width"),
        ({"name": "deeplab", "settings": {"stride": 8}}, "no setting 'stride'; its settings: encoder, width"),
        (
            {"name": "unet", "settings": {"width": 0}},
            "'unet': width should be greater than or equal to 1; got 0",
        ),
        ({"name": "residual_unet", "settings": {"width": True}}, "width should be a valid integer; got True"),
        ({"name": "hrnet", "settings": {"variant": "w32"}}, "variant should be .*'w18_small_v2' or 'w48'; got 'w32'"),
        (
            {"name": "deeplab", "settings": {"encoder": "xception"}},
            "be 'resnet50' or 'resnet18'; got 'xception'",
        ),
        ({"name": "deeplab", "settings": {"width": "64"}}, "width should be a valid integer; got '64'"),
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
