"""Every way of segmenting without labels by its name in specs, loaded only when it is asked for."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from metastructure.errors import ConfigError
from metastructure.unsupervised.base import Method

METHODS: dict[str, str] = {
    "igtt": "metastructure.unsupervised.igtt:IGTT",
    "igtt_published": "metastructure.unsupervised.igtt:PublishedIGTT",
    "consensus": "metastructure.unsupervised.consensus:Consensus",
    "restored": "metastructure.unsupervised.restored:Restored",
    "local_fitting": "metastructure.unsupervised.local_fitting:LocalFitting",
    "otsu": "metastructure.unsupervised.otsu:Otsu",
    "li": "metastructure.unsupervised.li:Li",
    "triangle": "metastructure.unsupervised.triangle:Triangle",
    "adaptive": "metastructure.unsupervised.adaptive:Adaptive",
    "contrast": "metastructure.unsupervised.contrast:Contrast",
    "kmeans": "metastructure.unsupervised.kmeans:KMeans",
    "gaussian_mixture": "metastructure.unsupervised.gaussian_mixture:GaussianMixture",
    "chan_vese": "metastructure.unsupervised.chan_vese:ChanVese",
    "geodesic": "metastructure.unsupervised.geodesic:Geodesic",
    "random_walker": "metastructure.unsupervised.random_walker:RandomWalker",
    "ridge": "metastructure.unsupervised.ridge:Ridge",
    "dfc": "metastructure.unsupervised.dfc:DFC",
    "autoregressive": "metastructure.unsupervised.autoregressive:Autoregressive",
    "iic": "metastructure.unsupervised.iic:IIC",
}
"""Import path of every method; the learnt ones wait for torch, the others do not."""

DEFAULT_METHOD = "igtt"

MethodSpec = str | Mapping[str, Any] | Method


def parse_method(spec: MethodSpec) -> Method:
    """Return the method that a spec describes.

    Parameters
    ----------
    spec : str, mapping or Method
        ``"otsu"``, ``"adaptive:window_px=31,kind=mean"``, ``"igtt:training.rounds=5,ems=none"``, a mapping such as
        ``{"name": "adaptive", "window_px": 31}``, or a method, which is returned as it is.

    Raises
    ------
    ConfigError
        If the name or a setting is unknown, or a value does not fit.

    Examples
    --------
    >>> parse_method("otsu").name
    'otsu'
    >>> parse_method("otsi")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    metastructure.errors.ConfigError: unknown method 'otsi'; did you mean 'otsu'? known: ...
    """
    if isinstance(spec, Method):
        return spec
    settings = _read_text(spec) if isinstance(spec, str) else dict(spec)
    name = settings.pop("name", None)
    if name not in METHODS:
        close = difflib.get_close_matches(str(name), METHODS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ";"
        raise ConfigError(f"unknown method {name!r}{hint} known: {', '.join(METHODS)}.")
    model = load_method(name)
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(filter(None, map(str, first["loc"])))
        known = ", ".join(model.model_fields) or "none"
        raise ConfigError(f"method {name!r}: {where}: {first['msg']}; its settings: {known}.") from None


def parse_untrained(field: str, spec: str) -> Method:
    """Return the method that a setting of another method names, one that needs no training.

    Raises
    ------
    ValueError
        For pydantic, naming the setting `field`, if there is no such method or it has to be trained.
    """
    try:
        method = parse_method(spec)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if method.learns:
        raise ValueError(f"{field} must be a method that needs no training; got {spec!r}")
    return method


def load_method(name: str) -> type[Method]:
    """Return the class of a name in METHODS."""
    module, _, attribute = METHODS[name].partition(":")
    model: type[Method] = getattr(importlib.import_module(module), attribute)
    return model


def _read_text(text: str) -> dict[str, Any]:
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {"name": name.strip()}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"method {text!r}: {part!r} must read setting=value.")
        *groups, setting = key.strip().split(".")
        place = settings
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise ConfigError(f"method {text!r}: {group} has a value, so it has no setting {setting!r}.")
        place[setting] = None if value.strip() == "none" else value.strip()
    return settings
