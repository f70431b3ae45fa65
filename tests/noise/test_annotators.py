"""Annotators and their consensus, against a plain count of votes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metastructure.noise import Annotator, Consensus, Dilation, Erosion, majority_label, soft_label
from metastructure.rng import generator

VOTES = st.lists(arrays(np.uint8, (2, 5), elements=st.sampled_from([0, 1, 2, 255])), min_size=1, max_size=5)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(VOTES)
def test_consensus_equals_a_plain_count(labels):
    majority, soft = majority_label(labels, 3), soft_label(labels, 3)
    for here in np.ndindex(2, 5):
        votes = [int(label[here]) for label in labels if label[here] != 255]
        counts = [votes.count(klass) for klass in range(3)]
        assert majority[here] == (counts.index(max(counts)) if votes else 255)
        assert soft[(slice(None), *here)] == pytest.approx([count / max(len(votes), 1) for count in counts])
    assert majority.dtype == np.uint8


def test_a_steady_annotator_shifts_the_boundary(scene):
    large, small = Annotator(bias_px=2), Annotator(bias_px=-2)
    assert np.array_equal(large(scene, generator(0)), Dilation(radius_px=2)(scene, generator(0)))
    assert np.array_equal(small(scene, generator(0)), Erosion(radius_px=2)(scene, generator(0)))
    assert np.array_equal(Annotator()(scene, generator(0)), scene)


def test_an_unsteady_annotator_keeps_his_bias():
    rows, columns = np.mgrid[:200, :200]
    label = (np.hypot(rows - 100, columns - 100) <= 60).astype(np.uint8)
    areas = [
        np.mean([Annotator(bias_px=b, jitter_px=2)(label, generator(s)).sum() for s in range(12)]) for b in (-3, 0, 3)
    ]
    # a ring of 3 px around a circle of radius 60 is about 3 * 2 pi 60 = 1131 pixels
    assert np.diff(areas) == pytest.approx([1131, 1131], rel=0.25)


def test_annotators_err_independently(scene):
    panel = Consensus(annotators=(Annotator(jitter_px=2), Annotator(jitter_px=2), Annotator(omission=0.5)))
    labels = panel.simulate_labels(scene, generator(0))
    assert len(labels) == 3
    assert not np.array_equal(labels[0], labels[1])
    assert np.array_equal(panel(scene, generator(0)), majority_label(labels, 3))


def test_the_majority_errs_less_than_its_members(scene):
    panel = Consensus(annotators=tuple(Annotator(jitter_px=3, omission=0.1) for _ in range(7)))
    errors, joint = [], []
    for seed in range(10):
        labels = panel.simulate_labels(scene, generator(seed))
        errors += [np.mean(label != scene) for label in labels]
        joint.append(np.mean(majority_label(labels, 3) != scene))
    assert np.mean(joint) < 0.6 * np.mean(errors)


def test_wrong_panels_are_refused():
    with pytest.raises(ValueError, match="at least one label"):
        majority_label([], 2)
    with pytest.raises(ValueError, match="same shape"):
        soft_label([np.zeros((2, 2), int), np.zeros((2, 3), int)], 2)
    with pytest.raises(ValueError, match="class 2"):
        majority_label([np.array([[2]])], 2)
