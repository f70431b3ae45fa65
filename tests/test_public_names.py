"""Every public name can be had, is a thing and not a module, and its docstring says what its signature asks about."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import metastructure

PACKAGES = (
    "metastructure",
    *(
        f"metastructure.{name}"
        for name in (
            "audit",
            "data",
            "data.synthetic",
            "metrics",
            "networks",
            "noise",
            "report",
            "structure",
            "study",
            "training",
            "training.losses",
            "unsupervised",
        )
    ),
)

MANY_FIELDS = 5
"""A class with so many fields needs a section that tells them; fewer may be told by its first line and their names."""

REFERS = re.compile(r"[Ss]ee `|[Aa]s (for|`)|those of `")
"""Says that another docstring tells the rest."""

WITHOUT_NAMES = {"cli", "data.formats", "napari"}
"""Packages that are reached by module or command, and have no names of their own to promise."""


def _names() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            yield package, name


NAMES = list(_names())


def _is_section(docstring: str, *titles: str) -> bool:
    return any(re.search(rf"^{title}\n-+$", docstring, re.MULTILINE) for title in titles)


def list_gaps(thing: Any) -> list[str]:
    """Return what the docstring of a function or class leaves unsaid."""
    docstring = inspect.cleandoc((vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__) or "")
    if not docstring:
        return ["no docstring"]
    return _gaps_of_class(thing, docstring) if inspect.isclass(thing) else _gaps_of_function(thing, docstring)


def _gaps_of_class(thing: Any, docstring: str) -> list[str]:
    fields = next(
        (found for name in ("model_fields", "__dataclass_fields__") if (found := getattr(thing, name, {}))), {}
    )
    told = _is_section(docstring, "Parameters", "Attributes") or REFERS.search(docstring)
    return ["Attributes"] if len(fields) >= MANY_FIELDS and not told else []


def _gaps_of_function(thing: Any, docstring: str) -> list[str]:
    gaps = []
    signature = inspect.signature(thing)
    if len(signature.parameters) > 1 and not REFERS.search(docstring):
        gaps += [name for name in signature.parameters if not re.search(rf"\b{name}\b", docstring)]
    returns = signature.return_annotation not in (None, "None")
    if returns and not (_is_section(docstring, "Returns", "Yields") or re.search(r"\b([Rr]eturn|Yield)", docstring)):
        gaps.append("Returns")
    raised = set(re.findall(r"^\s+raise (\w+)\(", inspect.getsource(thing), re.MULTILINE))
    if raised and not _is_section(docstring, "Raises"):
        gaps.append("Raises")
    return gaps


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_told(package: str) -> None:
    module = importlib.import_module(package)
    assert inspect.getdoc(module)
    gaps = {}
    for name in module.__all__:
        thing = getattr(module, name)
        assert not inspect.ismodule(thing), f"{package}.{name} is a module; another import hides what it names"
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__.startswith("metastructure"):
            found = list_gaps(thing)
            gaps |= {name: found} if found else {}
    assert gaps == {}


def test_every_package_that_names_things_is_looked_at() -> None:
    root = Path(metastructure.__file__).parent
    found = {".".join(path.parent.relative_to(root).parts) for path in root.rglob("__init__.py")} - {""}
    looked_at = {name.removeprefix("metastructure").lstrip(".") for name in PACKAGES} - {""}
    assert found - WITHOUT_NAMES == looked_at


def test_gaps_are_found() -> None:
    def silent(first: int, second: int) -> int: ...

    def vague(first: int, second: int) -> int:
        """Count the `first`."""
        raise ValueError("no")

    def told(first: int, second: int) -> int:
        """Return the sum of `first` and `second`.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError("no")

    assert list_gaps(silent) == ["no docstring"]
    assert list_gaps(vague) == ["second", "Returns", "Raises"]
    assert list_gaps(told) == []


def test_all_names_of_the_package_load_with_any_of_its_modules_loaded_first() -> None:
    """A module of the same name as a function must not take its place, whoever imports what first."""
    for package, name in NAMES:
        home = getattr(getattr(importlib.import_module(package), name), "__module__", "")
        if home.startswith(f"{package}."):
            importlib.import_module(home)
            assert not inspect.ismodule(getattr(importlib.import_module(package), name)), (package, name)
