"""Write the tables of docs/studies.md: every key of a study file with its type, default and meaning.

Run:  .venv/bin/python docs/scripts/study_keys.py
Types and defaults are those of the pydantic models, meanings their docstrings; the text around the tables is written by
hand. A test compares the page with this.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from metastructure.networks.spec import NetworkSpec
from metastructure.study.spec import DataSpec, GenerateSpec, Resources, StudySpec
from metastructure.training.settings import TrainingSettings

PAGE = Path(__file__).parents[1] / "studies.md"
TABLES: tuple[type[BaseModel], ...] = (StudySpec, DataSpec, GenerateSpec, NetworkSpec, Resources, TrainingSettings)
NAMES = {"StudySpec": "study", "DataSpec": "data", "GenerateSpec": "generate", "NetworkSpec": "network"}
NAMES |= {"Resources": "resources", "TrainingSettings": "training"}
"""What the page calls each model; a type that is one of them links to its table."""

WORDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def fill_page(text: str) -> str:
    """Return the page with each table between its two marks made anew.

    Raises
    ------
    ValueError
        If the marks of a table are missing.
    """
    for model in TABLES:
        marks = f"<!-- {model.__name__} -->\n", f"<!-- end of {model.__name__} -->"
        if any(text.count(mark) != 1 for mark in marks):
            raise ValueError(f"{PAGE.name} must hold {marks[0].strip()} and {marks[1]} once each.")
        before, rest = text.split(marks[0])
        text = before + marks[0] + make_table(model) + marks[1] + rest.split(marks[1])[1]
    return text


def make_table(model: type[BaseModel]) -> str:
    """Return the Markdown table of a model's keys."""
    schema = model.model_json_schema()
    meanings = read_meanings(model)
    rows = [["key", "type", "default", "meaning"], ["---"] * 4]
    for key, kind in schema["properties"].items():
        rows.append([f"`{key}`", _type(kind), _default(model, key), meanings[key]])
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def read_meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstring says of each key.

    Keys on one line share their meaning; a key without a line of its own is told of in that of another.

    Raises
    ------
    ValueError
        If it says nothing of a key, or something of a key that there is not.
    """
    lines = (model.__doc__ or "").partition("Parameters\n")[2] + "\n"
    entries = re.findall(r"^    (\w[\w, ]*) : .*\n((?:(?:     .*)?\n)*)", lines, re.MULTILINE)
    found = {}
    for names, body in entries:
        text = " ".join(body.split()).replace("``", "`")
        for name in names.split(", "):
            found[name] = text
    for name in model.model_fields.keys() - found.keys():
        found[name] = next((f"see `{other}`" for other, text in found.items() if f"`{name}`" in text), "")
    told = {name for name, text in found.items() if text}
    if told != set(model.model_fields):
        raise ValueError(f"{model.__name__}: docstring and fields differ in {told ^ set(model.model_fields)}.")
    return found


def _type(kind: Mapping[str, Any]) -> str:
    """Return a JSON schema as people say it."""
    if "$ref" in kind:
        name = NAMES[kind["$ref"].rpartition("/")[2]]
        return f"[{name}](#{name})"
    if "anyOf" in kind:
        return " or ".join(_type(part) for part in kind["anyOf"] if part != {"type": "null"})
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("format") == "path":
        return "path"
    if kind.get("type") == "array":
        return f"list of {_type(kind['items'])}"
    if kind.get("type") == "object":
        inside = kind.get("additionalProperties")
        inside = next(iter(kind.get("patternProperties", {}).values()), inside)
        return f"mapping of {_type(inside)}" if isinstance(inside, Mapping) else "mapping"
    bounds = [f"{sign} {kind[name]:g}" for name, sign in BOUNDS.items() if name in kind]
    return f"{WORDS[kind['type']]} {', '.join(bounds)}".strip()


def _default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "required"
    value = _plain(field.get_default(call_default_factory=True))
    if value is None or value == "":
        return "none"
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
    return f"`{text}`"


def _plain(value: Any) -> Any:
    """Return a default as YAML would hold it; a model is what it changes of its own defaults."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


if __name__ == "__main__":
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE)
