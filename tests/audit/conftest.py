"""Discs, and what a good network would say of them, for the tests of scores and relabelling."""

import numpy as np
import pytest
from scipy import ndimage

DISCS = [(16, 17, 8), (50, 30, 9), (24, 62, 7), (62, 74, 10), (80, 20, 6)]


@pytest.fixture(name="centres")
def give_centres():
    """(row, column, radius) of five discs that lie inside 96 x 100 pixels."""
    return DISCS


@pytest.fixture(name="discs")
def give_discs():
    """From discs to their label."""

    def discs(chosen=DISCS, shape=(96, 100), klass=1):
        label = np.zeros(shape, dtype=np.uint8)
        rows, columns = np.indices(shape)
        for row, column, radius in chosen:
            label[np.hypot(rows - row, columns - column) <= radius] = klass
        return label

    return discs


@pytest.fixture(name="believe", scope="session")
def give_believe():
    """From a label to the probabilities of a good network: the label blurred, never quite sure."""

    def believe(label, num_classes=2, blur_px=1.0, sure=0.98):
        p = np.stack([ndimage.gaussian_filter((label == c).astype(float), blur_px) for c in range(num_classes)])
        p = sure * p + (1 - sure) / num_classes
        return (p / p.sum(axis=0)).astype(np.float32)

    return believe


@pytest.fixture(name="shifted")
def give_shifted():
    """From a label and (down, right) to the label moved so."""
    return lambda label, down, right: np.roll(label, (down, right), axis=(0, 1))  # the discs lie inside
