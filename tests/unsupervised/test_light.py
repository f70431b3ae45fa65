"""Uneven light: taken off where it hides objects, left where it does not, and no reason to take ground for objects."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metastructure.data.synthetic import generate
from metastructure.unsupervised import decide_side, segment
from metastructure.unsupervised.base import Grey
from metastructure.unsupervised.light import even_out, measure_outline

SIDE_PX = 128


def discs(radius_px: float, num: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    centres = rng.uniform(radius_px, SIDE_PX - radius_px, (num, 2))
    return np.any([np.hypot(rows - y, columns - x) <= radius_px for y, x in centres], axis=0)


def wires(seed: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    return (np.abs((rows + 10 * np.sin(columns / 15 + seed)) % 40 - 20) < 2) | (np.abs(columns - 70) < 2)


OBJECTS = {"small": discs(5, 12), "large": discs(22, 3, seed=1), "wires": wires()}


def lit(objects: np.ndarray, gradient: float, noise: float = 4.0, seed: int = 0) -> np.ndarray:
    """Return objects of 40 grey values on a ramp of `gradient` from corner to corner."""
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    image = 60 + gradient * (rows + 2 * columns) / (3 * SIDE_PX) + 40 * gaussian_filter(objects * 1.0, 0.8)
    return image + np.random.default_rng(seed).normal(0, noise, image.shape)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("method", ["local_fitting", "restored", "restored:method=otsu"])
def test_objects_are_found_whatever_the_light_and_the_side(name: str, method: str) -> None:
    image, objects = lit(OBJECTS[name], gradient=130), OBJECTS[name]
    assert dice(segment([image], "otsu", side="bright").labels[0] == 1, objects) < 0.7
    for seen, side in ((image, "bright"), (300 - image, "dark")):
        found = segment([seen], method)  # the side is told from the image
        assert found.fitted.side == side
        assert dice(found.labels[0] == 1, objects) > (0.9 if method.startswith("restored") else 0.87)


def test_the_side_of_few_small_objects_is_not_that_of_the_noise() -> None:
    images = [lit(discs(4, 3, seed), gradient=0, noise=7, seed=seed) for seed in range(3)]
    assert decide_side(images) == ("bright", 1.0)
    assert decide_side([255 - image for image in images]) == ("dark", 1.0)


def test_the_side_of_a_large_image_is_told_by_its_middle_unless_that_is_blank() -> None:
    rng = np.random.default_rng(5)
    large = rng.normal(100, 2, (900, 900))
    large[300:600:30, 300:600] += 60
    frame = np.ones(large.shape, dtype=bool)
    frame[190:710, 190:710] = False
    large[frame] += 200  # two thirds of all pixels, none of them in the middle
    assert decide_side([large]) == ("bright", 1.0)
    blank = rng.normal(100, 2, (900, 900))
    blank[:180] -= 60
    assert decide_side([blank]) == ("dark", 1.0)


def to_unit(image: np.ndarray) -> Grey:
    return np.asarray((image - image.min()) / np.ptp(image), dtype=np.float32)


@pytest.mark.parametrize(("objects", "gradient"), [("large", 0), ("small", 0), ("wires", 8)])
def test_an_image_in_even_light_stays_as_it_is(objects: str, gradient: float) -> None:
    grey = to_unit(lit(OBJECTS[objects], gradient))
    assert even_out(grey) is grey


def test_an_object_wider_than_every_window_stays() -> None:
    rows, columns = np.mgrid[:400, :400]
    grey = to_unit(50.0 * (np.hypot(rows - 200, columns - 200) < 130))
    assert even_out(grey, [16.0, 32.0]) is grey


def test_turned_and_mirrored_images_lose_the_same_light() -> None:
    grey = to_unit(lit(OBJECTS["small"], gradient=130))
    expected = even_out(grey)
    assert expected is not grey
    for turn in (np.flipud, np.fliplr, np.transpose):
        np.testing.assert_allclose(turn(even_out(turn(grey))), expected, atol=1e-5)
    np.testing.assert_allclose(1 - even_out(1 - grey), expected, atol=1e-5)


def test_one_bright_object_does_not_hide_the_others() -> None:
    """Without the mean of the narrowest window the brightest of these five nuclei alone is above the threshold."""
    image, label = generate("nuc", seed=1, index=12, height=SIDE_PX, width=SIDE_PX)
    grey = to_unit(image.astype(np.float64))
    assert even_out(grey) is grey
    assert dice(segment([image], "local_fitting").labels[0] == 1, label == 1) > 0.9


def test_an_outline_by_hand() -> None:
    grey = np.array([[0, 1, 9, 9], [0, 0, 6, 9], [0, 0, 0, 0]], dtype=np.float32)
    # across the outline of what is above Otsu's threshold: 1|9, 0|6, and 6|0, 9|0 downwards
    assert measure_outline(grey) == (pytest.approx((8 + 6 + 6 + 9) / 4), pytest.approx(29))
    assert measure_outline(np.ones((3, 3), dtype=np.float32)) == (0, 0)
