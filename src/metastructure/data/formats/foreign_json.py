"""JSON files that other programs write: checked against a model, of which unknown keys are passed over."""

from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from metastructure.errors import DataError

Model = TypeVar("Model", bound=BaseModel)


def load_json(path: Path, model: type[Model], what: str) -> Model:
    """Return the content of a JSON file.

    Raises
    ------
    DataError
        If it is no JSON, or not what the model says; with the place of the first difference.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: this is no {what} file ({place + ': ' if place else ''}{first['msg']}).") from None


def check_name(name: str, where: str) -> str:
    r"""Return the path of an image without its suffix, if it stays below the folder that it is written to.

    Raises
    ------
    DataError
        If it is absolute or leads upwards.

    Examples
    --------
    >>> check_name("train\\a.jpg", "coco.json")
    'train/a'
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.stem or ":" in path.parts[0]:
        raise DataError(f"{where}: the file name {name!r} must be a path below a folder, without '..'.")
    return path.with_suffix("").as_posix()
