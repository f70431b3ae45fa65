"""Boundary jitter against a plain loop, and what it does to a straight edge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metastructure.noise import BoundaryJitter, Dilation, Erosion
from metastructure.noise.jitter import displace_boundaries
from metastructure.rng import generator

PIXELS = st.sampled_from([0, 0, 1, 2, 255])
LABELS = arrays(np.uint8, st.sampled_from([(5, 7), (1, 9), (3, 3, 4)]), elements=PIXELS)


def displace_by_loop(label, displacement):
    noisy = label.copy()
    for here in np.ndindex(label.shape):
        others = [
            (sum((a - b) ** 2 for a, b in zip(here, there, strict=True)), int(label[there]))
            for there in np.ndindex(label.shape)
            if label[there] not in (255, label[here])
        ]
        if label[here] == 255 or not others:
            continue
        squared, other = min(others)
        towards = displacement[here] if other > label[here] else -displacement[here]
        if np.sqrt(squared) - 0.5 <= towards:
            noisy[here] = other
    return noisy


@settings(deadline=None, derandomize=True, max_examples=40)
@given(LABELS, st.integers(0, 1000))
def test_displacement_equals_a_plain_loop(label, seed):
    displacement = generator(seed, "", "loop").normal(0, 2, label.shape).astype(np.float32)
    noisy = displace_boundaries(
        label, 3, lambda first, stop: displacement[first:stop], float(np.abs(displacement).max())
    )
    assert np.array_equal(noisy, displace_by_loop(label, displacement))


def constant(label, value):
    return displace_boundaries(label, 2, lambda first, stop: np.full(label[first:stop].shape, value), abs(value))


def test_constant_displacement_is_dilation_or_erosion(scene):
    binary = np.where((scene == 2), 1, scene).astype(np.uint8)
    assert np.array_equal(constant(binary, 0.49), binary)
    for radius in (1, 2, 4):
        grown = Dilation(radius_px=radius)(binary, generator(0), 2)
        assert np.array_equal(constant(binary, radius - 0.5), grown)
        assert np.array_equal(constant(binary, 0.5 - radius), Erosion(radius_px=radius)(binary, generator(0), 2))


@pytest.mark.parametrize("bias", [0.0, 3.0])
def test_a_straight_edge_moves_by_the_field(bias):
    label = np.zeros((3000, 80), dtype=np.uint8)
    label[:, 40:] = 1
    model = BoundaryJitter(amplitude_px=3, correlation_px=10, bias_px=bias)
    moved = model(label, generator(0, "edge")).sum(axis=1) - 40.0
    # about 3000 / 25 = 120 independent pieces: standard errors 0.27 of the mean and 0.2 of the deviation.
    # Rounding adds 1/12 to the variance; pixels look their displacement up at their own column.
    assert moved.mean() == pytest.approx(bias, abs=1.1)
    assert moved.std() == pytest.approx(3, abs=0.8)
    centred = moved - moved.mean()
    correlation = [(centred[lag:] * centred[: len(centred) - lag]).mean() / centred.var() for lag in (10, 40)]
    assert correlation[0] == pytest.approx(0.6, abs=0.15)
    assert abs(correlation[1]) < 0.3


def test_no_boundary_moves_farther_than_the_cut_off():
    label = np.zeros((400, 100), dtype=np.uint8)
    label[:, 50:] = 1
    noisy = BoundaryJitter(amplitude_px=4, correlation_px=3)(label, generator(0))
    assert (noisy[:, :35] == 0).all()
    assert (noisy[:, 65:] == 1).all()


def test_bands_leave_no_seam():
    rows, columns = np.mgrid[:900, :400]
    label = ((rows // 30 + columns // 25) % 3).astype(np.uint8)
    displacement = (3 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.float32)
    noisy = displace_boundaries(label, 3, lambda first, stop: displacement[first:stop], 3.0)
    window = displace_boundaries(label[300:500], 3, lambda first, stop: displacement[300 + first : 300 + stop], 3.0)
    assert np.array_equal(window[8:-8], noisy[308:492])
