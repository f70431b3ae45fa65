"""``metastructure segment``: one method, several, a fitted one, and wrong use."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import metastructure as ms
from metastructure.data.files import load_label, save_image
from metastructure.unsupervised.folder_result import Comparison, FolderSegmentation
from metastructure.unsupervised.methods import DEFAULT_METHOD, METHODS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images in a folder, which is the working directory's ``images``."""
    rows, columns = np.mgrid[:24, :30]
    for name, row in (("a", 8), ("b", 14)):
        inside = (rows - row) ** 2 + (columns - 12) ** 2 <= 25
        save_image(tmp_path / f"images/{name}.png", np.where(inside, 200, 30).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_labels_page_and_summary(run: Run, folder: Path) -> None:
    code, out, err = run("segment", "images", "out", "--method", "otsu", "--side", "bright", "--seed", 3)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "2 labels in out/labels by otsu",
        "object: median 11.2 %, 11.2 to 11.2 % of an image",  # 81 of 720 pixels
        "Objects are brighter than what surrounds them, as was given.",
        "the same for other images: --fitted out",
        "page: out/page.html",
    ]
    assert load_label(folder / "out/labels/b.png").sum() == 81
    page = (folder / "out/page.html").read_text(encoding="utf-8")
    assert "metastructure segment images out --method otsu --side bright --seed 3" in page
    code, out, _ = run("segment", "images", "out", "--method", "otsu", "--side", "bright", "--seed", 3, "--json")
    assert code == 0
    found = FolderSegmentation.model_validate_json(out)
    assert (found.num_new, found.seed) == (0, 3)
    assert json.loads(out) == json.loads((folder / "out/segmentation.json").read_text())


def test_a_fitted_method_labels_other_images(run: Run, folder: Path) -> None:
    assert run("segment", "images", "out", "--side", "dark", "--method", "li")[0] == 0
    code, out, _ = run("segment", "images/a.png", "new", "--fitted", "out", "--probabilities")
    assert code == 0
    assert out.startswith("1 label in new/labels by li\nobject: 88.8 % of an image\n")
    assert "darker than what surrounds them, as in the images the method was fitted to" in out
    assert sorted(path.name for path in (folder / "new/labels").iterdir()) == ["a.png", "a.probabilities.tif"]


def test_without_a_method_the_default_is_taken(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    taken = []

    def take(images: Path, out: Path, method: str, **_: object) -> None:
        taken.append(method)
        raise KeyboardInterrupt

    monkeypatch.setattr("metastructure.unsupervised.segment_folder.segment_folder", take)
    assert run("segment", "images", "out")[0] == 130
    assert taken == [DEFAULT_METHOD]


def test_several_methods_are_compared(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    code, out, err = run("segment", "images", "out", "--method", "otsu", "--method", "triangle")
    assert (code, err) == (0, "")
    assert out.startswith("2 methods, labels in out/METHOD/labels\notsu  ")
    assert "Objects are taken to be brighter than what surrounds them: the brighter part is the smaller one in 2" in out
    assert load_label(folder / "out/triangle/labels/a.png").shape == (24, 30)
    assert "Side by side" in (folder / "out/page.html").read_text(encoding="utf-8")
    few = {name: METHODS[name] for name in ("li", "otsu")}
    monkeypatch.setattr("metastructure.unsupervised.methods.METHODS", few)
    code, out, _ = run("segment", "images", "every", "--method", "all", "--json")
    assert code == 0
    assert [one.title for one in Comparison.model_validate_json(out).methods] == ["li", "otsu"]


def test_a_doubtful_side_is_told_of_each_of_several_methods(run: Run, folder: Path) -> None:
    image = np.tile(np.linspace(0, 90, 30), (24, 1))  # the bright part is the smaller one by Otsu, not near its edges
    image[:, 20:] += 60
    image[::2, :20] += 60
    save_image(folder / "uneven/c.png", image.astype(np.uint8))
    out = run("segment", "uneven", "out", "--method", "otsu", "--method", "triangle")[1]
    told = [line for line in out.splitlines() if "the objects fill more than half, which goes against that" in line]
    assert [line.split(":")[0] for line in told] == ["triangle"]


def test_what_has_no_label_is_told_last_with_code_1(run: Run, folder: Path) -> None:
    (folder / "images/bad.png").write_bytes(b"no image")
    code, out, err = run("segment", "images", "out", "--method", "otsu")
    assert code == 1
    assert out.startswith("2 labels in out/labels")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: 1 image could not be labelled; the others have labels. images/bad.png: the file")
    assert "images/bad.png: the file cannot be read" in (folder / "out/page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "Missing argument 'IMAGES'"),
        (("nowhere", "out"), "nowhere: no such image or folder of images"),
        (("images", "images/out"), "neither inside the other"),
        (("images", "out", "--method", "otsi"), "did you mean 'otsu'"),
        (("images", "out", "--method", "li", "--method", "otsu:x"), "'x' must read setting=value"),
        (("images", "out", "--side", "left"), "--side"),
        (("images", "out", "--fitted", "nowhere"), "nowhere: no fitted method here"),
        (("images", "out", "--fitted", "out", "--side", "dark"), "--fitted brings its own method, side and seed"),
        (("images", "out", "--fitted", "out", "--method", "li"), "--fitted brings its own method, side and seed"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(run: Run, folder: Path, words: tuple[str, ...], complaint: str) -> None:
    code, out, err = run("segment", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert complaint in err
    assert [path.name for path in folder.iterdir()] == ["images"]


def test_help_fits_and_shows_an_example(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("segment", "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "Example: metastructure segment" in out


def test_public_names() -> None:
    assert {"fit_method", "segment", "segment_folder"} <= set(ms.__all__)
    assert ms.segment_folder is not None
