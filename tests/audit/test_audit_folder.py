"""The audit of a folder: which finding each noise of generated labels gives, and its parts by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_result import Audit, Kind
from metastructure.audit.boundary_wander import measure_wander
from metastructure.audit.judging import judge, pooled_ratio, robust_z, tail_of_count, tail_of_z
from metastructure.audit.label_shape import measure_shape
from metastructure.audit.likeness import contrasts, measure_likeness
from metastructure.audit.look import look_at
from metastructure.audit.missing_objects import find_missing
from metastructure.audit.object_colour import find_misfits
from metastructure.audit.object_table import MOST_OBJECTS, find_object_table, is_inner
from metastructure.data.files import save_image
from metastructure.data.synthetic import NUM_CLASSES, generate
from metastructure.errors import DataError
from metastructure.label import IGNORE
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure.estimate import Estimate

NUM, SIZE = 12, 96


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals of Q and of the bias from 40 resamples, for speed."""
    monkeypatch.setattr(sys.modules["metastructure.audit.audit_folder"], "NUM_RESAMPLES", 40)


NOISES: list[tuple[str, str, set[Kind], set[Kind]]] = [
    ("nuc", "clean", set(), set()),
    ("nuc", "flip:0.05", {"random"}, set()),
    ("nuc", "sample:0.3", {"random"}, set()),
    ("nuc", "dilate:2", {"bias"}, set()),
    ("nuc", "erode:2", {"bias"}, set()),
    ("nuc", "jitter:2", {"jitter"}, {"bias"}),
    ("nuc", "skeleton", {"skeleton"}, set()),
    ("nuc", "boxes", {"box"}, {"bias"}),
    ("nuc", "omit:0.3", {"missing"}, set()),
    ("nuc", "include:0.5", {"spurious"}, set()),
    ("mito", "clean", set(), set()),
    ("mito", "dilate:2", {"bias"}, set()),
    ("mito", "omit:0.3", {"missing"}, set()),
    ("mito", "skeleton", {"skeleton"}, set()),
    ("er", "clean", set(), set()),
    ("er", "flip:0.1", {"random"}, set()),
]
"""Kind, noise, what must be clear, and what may be: a wandering boundary of a few small objects has a bias as well."""

FACTS: set[Kind] = {"empty", "outlier"}
"""True of some folders as they were generated, or once noise has emptied a label."""


def write(root: Path, pairs, names=None) -> tuple[Path, Path]:
    for index, (image, label) in enumerate(pairs):
        name = names[index] if names else f"{index:02}"
        if image is not None:
            save_image(root / "images" / f"{name}.png", image)
        save_image(root / "labels" / f"{name}.png", label)
    return root / "images", root / "labels"


def pictures(kind: str, noise: str = "clean", num: int = NUM, seed: int = 0, size: int = SIZE):
    model, C = parse_noise(noise), NUM_CLASSES[kind]
    made = [generate(kind, seed=seed, index=i, height=size, width=size) for i in range(num)]
    noisy = [corrupt(label, model, seed=seed, item=f"{i:02}", num_classes=C) for i, (_, label) in enumerate(made)]
    return [(image, label) for (image, _), label in zip(made, noisy, strict=True)]


def clear(audit: Audit) -> set[str]:
    return {finding.kind for finding in audit.findings if finding.confidence == "clear"}


def coloured(swapped: float = 0.0):
    """Discs of three colours, by class, and some with the class of others."""
    light = {1: (200, 60, 60), 2: (60, 200, 60), 3: (60, 60, 200)}
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    centres = [(row, column) for row in range(14, SIZE, 23) for column in range(14, SIZE, 23)]
    for index in range(4):
        rows, columns = np.indices((SIZE, SIZE))
        label = np.any([np.hypot(rows - r, columns - c) < 7 for r, c in centres], axis=0).astype(np.uint8)
        objects = find_object_table(label, 2)
        rng = generator(0, str(index), "classes")
        true = rng.integers(1, 4, len(objects.klass))
        drawn = np.where(rng.random(len(true)) < swapped, true % 3 + 1, true)
        image = np.full((*label.shape, 3), 20.0)
        noisy = np.zeros_like(label)
        for number, (klass, named) in enumerate(zip(true, drawn, strict=True), start=1):
            image[objects.number == number] = np.array(light[int(klass)]) * rng.uniform(0.8, 1.2)
            noisy[objects.number == number] = named
        image = ndimage.gaussian_filter(image, (1, 1, 0)) + rng.normal(0, 8, image.shape)
        pairs.append((np.clip(image, 0, 255).astype(np.uint8), noisy))
    return pairs


class TestKinds:
    @pytest.mark.parametrize(("kind", "noise", "wanted", "allowed"), NOISES)
    def test_each_noise_gives_its_finding_and_no_other(self, tmp_path, kind, noise, wanted, allowed):
        audit = audit_folder(*write(tmp_path, pictures(kind, noise)), num_classes=2)
        assert clear(audit) - FACTS - allowed == wanted

    def test_bias_and_random_share_come_with_their_numbers(self, tmp_path):
        audit = audit_folder(*write(tmp_path, pictures("nuc", "dilate:2+flip:0.1")))
        assert audit.finding("bias").evidence.value == pytest.approx(1.64, abs=0.4)  # what the disc displaces
        assert audit.random_share.value == pytest.approx(0.1, abs=0.01)
        assert "10 %" in audit.finding("random").sentence

    def test_objects_broken_up_by_random_pixels_are_not_judged(self, tmp_path):
        audit = audit_folder(*write(tmp_path, pictures("nuc", "sample:0.3")))
        for kind in ("jitter", "bias", "skeleton", "missing", "spurious"):
            assert "random pixels break the objects up" in str(audit.finding(kind).evidence)

    def test_the_image_with_missing_objects_is_the_most_suspicious(self, tmp_path):
        pairs = pictures("nuc", size=128)
        objects = find_object_table(pairs[4][1], 2)
        pairs[4][1][objects.number % 2 == 1] = 0
        audit = audit_folder(*write(tmp_path, pairs))
        first = max(audit.images, key=lambda image: image.suspicion)
        assert first.name == "04"
        assert "objects may be missing" in first.strongest
        found = [suspect for suspect in audit.objects if suspect.why == "missing"]
        assert [suspect.image for suspect in found] == ["04"] * 4
        for suspect in found:
            assert objects.number[round(suspect.row), round(suspect.column)] % 2 == 1

    def test_labels_moved_as_a_whole(self, tmp_path):
        pairs = [
            (image, np.roll(label, (3, -2), axis=(0, 1)) if index % 4 == 0 else label)
            for index, (image, label) in enumerate(pictures("nuc", size=128))
        ]
        audit = audit_folder(*write(tmp_path, pairs))
        finding = audit.finding("moved")
        assert finding.confidence == "clear"
        assert set(finding.images) <= {"00", "04", "08"}
        assert audit.images[0].moved_px == (3, -2)

    def test_swapped_classes(self, tmp_path):
        right = audit_folder(*write(tmp_path / "right", coloured()))
        wrong = audit_folder(*write(tmp_path / "wrong", coloured(0.2)))
        assert right.finding("swapped").confidence == "none"
        assert clear(wrong) - FACTS == {"swapped"}
        assert {(o.klass % 3 + 1, o.suggested) for o in wrong.objects if o.why == "other class"} <= {
            (1, 3), (2, 1), (3, 2)
        } | {(one % 3 + 1, (one + 1) % 3 + 1) for one in range(3)}  # fmt: skip

    def test_copies_and_empty_labels(self, tmp_path):
        pairs = pictures("nuc", num=5)
        pairs += [pairs[0], (pairs[1][0], np.roll(pairs[1][1], 9, axis=1)), (pairs[2][0], np.zeros_like(pairs[2][1]))]
        audit = audit_folder(*write(tmp_path, pairs))
        assert audit.finding("duplicate").sentence == (
            "3 images occur more than once, 2 of them with labels that differ; 1 label occurs more than once."
        )
        assert set(audit.finding("duplicate").images) == {"00", "01", "02", "05", "06", "07"}
        assert set(audit.finding("duplicate").images[:4]) == {"01", "02", "06", "07"}  # whose labels differ
        assert audit.finding("empty").images == ("07",)


class TestFolder:
    def test_without_images_the_rest_still_comes(self, tmp_path):
        _, labels = write(tmp_path, pictures("nuc", "flip:0.1"))
        audit = audit_folder(None, labels)
        assert clear(audit) == {"random"}
        assert audit.boundary is None
        assert audit.boundary_reason == "no folder of images was given"
        untested = {finding.kind for finding in audit.findings if finding.confidence == "not tested"}
        assert untested == {"jitter", "bias", "missing", "spurious", "swapped", "moved"}
        assert all(image.reason == audit.boundary_reason for image in audit.images)

    def test_lines_without_images_are_told_but_not_as_an_error(self, tmp_path):
        audit = audit_folder(None, write(tmp_path, pictures("nuc", "skeleton"))[1])
        assert audit.finding("skeleton").confidence == "weak"

    def test_images_that_do_not_fit_are_noted_and_their_labels_kept(self, tmp_path):
        pairs = pictures("nuc", num=4)
        images, labels = write(tmp_path, pairs)
        (images / "01.png").unlink()
        save_image(images / "02.png", pairs[2][0][:50])
        (images / "03.png").write_bytes(b"no image")
        audit = audit_folder(images, labels)
        assert audit.num_images == 4
        assert audit.notes[0] == "01: there is no image of this name; the label was judged alone"
        assert "the image is 50 x 96 pixels but the label 96 x 96" in audit.notes[1]
        assert "03.png" in audit.notes[2]
        assert audit.images[0].reason is None

    def test_no_image_of_any_label_is_an_error(self, tmp_path):
        images, labels = write(tmp_path, pictures("nuc", num=1))
        (images / "00.png").rename(images / "other.png")
        with pytest.raises(DataError, match="name their files alike"):
            audit_folder(images, labels)

    def test_data_set_folder_ragged_sizes_and_ignore(self, tmp_path):
        pairs = pictures("nuc", num=3)
        pairs[1] = (pairs[1][0][:60, :70], pairs[1][1][:60, :70].copy())
        pairs[0][1][:20] = IGNORE
        pairs[2][1][:] = IGNORE
        write(tmp_path / "set" / "train", pairs)
        audit = audit_folder(tmp_path / "set", tmp_path / "set")
        assert [image.name for image in audit.images] == ["00", "01", "02"]
        assert audit.images[2].num_objects == 0
        assert np.isnan(audit.images[2].foreground_share)
        known = pairs[0][1][20:]
        assert audit.images[0].foreground_share == pytest.approx((known == 1).mean())

    def test_one_image_is_never_clear(self, tmp_path):
        audit = audit_folder(*write(tmp_path, pictures("nuc", "dilate:2", num=1)))
        assert clear(audit) <= FACTS
        assert audit.finding("bias").confidence == "weak"
        assert audit.finding("outlier").confidence == "not tested"

    def test_json_there_and_back_and_progress(self, tmp_path):
        images, labels = write(tmp_path, pictures("nuc", num=2))
        seen: list[tuple[int, int]] = []
        audit = audit_folder(images, labels, on_item=lambda done, total: seen.append((done, total)))
        assert seen == [(done, 6) for done in range(1, 7)]
        again = Audit.model_validate_json(audit.model_dump_json())
        assert again.model_dump_json() == audit.model_dump_json()
        assert json.loads(audit.model_dump_json())["num_images"] == 2

    def test_seed_decides_and_every_sentence_has_a_number(self, tmp_path):
        folders = write(tmp_path, pictures("nuc", num=3))
        first, second, other = (audit_folder(*folders, seed=seed) for seed in (0, 0, 1))
        assert first.model_dump_json() == second.model_dump_json()
        assert [f.evidence.value for f in first.findings] == pytest.approx(
            [f.evidence.value for f in other.findings], nan_ok=True
        )
        for finding in first.findings:
            said = any(character.isdigit() for character in finding.sentence)
            assert said or finding.confidence == "not tested" or finding.kind == "duplicate"

    def test_what_is_kept_of_an_image_is_bounded(self):
        label = np.kron(generator(0).random((150, 150)) < 0.2, np.ones((4, 4), dtype=np.uint8)).astype(np.uint8)
        look = look_at("a", label, generator(1).normal(size=label.shape), 2, None)
        assert len(look.klass) <= MOST_OBJECTS
        kept = sum(part.nbytes for part in look if isinstance(part, np.ndarray))
        assert kept < 400 * MOST_OBJECTS


class TestParts:
    def test_objects_by_hand(self):
        label = np.zeros((8, 9), dtype=np.uint8)
        label[1:4, 2:5], label[5:8, 5:9], label[0, 8] = 2, 1, 1
        table = find_object_table(label, 3)
        assert table.klass.tolist() == [1, 2]
        assert table.area.tolist() == [12, 9]  # the single pixel is none
        assert table.box.tolist() == [[5, 5, 8, 9], [1, 2, 4, 5]]
        assert table.centre.tolist() == [[6, 6.5], [2, 3]]
        inner = is_inner(label) & (label > 0)
        assert np.argwhere(inner).tolist() == [[2, 3], [6, 6], [6, 7], [6, 8], [7, 6], [7, 7], [7, 8]]

    def test_contrast_is_inside_less_ring(self):
        label = np.zeros((30, 30), dtype=np.uint8)
        label[10:20, 10:20] = 1
        image = np.where(label, 7.0, 2.0) + np.indices(label.shape)[0] * 0.0
        objects = find_object_table(label, 2)
        likeness = measure_likeness(image, label, objects)
        assert contrasts(likeness, label, objects)[0] == pytest.approx(0.91, abs=0.05)  # smoothing rounds the rim
        dark = measure_likeness(-image, label, objects)
        assert np.allclose(dark.value, likeness.value)

    def test_missing_objects_are_found_and_a_mirrored_one_counted(self):
        row, column = np.indices((90, 120))
        places = ((20, 20), (20, 65), (65, 20), (65, 65), (20, 100))
        discs = [np.hypot(row - r, column - c) < 7 for r, c in places]
        bright = np.any([discs[place] for place in (0, 1, 2, 4)], axis=0)
        image = 50 + generator(0).normal(0, 2, row.shape) + 40 * bright - 40 * discs[3]
        label = (discs[0] | discs[1]).astype(np.uint8)
        objects = find_object_table(label, 2)
        likeness = measure_likeness(image, label, objects)
        found = find_missing(likeness, label, objects, contrasts(likeness, label, objects))
        assert found.table.centre.round().tolist() == [[20, 100], [65, 20]]
        assert found.num_mirrored == 1
        assert found.score.min() > 0.8

    def test_the_rest_of_an_object_drawn_too_thin_is_not_missing(self):
        row, column = np.indices((60, 80))
        is_long = (column > 10) & (column < 70)
        image = 50 + generator(0).normal(0, 2, row.shape) + 40.0 * (is_long & (row >= 25) & (row < 35))
        label = (is_long & (row >= 29) & (row < 31)).astype(np.uint8)
        objects = find_object_table(label, 2)
        likeness = measure_likeness(image, label, objects)
        assert not len(find_missing(likeness, label, objects, contrasts(likeness, label, objects)).score)

    @pytest.mark.parametrize("amplitude", [1.0, 2.0])
    def test_wander_is_the_variance_that_neighbours_share(self, amplitude):
        """A straight edge drawn with a slow sine has wander amplitude / √2, whatever the noise of the image."""
        row, column = np.indices((120, 300))
        image = 100.0 * (row > 60) + generator(0).normal(0, 8, row.shape)
        label = (row > 60 + np.rint(amplitude * np.sin(2 * np.pi * column / 75))).astype(np.uint8)
        objects = find_object_table(label, 2)
        likeness = measure_likeness(image, label, objects)
        wander = measure_wander(likeness, label, objects, 2, np.zeros(1, dtype=bool))
        apart = np.cos(2 * np.pi * 6 / 75)  # neighbours are a cell of 6 px apart; cells cut the steep parts, hence 0.2
        assert wander.products / wander.num_pairs == pytest.approx(
            apart * amplitude**2 / 2, rel=0.2
        )  # cells cut the steep parts

    def test_wander_of_an_exact_edge_is_none(self):
        row = np.indices((120, 300))[0]
        image = 100.0 * (row > 60) + generator(0).normal(0, 8, row.shape)
        label = (row > 60).astype(np.uint8)
        objects = find_object_table(label, 2)
        likeness = measure_likeness(image, label, objects)
        wander = measure_wander(likeness, label, objects, 2, np.zeros(1, dtype=bool))
        assert abs(wander.products / wander.num_pairs) < 0.05
        assert abs(wander.object_px[0]) < 0.2

    def test_boxes_and_lines_by_hand(self):
        label = np.zeros((40, 40), dtype=np.uint8)
        label[5:15, 5:17], label[25, 5:30], label[20:30, 38:] = 1, 1, 1
        shape = measure_shape(label, find_object_table(label, 2), None)
        assert np.array_equal(shape.is_box, [1, np.nan, np.nan], equal_nan=True)  # a line is too thin, one is cut
        assert shape.num_edge == 12 * 10 - 10 * 8 + 25 + (2 + 8 + 2)
        assert shape.num_object_pixels == 120 + 25 + 20

    def test_true_boxes_have_corners(self):
        label = np.zeros((60, 60), dtype=np.uint8)
        label[20:36, 20:40] = 1
        round_one = np.hypot((np.indices(label.shape)[0] - 27.5) / 8, (np.indices(label.shape)[1] - 29.5) / 10) < 1
        objects = find_object_table(label, 2)
        ratios = []
        for true in (label > 0, round_one):
            image = ndimage.gaussian_filter(50 + 60.0 * true, 1.2)
            shape = measure_shape(label, objects, measure_likeness(image, label, objects))
            ratios.append(shape.corner / shape.middle)
        assert ratios[0] > 0.7 > 0.5 > ratios[1]

    def test_misfits_follow_the_names_of_classes(self):
        rng = generator(0)
        klass = np.repeat([1, 2, 3], 30)
        features = np.array([[0, 0], [8, 0], [0, 8]])[klass - 1] + rng.normal(size=(90, 2))
        named = klass.copy()
        named[[0, 40]] = [2, 3]
        image = np.arange(90) % 6
        misfits = find_misfits(features, named, image)
        assert np.flatnonzero(misfits.is_misfit).tolist() == [0, 40]
        assert misfits.suggested[[0, 40]].tolist() == [1, 2]
        renamed = find_misfits(features, np.array([0, 5, 7, 4])[named], image)
        assert np.array_equal(renamed.is_misfit, misfits.is_misfit)
        assert find_misfits(features, np.ones(90, dtype=int), image) is None


class TestJudging:
    def test_pooled_ratio_is_of_sums(self):
        ratio = pooled_ratio([1, 9, 5], [10, 10, 0], generator(0), "none")
        assert ratio.value == 0.5
        assert pooled_ratio([1], [4], generator(0), "none").reason == "one image only: no interval"
        assert pooled_ratio([1], [0], generator(0), "none").reason == "none"

    @pytest.mark.parametrize(
        ("value", "low", "said"),
        [(0.5, 0.3, "clear"), (0.5, 0.1, "weak"), (0.5, 0.0, "none"), (0.05, 0.04, "none"),
         (0.5, np.nan, "weak"), (np.nan, np.nan, "not tested")],
    )  # fmt: skip
    def test_confidence(self, value, low, said):
        assert judge(Estimate(value=value, low=low, high=1.0), 0.1, 0.2) == said

    def test_z_is_robust_and_has_a_floor(self):
        values = np.array([0.0, 0.0, 0.0, 3.0, np.nan])
        assert robust_z(values, 1.0)[3] == 3
        assert np.isnan(robust_z(values)[4])
        assert tail_of_z(np.array([0.0, 50.0, np.nan, 1.0])).tolist()[2] == 1

    def test_count_tail_by_hand(self):
        """Rate (0 + 0.5) / 30 of the others, 10 objects: P(N ≥ 2) at mean 1/6."""
        chance = tail_of_count(np.array([2.0, 0, 0, 0]), np.full(4, 10.0))
        mean = 0.5 / 30 * 10
        assert chance[0] == pytest.approx(1 - np.exp(-mean) * (1 + mean))
        assert chance[1:].tolist() == [1, 1, 1]


@pytest.mark.realdata
def test_real_labels_as_they_are_show_no_clear_error(real_data, tmp_path):
    folder = real_data / "nuc" / "val"
    for path in sorted((folder / "labels").iterdir())[::5]:
        (tmp_path / path.name).symlink_to(path)
    audit = audit_folder(folder / "images", tmp_path)
    assert clear(audit) == set()
    assert audit.num_images == 10
