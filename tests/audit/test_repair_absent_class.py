"""Repair of labels among whose classes one occurs nowhere."""

import numpy as np
import pytest
from PIL import Image

from metastructure.audit.repair_folder import repair_folder


def noisy_label(k, rate):
    """Return two discs with a share of the pixels flipped."""
    rows, columns = np.mgrid[:72, :72]
    clean = (np.hypot(rows - 20 - k, columns - 24) < 13) | (np.hypot(rows - 50, columns - 48 + k) < 11)
    return (clean ^ (np.random.default_rng(k).random(clean.shape) < rate)).astype(np.uint8)


@pytest.mark.parametrize("rate", [0, 0.2])
def test_a_class_that_no_label_holds_takes_no_part(tmp_path, rate):
    roots = tmp_path / "two", tmp_path / "three"
    for root, foreground in zip(roots, (1, 2), strict=True):
        root.mkdir()
        for k in range(8):
            Image.fromarray(foreground * noisy_label(k, rate)).save(root / f"{k}.png")
    two, three = (repair_folder(root, tmp_path / "out" / root.name) for root in roots)
    assert bool(two.recipe.nothing_to_repair) == bool(three.recipe.nothing_to_repair) == (rate == 0)
    for record in two.files:
        mended, same = (np.asarray(Image.open(tmp_path / "out" / root.name / record.file)) for root in roots)
        assert 1 not in same
        assert np.mean(2 * mended != same) < 0.01  # of 0.2 wrong; the weight of neighbours grows with C
