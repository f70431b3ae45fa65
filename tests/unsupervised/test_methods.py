"""What every way of segmenting without labels owes its callers, checked for all of them."""

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import metastructure.unsupervised
from metastructure.data.files import ImageArray
from metastructure.data.synthetic import generate
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.unsupervised import METHODS, Method, Work, fit_method, load_method, parse_method, segment
from metastructure.unsupervised.fitted_file import Loads, Saves

QUICK_ROUNDS = {
    "rounds": 2,
    "first_steps": 60,
    "steps": 10,
    "batch_size": 4,
    "crop_px": 32,
    "width": 4,
    "learning_rate": 0.01,
}

QUICK: dict[str, dict[str, object]] = {
    "dfc": {"channels": 12, "iterations": 15},
    "autoregressive": {"width": 6, "steps": 10, "batch_size": 2, "crop_px": 32, "learning_rate": 0.01},
    "igtt": {"training": QUICK_ROUNDS},
    "igtt_published": {"training": QUICK_ROUNDS},
    "iic": {"width": 6, "steps": 10, "batch_size": 2, "crop_px": 32, "learning_rate": 0.01},
}
"""Settings that make a learnt method finish within seconds; those not named here are quick as they are."""


def quick(name: str) -> Method:
    """A method with settings for tests."""
    return parse_method({"name": name, **QUICK.get(name, {})})


def discs(num: int = 3, height: int = 40, width: int = 52) -> list[ImageArray]:
    """Bright discs of different sizes on a dark ground, with noise."""
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[:height, :width]
    images: list[ImageArray] = []
    for index in range(num):
        inside = np.zeros((height, width), dtype=bool)
        for _ in range(3):
            row, column = rng.uniform(6, height - 6), rng.uniform(6, width - 6)
            inside |= (rows - row) ** 2 + (columns - column) ** 2 < (4 + index) ** 2
        images.append(np.asarray(40 + 120 * inside + rng.normal(0, 6, inside.shape), dtype=np.float32))
    return images


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    return quick(request.param)


def test_scores_are_float32_in_unit_range_of_each_image_s_size(method: Method) -> None:
    images = [*discs(), discs(1, 33, 47)[0]]
    found = segment(images, method, side="bright", threads=1)
    for image, score, label in zip(images, found.scores, found.labels, strict=True):
        assert score.dtype == np.float32
        assert score.shape == image.shape == label.shape
        assert score.min() >= 0
        assert score.max() <= 1
        np.testing.assert_array_equal(label, score > 0.5)


def test_the_same_seed_gives_the_same_scores_and_inputs_stay(method: Method) -> None:
    images = discs()
    copies = [image.copy() for image in images]
    first, second = (segment(images, method, side="bright", seed=3, threads=1) for _ in range(2))
    for a, b in zip(first.scores, second.scores, strict=True):
        np.testing.assert_array_equal(a, b)
    for image, copy in zip(images, copies, strict=True):
        np.testing.assert_array_equal(image, copy)


def test_units_of_brightness_do_not_matter(method: Method) -> None:
    images = [np.round(image) for image in discs()]
    plain = segment(images, method, side="bright", threads=1)
    scaled = segment([image * 4.0 + 64.0 for image in images], method, side="bright", threads=1)
    same = [np.mean(a == b) for a, b in zip(plain.labels, scaled.labels, strict=True)]
    assert min(same) > (0.9 if method.learns else 0.999)  # training amplifies the last bit of a float


def test_an_image_turned_round_gives_the_same_label_on_the_dark_side(method: Method) -> None:
    if method.name == "igtt_published":
        pytest.skip("it begins from nothing, and what few rounds find depends on the sign of the pixels")
    images = [np.round(image) for image in discs()]
    bright = segment(images, method, side="bright", threads=1)
    dark = segment([256.0 - image for image in images], method, side="dark", threads=1)
    same = [np.mean(a == b) for a, b in zip(bright.labels, dark.labels, strict=True)]
    assert min(same) > (0.9 if method.learns else 0.999)


def test_colour_constant_and_single_images_work(method: Method) -> None:
    grey = discs(1)[0]
    colour = np.stack([grey, grey * 0.5, grey * 0.2], axis=2)
    assert segment([colour], method, threads=1).labels[0].shape == grey.shape
    found = segment([grey, np.full((40, 52), 7.0)], method, threads=1)
    assert not found.labels[1].any()
    with pytest.raises(DataError, match="nothing can be told apart in 1 image: constant"):
        segment([np.ones((40, 40))], method)


def test_unknown_settings_are_refused(method: Method) -> None:
    with pytest.raises(ConfigError, match="its settings"):
        parse_method({"name": method.name, "nonsense": 1})


def test_every_method_of_the_package_is_in_the_table() -> None:
    for module in pkgutil.iter_modules(metastructure.unsupervised.__path__):
        importlib.import_module(f"metastructure.unsupervised.{module.name}")
    found = {model.name: model for model in all_subclasses(Method) if model.__module__.startswith("metastructure.")}
    assert found == {name: load_method(name) for name in METHODS}


def all_subclasses(model: type[Method]) -> set[type[Method]]:
    return {inner for child in model.__subclasses__() for inner in {child, *all_subclasses(child)}}


@pytest.mark.parametrize("kind", ["er", "mito", "nuc"])
def test_better_than_chance_on_generated_images(method: Method, kind: str) -> None:
    if method.learns:
        pytest.skip("a training of seconds promises nothing; studies measure it")
    pairs = [generate(kind, seed=5, index=index, height=96, width=96) for index in range(4)]
    fitted = fit_method([image for image, _ in pairs], method, side="bright", threads=1)
    for image, label in pairs:
        predicted = fitted.predict(image)
        inside, outside = predicted[label == 1].mean(), predicted[label == 0].mean()
        assert inside > outside


def test_what_was_learnt_can_be_kept_and_used_again(method: Method, tmp_path: Path) -> None:
    if not method.learns or method.name == "igtt_published":
        pytest.skip("nothing is learnt, or its threshold is each image's own")
    images = discs()
    work = Work(threads=1)
    predictor = method.fit(images, work)
    assert isinstance(predictor, Saves)
    assert isinstance(method, Loads)
    predictor.save(tmp_path / "model.pt")
    again = method.load(tmp_path / "model.pt", work)
    np.testing.assert_array_equal(again(images[0]), predictor(images[0]))
    (tmp_path / "broken.pt").write_bytes(b"no model")
    with pytest.raises((DataError, RunError), match=r"broken\.pt"):
        method.load(tmp_path / "broken.pt", work)


def test_a_fitted_method_refuses_what_is_no_image_of_numbers() -> None:
    fitted = fit_method(discs(), "otsu")
    holed = discs(1)[0].copy()
    holed[3, 5] = np.nan
    with pytest.raises(ValueError, match="the image holds NaN or infinite values; replace them first"):
        fitted.predict(holed)
    with pytest.raises(ValueError, match=r"the image must be \(H, W\) or \(H, W, K\); got shape \(2, 3, 4, 5\)"):
        fitted.predict(np.zeros((2, 3, 4, 5)))


@pytest.mark.parametrize("shape", [(40, 52), (40, 52, 3), (40, 52, 4)])
def test_one_image_instead_of_a_list_is_refused(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=shape)  # (H, W, 3) was taken for H images of W x 3 pixels
    with pytest.raises(TypeError, match=r"Give a list of images; got an array of shape .*\[image\]"):
        segment(image, "otsu")


def test_an_iterator_of_images_is_refused() -> None:
    with pytest.raises(TypeError, match="Give a list of images; got generator"):
        segment((image for image in discs()), "otsu")


def test_a_stack_of_grey_images_works() -> None:
    labels = segment(np.stack(discs()), "otsu").labels
    assert [label.shape for label in labels] == [(40, 52)] * 3
