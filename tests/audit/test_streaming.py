"""The audit and its estimators hold a few labels at a time, however many there are."""

import gc
import sys
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.denoise import score_windows
from metastructure.audit.label_scores import score_labels
from metastructure.data import label_set
from metastructure.data.files import save_image
from metastructure.label import LabelArray
from metastructure.rng import generator
from metastructure.structure.latent_transition import estimate_transition
from metastructure.transition import TransitionMatrix

NUM, SIDE = 24, 48
MOST_ALIVE = 3
"""The one that is looked at, the next one, and one that a loop's variable still names."""

FLIPS = TransitionMatrix([[0.95, 0.05], [0.05, 0.95]])


class Watch:
    """Makes labels, and counts how many of them are alive."""

    def __init__(self) -> None:
        self.alive = self.most = self.made = 0

    def watch(self, label: LabelArray) -> LabelArray:
        """Return the label, which counts until it is freed."""
        self.alive += 1
        self.made += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(label, self._forget)
        return label

    def draw(self, index: int) -> LabelArray:
        """Return a disc with some pixels flipped."""
        rng = generator(0, str(index), "streaming")
        rows, columns = np.indices((SIDE, SIDE)) - rng.integers(18, 30, (2, 1, 1))
        flipped = rng.random((SIDE, SIDE)) < 0.05
        return self.watch(((np.hypot(rows, columns) < 12) ^ flipped).astype(np.uint8))

    def labels(self) -> Iterator[LabelArray]:
        """Give all, each made when it is asked for."""
        return map(self.draw, range(NUM))

    def _forget(self) -> None:
        self.alive -= 1


def transition(watch: Watch) -> None:
    estimate_transition(watch.labels(), generator(0), 2, num_resamples=2)


def bias(watch: Watch) -> None:
    images = (60.0 + 90 * Watch().draw(index) for index in range(NUM))
    estimate_boundary_bias(images, watch.labels(), generator(0), 2, num_resamples=2)


def windows(watch: Watch) -> None:
    score_windows(watch.labels(), FLIPS)


def networks(watch: Watch) -> None:
    def load(name: str) -> tuple[np.ndarray, LabelArray]:
        label = watch.draw(int(name))
        p1 = (0.1 + 0.8 * label).astype(np.float32)
        return np.stack([1 - p1, p1]), label

    score_labels([str(index) for index in range(NUM)], load)


@pytest.mark.parametrize("estimator", [transition, bias, windows, networks])
def test_estimators_hold_a_few_labels_at_a_time(estimator: Callable[[Watch], None]) -> None:
    gc.collect()
    watch = Watch()
    estimator(watch)
    assert watch.made >= NUM
    assert watch.most <= MOST_ALIVE


def test_the_audit_of_a_folder_holds_a_few_labels_at_a_time(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["metastructure.audit.audit_folder"], "NUM_RESAMPLES", 2)
    for index in range(NUM):
        label = Watch().draw(index)
        save_image(tmp_path / "labels" / f"{index:02}.png", label)
        save_image(tmp_path / "images" / f"{index:02}.png", (60 + 90 * label).astype(np.uint8))
    watch, load = Watch(), label_set.load_entry
    monkeypatch.setattr(label_set, "load_entry", lambda *words: watch.watch(load(*words)))
    audit_folder(tmp_path / "images", tmp_path / "labels")
    assert watch.made == 3 * NUM  # one pass each for looks, Q and bias
    assert watch.most <= MOST_ALIVE
