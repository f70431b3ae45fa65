"""What the widgets compute, without a viewer: against the functions of the library, and by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metastructure import corrupt, parse_noise, segment
from metastructure.errors import ConfigError, DataError
from metastructure.napari.auditing import audit_stacks
from metastructure.napari.maps import density_map, distance_map, second_order_map, signed_distance
from metastructure.napari.noisy import COMMON, draw_noisy
from metastructure.napari.repairing import repair_stack, values_after
from metastructure.napari.samples import make_sample
from metastructure.napari.scratch import scratch_folder
from metastructure.napari.segmenting import segment_stack
from metastructure.napari.stacks import OnItem, Stack
from metastructure.noise import NOISE


def quiet(done: int, total: int) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module")
def nuclei() -> tuple[Stack, Stack]:
    """Images of generated nuclei and labels of which some are left out."""
    (images, *_), _, (labels, *_) = make_sample("nuc", "omit:0.3", 4, 128)
    return Stack("images", list(images), False), Stack("labels", list(labels), False)


def test_each_slice_gets_the_noise_of_its_name(discs: np.ndarray) -> None:
    stack = Stack("cells", [discs, discs], False)
    noisy = draw_noisy(stack, "flip:0.3", 5, quiet)
    model = parse_noise("flip:0.3")
    for index in (0, 1):
        expected = corrupt(discs, model, seed=5, item=f"cells 00{index}", num_classes=3)
        np.testing.assert_array_equal(noisy[index], expected)
    assert (noisy[0] != noisy[1]).any()


def test_the_classes_of_the_stack_are_those_of_all_slices(discs: np.ndarray) -> None:
    stack = Stack("cells", [np.zeros_like(discs), discs], False)
    assert set(np.unique(draw_noisy(stack, "random", 0, quiet)[0])) == {0, 1, 2}


@pytest.mark.parametrize("spec", COMMON)
def test_every_noise_in_the_drop_down_changes_something(spec: str) -> None:
    disc = (np.hypot(*np.mgrid[-5:6, -5:6]) < 4.5).astype(np.uint8)
    discs = np.pad(np.tile(disc, (5, 6)), 20)
    noisy = draw_noisy(Stack("a", [discs, discs], False), spec, 0, quiet)
    assert noisy.shape == (2, 95, 106)
    assert (noisy != discs).any()


def test_the_drop_down_offers_most_families() -> None:
    offered = {spec.split(":")[0] for spec in COMMON}
    assert offered <= set(NOISE)
    assert len(offered) >= 15


def test_density_by_hand() -> None:
    stack = Stack("a", [np.array([[0, 0, 2, 2, 255]], np.uint8).repeat(3, axis=0)], True)
    values = density_map(stack, 2, 1, "box", quiet)
    np.testing.assert_allclose(values[1], [0, 1 / 3, 2 / 3, 1, 1])


def test_signed_distance_by_hand() -> None:
    label = np.array([[1, 0, 0, 0], [0, 0, 0, 2]], np.uint8)
    expected = [[0.5, -0.5, -1.5, 0.5 - np.sqrt(10)], [-0.5, 0.5 - np.sqrt(2), 0.5 - np.sqrt(5), 0.5 - np.sqrt(10)]]
    expected[0][3], expected[1][3] = 0.5 - 3, 0.5 - np.sqrt(10)
    np.testing.assert_allclose(signed_distance(label, 1), expected)


def test_signed_distance_is_unknown_on_one_side_only() -> None:
    assert np.isnan(signed_distance(np.ones((3, 4), np.uint8), 1)).all()
    stack = Stack("a", [np.ones((3, 4), np.uint8), np.eye(4, dtype=np.uint8)[:3]], False)
    values = distance_map(stack, 1, quiet)
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1]).all()


def test_second_order_by_hand() -> None:
    # 1 1 0 1: pairs 1 1 1 of 3 2 1 possible at 1 2 3 to either side; 6 of 12 in all.
    stack = Stack("a", [np.array([[1, 1, 0, 1]], np.uint8).repeat(2, axis=0)], True)
    single = Stack("a", [np.array([[1, 1, 0, 1], [255] * 4], np.uint8)], True)
    found = second_order_map(single, 1, 1, quiet)
    np.testing.assert_allclose(found[1], [2 / 3, np.nan, 2 / 3])
    assert np.isnan(found[0]).all()
    assert second_order_map(stack, 1, 99, quiet).shape == (3, 3)


def test_second_order_pools_the_pairs_of_the_slices() -> None:
    rng = np.random.default_rng(0)
    slices = [(rng.random((9, 11)) < share).astype(np.uint8) for share in (0.2, 0.7)]
    both = second_order_map(Stack("a", slices, False), 1, 2, quiet)
    single = [second_order_map(Stack("a", [one], True), 1, 2, quiet) for one in slices]
    pairs = [int(one.sum()) * (int(one.sum()) - 1) for one in slices]  # num_found of each
    weighed = sum(num * one for num, one in zip(pairs, single, strict=True)) / sum(pairs)
    np.testing.assert_allclose(both, weighed)


@pytest.mark.parametrize("map_of", [lambda s: density_map(s, 5, 1, "box", quiet), lambda s: distance_map(s, 5, quiet)])
def test_a_class_that_is_absent_is_told(map_of: Callable[[Stack], Any], discs: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'cells' holds no pixel of class 5; its classes: 0, 1, 2"):
        map_of(Stack("cells", [discs], True))


def test_the_audit_finds_what_was_left_out(nuclei: tuple[Stack, Stack]) -> None:
    images, labels = nuclei
    clean = make_sample("nuc", "clean", 4, 128)[1][0]
    audit = audit_stacks(images, labels, 0, quiet)
    assert "issing" in audit.headline + audit.sentences
    missing = [suspect for suspect in audit.suspects if suspect.found.why == "missing"]
    assert missing
    hits = [
        clean[one.slice][round(one.found.row), round(one.found.column)]
        & (labels.slices[one.slice][round(one.found.row), round(one.found.column)] == 0)
        for one in missing
    ]
    assert np.mean(hits) > 0.8  # where the clean label has an object and the noisy one has none
    scores = [suspect.found.score for suspect in audit.suspects]
    assert scores == sorted(scores, reverse=True)


def test_labels_alone_can_be_audited(nuclei: tuple[Stack, Stack]) -> None:
    audit = audit_stacks(None, nuclei[1], 0, quiet)
    assert audit.headline
    assert "Not tested" in audit.sentences


def test_errors_name_no_folder_of_ours() -> None:
    with pytest.raises(DataError) as caught, scratch_folder() as folder:
        raise DataError(f"{folder / 'labels' / 'slice 3.tif'}: no such label.")
    assert Path(str(caught.value).split(":")[0]) == Path("labels") / "slice 3.tif"
    assert not folder.exists()


def test_segmenting_is_that_of_the_library(nuclei: tuple[Stack, Stack]) -> None:
    images = nuclei[0]
    labels, side = segment_stack(images, "otsu", "auto", 0, quiet)
    expected = segment(images.slices, "otsu")
    np.testing.assert_array_equal(labels, np.stack(expected.labels))
    assert side == expected.fitted.side == "bright"


def test_denoising_takes_flips_out() -> None:
    _, (clean, *_), (noisy, *_) = make_sample("nuc", "flip:0.2", 4, 128)
    repair = repair_stack(Stack("a", list(noisy), False), "denoise", None, quiet)
    assert (repair.labels != clean).sum() < 0.3 * (noisy != clean).sum()
    assert "pixels changed" in repair.text
    chances = repair.text.split("row for each true class: ")[1].rstrip(".").replace(";", "").split()
    np.testing.assert_allclose(list(map(float, chances)), [0.8, 0.2, 0.2, 0.8], atol=0.04)


def test_a_shift_is_told_with_what_it_does_to_objects() -> None:
    label = np.zeros((20, 30), np.uint8)
    label[4:12, 4:14], label[15, 20:28] = 1, 1
    repair = repair_stack(Stack("a", [label], True), "shift:-1", None, quiet)
    assert repair.labels.shape == (20, 30)
    assert int(repair.labels.sum()) == 6 * 8
    assert repair.text == "40 of 600 pixels changed (6.67 %). Objects vanished: 1."


def test_clean_labels_are_left_alone(discs: np.ndarray) -> None:
    stack = Stack("a", [discs, discs[::-1], discs[:, ::-1]], False)
    repair = repair_stack(stack, "shift:0.2", None, quiet)
    assert repair.text.startswith("Nothing to repair")
    np.testing.assert_array_equal(repair.labels, np.stack(stack.slices))


def test_numbers_of_objects_survive_a_repair() -> None:
    before = np.array([[[7, 7, 0, 0, 0, 9]], [[0, 0, 0, 0, 0, 0]]], np.int32)
    repaired = np.array([[[0, 1, 1, 0, 1, 1]], [[0, 1, 0, 0, 0, 0]]], np.uint8)
    after = values_after(before, repaired, one_class=True)
    assert after.tolist() == [[[0, 7, 7, 0, 9, 9]], [[0, 1, 0, 0, 0, 0]]]
    assert after.dtype == np.int32


class _Enough(Exception):
    """What stops the work."""


WORKS: dict[str, Callable[[Stack, Stack, OnItem], Any]] = {
    "noise": lambda images, labels, on_item: draw_noisy(labels, "flip:0.1", 0, on_item),
    "density": lambda images, labels, on_item: density_map(labels, 1, 2, "box", on_item),
    "distance": lambda images, labels, on_item: distance_map(labels, 1, on_item),
    "second order": lambda images, labels, on_item: second_order_map(labels, 1, 2, on_item),
    "audit": lambda images, labels, on_item: audit_stacks(images, labels, 0, on_item),
    "segment": lambda images, labels, on_item: segment_stack(images, "otsu", "bright", 0, on_item),
    "repair": lambda images, labels, on_item: repair_stack(labels, "shift:-1", None, on_item),
}


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS.keys())
def test_any_work_can_be_stopped_at_its_first_step(
    work: Callable[[Stack, Stack, OnItem], Any], nuclei: tuple[Stack, Stack]
) -> None:
    calls = []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        raise _Enough

    with pytest.raises(_Enough):
        work(*nuclei, stop)
    assert len(calls) == 1
    assert 1 <= calls[0][0] <= calls[0][1]


@pytest.mark.parametrize("spec", ["flipp:0.3", "flip", "flip:2"])
def test_a_wrong_noise_is_told(spec: str, discs: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="noise"):
        draw_noisy(Stack("a", [discs], True), spec, 0, quiet)


def test_samples_are_layers_of_one_shape() -> None:
    layers = make_sample("mito", "dilate:2", 2, 64)
    assert [kind for _, _, kind in layers] == ["image", "labels", "labels"]
    assert {data.shape for data, _, _ in layers} == {(2, 64, 64)}
    clean, noisy = layers[1][0], layers[2][0]
    assert clean.sum() < noisy.sum()
