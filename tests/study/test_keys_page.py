"""The page of all keys is that of the models, its example is a study, and no kind or network is left out."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from metastructure.data.synthetic import KINDS
from metastructure.networks.spec import NETWORKS
from metastructure.study import StudySpec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """docs/scripts/study_keys.py as a module."""
    spec = importlib.util.spec_from_file_location("study_keys", ROOT / "docs" / "scripts" / "study_keys.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_models(script: ModuleType) -> None:
    assert script.fill_page(PAGE) == PAGE, "run .venv/bin/python docs/scripts/study_keys.py"


def test_every_key_has_a_row_of_its_own(script: ModuleType) -> None:
    for model in script.TABLES:
        rows = PAGE.partition(f"<!-- {model.__name__} -->")[2].partition("<!-- end of")[0].splitlines()[3:]
        assert re.findall(r"^\| `(\w+)` \|", "\n".join(rows), re.MULTILINE) == list(model.model_fields)
        assert all(len(re.split(r"(?<!\\)\|", row)) == 6 for row in rows)
        assert not any(re.search(r"\|\s*\|", row) for row in rows)


def test_rows_by_hand(script: ModuleType) -> None:
    training = PAGE.partition("<!-- TrainingSettings -->")[2]
    assert "| `epochs` | integer ≥ 1 | `20` | Passes over" in training
    assert "| `stop` | `none`, `early` | `none` |" in training
    assert "| `half_width_px` | integer ≥ 0 | none |" in training
    assert "| `ema_decay` | number > 0, < 1 | `0.99` |" in training
    assert "| `name` | text | required |" in PAGE
    assert "| `networks` | list of [network](#network) | `[{name: residual_unet}]` |" in PAGE


def test_a_key_without_a_meaning_is_refused(script: ModuleType) -> None:
    class Untold(StudySpec):
        """A study.

        Parameters
        ----------
        name : str
            What it is called.
        """

    with pytest.raises(ValueError, match=r"Untold: docstring and fields differ in \{.*'margin'"):
        script.read_meanings(Untold)


@pytest.mark.parametrize("page", ["docs/studies.md", "README.md"])
def test_examples_are_studies(page: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    content: dict[str, object] = {}
    for block in blocks:
        content |= yaml.safe_load(block)
    study = StudySpec.model_validate(content)
    assert len(study.claims) == len(study.recipes) == 2


def test_names_are_all_there() -> None:
    for name in (*KINDS, *NETWORKS):
        assert f"`{name}`" in PAGE
