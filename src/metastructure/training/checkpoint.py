"""Checkpoints: all that a training needs to go on exactly where it stopped, written whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from metastructure.data.files import atomic_path
from metastructure.errors import RunError

FORMAT = 2


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts of them) to `path`."""
    content = io.BytesIO()  # written by Python, as torch's own writer hides that the disk is full
    torch.save({"format": FORMAT, **state}, content)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_checkpoint(path: Path, identity: str) -> dict[str, Any]:
    """Return the state in `path`, which must have been saved with the same ``identity``.

    Raises
    ------
    RunError
        If the file is damaged, or belongs to another training.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files
        raise RunError(f"{path}: this checkpoint cannot be read; delete it to start the run afresh.") from error
    if state.get("format") != FORMAT or state.get("identity") != identity:
        raise RunError(f"{path}: this checkpoint belongs to another training; delete it to start afresh.")
    return state
