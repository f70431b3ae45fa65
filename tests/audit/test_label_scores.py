"""Scores of labels against out-of-fold probabilities: hand-worked cases, slow references, invariances, rankings."""

import numpy as np
import pytest
from scipy import ndimage

from metastructure.audit.calibration import NUM_BINS, Calibration, score_pixels
from metastructure.audit.label_evidence import (
    LEAST_PROBABILITY,
    REACH_PX,
    contradiction,
    find_blob,
    find_shift,
    find_translation,
    soft_minimum,
)
from metastructure.audit.label_scores import score_labels, surprise, tail_surprise
from metastructure.label import IGNORE
from metastructure.noise import Dilation, Erosion
from metastructure.noise.objects import find_objects
from metastructure.rng import generator

# --- contradiction, blob, soft minimum


def test_contradiction_is_against_the_likeliest_other_class():
    p = np.array([[[0.5]], [[0.2]], [[0.3]]], np.float32)
    wanted = {0: np.log(0.3 / 0.5), 1: np.log(0.5 / 0.2), 2: np.log(0.5 / 0.3)}
    for klass, odds in wanted.items():
        assert contradiction(p, np.array([[klass]])).item() == pytest.approx(odds, rel=1e-6)


def test_probability_0_gives_finite_odds():
    assert np.isfinite(contradiction(np.array([[[1.0]], [[0.0]]], np.float32), np.array([[1]]))).all()


def test_blob_weighs_what_is_above_the_level_and_joins_corners():
    odds = np.array([[6.0, 0, 0, 9], [0, 5, 0, 0], [-np.inf, 0, 0, 0]])
    blob = find_blob(odds, 1)
    assert blob == (9.0, 2, 0.5, 0.5)  # 5 + 4 beats 8
    assert find_blob(odds, 9).weight == 0
    assert find_blob(odds, 4).weight == 5  # the single pixel: 9 - 4 against 2 + 1


def test_soft_minimum_by_hand():
    p1 = np.array([[0.2, 0.5, 0.7]])
    label = np.array([[1, 0, IGNORE]])
    weights = np.exp([-2.0, -5.0])
    wanted = (0.2 * weights[0] + 0.5 * weights[1]) / weights.sum()
    assert soft_minimum(np.stack([1 - p1, p1]).astype(np.float32), label) == pytest.approx(wanted, rel=1e-6)


# --- boundary shift


@pytest.mark.parametrize("shift", [-3, -2, 0, 1, 3])
def test_shift_of_a_straight_boundary(shift):
    row = np.indices((40, 36))[0]
    found = find_shift((row >= 20).astype(np.float32), row >= 20 - shift, np.ones((40, 36), bool))
    assert found.shift_px == pytest.approx(shift)
    assert found.length_px == 36


def test_shift_of_a_slanting_boundary_and_its_length():
    rows, columns = np.indices((90, 90))
    p = ((rows - 45) * 0.8 + (columns - 45) * 0.6 >= 0).astype(np.float32)
    inside = (rows - 45) * 0.8 + (columns - 45) * 0.6 >= -2
    found = find_shift(p, inside, np.ones(p.shape, bool))
    assert found.shift_px == pytest.approx(2, abs=0.15)
    assert found.length_px == pytest.approx(90 / 0.8, rel=0.06)  # along rows the line crosses 90 columns


def test_shift_of_a_disc_is_its_surplus_area_by_its_length(discs):
    label, clean = discs([(50, 50, 8)]), discs([(50, 50, 6)])
    found = find_shift(clean.astype(np.float32), label == 1, np.ones(label.shape, bool))
    assert found.length_px == pytest.approx(2 * np.pi * 8, rel=0.06)
    assert found.shift_px == pytest.approx((label.sum() - clean.sum()) / found.length_px)


def test_a_soft_rim_without_bias_is_no_shift_and_errs_little(discs, believe):
    label = discs()
    found = find_shift(believe(label, blur_px=2.0)[1], label == 1, np.ones(label.shape, bool))
    assert abs(found.shift_px) < 0.35
    assert found.error_px < 0.2


def test_error_by_a_slow_reference(discs):
    rng = np.random.default_rng(3)
    label = discs()
    p = rng.random(label.shape).astype(np.float32)
    found = find_shift(p, label == 1, np.ones(label.shape, bool))
    inner, outer = ndimage.distance_transform_edt(label), ndimage.distance_transform_edt(label == 0)
    tiles = {}
    for row, column in np.argwhere(np.maximum(inner, outer) < 3.5):
        sums = tiles.setdefault((row // 32, column // 32), [0.0, 0.0])
        sums[0] += float(label[row, column]) - p[row, column]
        sums[1] += 1 / 6
    a, length = np.array(list(tiles.values())).T
    mean = a.sum() / length.sum()
    error = np.sqrt(((a - mean * length) ** 2).sum() * len(a) / (len(a) - 1)) / length.sum()
    assert found.shift_px == pytest.approx(mean)
    assert found.error_px == pytest.approx(error)


def test_a_boundary_that_errs_to_both_sides_has_a_larger_error_than_one_that_errs_to_one(discs, believe):
    clean = discs()
    grown = Dilation(radius_px=2)(clean, generator(0))
    mixed = grown.copy()
    mixed[:, 50:] = Erosion(radius_px=2)(clean, generator(0))[:, 50:]
    known = np.ones(clean.shape, bool)
    one_sided, two_sided = (find_shift(believe(clean)[1], label == 1, known) for label in (grown, mixed))
    assert one_sided.shift_px > 3 * one_sided.error_px
    assert abs(two_sided.shift_px) < 3 * two_sided.error_px


def test_no_boundary_has_no_shift():
    for label in (np.zeros((9, 9)), np.ones((9, 9))):
        assert np.isnan(find_shift(np.full((9, 9), 0.5, np.float32), label == 1, np.ones((9, 9), bool)).shift_px)


def test_ignore_says_nothing_of_a_boundary(discs, believe):
    label = discs()
    known = np.ones(label.shape, bool)
    known[:, 48:] = False
    p = believe(label)[1]
    lied = p.copy()
    lied[:, 48:] = 1 - lied[:, 48:]
    assert find_shift(lied, label == 1, known) == find_shift(p, label == 1, known)


def test_the_edge_of_ignore_is_no_boundary():
    row, column = np.indices((40, 36))
    known = column < 18
    found = find_shift((row >= 20).astype(np.float32), (row >= 18) & known, known)
    assert found.shift_px == pytest.approx(2)
    assert found.length_px == 18


# --- translation


def slow_translation(p, label):
    logs, gains = np.log(np.clip(p, LEAST_PROBABILITY, 1)).astype(float), {}
    height, width = label.shape
    for down in range(-REACH_PX, REACH_PX + 1):
        for right in range(-REACH_PX, REACH_PX + 1):
            gain = 0.0
            for row in range(max(0, -down), min(height, height - down)):
                for column in range(max(0, -right), min(width, width - right)):
                    here, there = label[row, column], label[row + down, column + right]
                    if IGNORE not in (here, there):
                        gain += logs[there, row, column] - logs[here, row, column]
            gains[down, right] = gain
    del gains[0, 0]
    best = max(gains, key=gains.get)
    return gains[best], best


def test_translation_is_that_of_the_slow_reference():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), (14, 19)).transpose(2, 0, 1).astype(np.float32)
    label = rng.integers(0, 3, (14, 19)).astype(np.uint8)
    label[3:6, 7:12] = IGNORE
    gain, moved = slow_translation(p, label)
    found = find_translation(p, label)
    assert found.gain == pytest.approx(gain)
    assert found.moved_px == moved


@pytest.mark.parametrize("moved", [(5, 0), (-3, 4), (0, -1), (7, 8)])
def test_translation_is_found(moved, discs, believe, shifted):
    clean = discs()
    found = find_translation(believe(clean), shifted(clean, *moved))
    assert found.moved_px == moved
    assert found.gain > 0


def test_a_label_in_its_place_gains_nothing_by_moving(discs, believe):
    clean = discs()
    assert find_translation(believe(clean), clean).gain < 0
    assert np.isnan(find_translation(believe(clean), np.zeros_like(clean)).gain)


# --- the folder


@pytest.fixture
def folder(discs, believe, shifted, centres):
    """Return probabilities and labels of 24 images, five of them damaged, the others a little uneven."""
    found = {}
    for number in range(24):
        rng = generator(5, f"{number}", "test")
        moved = [(row + int(rng.integers(-3, 4)), column + int(rng.integers(-3, 4)), r) for row, column, r in centres]
        clean = discs(moved)
        p = believe(clean, blur_px=float(rng.uniform(0.8, 1.6)))
        label = clean
        if number == 0:
            label = Dilation(radius_px=3)(clean, rng)
        if number == 1:
            label = Erosion(radius_px=3)(clean, rng)
        if number == 2:
            label = clean.copy()
            piece = find_objects(clean, 2)[1]
            label[piece.box][piece.inside] = 0
        if number == 3:
            label = shifted(clean, 3, 4)
        found[f"{number}"] = (p, label)
    return found


def test_damaged_labels_come_first_each_for_its_own_reason(folder):
    data = folder
    seen = []
    scores = score_labels(list(data), data.__getitem__, lambda done, total: seen.append((done, total)))
    assert {one.name for one in scores.images[:4]} == {"0", "1", "2", "3"}
    by_name = {one.name: one for one in scores.images}
    assert by_name["0"].shift_px > 2 > -2 > by_name["1"].shift_px
    assert by_name["3"].translation_px == (3, 4)
    assert by_name["2"].evidence["boundary"] < 2
    top = {kind: max(by_name, key=lambda name: by_name[name].evidence[kind]) for kind in ("translation", "region")}
    assert top == {"translation": "3", "region": "2"}
    piece = find_objects(data["2"][0].argmax(axis=0), 2)[1]
    assert by_name["2"].region_at == pytest.approx(tuple(piece.centre()), abs=0.5)
    assert seen[-1] == (48, 48)


def test_scores_do_not_depend_on_the_order_of_images_or_on_a_flip(folder):
    data = folder
    first = score_labels(list(data), data.__getitem__)
    again = score_labels(list(data)[::-1], data.__getitem__)
    assert {one.name: one.score for one in first.images} == {one.name: one.score for one in again.images}
    turned = {name: (p[:, ::-1].copy(), label[::-1].copy()) for name, (p, label) in data.items()}
    flipped = {one.name: one for one in score_labels(list(turned), turned.__getitem__).images}
    assert flipped["3"].translation_px == (-3, 4)


def test_a_bias_that_all_labels_share_is_told_and_ranks_nobody(discs, folder):
    data = {name: (p, Dilation(radius_px=2)(p.argmax(axis=0), generator(0))) for name, (p, _) in folder.items()}
    scores = score_labels(list(data), data.__getitem__)
    assert scores.shift_px[1] == pytest.approx(1.5, abs=0.2)  # 2 px of discs of radius 8, blurred: 1.75 at most
    straight = {name: (p, p.argmax(axis=0).astype(np.uint8)) for name, (p, _) in folder.items()}
    data["odd"] = straight["7"]
    scores = score_labels(list(data), data.__getitem__)
    assert max(scores.images, key=lambda one: one.evidence["boundary"]).name == "odd"


def test_unknown_and_empty_labels(folder):
    data = dict(list(folder.items())[4:9])
    data["unknown"] = (data["4"][0], np.full_like(data["4"][1], IGNORE))
    data["empty"] = (data["4"][0], np.zeros_like(data["4"][1]))
    scores = score_labels(list(data), data.__getitem__)
    assert scores.images[-1].name == "unknown"
    assert np.isnan(scores.images[-1].score)
    assert scores.images[0].name == "empty"
    written = scores.model_dump_json()
    assert scores.model_validate_json(written).model_dump_json() == written


def test_three_classes_find_the_class_that_is_off(discs, believe, centres):
    data = {}
    for number in range(8):
        clean = discs(centres[:3]) + discs(centres[3:], klass=2)
        label = clean.copy()
        if number == 2:
            label[Dilation(radius_px=2)(discs(centres[3:]), generator(0)) == 1] = 2
        data[f"{number}"] = (believe(clean, 3, blur_px=1 + 0.05 * number), label)
    first = score_labels(list(data), data.__getitem__).images[0]
    assert (first.name, first.shift_class) == ("2", 2)
    assert first.shift_px > 1.5


def test_surprise_counts_ties_half_and_is_never_infinite():
    assert surprise(np.array([5.0, 5.0, 1.0])) == pytest.approx([-np.log(1.5 / 4)] * 2 + [-np.log(3 / 4)])


def test_a_tail_is_told_apart_by_size_and_few_values_by_rank():
    values = np.concatenate([np.arange(80.0), [np.nan]])
    high = tail_surprise(values)
    assert high[:76] == pytest.approx(surprise(values)[:76])
    threshold, excess = 75.05, np.array([0.95, 1.95, 2.95, 3.95])  # 0.95 of the way from 0 to 79
    assert high[76:80] == pytest.approx(np.log(20) + (np.arange(76, 80) - threshold) * np.log(2) / np.median(excess))
    assert high[80] == 0
    assert tail_surprise(values[:60]) == pytest.approx(surprise(values[:60]))  # three above the quantile
    values[79] = np.inf
    assert np.isfinite(tail_surprise(values)).all()


def test_no_images_and_sizes_that_differ_are_told(discs, believe):
    with pytest.raises(ValueError, match="no images to score"):
        score_labels([], lambda name: None)
    with pytest.raises(ValueError, match="as large as its probabilities"):
        score_labels(["a"], lambda name: (believe(discs()), discs()[1:]))
    with pytest.raises(ValueError, match=r"class 2; classes must lie in 0\.\.1"):
        score_labels(["a"], lambda name: (believe(discs()), 2 * discs()))
    with pytest.raises(ValueError, match="floats"):
        contradiction(np.zeros((2, 4, 4), int), np.zeros((4, 4), int))


# --- pixels


def test_calibration_says_what_labels_held():
    """Where 0.9 was predicted, labels held the class in 60 %: a wrong label there has 0.6."""
    rng = np.random.default_rng(0)
    p1 = np.where(np.arange(100)[:, None] < 50, 0.1, 0.9) * np.ones((100, 200))
    label = np.where(rng.random(p1.shape) < np.where(p1 > 0.5, 0.6, 0.1), 1, 0).astype(np.uint8)
    p = np.stack([1 - p1, p1]).astype(np.float32)
    calibration = Calibration.fit([(p[:, :, :90], label[:, :90]), (p[:, :, 90:], label[:, 90:])], 2)
    wrong = score_pixels(p, label, calibration)
    high = wrong[75, label[75] == 0]
    assert high == pytest.approx(0.6, abs=0.03)
    assert wrong[75, label[75] == 1] == pytest.approx(0.4, abs=0.03)
    assert wrong[10, label[10] == 1] == pytest.approx(0.9, abs=0.03)


def test_calibration_rises_and_leaves_ignore_out(discs, believe):
    p = believe(discs())
    label = discs()
    hidden = label.copy()
    hidden[:, 40:] = IGNORE
    lied = np.where(hidden == IGNORE, IGNORE, label)
    one, other = (Calibration.fit([(p, given)], 2) for given in (hidden, lied))
    assert one.pixels.sum() == 2 * 40 * 96
    assert (one.hits == other.hits).all()
    ramp = np.linspace(0.001, 0.999, 200, dtype=np.float32)[None]
    believed = one(np.stack([1 - ramp, ramp]))
    assert (np.diff(believed[1, 0]) >= -1e-6).all()
    assert np.isnan(score_pixels(p, hidden, one)[:, 40:]).all()
    with pytest.raises(ValueError, match="of 2 classes"):
        score_pixels(believe(discs(), 3), label, one)
    assert one.pixels.shape == (2, NUM_BINS)
