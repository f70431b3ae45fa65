"""Out-of-fold predictions: nobody sees their own label or a duplicate's, a stopped call goes on, others are refused."""

import shutil

import numpy as np
import pytest

from metastructure.audit.out_of_fold import ROBUST, deal_folds, out_of_fold
from metastructure.audit.predictions import JOURNAL_NAME
from metastructure.data.files import save_image
from metastructure.errors import DataError
from metastructure.training import Segmenter, TrainingSettings

PLAIN = TrainingSettings(epochs=2, batch_size=2, crop_px=32)
TINY = {"name": "residual_unet", "settings": {"width": 4}}


def call(root, out="out", **options):
    given = {"folds": 2, "network": TINY, "settings": PLAIN, "threads": 1, "device": "cpu"}
    return out_of_fold(root / "images", root / "labels", root / out, **(given | options))


@pytest.fixture
def root(tmp_path):
    """Six images, of which sub/c and d are the same, with labels."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "sub/c", "d", "e", "f"):
        if name != "d":
            label = (np.indices((32, 40))[1] > rng.integers(8, 32)).astype(np.uint8)
            image = (label * 90 + rng.integers(0, 60, label.shape)).astype(np.uint8)
        save_image(tmp_path / "images" / f"{name}.png", image)
        save_image(tmp_path / "labels" / f"{name}.png", label)
    return tmp_path


@pytest.fixture(scope="module")
def fits():
    """How often a network was fitted; a test clears it."""
    return []


@pytest.fixture(autouse=True)
def counted(monkeypatch, fits):
    fits.clear()
    fit = Segmenter.fit

    def counting(self, images, *rest, **options):
        fits.append(len(images))
        return fit(self, images, *rest, **options)

    monkeypatch.setattr(Segmenter, "fit", counting)


def probabilities(found):
    return {name: found.probabilities(name) for name in found}


def test_duplicates_share_a_fold_and_folds_are_even(root):
    paths = {path.stem: path for path in sorted((root / "images").rglob("*.png"))}
    for seed in range(6):
        dealt = deal_folds(paths, 3, seed)
        assert list(dealt) == list(paths)
        assert dealt["c"] == dealt["d"]
        assert sorted(np.bincount(list(dealt.values()))) == [2, 2, 2]
    assert len({tuple(deal_folds(paths, 3, seed).values()) for seed in range(6)}) > 1


def test_an_image_is_predicted_by_a_network_that_never_saw_its_label(root, fits):
    told = []
    found = call(root, on_progress=lambda done, total: told.append((done, total)))
    assert fits == [3, 3]
    assert told[-1] == (2 * 2 + 6, 2 * 2 + 6)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    before = probabilities(found)
    for p in before.values():
        assert p.shape == (2, 32, 40)
        assert p.dtype == np.float32
        assert p.sum(axis=0) == pytest.approx(1, abs=1e-6)
    stored = np.load(root / "out" / "probabilities" / "sub" / "c.npy")
    assert stored.dtype == np.float16
    save_image(root / "labels" / "a.png", np.zeros((32, 40), np.uint8))
    after = probabilities(call(root, "again"))
    own = {name for name, fold in found.fold_of.items() if fold == found.fold_of["a"]}
    assert {name for name in before if (before[name] == after[name]).all()} == own


def test_a_stopped_call_goes_on_and_ends_with_the_same(root, fits, monkeypatch):
    whole = probabilities(call(root, "whole"))
    predict, seen = Segmenter.predict_probabilities, []

    def stopping(self, image, **options):
        seen.append(1)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return predict(self, image, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Segmenter, "predict_probabilities", stopping)
        with pytest.raises(KeyboardInterrupt):
            call(root)
    fits.clear()
    again = call(root)
    assert fits == []  # both folds were trained, two images were not predicted
    assert all((again.probabilities(name) == p).all() for name, p in whole.items())
    name = next(iter(again))
    path = root / "out" / "probabilities" / f"{name}.npy"
    path.write_bytes(path.read_bytes()[:100])
    assert (call(root).probabilities(name) == whole[name]).all()  # a damaged file is predicted again
    shutil.rmtree(root / "out" / "models")
    assert len(call(root)) == 6
    assert fits == []  # all is predicted, so no model is needed


def test_predictions_of_something_else_are_refused(root):
    call(root)
    with pytest.raises(DataError, match="another training; name a new one"):
        call(root, settings=PLAIN.model_copy(update={"epochs": 3}))
    with pytest.raises(DataError, match="another seed"):
        call(root, seed=1)
    save_image(root / "labels" / "b.png", np.ones((32, 40), np.uint8))
    with pytest.raises(DataError, match="another data"):
        call(root)
    (root / "other").mkdir()
    (root / "other" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="something else already"):
        call(root, "other")
    assert (root / "out" / JOURNAL_NAME).is_file()


def test_wrong_use_is_told(root):
    with pytest.raises(ValueError, match=r"folds must lie in 2\.\.5, the number of different images; got 6"):
        call(root, folds=6)
    with pytest.raises(ValueError, match="folds must lie in"):
        call(root, folds=1)
    with pytest.raises(DataError, match="apart"):
        out_of_fold(root / "images", root / "labels", root / "images" / "out")
    (root / "images" / "a.png").unlink()
    with pytest.raises(DataError, match="has no image"):
        call(root)
    assert not (root / "out").exists()


def test_labels_without_a_known_pixel_teach_nothing_and_are_predicted(root, fits):
    save_image(root / "labels" / "a.png", np.full((32, 40), 255, np.uint8))
    found = call(root)
    assert sum(fits) == 5
    assert found.probabilities("a").shape == (2, 32, 40)
    with pytest.raises(DataError, match="no image 'zebra'"):
        found.probabilities("zebra")


def test_the_default_undoes_noise():
    assert (ROBUST.loss, ROBUST.transition) == ("forward", "estimated")
