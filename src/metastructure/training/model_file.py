"""Trained models as one file that is safe to load: weights as tensors, all else as a checked text.

Nothing in the file is executed. A network that was given by import path is built only for a caller who names that path
again, since building it runs the code it points to.
"""

import functools
import hashlib
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from metastructure._version import __version__
from metastructure.data.files import atomic_path
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.networks import NetworkSpec, build_network
from metastructure.training.decode import Decoder, Probabilities
from metastructure.training.paths import check_model_file
from metastructure.training.settings import TrainingSettings
from metastructure.transition import TransitionMatrix

MAGIC = "metastructure model"
FORMAT = 1
"""Raised when an older version of this package could no longer use the file."""


class ModelHeader(BaseModel):
    """All that a model file holds beside the weights.

    Parameters
    ----------
    metastructure : str
        The version that wrote it.
    network : NetworkSpec
    num_channels, num_classes : int
        K of the images and C of the labels.
    normalisation : "zscore"
        What is done to an image before the network sees it.
    threshold : float
        For two classes: at least this foreground score is foreground.
    transition : C rows of C numbers, optional
        Q that is undone in the predicted probabilities.
    class_names : tuple of str
        C of them, or none.
    unseen_classes : tuple of int
        Classes that no training label held.
    training : TrainingSettings
    seed : int
    loss : tuple of float
        Mean training loss of each epoch.
    identity : str
        Hash of all that the training depended on, where it was trained on a folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metastructure: str = __version__
    network: NetworkSpec
    num_channels: Annotated[int, Field(ge=1)]
    num_classes: Annotated[int, Field(ge=2, le=255)]
    normalisation: Literal["zscore"] = "zscore"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    transition: tuple[tuple[float, ...], ...] | None = None
    class_names: tuple[str, ...] = ()
    unseen_classes: tuple[int, ...] = ()
    training: TrainingSettings
    seed: Annotated[int, Field(ge=0)]
    loss: tuple[float, ...] = ()
    identity: str = ""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network and what is needed to use it."""

    header: ModelHeader
    network: nn.Module

    @functools.cached_property
    def decoder(self) -> Decoder:
        """What undoes Q in its probabilities."""
        rows = self.header.transition
        return Decoder(None if rows is None else TransitionMatrix(rows))

    def label(self, p_CHW: Probabilities) -> npt.NDArray[np.uint8]:
        """Return the label (H, W) that the network's probabilities (C, H, W) say: the only place that decides."""
        if self.header.num_classes == 2:
            return (self.decoder.score(p_CHW) >= self.header.threshold).astype(np.uint8)
        return self.decoder.label(p_CHW)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over header and weights: equal for models that predict the same."""
        digest = hashlib.sha256(self.header.model_dump_json().encode())
        for name, tensor in self.network.state_dict().items():
            values = np.ascontiguousarray(tensor.detach().cpu().numpy())
            digest.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
        return digest.hexdigest()


def save_model(path: Path, model: Model) -> None:
    """Write a model to `path`, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}
    content = {"magic": MAGIC, "format": FORMAT, "header": model.header.model_dump_json(), "weights": weights}
    with atomic_path(Path(path)) as temporary:
        torch.save(content, temporary)


def load_model(path: Path, factory: str | None = None) -> Model:
    """Return the model in `path`, its network on the CPU.

    Parameters
    ----------
    path : Path
    factory : str, optional
        ``package.module:function`` of a network that is not one of metastructure's: it must be the one in the file.

    Raises
    ------
    DataError
        If the file is missing, damaged, or no model.
    RunError
        If it was written by a later version, its weights are another network's, or its network needs `factory`.
    """
    path = Path(path)
    content = _read(path)
    header = _read_header(path, content)
    wanted = header.network.factory
    if wanted != factory:
        raise RunError(
            f"{path}: its network is made by {wanted!r}, which is not part of metastructure and would be run; "
            f"if you trust it, name it as the factory (--factory {wanted})."
            if wanted is not None
            else f"{path}: its network is {header.network.title}, not the factory {factory!r}; leave the factory out."
        )
    try:
        network = build_network(header.network, header.num_channels, header.num_classes)
        network.load_state_dict(content["weights"])
    except ConfigError as error:
        raise RunError(f"{path}: {error}") from error
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: its weights do not fit its network {header.network.title} as metastructure {__version__} builds "
            f"it (the file is from {header.metastructure}); train it again, or use that version."
        ) from error
    return Model(header, network.eval())


def read_header(path: Path) -> ModelHeader:
    """Return what `path` says of its model, without building the network.

    Raises
    ------
    DataError, RunError
        As `load_model`.
    """
    path = Path(path)
    return _read_header(path, _read(path))


def _read(path: Path) -> dict[str, Any]:
    check_model_file(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise DataError(f"{path}: this is no model of metastructure, or it is damaged.") from error
    if not isinstance(content, dict) or content.get("magic") != MAGIC:
        hint = "a checkpoint of a training under way" if isinstance(content, dict) and "identity" in content else ""
        raise DataError(f"{path}: this is {hint or 'a file of torch'}, not a model of metastructure.")
    return content


def _read_header(path: Path, content: dict[str, Any]) -> ModelHeader:
    if content.get("format") != FORMAT:
        raise RunError(
            f"{path}: the file has format {content.get('format')}, this metastructure ({__version__}) reads {FORMAT}; "
            "use the version that wrote it, or train again."
        )
    try:
        return ModelHeader.model_validate_json(content.get("header", ""))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "header"
        raise RunError(
            f"{path}: this metastructure ({__version__}) does not understand its {where} ({first['msg']}); "
            "it was written by another version or is damaged: train again."
        ) from None
