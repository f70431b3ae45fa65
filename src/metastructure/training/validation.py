"""What pydantic found wrong with a spec or a setting, in one line."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Spec = TypeVar("Spec", bound=BaseModel)


def validate(model: type[Spec], content: object) -> Spec:
    """Return the spec or settings that `content` holds, or raise ValueError with the first problem in one line."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ValueError(describe_validation_error(error, model)) from None


def describe_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem in one line: where, what, and for an unknown key the known ones."""
    first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        parent = _find_model(model, first["loc"][:-1])
        known = f"; known keys: {', '.join(parent.model_fields)}" if parent else ""
        return f"unknown key '{where}'{known}."
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{where + ': ' if where else ''}{reason[:1].lower() + reason[1:]}."


def _find_model(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the model that the keys at `location` belong to, following the annotations."""
    found: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str) and found is not None and part in found.model_fields:
            inner = _models_in(found.model_fields[part].annotation)
            found = inner[0] if inner else None
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
