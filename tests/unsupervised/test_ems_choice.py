"""When EMS is chosen: lengths by hand, what must not matter, and that igtt does as it was chosen and says so."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.morphology import skeletonize

from metastructure.data.files import save_image
from metastructure.unsupervised import fit_method
from metastructure.unsupervised.ems_choice import FRACTION, LEAST_RATIO, choose_ems, local_thickness
from metastructure.unsupervised.igtt import _describe_choice
from metastructure.unsupervised.segment_folder import segment_folder

ACROSS = [-0.5, -0.2, 0.3, 0.5, 0.1, -0.1, -0.5]
QUICK = (
    "training.rounds=2,training.first_steps=60,training.steps=8,training.batch_size=4,training.crop_px=32,"
    "training.width=4,training.learning_rate=0.01"
)


def band(across: list[float] = ACROSS) -> np.ndarray:
    """Evidence of a band through the whole image, the same in each of 30 columns."""
    return np.repeat(np.pad(across, 6, constant_values=-0.5)[:, None], 30, axis=1)


def bent() -> np.ndarray:
    """Evidence of two lines of 3 and 5 px without any symmetry."""
    evidence = np.full((40, 60), -0.5)
    evidence[5:8, 3:40] = evidence[8:30, 20:25] = 0.5
    return gaussian_filter(evidence, 1.2)


def tubes(num: int, noise: float) -> list[np.ndarray]:
    """Blurred lines under noise."""
    pictures = []
    for index in range(num):
        rng = np.random.default_rng(index)
        inside = np.zeros((64, 64))
        for place in rng.integers(6, 58, 4):
            inside[place - 2 : place + 3, rng.integers(0, 20) : rng.integers(40, 64)] = 1
        pictures.append(80 + 25 * gaussian_filter(inside, 2) + rng.normal(0, noise, inside.shape))
    return pictures


def test_lengths_by_hand() -> None:
    # rows of -0.2, 0.1 and -0.1 are doubtful, and the outline is the first and the last of three rows: 90 / 60
    chosen = choose_ems([band()])
    assert chosen[1:] == (2.0, 0.0, 1.5)
    assert chosen.ems is not None
    assert (chosen.ems.points, chosen.ems.radius_px, chosen.ems.fraction) == ("skeleton", 1, FRACTION)
    assert not chosen.ems.invert  # which side the object is was told before, for all images


def test_doubt_far_from_outlines_or_in_images_without_any_does_not_count() -> None:
    haze = np.pad(band(), ((0, 40), (0, 0)), constant_values=-0.2)
    assert choose_ems([haze])[1:] == choose_ems([band()])[1:]
    assert choose_ems([band(), np.full((50, 50), -0.2)])[1:] == choose_ems([band()])[1:]


def test_a_sharp_outline_or_a_spread_of_widths_leaves_whole_candidates() -> None:
    sharp = band([-0.5, -0.2, 0.3, 0.5, 0.1, -0.4, -0.5])  # two rows of doubt: 60 / 60
    assert choose_ems([sharp])[0] is None
    wide = band([-0.5, -0.2, *[0.5] * 15, 0.1, -0.1, -0.5])
    chosen = choose_ems([band(), wide])  # each certain to 1.5 px, but one half-width is 1 and the other 8
    assert chosen.ems is None
    assert chosen.doubtful_px == 1.5
    assert chosen.spread_px > 3


def test_the_limit_is_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1.31 < LEAST_RATIO < 1.49  # between the kinds that lose and those that gain, docs/results/ems-choice.md
    monkeypatch.setattr("metastructure.unsupervised.ems_choice.LEAST_RATIO", 1.5)
    assert choose_ems([band()]).ems is not None
    monkeypatch.setattr("metastructure.unsupervised.ems_choice.LEAST_RATIO", 1.51)
    assert choose_ems([band()]).ems is None


def test_direction_and_order_do_not_matter() -> None:
    one, other = bent(), band()
    expected = choose_ems([one, other])
    for changed in ([other, one], [one.T, other.T]):
        same = choose_ems(changed)
        assert same.ems == expected.ems
        assert (same.thickness_px, same.doubtful_px) == (expected.thickness_px, expected.doubtful_px)
        assert same.spread_px == pytest.approx(expected.spread_px, abs=0.5)  # skeletons of turned shapes end elsewhere


def test_lengths_grow_with_the_resolution() -> None:
    coarse, fine = choose_ems([band()]), choose_ems([np.kron(band(), np.ones((5, 5)))])
    assert fine.thickness_px == pytest.approx(5 * (coarse.thickness_px - 0.5) + 0.5)
    assert fine.doubtful_px == pytest.approx(5 * coarse.doubtful_px)


def test_local_thickness_is_the_distance_to_the_nearest_background_pixel() -> None:
    mask = bent() > 0
    background = np.argwhere(~mask)
    expected = [np.sqrt(np.square(background - place).sum(axis=1).min()) for place in np.argwhere(skeletonize(mask))]
    np.testing.assert_allclose(local_thickness([mask]), expected)
    np.testing.assert_allclose(local_thickness([mask, mask]), [*expected, *expected])


@pytest.mark.parametrize("value", [-0.5, 0.5, 0.0])
def test_nothing_or_everything_found_gives_no_choice(value: float) -> None:
    chosen = choose_ems([np.full((9, 9), value)])
    assert chosen.ems is None
    assert np.isnan(chosen[1:]).all()
    assert "nan" not in _describe_choice(chosen)


def test_igtt_does_as_chosen_and_says_so() -> None:
    images = tubes(4, noise=10)
    rows, columns = np.mgrid[:64, :64]
    sharp = [50.0 * (np.hypot(rows - 30, columns - 25 - shift) < 18) for shift in range(3)]
    assert "whole candidates, without EMS" in fit_method(sharp, f"igtt:{QUICK}", side="bright", threads=1).notes[0]
    auto = fit_method(images, f"igtt:{QUICK}", side="bright", threads=1)
    assert len(auto.notes) == 1
    radius = int(auto.notes[0].split(" px from centre lines")[0].split()[-1])
    named = f"igtt:{QUICK},ems.radius_px={radius},ems.fraction={FRACTION},ems.invert=false"
    for spec, is_same in ((named, True), (f"igtt:{QUICK},ems=none", False)):
        other = fit_method(images, spec, side="bright", threads=1)
        assert other.notes == ()
        assert np.array_equal(other.score(images[0]), auto.score(images[0])) == is_same


def test_a_folder_keeps_the_note(tmp_path: Path) -> None:
    for index, image in enumerate(tubes(3, noise=10)):
        save_image(tmp_path / "in" / f"{index}.png", np.clip(image, 0, 255).astype(np.uint8))
    for _ in range(2):  # the second call labels nothing anew and still knows
        found = segment_folder(tmp_path / "in", tmp_path / "out", f"igtt:{QUICK}", side="bright", threads=1)
        assert [note for note in found.notes if "centre lines (EMS)" in note]
    assert json.loads((tmp_path / "out" / "segmentation.json").read_text())["notes"] == list(found.notes)
