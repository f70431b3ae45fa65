"""Which network: a name in the table NETWORKS with its settings, or any class or function by import path.

Torch is imported only where a network is built or its settings are looked at: a wrong name is told without waiting.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from metastructure.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from metastructure.networks.padded import Padded

NETWORKS: dict[str, str] = {
    "residual_unet": "metastructure.networks.residual_unet:residual_unet",
    "unet": "metastructure.networks.unet:unet",
    "deeplab": "metastructure.networks.deeplab:deeplab",
    "hrnet": "metastructure.networks.hrnet:hrnet",
}
"""Import path of every built-in network, ``factory(in_channels, out_channels, **settings)``.

Its annotations say which values a setting takes.
"""

DEFAULT_NETWORK = "residual_unet"


class NetworkSpec(BaseModel):
    """A network and its settings.

    Parameters
    ----------
    name : str, optional
        A key of NETWORKS; DEFAULT_NETWORK if neither name nor factory is given.
    factory : str, optional
        ``package.module:function`` instead of a name. It is called with ``in_channels``, ``out_channels`` and the
        settings, and returns a module from (B, K, H, W) to logits (B, out_channels, H, W).
    settings : mapping
        Keyword arguments of the factory, such as ``{width: 32}``.
    stride : int
        Of a network given by `factory`: input sides are padded to a multiple of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    factory: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    stride: int = Field(default=32, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _accept_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and not {"name", "factory"} & set(value):
            return {"name": DEFAULT_NETWORK, **value}
        return value

    @model_validator(mode="after")
    def _check(self) -> "NetworkSpec":
        if (self.name is None) == (self.factory is None):
            raise ValueError("give a network either by name or by factory")
        if self.factory is not None and ":" not in self.factory:
            raise ValueError(f"a factory reads 'package.module:function'; got {self.factory!r}")
        if self.name is not None:
            if self.name not in NETWORKS:
                raise ValueError(f"unknown network {self.name!r}; known: {', '.join(NETWORKS)}")
            _check_settings(self.name, self.settings)
        return self

    @property
    def title(self) -> str:
        """The name in tables, with its settings: ``unet(width=32)``."""
        settings = ",".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name or self.factory}{f'({settings})' if settings else ''}"


def _load(path: str) -> "Callable[..., nn.Module]":
    module_name, _, attribute = path.partition(":")
    factory: Callable[..., nn.Module] = getattr(importlib.import_module(module_name), attribute)
    return factory


def _check_settings(name: str, settings: dict[str, Any]) -> None:
    if not settings:
        return
    known = dict(list(inspect.signature(_load(NETWORKS[name])).parameters.items())[2:])
    for setting, value in settings.items():
        if setting not in known:
            raise ValueError(f"network {name!r} has no setting {setting!r}; its settings: {', '.join(known)}")
        try:
            TypeAdapter(known[setting].annotation).validate_python(value, strict=True)
        except ValidationError as error:
            wish = error.errors()[0]["msg"].removeprefix("Input ")
            raise ValueError(f"network {name!r}: {setting} {wish}; got {value!r}") from error


def build_network(spec: NetworkSpec, in_channels: int, num_classes: int) -> "nn.Module":
    """Return the network on the CPU in training mode, freshly initialised from torch's current seed.

    Parameters
    ----------
    spec : NetworkSpec
    in_channels : int
        K of the images.
    num_classes : int
        C. Two classes give one logit (of foreground), more give C.

    Raises
    ------
    ConfigError
        If a setting is impossible, or a factory cannot be imported, called, or does not map sizes as it must.
    """
    out_channels = 1 if num_classes == 2 else num_classes
    if spec.name is not None:
        try:
            return _load(NETWORKS[spec.name])(in_channels, out_channels, **spec.settings)
        except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(f"network {spec.title} cannot be built: {reason}.") from error
    assert spec.factory is not None  # NetworkSpec has one or the other
    from metastructure.networks.padded import Padded

    try:
        factory = _load(spec.factory)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"network factory {spec.factory!r} cannot be imported: {error}.") from error
    try:
        network = Padded(factory(in_channels=in_channels, out_channels=out_channels, **spec.settings), spec.stride)
    except TypeError as error:
        raise ConfigError(
            f"network factory {spec.factory!r} cannot be called with in_channels, out_channels and "
            f"{sorted(spec.settings)}: {error}."
        ) from error
    _check_shape(network, spec.factory, in_channels, out_channels)
    return network


def _check_shape(network: "Padded", name: str, in_channels: int, out_channels: int) -> None:
    import torch

    training, side = network.training, 2 * network.stride
    with torch.no_grad():
        logits = network.eval()(torch.zeros(1, in_channels, side, side))
    network.train(training)
    if tuple(logits.shape) != (1, out_channels, side, side):
        raise ConfigError(
            f"network factory {name!r} must map (1, {in_channels}, {side}, {side}) to "
            f"(1, {out_channels}, {side}, {side}); it gave {tuple(logits.shape)}."
        )
