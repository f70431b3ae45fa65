"""Images that show nothing, and those that show little."""

import numpy as np
import pytest

from metastructure.rng import generator
from metastructure.unsupervised import segment
from metastructure.unsupervised.blank import find_blank


def test_a_constant_image_is_blank_in_every_channel_mean() -> None:
    assert find_blank(np.full((4, 5), 3, dtype=np.uint16)) == "constant"
    rgb = np.zeros((4, 5, 3))
    rgb[..., 0], rgb[..., 2] = np.eye(4, 5), -np.eye(4, 5)  # the mean over the channels is 0
    assert find_blank(rgb) == "constant"


@pytest.mark.parametrize("law", ["normal", "poisson", "salt"])
def test_white_noise_of_any_law_is_blank(law: str) -> None:
    rng = generator(3)
    draws = {
        "normal": lambda: rng.normal(40, 9, (96, 130)),
        "poisson": lambda: rng.poisson(3, (96, 130)).astype(np.uint8),
        "salt": lambda: (rng.random((96, 130)) < 0.02).astype(np.float32),
    }
    found = [find_blank(draws[law]()) for _ in range(60)]
    assert found.count("noise") >= 59, "one in 1,500 may be seen as something"


def test_what_little_there_is_counts() -> None:
    noise = generator(5).normal(0, 1, (128, 96))
    ramp, faint, bead, board = noise.copy(), noise.copy(), noise.copy(), noise.copy()
    ramp += np.linspace(0, 1, 96)  # uneven light is something, as nobody knows that it is not an object
    faint[40:90, 20:70] += 0.35
    bead[50:54, 30:34] += 12
    board[::2, ::2] += 1
    assert [find_blank(image) for image in (ramp, faint, bead, board)] == [None] * 4
    assert find_blank(noise) == "noise"
    assert find_blank(noise[:31, :32]) is None, "too small to tell"
    assert find_blank(noise.T) == find_blank(-noise) == find_blank(7 + 3 * noise) == "noise"


def test_an_image_without_an_object_comes_out_empty() -> None:
    rows, columns = np.mgrid[:64, :64]
    blob = generator(1).normal(100, 8, (64, 64)) + 90.0 * ((rows - 30) ** 2 + (columns - 20) ** 2 < 100)
    noise = generator(2).normal(100, 8, (64, 64))
    assert [bool(label.any()) for label in segment([blob, noise], "otsu", side="bright").labels] == [True, False]
