"""Local binary fitting and the consensus: uneven light, flat ground, noise, and what members may be."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metastructure.errors import ConfigError
from metastructure.unsupervised import Work, parse_method, segment
from metastructure.unsupervised.consensus import SUREST, Consensus
from metastructure.unsupervised.local_fitting import LocalFitting
from metastructure.unsupervised.scale import MAX_NOISE, choose_smoothing

WORK = Work(threads=1)


def stripes(light: float = 0.0, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Bright stripes, 6 px in 16, on a ramp of `light` grey values a column; an empty half at the right."""
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[:64, :96]
    inside = (rows % 16 < 6) & (columns < 48)
    return 50.0 * inside + light * columns + rng.normal(0, 1, inside.shape) * noise, inside


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_uneven_light_does_not_disturb_it() -> None:
    image, inside = stripes(light=1.5)
    labels = {name: segment([image], name, side="bright").labels[0] == 1 for name in ("otsu", "local_fitting")}
    striped = np.s_[:, :48]  # the empty half is brighter than the stripes: no grey value tells it from an object
    assert dice(labels["local_fitting"][striped], inside[striped]) > 0.99
    assert dice(labels["otsu"][striped], inside[striped]) < 0.85


def test_evidence_is_half_in_objects_and_minus_half_beside_them() -> None:
    image, inside = stripes()
    evidence = LocalFitting(smoothing_px=0, pull=1e-6).evidence(image, "bright")[:, :40]
    np.testing.assert_allclose(evidence[inside[:, :40]], 0.5, atol=0.01)
    np.testing.assert_allclose(evidence[~inside[:, :40]], -0.5, atol=0.01)


def test_flat_ground_stays_ground() -> None:
    image, _ = stripes(noise=4)
    label = segment([image], "local_fitting", side="bright").labels[0]
    assert label[:, 72:].mean() < 0.02


def test_one_step_by_hand() -> None:
    """The first midpoint of two means with a Gaussian window, pixel by pixel."""
    image, _ = stripes(light=0.5)
    grey = (image - image.min()) / np.ptp(image)
    from skimage.filters import threshold_otsu

    inside = grey > threshold_otsu(grey)
    for _ in range(40):
        weight = gaussian_filter(inside * 1.0, 5)
        above = (gaussian_filter(grey * inside, 5) + 0.02 * grey[grey > threshold_otsu(grey)].mean()) / (weight + 0.02)
        other = gaussian_filter(1.0 - inside, 5)
        below = (gaussian_filter(grey * ~inside, 5) + 0.02 * grey[grey <= threshold_otsu(grey)].mean()) / (other + 0.02)
        inside = grey > (above + below) / 2
    found = segment([image], "local_fitting:scale_px=5,smoothing_px=0", side="bright").labels[0] == 1
    assert (found != inside).mean() < 0.001


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.0), (8.0, 0.7), (30.0, 1.4)])
def test_smoothing_grows_with_the_noise(noise: float, least: float) -> None:
    image, _ = stripes(noise=noise)
    chosen = choose_smoothing(image)
    assert chosen >= least
    assert chosen == 0.0 or noise > MAX_NOISE * 40


def test_the_consensus_is_the_mean_of_what_its_members_say() -> None:
    image, _ = stripes(noise=5)
    members = [parse_method(name).fit([image], WORK)(image) for name in ("otsu", "contrast")]
    expected = (np.clip(members[0], 1 - SUREST, SUREST) + np.clip(members[1], 1 - SUREST, SUREST)) / 2
    found = Consensus(members=("otsu", "contrast")).fit([image], WORK)(image)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert parse_method("consensus:members=otsu+contrast") == Consensus(members=("otsu", "contrast"))


def test_one_sure_member_does_not_outvote_two() -> None:
    image, _ = stripes()
    label = segment([image], "consensus:members=otsu+otsu+triangle", side="bright").labels[0]
    np.testing.assert_array_equal(label, segment([image], "otsu", side="bright").labels[0])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("igtt", "each of members must be a method that needs no training"),
        ("consensus", "other methods than consensus"),
        ("otsi", "did you mean"),
        ("", "unknown method"),
    ],
)
def test_members_that_cannot_be_are_refused(members: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_method({"name": "consensus", "members": members})
