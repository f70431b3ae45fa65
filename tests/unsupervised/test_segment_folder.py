"""Folders segmented without labels: files, sides, resuming, fitted methods for other images, several methods."""

import json
import sys
import types
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from metastructure.data.files import ImageArray, load_image, load_label, save_image
from metastructure.data.synthetic import generate
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.unsupervised import METHODS, Method, Score, Work, fit_method, load_method, parse_method
from metastructure.unsupervised import folder_look as look_module
from metastructure.unsupervised.base import Predictor, fit_alone, to_grey
from metastructure.unsupervised.compare_methods import compare_methods
from metastructure.unsupervised.fitted_file import describe_method, load_fitted
from metastructure.unsupervised.folder_result import Comparison, FolderSegmentation, method_title
from metastructure.unsupervised.segment_folder import apply_fitted, segment_folder


def blob(height: int = 30, width: int = 40, row: int = 10, column: int = 25) -> npt.NDArray[np.float64]:
    """A bright disc of radius 5, 81 pixels, on a dark ground."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= 25
    return np.asarray(20 + 200.0 * inside)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images of all kinds."""
    root = tmp_path / "images"
    save_image(root / "a.png", blob().astype(np.uint8))
    save_image(root / "b.png", (blob(20, 50) * 200).astype(np.uint16))
    save_image(root / "sub/c.tif", blob(25, 35).astype(np.float32) / 1000)
    save_image(root / "sub/deep/d.jpg", blob(32, 32, 20, 8).astype(np.uint8))
    return root


class Level(Method):
    """Learns the mean of all images; brighter pixels are objects."""

    name: ClassVar[str] = "level"
    learns: ClassVar[bool] = True
    num_fits: ClassVar[int] = 0

    warns: bool = False
    kept: bool = True

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        type(self).num_fits += 1
        if self.warns:
            warnings.warn("the level is doubtful", stacklevel=1)
        found = Above(float(np.mean([image.mean() for image in images])))
        return found if self.kept else lambda image: found(image)

    def load(self, path: Path, work: Work) -> Predictor:
        return Above(float(path.read_text()))


class Above:
    """Its predictor."""

    def __init__(self, level: float) -> None:
        self.level = level

    def __call__(self, image: ImageArray) -> Score:
        return np.asarray(np.asarray(image, dtype=np.float64) > self.level, dtype=np.float32)

    def save(self, path: Path) -> None:
        path.write_text(str(self.level))


class Fixed(Method):
    """Calls the first columns and rows objects, whatever the image."""

    name: ClassVar[str] = "fixed"

    rows: int = 0
    columns: int = 0

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        if self.rows < 0:
            raise IndexError("the rows are few")

        def predict(image: ImageArray) -> Score:
            score = np.zeros(image.shape[:2], dtype=np.float32)
            score[: self.rows] = 1
            score[:, : self.columns] = 1
            return score

        return predict


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Level and Fixed have names, as every method has."""
    module = types.ModuleType("methods_of_the_test")
    module.Level, module.Fixed = Level, Fixed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(METHODS, "level", f"{module.__name__}:Level")
    monkeypatch.setitem(METHODS, "fixed", f"{module.__name__}:Fixed")
    monkeypatch.setattr(Level, "num_fits", 0)


def test_every_image_gets_the_label_of_the_method_under_its_name(images: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in images.rglob("*") if path.is_file()}
    out, told = tmp_path / "out", []
    found = segment_folder(images, out, "otsu", probabilities=True, on_phase=lambda *words: told.append(words))
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    names = {"a.png": "a.png", "b.png": "b.png", "sub/c.tif": "sub/c.tif", "sub/deep/d.jpg": "sub/deep/d.png"}
    maps = [str(Path(label).with_suffix("")) + ".probabilities.tif" for label in names.values()]
    files = [f"labels/{name}" for name in [*names.values(), *maps]]
    assert written == sorted([*files, "labels.jsonl", "method.json", "segmentation.json"])
    assert [(item.file, item.label) for item in found.items] == list(names.items())
    fitted = fit_method([load_image(images / name) for name in names], "otsu")
    for (name, label), map_ in zip(names.items(), maps, strict=True):
        image = load_image(images / name)
        np.testing.assert_array_equal(load_label(out / "labels" / label), fitted.predict(image))
        score = tifffile.imread(out / "labels" / map_)
        assert score.dtype == np.float32
        np.testing.assert_array_equal(score, fitted.score(image))
    assert {path: path.read_bytes() for path in before} == before
    assert told == [("reading", n, 4) for n in range(1, 5)] + [("labelling", n, 4) for n in range(1, 5)]
    assert FolderSegmentation.model_validate_json((out / "segmentation.json").read_text()) == found
    assert (found.num_new, found.failures, found.channels, found.mixed) == (4, {}, 1, False)


def test_shares_sides_and_remarks_by_hand(tmp_path: Path) -> None:
    save_image(tmp_path / "in/bright.png", blob().astype(np.uint8))
    for name in ("dark", "darker"):
        save_image(tmp_path / f"in/{name}.png", (255 - blob()).astype(np.uint8))
    save_image(tmp_path / "in/flat.png", np.full((9, 9), 7, np.uint8))
    found = segment_folder(tmp_path / "in", tmp_path / "out", "otsu")
    assert (found.side, found.side_share, found.num_asked) == ("dark", 2 / 3, 3)
    shares = {item.file: round(item.foreground * item.height * item.width) for item in found.items}
    assert shares == {"bright.png": 1200 - 81, "dark.png": 81, "darker.png": 81, "flat.png": 0}
    assert {item.file: item.remark for item in found.odd} == {"bright.png": "nearly full", "flat.png": "constant image"}
    given = segment_folder(tmp_path / "in", tmp_path / "given", "otsu", side="bright")
    assert given.side == "bright"
    assert np.isnan(given.side_share)
    assert given.items[0].foreground == 81 / 1200


def test_grey_and_colour_together_are_seen_grey(tmp_path: Path) -> None:
    colour = np.stack([blob(), blob() / 2, blob() / 4], axis=2).astype(np.uint8)
    alpha = np.concatenate([colour, np.full((30, 40, 1), 255, np.uint8)], axis=2)
    save_image(tmp_path / "one/rgb.png", colour)
    save_image(tmp_path / "one/rgba.png", alpha)
    found = segment_folder(tmp_path / "one", tmp_path / "out", "kmeans")
    assert (found.channels, found.mixed) == (3, False)
    np.testing.assert_array_equal(load_label(found.labels / "rgb.png"), load_label(found.labels / "rgba.png"))
    save_image(tmp_path / "one/grey.png", blob().astype(np.uint8))
    mixed = segment_folder(tmp_path / "one", tmp_path / "mixed", "level")
    assert (mixed.channels, mixed.mixed) == (1, True)
    assert [round(1200 * item.foreground) for item in mixed.items] == [81, 81, 81]
    again = apply_fitted(tmp_path / "out", tmp_path / "one", tmp_path / "again")  # fitted to colour: grey has three
    assert (again.channels, again.failures) == (3, {})


def test_the_same_call_goes_on_where_it_stopped(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt(what: str, done: int, total: int) -> None:
        if (what, done) == ("labelling", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_folder(images, out, "otsu", on_phase=interrupt)
    with (out / "labels.jsonl").open("a") as journal:
        journal.write('{"file": "cut sho')
    first = segment_folder(images, out, "otsu")
    assert (first.num_new, len(first.items)) == (2, 4)
    assert segment_folder(images, out, "otsu").num_new == 0
    (out / "labels/a.png").unlink()
    save_image(out / "labels/b.png", np.zeros((20, 50), np.uint8))
    assert segment_folder(images, out, "otsu").num_new == 2
    save_image(images / "a.png", blob(row=15).astype(np.uint8))
    save_image(images / "new.png", blob().astype(np.uint8))
    assert segment_folder(images, out, "otsu").num_new == 2
    assert segment_folder(images, out, "otsu", probabilities=True).num_new == 5
    for settings, key in [({"side": "dark"}, "side"), ({"seed": 1}, "seed"), ({"method": "li"}, "method")]:
        with pytest.raises(DataError, match=rf"made otherwise \({key} not the same"):
            segment_folder(images, out, **{"method": "otsu", **settings})  # type: ignore[arg-type]


def test_a_learnt_method_is_fitted_once_and_kept(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt(what: str, done: int, total: int) -> None:
        if (what, done) == ("labelling", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_folder(images, out, "level", on_phase=interrupt)
    found = segment_folder(images, out, "level")
    assert (Level.num_fits, found.num_new, found.fitted, found.notes) == (1, 2, str(out), ())
    level = float((out / "model.pt").read_text())
    assert level == np.mean([load_image(images / item.file).mean() for item in found.items])
    save_image(tmp_path / "other/x.png", np.array([[0, 60000], [int(level), int(level) + 1]], np.uint16))
    new = apply_fitted(out / "model.pt", tmp_path / "other", tmp_path / "new", probabilities=True)
    assert (Level.num_fits, new.side, new.fitted) == (1, found.side, str(out))
    assert load_label(new.labels / "x.png").tolist() == [[0, 1], [0, 1]]
    save_image(images / "more.png", blob().astype(np.uint8))
    with pytest.raises(DataError, match=r"made otherwise \(fitted to not the same"):
        segment_folder(images, out, "level")
    (out / "model.pt").write_text("3.0")
    with pytest.raises(DataError, match=r"model\.pt: this is not the model that was written"):
        apply_fitted(out, tmp_path / "other", tmp_path / "newer")
    (out / "model.pt").unlink()
    with pytest.raises(DataError, match=r"model\.pt: no such file"):
        load_fitted(out)


def test_what_cannot_be_kept_and_what_was_doubtful_is_told_also_later(images: Path, tmp_path: Path) -> None:
    spec = "level:warns=true,kept=false"
    found = segment_folder(images, tmp_path / "out", spec)
    assert found.fitted is None
    assert found.notes[0] == "the level is doubtful"
    assert "other images have to be segmented together" in found.notes[1]
    assert segment_folder(images, tmp_path / "out", spec).notes == found.notes
    segment_folder(images, tmp_path / "kept", "level:warns=true")
    (tmp_path / "kept/labels/a.png").unlink()
    again = segment_folder(images, tmp_path / "kept", "level:warns=true")
    assert (again.num_new, again.notes, Level.num_fits) == (1, ("the level is doubtful",), 2)
    with pytest.raises(DataError, match=r"no fitted method here"):
        apply_fitted(tmp_path / "out", images, tmp_path / "new")


def test_the_side_of_a_fitted_method_stays(images: Path, tmp_path: Path) -> None:
    segment_folder(images, tmp_path / "out", "otsu")
    save_image(tmp_path / "dark/x.png", (255 - blob()).astype(np.uint8))
    save_image(tmp_path / "dark/flat.png", np.zeros((9, 9), np.uint8))
    found = apply_fitted(tmp_path / "out", tmp_path / "dark", tmp_path / "new")
    assert [item.foreground for item in found.items] == [0, 1 - 81 / 1200]


def test_bad_images_do_not_keep_the_others_from_their_labels(images: Path, tmp_path: Path) -> None:
    (images / "bad.png").write_bytes(b"no image")
    tifffile.imwrite(images / "nan.tif", np.full((9, 9), np.nan, np.float32))
    found = segment_folder(images, tmp_path / "out", "otsu")
    assert len(found.items) == 4
    assert list(found.failures) == ["bad.png", "nan.tif"]
    assert (
        found.failures["nan.tif"]
        == f"{images / 'nan.tif'}: the image holds NaN or infinite values; replace them first."
    )


def test_bad_folders_are_told_in_one_sentence(images: Path, tmp_path: Path) -> None:
    for out in (images, images / "out", tmp_path):
        with pytest.raises(DataError, match="neither inside the other"):
            segment_folder(images, out)
    save_image(tmp_path / "flat/a.png", np.full((9, 9), 7, np.uint8))
    (tmp_path / "none").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no image")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    out = tmp_path / "out"
    for name, error, sentence in [
        ("flat", DataError, "every image that can be read is constant"),
        ("none", DataError, "no images; put PNG"),
        ("nowhere", DataError, "no such image or folder"),
        ("broken", RunError, r"None of the images in .* can be used\. .*a\.png: the file cannot be read"),
        ("full/notes.txt", DataError, "this is no image"),
    ]:
        with pytest.raises(error, match=sentence):
            segment_folder(tmp_path / name, out)
    with pytest.raises(DataError, match="holds files already"):
        segment_folder(images, tmp_path / "full")
    with pytest.raises(DataError, match="this is a file"):
        segment_folder(images, tmp_path / "full/notes.txt")
    with pytest.raises(ConfigError, match="unknown method"):
        segment_folder(images, out, "otsi")
    with pytest.raises(ValueError, match="side must be"):
        segment_folder(images, out, side="left")  # type: ignore[arg-type]
    assert not out.exists()


def test_one_image_is_a_folder_of_one(images: Path, tmp_path: Path) -> None:
    found = segment_folder(images / "a.png", tmp_path / "out", "otsu")
    assert [item.file for item in found.items] == ["a.png"]
    assert load_label(tmp_path / "out/labels/a.png").sum() == 81


def test_where_nothing_is_learnt_one_image_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(6):
        save_image(tmp_path / f"in/{index}.png", blob(column=10 + index).astype(np.uint8))
    alive, most = set[int](), 0

    def load(path: Path) -> ImageArray:
        nonlocal most
        image = load_image(path).copy()
        alive.add(id(image))
        weakref.finalize(image, alive.discard, id(image))
        most = max(most, len(alive))
        return image

    monkeypatch.setattr(look_module, "load_image", load)
    segment_folder(tmp_path / "in", tmp_path / "out", "otsu")
    assert most <= 2  # the next one is read before the last one's name is bound to it
    segment_folder(tmp_path / "in", tmp_path / "learnt", "level")
    assert most == 6


@pytest.mark.parametrize("name", sorted(METHODS))
def test_settings_survive_the_file_and_what_learns_nothing_needs_no_images(name: str) -> None:
    method = load_method(name)()
    assert parse_method(json.loads(json.dumps(describe_method(method)))) == method
    if not method.learns:
        image, _ = generate("er", seed=2, index=0, height=48, width=56)
        other, _ = generate("nuc", seed=2, index=1, height=40, width=40)
        method = parse_method(f"{name}:iterations=3") if name == "dfc" else method
        alone, together = fit_alone(method, Work(threads=1)), method.fit([other, image], Work(threads=1))
        np.testing.assert_array_equal(alone(image), together(image))


@pytest.mark.parametrize("spec", ["otsu", "adaptive:kind=mean", "adaptive:kind=mean,window_px=31", "level:warns=True"])
def test_a_title_is_a_spec(spec: str) -> None:
    assert method_title(parse_method(spec)) == spec


def test_several_methods_by_hand(tmp_path: Path) -> None:
    save_image(tmp_path / "in/x.png", np.arange(16, dtype=np.uint8).reshape(4, 4))
    specs = ["fixed:columns=2", "fixed:rows=1", "fixed", "fixed:rows=-1", "fixed:rows=1"]
    told = []
    found = compare_methods(tmp_path / "in", tmp_path / "out", specs, on_phase=lambda what, *_: told.append(what))
    assert [one.title for one in found.methods] == ["fixed:columns=2", "fixed:rows=1", "fixed"]
    assert found.failed == {"fixed:rows=-1": "the rows are few"}
    # of 8 and 4 pixels, 2 are shared: 2 * 2 / 12; the third is empty
    np.testing.assert_allclose(found.agreement, [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, np.nan]])
    assert told == ["reading", "fixed:columns=2: labelling", "fixed:rows=1: labelling", "fixed: labelling"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.json",
        "fixed",
        "fixed-2",
        "fixed-3",
    ]
    assert load_label(tmp_path / "out/fixed-2/labels/x.png").sum() == 4
    text = (tmp_path / "out/comparison.json").read_text()
    assert Comparison.model_validate_json(text).methods == found.methods


def test_a_comparison_goes_on_and_grows(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compare_methods(images, out, ["otsu", "li"])
    found = compare_methods(images, out, ["otsu", "triangle"])
    assert [one.result.num_new for one in found.methods] == [0, 4]
    alone = segment_folder(images, tmp_path / "alone", "triangle")
    for item in alone.items:
        np.testing.assert_array_equal(
            load_label(alone.labels / item.label), load_label(out / "triangle/labels" / item.label)
        )
    with pytest.raises(DataError, match="holds files already"):
        segment_folder(images, out, "otsu")
    with pytest.raises(DataError, match="holds files already"):
        compare_methods(images, tmp_path / "alone", ["otsu", "li"])
    with pytest.raises(RunError, match=r"Every method failed .* few"):
        compare_methods(images, tmp_path / "failed", ["fixed:rows=-1"])
    assert apply_fitted(out / "li", images, tmp_path / "new").method == {"name": "li"}


def test_grey_helper_is_the_one_of_the_family(images: Path) -> None:
    colour = np.stack([blob(), blob() / 2, blob() / 4], axis=2)
    np.testing.assert_array_equal(to_grey(look_module.with_channels(colour, 1)), to_grey(colour))
