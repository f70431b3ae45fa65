"""Scores of objects against out-of-fold probabilities, and relabelling: hand-worked cases and limits."""

import numpy as np
import pytest

from metastructure.audit.object_scores import score_objects
from metastructure.audit.relabel import relabel
from metastructure.label import IGNORE
from metastructure.noise import Dilation
from metastructure.rng import generator

# --- objects


def kinds_at(scores):
    return {(round(one.row), round(one.column)): one.kind for one in scores}


def test_each_object_is_told_its_own_error(discs, believe):
    clean = discs()
    label = discs([(16, 17, 8), (50, 30, 12), (24, 66, 7), (80, 20, 3), (40, 88, 5)])
    kinds = kinds_at(score_objects(believe(clean), label))
    assert kinds == {
        (16, 17): "fine",
        (50, 30): "too large",
        (24, 66): "displaced",
        (62, 74): "missing",
        (80, 20): "too small",
        (40, 88): "spurious",
    }


def test_displacements_of_objects_are_measured(discs, believe, centres):
    label = discs([(50, 30, 12), (24, 66, 7)])
    scores = score_objects(believe(discs(centres[1:3]), blur_px=0.3), label)
    large, moved = sorted(scores, key=lambda one: -one.num_pixels)
    assert large.shift_px == pytest.approx((12**2 - 9**2) / (2 * 12), abs=0.3)  # the network is never quite sure
    assert large.offset_px == pytest.approx((0, 0), abs=0.2)
    assert moved.offset_px == pytest.approx((0, 4), abs=0.2)


def test_objects_of_another_class_and_many_objects_in_order(discs, believe, centres):
    clean = discs(centres[:2]) + discs(centres[2:], klass=2)
    label = clean.copy()
    label[discs([centres[3]]) == 1] = 1
    scores = score_objects(believe(clean, 3), label)
    assert scores[0].kind == "other class"
    assert (scores[0].label_class, scores[0].predicted_class) == (1, 2)
    assert [one.weight for one in scores] == sorted((one.weight for one in scores), reverse=True)
    assert len(scores) == 5
    assert {one.kind for one in scores[1:]} == {"fine"}


def test_a_grown_small_object_is_too_large_and_not_spurious(discs, believe):
    small = discs([(40, 40, 3)])
    (only,) = score_objects(believe(small, blur_px=0.5), Dilation(radius_px=3)(small, generator(0)))
    assert only.kind == "too large"


def test_no_objects(discs, believe):
    assert score_objects(believe(np.zeros((20, 20), int)), np.zeros((20, 20), int)) == ()
    assert score_objects(believe(discs()), np.full((96, 100), IGNORE)) == ()


# --- relabelling


def test_relabelling_mends_what_is_confidently_wrong(discs, believe, shifted, centres):
    clean = discs()
    for damaged in (Dilation(radius_px=3)(clean, generator(0)), shifted(clean, 3, 4), discs(centres[1:])):
        mended = relabel(damaged, believe(clean, sure=0.999))
        assert (mended.label != clean).sum() < 0.1 * (damaged != clean).sum()
        assert mended.num_changed == (mended.label != damaged).sum()


def test_relabelling_counts_objects_and_keeps_ignore_and_dtype(discs, believe, centres):
    clean = discs()
    damaged = discs([*centres[1:], (40, 88, 5)]).astype(np.int32)
    damaged[48:52, 28:32] = IGNORE
    mended = relabel(damaged, believe(clean, sure=0.999))
    assert (mended.num_added, mended.num_removed) == (1, 1)
    assert mended.label.dtype == np.int32
    assert ((mended.label == IGNORE) == (damaged == IGNORE)).all()


def test_an_unsure_network_changes_nothing(discs, believe, shifted):
    clean = discs()
    mended = relabel(shifted(clean, 3, 4), believe(clean, sure=0.6))
    assert mended[1:] == (0, 0, 0)
    assert (mended.label == shifted(clean, 3, 4)).all()


def test_a_change_reaches_two_pixels_beyond_what_is_sure():
    p1 = np.full((5, 12), 0.6, np.float32)
    p1[2, 2] = 0.99
    mended = relabel(np.zeros((5, 12), int), np.stack([1 - p1, p1]))
    assert mended.label[2].tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert mended.num_changed == 13  # the pixels within 2 px of one


@pytest.mark.parametrize("sure", [0.5, 1.0, float("nan")])
def test_sure_must_be_a_majority(sure, discs, believe):
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        relabel(discs(), believe(discs()), sure=sure)
