"""Several annotators: by hand, known habits and matrices, permutation, copies, skipped images, wrong input."""

import math
from importlib import import_module

import numpy as np
import pytest

from metastructure.audit import compare_annotators, consensus_label, judge_annotators
from metastructure.audit.annotator_answers import decode_answers, encode_answers, find_inner
from metastructure.audit.annotator_fit import cohen_kappa
from metastructure.audit.annotator_outlines import compare_outlines, find_outline
from metastructure.contingency import contingency_table
from metastructure.data.files import load_image, load_label
from metastructure.data.folder import find_items
from metastructure.data.synthetic import generate
from metastructure.label import IGNORE
from metastructure.metrics import foreground_dice
from metastructure.noise import corrupt, parse_noise
from metastructure.report.annotators_text import to_text
from metastructure.transition import TransitionMatrix

NUM, SIZE = 6, 96


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Few resamples: intervals are only looked at where they are far from what they are held against."""
    monkeypatch.setattr("metastructure.audit.annotator_fit.NUM_RESAMPLES", 30)
    monkeypatch.setattr(import_module("metastructure.audit.compare_annotators"), "NUM_RESAMPLES", 10)
    monkeypatch.setattr("metastructure.audit.judging.NUM_RESAMPLES", 60)


@pytest.fixture(scope="module", name="clean")
def give_clean():
    """Six labels of generated nuclei by name."""
    return {f"{i}": generate("nuc", seed=2, index=i, height=SIZE, width=SIZE)[1] for i in range(NUM)}


@pytest.fixture(scope="module", name="images")
def give_images():
    """Their images."""
    return {f"{i}": generate("nuc", seed=2, index=i, height=SIZE, width=SIZE)[0] for i in range(NUM)}


def draw(clean, spec, name=""):
    """Return the labels of an annotator with that noise."""
    return {key: corrupt(label, parse_noise(spec), seed=4, item=f"{key} {spec} {name}") for key, label in clean.items()}


def true_rows(clean, labels):
    """Return an annotator's matrix against the clean labels."""
    return TransitionMatrix.from_counts(sum(contingency_table(clean[key], labels[key], 2) for key in labels)).rows


def rows_of(found, name, part="transition"):
    """Return the matrix told of an annotator."""
    return np.array([[cell.value for cell in row] for row in getattr(found.annotator(name), part)])


def square(top, left, side, shape=(40, 60)):
    """Return a label with one square object."""
    label = np.zeros(shape, dtype=np.uint8)
    label[top : top + side, left : left + side] = 1
    return label


def test_codes_go_there_and_back():
    labels = [np.array([[0, 2, IGNORE]]), None, np.array([[1, IGNORE, IGNORE]])]
    codes = encode_answers(labels, 3)
    assert decode_answers(codes.ravel(), 3, 3).tolist() == [[0, -1, 1], [2, -1, -1], [-1, -1, -1]]


def test_pixels_away_from_boundaries_by_hand():
    label = np.repeat([[0, 1]], 10, axis=1) * np.ones((3, 1), dtype=int)  # the boundary lies between columns 9 and 10
    assert np.flatnonzero(find_inner([label], 2)[1]).tolist() == [0, 1, 2, 3, 4, 15, 16, 17, 18, 19]
    assert find_inner([np.zeros((3, 3), dtype=int)], 2).all()


def test_kappa_is_undefined_where_there_is_nothing_to_disagree_on():
    assert np.isnan(cohen_kappa(np.array([[[5, 0], [0, 0]], [[0, 0], [0, 0]]]))).all()


def test_outlines_of_two_squares_by_hand():
    # the square of side 20 lies inside that of side 24, its sides 1, 3, 2 and 2 px further in: 2 px on the mean, a
    # little more at the corners
    large, small = find_outline(square(9, 8, 24), 2), find_outline(square(10, 10, 20), 2)
    out, back = compare_outlines(large, small), compare_outlines(small, large)
    assert out.shift_px == pytest.approx(2, abs=0.15)
    assert back.shift_px == pytest.approx(-out.shift_px)
    assert out.distance_px == pytest.approx(back.distance_px)
    assert (out.num_missed, out.num_expected, out.num_added, out.num_drawn) == (0, 1, 0, 1)


def test_objects_of_one_label_alone_shift_nothing():
    one, other = square(5, 5, 10), square(5, 5, 10) + square(5, 20, 10)
    found = compare_outlines(find_outline(one, 2), find_outline(other, 2))
    assert (found.shift_px, found.num_missed, found.num_expected) == (0, 1, 2)
    assert found.distance_px > 1
    back = compare_outlines(find_outline(other, 2), find_outline(one, 2))
    assert (back.num_added, back.num_drawn, back.num_missed) == (1, 2, 0)


def test_an_ignored_object_is_not_missed():
    hidden, other = square(5, 5, 10), square(5, 5, 10) + square(5, 20, 10)
    hidden[:, 18:32] = IGNORE
    found = compare_outlines(find_outline(hidden, 2), find_outline(other, 2))
    assert (found.num_missed, found.num_expected) == (0, 1)


def test_pair_and_image_numbers_by_hand():
    # of 20 pixels: both 1 on 4, first alone on 2, second alone on 1, both 0 on 13
    first, second = np.zeros((2, 4, 5), dtype=np.uint8)
    first.flat[:6] = 1
    second.flat[[0, 1, 2, 3, 6]] = 1
    found = compare_annotators({"ann": {"x": first}, "bo": {"x": second}})
    pair = found.pairs[0]
    assert pair.dice.value == pytest.approx(2 * 4 / (6 + 5))
    chance = (14 / 20) * (15 / 20) + (6 / 20) * (5 / 20)
    assert pair.kappa.value == pytest.approx((17 / 20 - chance) / (1 - chance))
    assert found.images[0].disputed_share == pytest.approx(3 / 20)
    assert pair.dice.reason == "one image only: no interval"
    assert math.isnan(pair.excess)


def test_habits_are_told_and_matrices_recovered(clean, images):
    noises = {"careful": "jitter:0.7", "conservative": "erode:1", "generous": "dilate:2", "blind": "omit:0.4"}
    labels = {name: draw(clean, spec) for name, spec in noises.items()}
    found = compare_annotators(labels, images)
    assert found.method == "agreement"
    assert found.ranking()[0] == ("careful",)
    for name in ("conservative", "generous", "blind"):  # rows to 0.03: errors at boundaries are not quite independent
        np.testing.assert_allclose(rows_of(found, name), true_rows(clean, labels[name]), atol=0.03)
    told = {one.name: one for one in found.annotators}
    assert told["conservative"].consensus_shift_px.high < -0.5
    assert told["generous"].consensus_shift_px.low > 1.1
    assert abs(told["careful"].consensus_shift_px.value) < 0.25
    assert told["conservative"].edge_shift_px.value < told["careful"].edge_shift_px.value - 0.5
    assert told["generous"].edge_shift_px.value > told["careful"].edge_shift_px.value + 1
    assert told["blind"].missed.low > 0.1
    assert told["careful"].missed.value == told["generous"].missed.value == 0
    words = judge_annotators(found)
    assert words.headline.startswith("Trust careful most: Dice ")
    assert any(one.startswith("blind: ") and "misses" in one for one in words.sentences)
    assert max(map(len, to_text(found, words).splitlines())) < 80


def test_random_pixels_are_recovered_inside_and_all_over(clean):
    labels = {name: draw(clean, name) for name in ("flip:0.1", "flip:0.3", "sample:0.5")}
    found = compare_annotators(labels)
    for name, of in labels.items():  # 55,000 pixels of which 7,000 of class 1: three standard errors are about 0.02
        np.testing.assert_allclose(rows_of(found, name), true_rows(clean, of), atol=0.02)
        np.testing.assert_allclose(rows_of(found, name, "inner_transition")[0], true_rows(clean, of)[0], atol=0.02)
    agreed = sum(
        contingency_table(clean[key], consensus_label({name: of[key] for name, of in labels.items()}, found)[0], 2)
        for key in clean
    )
    assert foreground_dice(agreed) > max(one.dice.value for one in found.annotators) + 0.05


def test_a_random_annotator_spoils_nobody(clean):
    careful = {name: draw(clean, "jitter:0.7", name) for name in ("ann", "bo", "cy")}
    without = compare_annotators(careful)
    found = compare_annotators({**careful, "dice": draw(clean, "random:0.5")})
    assert found.annotators[-1].place == 4
    np.testing.assert_allclose(rows_of(found, "dice"), 0.5, atol=0.02)
    for name in careful:
        assert found.annotator(name).dice.value == pytest.approx(without.annotator(name).dice.value, abs=0.005)


def test_the_order_of_annotators_changes_nothing(clean):
    labels = {name: draw(clean, name) for name in ("erode:1", "dilate:2", "flip:0.1")}
    one = compare_annotators(labels)
    other = compare_annotators({name: labels[name] for name in ("flip:0.1", "erode:1", "dilate:2")})
    for name in labels:
        np.testing.assert_allclose(rows_of(one, name), rows_of(other, name), atol=1e-4)
        assert one.annotator(name).missed == other.annotator(name).missed
        assert one.annotator(name).place == other.annotator(name).place
    assert [image.name for image in one.images] == [image.name for image in other.images]
    scores = [image.dice for image in one.images]
    assert scores == sorted(scores) != [image.dice for image in sorted(one.images, key=lambda image: image.name)]
    for key in clean:
        given = {name: of[key] for name, of in labels.items()}
        assert np.array_equal(consensus_label(given, one)[0], consensus_label(given, other)[0])


def test_copies_count_as_one_and_agreement_then_tells_nothing(clean):
    mine, other = draw(clean, "erode:1"), draw(clean, "dilate:2")
    found = compare_annotators({"ann": mine, "copy": dict(mine), "bo": other})
    assert found.voices == (("ann", "copy"), ("bo",))
    assert found.method == "each alone"
    assert found.ranking() == ()
    assert "ann and copy gave the same class to every pixel" in found.notes[1]
    assert found.against == "the other"
    assert found.annotator("copy").consensus_shift_px.high < -1.5
    assert found.annotator("bo").consensus_shift_px.low > 1.5
    three = compare_annotators({"ann": mine, "copy": dict(mine), "bo": other, "cy": draw(clean, "jitter:0.7")})
    assert three.method == "agreement"
    assert rows_of(three, "ann").tolist() == rows_of(three, "copy").tolist()
    assert three.ranking()[0] == ("cy",)


def test_two_annotators_are_looked_at_alone(clean):
    found = compare_annotators({"ann": draw(clean, "flip:0.2"), "bo": clean})
    assert (found.method, found.annotator("ann").place) == ("each alone", 0)
    np.testing.assert_allclose(rows_of(found, "ann"), [[0.8, 0.2], [0.2, 0.8]], atol=0.05)  # as estimate_transition
    assert "Whom to trust cannot be told: two annotators" in judge_annotators(found).headline


def test_perfect_annotators_are_one_voice_without_random_pixels(clean):
    found = compare_annotators(dict.fromkeys(("ann", "bo", "cy"), clean))
    assert found.voices == (("ann", "bo", "cy"),)
    np.testing.assert_allclose(rows_of(found, "bo"), np.eye(2), atol=0.01)
    assert found.tied_share == 0
    assert consensus_label({"bo": clean["0"]}, found)[0].tolist() == clean["0"].tolist()


def test_annotators_alike_cannot_be_told_apart(clean):
    found = compare_annotators({name: draw(clean, "jitter:1", name) for name in ("ann", "bo", "cy", "di")})
    assert found.ranking() == (("ann", "bo", "cy", "di"),)
    assert "cannot be told apart" in judge_annotators(found).headline


def test_skipped_images_and_ragged_sizes(clean):
    labels = {name: draw(clean, name) for name in ("erode:1", "dilate:2", "jitter:0.7", "flip:0.1")}
    labels = {name: {key: one[: 90 - int(key)] for key, one in of.items()} for name, of in labels.items()}
    whole = compare_annotators(labels)
    del labels["dilate:2"]["0"], labels["erode:1"]["3"]
    labels["flip:0.1"] = {key: labels["flip:0.1"][key] for key in ("4", "5")}
    found = compare_annotators(labels)
    assert [one.num_images for one in found.annotators] == [5, 5, 6, 2]
    assert {one.name: one.num_annotators for one in found.images} == {"0": 2, "1": 3, "2": 3, "3": 2, "4": 4, "5": 4}
    for name in labels:  # fewer images, and objects that are larger or smaller in them
        np.testing.assert_allclose(rows_of(found, name), rows_of(whole, name), atol=0.05)
    assert found.pairs[2].num_images == 2


def test_ignored_pixels_are_no_answers(clean):
    labels = {name: draw(clean, name) for name in ("erode:1", "dilate:2", "jitter:0.7")}
    holed = {name: {key: one.copy() for key, one in of.items()} for name, of in labels.items()}
    for of in holed.values():
        for label in of.values():
            label[:20] = IGNORE
    cut = {name: {key: one[20:] for key, one in of.items()} for name, of in labels.items()}
    one, other = compare_annotators(holed), compare_annotators(cut)
    assert [pair.class_dice for pair in one.pairs] == [pair.class_dice for pair in other.pairs]
    agreed, tied = consensus_label({name: of["1"] for name, of in holed.items()}, one)
    assert (agreed[:20] == IGNORE).all()
    assert not tied[:20].any()
    assert (agreed[20:] < 2).all()


def test_empty_labels(clean):
    empty = {key: np.zeros_like(label) for key, label in clean.items()}
    nothing = compare_annotators({"ann": empty, "bo": empty, "cy": empty})
    assert (nothing.method, nothing.reason) == ("each alone", "the labels hold one class only")
    assert len(nothing.voices) == 3  # nothing drawn is no copy
    assert judge_annotators(nothing).headline.startswith("Whom to trust cannot be told")
    good = {name: draw(clean, "jitter:1", name) for name in ("ann", "bo", "cy")}
    found = compare_annotators({**good, "idle": empty})
    assert (found.annotator("idle").place, found.annotator("idle").missed.value) == (4, 1)
    assert rows_of(found, "idle")[1].tolist() == [1, 0]
    assert "idle: every label holds one class only, 0." in found.notes


def test_three_that_never_met(clean):
    keys = sorted(clean)
    labels = {"ann": keys[:4], "bo": [*keys[:2], *keys[4:]], "cy": keys[2:]}  # two annotators an image
    drawn = {name: {key: draw(clean, "jitter:1", name)[key] for key in of} for name, of in labels.items()}
    found = compare_annotators(drawn)
    assert found.reason == "no pixel was labelled by three of them"
    assert math.isnan(found.annotator("ann").consensus_shift_px.value)


def test_a_tie_takes_the_lower_class():
    first, second = np.zeros((2, 20, 20), dtype=np.uint8)
    first[4:10], second[6:12] = 1, 1
    found = compare_annotators({"ann": {"x": first}, "bo": {"x": second}})
    agreed, tied = consensus_label({"ann": first, "bo": second}, found)
    assert np.array_equal(agreed, first & second)
    assert np.array_equal(tied, first != second)
    assert found.tied_share == pytest.approx(4 / 20)


def test_three_classes(clean):
    more = {key: label + (np.roll(label, 7, axis=0) & label) for key, label in clean.items()}
    labels = {name: draw(more, "flip:0.1", name) for name in ("ann", "bo", "cy")}
    found = compare_annotators(labels)
    assert found.num_classes == 3
    np.testing.assert_allclose(rows_of(found, "bo"), TransitionMatrix.symmetric(0.1, 3).rows, atol=0.03)


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        ({"ann": {"x": np.zeros((4, 5), int)}}, ValueError, "takes at least two; got ann."),
        ({}, ValueError, "takes at least two; got none."),
        ({"ann": {"x": np.zeros((4, 5), int)}, "bo": {}}, ValueError, "bo has no label"),
        (
            {"ann": {"x": np.zeros((4, 5), int)}, "bo": {"x": np.zeros((5, 4), int)}},
            ValueError,
            r"the labels of image x differ in size: \(4, 5\) by ann, \(5, 4\) by bo",
        ),
        ({"ann": {"x": np.zeros((4, 5))}, "bo": {"x": np.zeros((4, 5), int)}}, TypeError, "integer"),
        (
            {"ann": {"x": np.zeros((2, 4, 5), int)}, "bo": {"x": np.zeros((2, 4, 5), int)}},
            ValueError,
            "slice by slice",
        ),
        ([[np.zeros((4, 5), int)]], TypeError, "must map the name of each annotator"),
        ({"ann": [np.zeros((4, 5), int)], "bo": []}, TypeError, "must map the name of each annotator"),
    ],
)
def test_wrong_input_is_told_in_one_sentence(labels, error, says):
    with pytest.raises(error, match=says):
        compare_annotators(labels, num_classes=2)


def test_a_consensus_of_strangers_is_refused(clean):
    found = compare_annotators({"ann": clean, "bo": draw(clean, "erode:1")})
    with pytest.raises(ValueError, match="must be by some of ann, bo; got cy"):
        consensus_label({"cy": clean["0"]}, found)


@pytest.mark.realdata
def test_who_is_who_among_annotators_of_real_nuclei(real_data):
    items = find_items(real_data / "nuc", "train")[:8]
    clean = {item.id: load_label(item.label) for item in items}
    images = {item.id: load_image(item.image) for item in items}
    habits = {
        "careful": "annotator:jitter_px=0.5",
        "conservative": "annotator:bias_px=-1,jitter_px=0.5",
        "generous": "annotator:bias_px=2,jitter_px=0.5",
        "sloppy": "annotator:omission=0.15,jitter_px=1",
    }
    labels = {name: draw(clean, spec, name) for name, spec in habits.items()}
    told = {one.name: one for one in compare_annotators(labels, images).annotators}
    by_shift = sorted(told, key=lambda name: told[name].consensus_shift_px.value)
    assert (by_shift[0], by_shift[-1]) == ("conservative", "generous")
    by_edge = sorted(told, key=lambda name: told[name].edge_shift_px.value)
    assert (by_edge[0], by_edge[-1]) == ("conservative", "generous")
    assert max(told, key=lambda name: told[name].missed.value) == "sloppy"
    assert max(told, key=lambda name: told[name].dice.value) == "careful"
    for name in ("conservative", "generous", "sloppy"):
        np.testing.assert_allclose(
            [[cell.value for cell in row] for row in told[name].transition], true_rows(clean, labels[name]), atol=0.04
        )
