"""What every noise family owes its callers, tested on all of them."""

import numpy as np
import pytest

from metastructure.contingency import contingency_table
from metastructure.label import IGNORE
from metastructure.noise import NOISE, geometry, parse_noise
from metastructure.rng import generator


def corrupt(example, label, item="a", num_classes=3):
    return parse_noise(example.spec)(label, generator(7, item, "noise"), num_classes)


def test_every_registered_family_has_an_example(examples):
    families = {parse_noise(example.spec).family for example in examples}
    assert families == {*NOISE, "chain", "at", "varying"}


def test_families_are_registered_under_their_own_name():
    assert all(name == model.family for name, model in NOISE.items())


def test_ignore_neither_changes_nor_appears(example, scene):
    noisy = corrupt(example, scene)
    assert (noisy[scene == IGNORE] == IGNORE).all()
    if example.writes_ignore:
        draws = [corrupt(example, scene, item) for item in "abcdefgh"]
        assert any((noisy == IGNORE).sum() > (scene == IGNORE).sum() for noisy in draws)
    else:
        assert np.array_equal(noisy == IGNORE, scene == IGNORE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_shape_and_dtype_are_kept_and_classes_do_not_depend_on_dtype(example, scene, dtype):
    noisy = corrupt(example, scene.astype(dtype))
    assert noisy.shape == scene.shape
    assert noisy.dtype == dtype
    assert np.array_equal(noisy, corrupt(example, scene))


def test_input_is_untouched_and_not_shared(example, scene):
    before = scene.copy()
    scene.setflags(write=False)
    noisy = corrupt(example, scene)
    assert np.array_equal(scene, before)
    assert noisy.flags.writeable
    assert not np.shares_memory(noisy, scene)


def test_same_seed_same_bytes(example, scene):
    assert corrupt(example, scene).tobytes() == corrupt(example, scene).tobytes()


def test_items_differ_for_random_families_only(example, scene):
    draws = {corrupt(example, scene, item).tobytes() for item in "abcdefgh"}
    assert (len(draws) > 1) == example.random


def test_the_label_is_changed_by_all_but_clean(example, scene):
    draws = [corrupt(example, scene, item) for item in "abcdefgh"]
    assert any(not np.array_equal(noisy, scene) for noisy in draws) == (example.spec != "clean")


def test_classes_stay_below_num_classes(example, scene):
    noisy = corrupt(example, scene)
    assert noisy[noisy != IGNORE].max(initial=0) <= 2


@pytest.mark.parametrize("fill", [0, 1, IGNORE])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (13, 17)])
def test_labels_of_one_value_work(example, fill, shape):
    label = np.full(shape, fill, dtype=np.uint8)
    noisy = corrupt(example, label)
    assert noisy.shape == shape
    if fill == IGNORE:
        assert (noisy == IGNORE).all()


def test_memory_layout_changes_nothing(example, scene):
    reversed_view = scene[::-1, ::2]
    expected = corrupt(example, reversed_view.copy())
    assert np.array_equal(corrupt(example, reversed_view), expected)
    assert np.array_equal(corrupt(example, np.asfortranarray(reversed_view)), expected)


def test_volumes_work(example, scene):
    volume = np.stack([scene, np.roll(scene, 2, axis=0), np.zeros_like(scene), scene])
    noisy = corrupt(example, volume)
    assert noisy.shape == volume.shape
    assert noisy.dtype == volume.dtype
    assert (noisy[volume == IGNORE] == IGNORE).all()
    if not example.writes_ignore:
        assert np.array_equal(noisy == IGNORE, volume == IGNORE)
    assert noisy[noisy != IGNORE].max(initial=0) <= 2


def test_bands_of_a_large_label_leave_no_seam(example, scene, monkeypatch):
    whole = corrupt(example, scene)
    monkeypatch.setattr(geometry, "BAND_PIXELS", 1)
    assert np.array_equal(corrupt(example, scene), whole)


def test_generator_of_any_kind_serves(example, scene):
    """MT19937 gives 32-bit words: a family that took them for 64 bits would draw half its pixels as 0."""
    model = parse_noise(example.spec)
    first, second = (model(scene, np.random.Generator(np.random.MT19937(3)), 3) for _ in range(2))
    assert np.array_equal(first, second)


def test_families_without_a_matrix_are_these(examples):
    without = {model.family for model in (parse_noise(each.spec) for each in examples) if model.transition(3) is None}
    with_one = {model.family for model in (parse_noise(each.spec) for each in examples) if model.transition(3)}
    joined = {"at", "varying", "chain"}
    pixelwise = {"clean", "sample", "flip", "pairflip", "classflip", "matrix", "random"}
    assert with_one == pixelwise | joined | {"omit", "swap", "unlabelled", "points", "scribbles"}
    # with a fill other than IGNORE, or around a model without one, these have none either
    assert without - with_one == set(NOISE) - with_one
    assert without & with_one == joined | {"points", "scribbles"}


def test_realised_matrix_is_the_one_promised(example):
    """Over 600 small images with one object of each class, so that draws shared by an object count once."""
    model = parse_noise(example.spec)
    promised = model.transition(3)
    if promised is None:
        return
    clean = np.repeat(np.array([[0, 1, 0, 2, 0, 255]], dtype=np.uint8), 40, axis=0).repeat(5, axis=1)
    tables = [contingency_table(clean, model(clean, generator(3, str(item), "noise"), 3), 3) for item in range(600)]
    table = sum(tables)
    kept = table.sum(axis=1, keepdims=True)
    rows = promised.rows
    # five standard errors of a binomial share, per entry
    num_draws = 600 if example.shared_draws else kept
    tolerance = 5 * np.sqrt(rows * (1 - rows) / num_draws) + 1e-3
    assert (kept > 0).all()
    assert (np.abs(table / kept - rows) <= tolerance).all()
