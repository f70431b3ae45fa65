"""A fitted method on disk: ``method.json``, beside it ``model.pt`` if something was learnt, for images that come later.

A method that learns nothing is its settings and the side of the objects. One that learns is kept if what its ``fit``
returns is a `Saves` and the method itself a `Loads`; else there is no file, and no way to use it on other images.
"""

from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError

from metastructure._version import __version__
from metastructure.data.files import ImageArray, atomic_path, write_text
from metastructure.data.journal import hash_file
from metastructure.data.strict_json import to_json
from metastructure.errors import DataError, RunError
from metastructure.unsupervised.base import Method, Predictor, Score, Side, Work, fit_alone
from metastructure.unsupervised.methods import parse_method
from metastructure.unsupervised.segment import Fitted

METHOD_NAME, MODEL_NAME = "method.json", "model.pt"


@runtime_checkable
class Saves(Protocol):
    """A predictor that can be kept in a file."""

    def __call__(self, image: ImageArray) -> Score:
        """Return the score of an image."""

    def save(self, path: Path) -> None:
        """Write all it knows to `path`, over what is there; raise RunError if that cannot be."""


@runtime_checkable
class Loads(Protocol):
    """A method that gets back what `Saves.save` wrote."""

    def load(self, path: Path, work: Work) -> Predictor:
        """Return the predictor in `path`; raise DataError if the file holds something else."""


class FittedFile(BaseModel):
    """What ``method.json`` holds.

    Attributes
    ----------
    metastructure : str
        The version that wrote it.
    method : dict
        Name and all settings.
    side, side_share
        See `Fitted`.
    channels : int
        1 or 3, of the images.
    seed : int
    model_sha256 : str, optional
        Of ``model.pt``, if something was learnt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metastructure: str
    method: dict[str, Any]
    side: Side
    side_share: float
    channels: Literal[1, 3]
    seed: int
    model_sha256: str | None


def describe_method(method: Method) -> dict[str, Any]:
    """Return the name and all settings of a method, as JSON has them."""
    return {"name": method.name, **method.model_dump(mode="json")}


def save_fitted(fitted: Fitted, folder: Path, channels: int, seed: int) -> str:
    """Write the files of a fitted method and return nothing, or why it cannot be kept.

    Parameters
    ----------
    fitted : Fitted
    folder : Path
        Theirs.
    channels : int
        1 or 3, of the images.
    seed : int
        With which it was fitted.
    """
    model_sha256 = None
    if fitted.method.learns:
        if not (isinstance(fitted.predictor, Saves) and isinstance(fitted.method, Loads)):
            return f"{fitted.method.name} has no model to keep: other images have to be segmented together with these."
        try:
            with atomic_path(folder / MODEL_NAME) as temporary:
                fitted.predictor.save(temporary)
        except RunError as error:
            return f"the fitted {fitted.method.name} is not kept for other images: {error}"
        model_sha256 = hash_file(folder / MODEL_NAME)
    content = FittedFile(
        metastructure=__version__,
        method=describe_method(fitted.method),
        side=fitted.side,
        side_share=fitted.side_share,
        channels=3 if channels == 3 else 1,
        seed=seed,
        model_sha256=model_sha256,
    )
    write_text(folder / METHOD_NAME, to_json(content) + "\n")  # last: where it is, the model is whole
    return ""


def read_fitted(path: Path) -> tuple[Path, FittedFile]:
    """Return the folder of a fitted method and what its ``method.json`` says; the model is not loaded.

    Parameters
    ----------
    path : Path
        A folder that ``metastructure segment`` wrote, or a file of the two in it.

    Raises
    ------
    DataError
        If it is no such thing, or ``model.pt`` is missing or another than was written.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / METHOD_NAME
    if not file.is_file() or not path.exists():
        raise DataError(
            f"{path}: no fitted method here ({METHOD_NAME} is missing); name a folder that 'metastructure segment' "
            "wrote, of several methods that of one, with a method that can be kept."
        )
    try:
        content = FittedFile.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise DataError(f"{file}: this is no fitted method of metastructure, or it is damaged.") from None
    model = folder / MODEL_NAME
    if content.model_sha256 and not model.is_file():
        raise DataError(f"{model}: no such file; {METHOD_NAME} and {MODEL_NAME} belong together.")
    if content.model_sha256 and hash_file(model) != content.model_sha256:
        raise DataError(f"{model}: this is not the model that was written with {METHOD_NAME}; fit it again.")
    return folder, content


def load_fitted(path: Path, *, device: Literal["auto", "cpu", "cuda"] = "auto", threads: int | None = None) -> Fitted:
    """Return a fitted method from its files.

    Parameters
    ----------
    path : Path
        As for `read_fitted`.
    device, threads
        Where and on how many cores networks are run.

    Raises
    ------
    DataError
        As for `read_fitted`.
    ConfigError
        If the method or a setting is unknown to this version.
    """
    folder, content = read_fitted(path)
    method = parse_method(content.method)
    work = Work(content.side, content.seed, device, threads)
    if not method.learns:
        return Fitted(method, content.side, content.side_share, fit_alone(method, work))
    if not isinstance(method, Loads):
        raise DataError(f"{folder}: method {method.name!r} cannot be loaded by this version of metastructure.")
    return Fitted(method, content.side, content.side_share, method.load(folder / MODEL_NAME, work))
