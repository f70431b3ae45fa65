"""Composition: order, matrices, one generator for all steps."""

import numpy as np
import pytest

from metastructure.noise import Chain, Clean, parse_noise
from metastructure.rng import generator


def test_steps_run_left_to_right():
    label = np.array([[0, 0, 1, 0, 0]])
    assert parse_noise("dilate:1 + flip:1")(label, generator(0)).tolist() == [[1, 0, 0, 0, 1]]
    assert parse_noise("flip:1 + dilate:1")(label, generator(0)).tolist() == [[1, 1, 1, 1, 1]]


def test_matrix_is_the_product_in_order():
    chain = parse_noise("sample:0.25 + matrix:[[0.9,0.1],[0.2,0.8]]")
    assert chain.transition(2).rows[1] == pytest.approx([0.75 * 0.9 + 0.25 * 0.2, 0.75 * 0.1 + 0.25 * 0.8])


def test_a_step_without_matrix_leaves_none():
    assert parse_noise("flip:0.1 + dilate:1").transition(2) is None


def test_ignore_written_by_a_step_stays():
    label = np.zeros((20, 20), dtype=np.uint8)
    noisy = parse_noise("sample:0.5,fill=ignore + flip:1")(label, generator(0))
    assert (noisy == 255).sum() == 200
    assert (noisy == 1).sum() == 200


def test_steps_draw_independently():
    label = np.zeros((100, 100), dtype=np.uint8)
    # two flips at 1/2 that shared their draws would cancel
    assert 4000 < parse_noise("flip:0.5 + flip:0.5")(label, generator(0)).sum() < 6000


def test_num_classes_reaches_every_step():
    with pytest.raises(ValueError, match="2 rows"):
        parse_noise("clean + matrix:[[1,0],[0,1]]")(np.array([[0, 1]]), generator(0), num_classes=3)


def test_clean_is_the_identity():
    assert np.array_equal(Clean().transition(3).rows, np.eye(3))
    with pytest.raises(ValueError, match="at least 2"):
        Chain(steps=(Clean(),))
