"""The README is true where a test can tell: its links exist, its Python runs, no placeholder is left."""

import re
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import save_image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_link_leads_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_no_placeholder_is_left() -> None:
    assert not re.search(r"\b[A-Z]+_[A-Z]+\b", README)


def test_the_first_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_image(tmp_path / "label.png", np.random.default_rng(0).integers(0, 2, (64, 64)).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    exec(compile(code, "README.md", "exec"), {})
    rows = np.array(re.findall(r"0\.\d+", capsys.readouterr().out), float)
    np.testing.assert_allclose(rows, [0.7, 0.3, 0.3, 0.7], atol=0.05)
