"""EMS: where the points lie, how many there are, and what inversion, pruning and thickness do to them."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import binary_dilation
from skimage.morphology import skeletonize

from metastructure.unsupervised.ems import MetaStructureExtraction, prune


def plate() -> np.ndarray:
    """A plate of 20 x 60 in an image of 40 x 100: a fifth of its pixels and a bit."""
    candidate = np.zeros((40, 100), dtype=bool)
    candidate[8:28, 20:80] = True
    return candidate


def slow(candidate: np.ndarray, radius: int, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Points one by one, with the draws in the same order."""
    rows, columns = np.nonzero(skeletonize(candidate))
    kept = rng.random(len(rows)) < fraction
    rows, columns = rows[kept], columns[kept]
    down = rng.integers(-radius, radius + 1, size=len(rows))
    right = rng.integers(-radius, radius + 1, size=len(rows))
    found = np.zeros_like(candidate)
    for row, column, a, b in zip(rows, columns, down, right, strict=True):
        found[min(max(row + a, 0), 39), min(max(column + b, 0), 99)] = True
    return found


def test_equals_a_loop_over_the_points() -> None:
    ems = MetaStructureExtraction(radius_px=3, fraction=0.5)
    expected = slow(plate(), 3, 0.5, np.random.default_rng(4))
    np.testing.assert_array_equal(ems(plate(), np.random.default_rng(4)), expected)


def test_without_motion_and_loss_it_is_the_skeleton() -> None:
    found = MetaStructureExtraction(radius_px=0, fraction=1)(plate(), np.random.default_rng(0))
    np.testing.assert_array_equal(found, skeletonize(plate()))


def test_points_stay_within_the_radius_and_about_the_fraction_is_kept() -> None:
    skeleton = skeletonize(plate())
    near = binary_dilation(skeleton, np.ones((5, 5)))
    counts = []
    for seed in range(200):
        found = MetaStructureExtraction(radius_px=2, fraction=0.3)(plate(), np.random.default_rng(seed))
        assert not (found & ~near).any()
        counts.append(found.sum())
    assert np.mean(counts) == pytest.approx(0.3 * skeleton.sum(), rel=0.1)  # points that meet make it a little less


def test_points_of_the_candidate_are_uniform_in_it() -> None:
    ems = MetaStructureExtraction(points="candidate", radius_px=0, fraction=0.25)
    mean = np.mean([ems(plate(), np.random.default_rng(seed)) for seed in range(400)], axis=0)
    assert mean[~plate()].max() == 0
    assert abs(mean[plate()].mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / (400 * 1200))
    edge, core = mean[8, 20:80].mean(), mean[18, 20:80].mean()
    assert abs(edge - core) < 5 * np.sqrt(2 * 0.25 * 0.75 / (400 * 60))


def test_a_candidate_of_more_than_half_is_turned_round() -> None:
    ems = MetaStructureExtraction(radius_px=0, fraction=1)
    np.testing.assert_array_equal(ems(~plate(), np.random.default_rng(0)), skeletonize(plate()))
    kept = ems.model_copy(update={"invert": False})(~plate(), np.random.default_rng(0))
    assert (kept & ~plate()).any()
    half = np.zeros((4, 4), dtype=bool)
    half[:, :2] = True
    assert (ems(half, np.random.default_rng(0)) & half).any()


def test_empty_and_full_candidates_give_no_points() -> None:
    ems = MetaStructureExtraction()
    assert not ems(np.zeros((9, 9), dtype=bool), np.random.default_rng(0)).any()
    assert not ems(np.ones((9, 9), dtype=bool), np.random.default_rng(0)).any()


def test_adaptive_points_fill_the_object_but_rarely_leave_it() -> None:
    ems = MetaStructureExtraction(adaptive=True, fraction=1)
    mean = np.mean([ems(plate(), np.random.default_rng(seed)) for seed in range(50)], axis=0)
    assert mean[10:13, 40:60].mean() > 0.02  # far from the centre line, in rows 17 and 18, near the plate's edge
    assert mean[~plate()].sum() < 0.1 * mean.sum()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_pruning_keeps_long_branches_and_whole_small_pieces(length: int) -> None:
    skeleton = np.zeros((30, 60), dtype=bool)
    skeleton[15, 5:55] = True
    skeleton[15 - length : 15, 30] = True  # a spur
    skeleton[25, 10:12] = True  # a piece shorter than the branches that go
    pruned = prune(skeleton, length)
    assert pruned[15, 5:55].all()
    assert pruned[: 15 - 1].sum() == 0
    assert pruned[25, 10:12].all()
    assert not (pruned & ~skeleton).any()


@pytest.mark.parametrize("bad", [{"fraction": 0}, {"fraction": 1.2}, {"radius_px": -1}, {"points": "edges"}])
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MetaStructureExtraction.model_validate(bad)
