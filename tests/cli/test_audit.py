"""``metastructure audit``: one call with and without images, JSON, and wrong use."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metastructure.data.files import save_image
from metastructure.data.synthetic import generate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of nuclei with their labels."""
    for index in range(6):
        image, label = generate("nuc", seed=1, index=index, height=64, width=64)
        save_image(tmp_path / f"data/images/{index}.png", image)
        save_image(tmp_path / f"data/labels/{index}.tif", label)
    return tmp_path / "data"


def test_the_command_writes_tells_and_refuses(
    run: Callable[..., tuple[int, str, str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("audit", folder / "images", folder / "labels", "-o", "told")
    assert (code, err) == (0, "")
    assert out.startswith("6 labels of 2 classes, beside ")
    assert out.splitlines()[-1] == "page: told/index.html"
    before = sorted(path for path in folder.rglob("*"))
    code, out, err = run("audit", folder / "labels", "--json")
    assert (code, json.loads(out)["audit"]["images_folder"]) == (0, None)
    assert sorted(path for path in folder.rglob("*")) == before  # nothing is written beside the data
    code, _, err = run("audit", folder / "images", folder / "labels", "-o", "told")
    assert code == 2
    assert "holds files already" in err
    code, _, err = run("audit", folder / "images", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in err
