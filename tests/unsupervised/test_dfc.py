"""DFC: its losses by hand, its stop, its names for clusters, and two discs found."""

import numpy as np
import pytest
import torch

from metastructure.errors import RunError
from metastructure.training import Machine
from metastructure.unsupervised import Work, fit_method, segment
from metastructure.unsupervised.cluster_network import check_finite
from metastructure.unsupervised.clusters import ClusterSums, score_objects, split_means
from metastructure.unsupervised.crops import draw_crops, standard_reader
from metastructure.unsupervised.dfc import DFC, build_network, continuity_loss


def two_discs(height: int = 48, width: int = 56) -> tuple[np.ndarray, np.ndarray]:
    """Two bright discs of different sizes with noise, and their label."""
    rows, columns = np.mgrid[:height, :width]
    label = (rows - 14) ** 2 + (columns - 15) ** 2 < 64
    label |= (rows - 32) ** 2 + (columns - 40) ** 2 < 100
    noise = np.random.default_rng(4).normal(0, 8, label.shape)
    return np.asarray(50 + 100 * label + noise, dtype=np.float32), label


def dice(predicted: np.ndarray, label: np.ndarray) -> float:
    return float(2 * (predicted.astype(bool) & label).sum() / (predicted.sum() + label.sum()))


def test_continuity_by_hand() -> None:
    responses = torch.tensor([[[[0.0, 2.0, 2.0], [1.0, 0.0, 7.0]], [[3.0, 3.0, 3.0], [3.0, 3.0, 3.0]]]])
    below = (1 + 2 + 5) / 6  # over 3 columns of 2 channels, the second of which is flat
    beside = (2 + 0 + 1 + 7) / 8
    assert float(continuity_loss(responses)) == pytest.approx(below + beside)


def test_continuity_counts_steps_not_slopes() -> None:
    """Monotone from 0 to 6 along a row costs the same in one step as in three: total variation."""
    at_once, slowly = torch.tensor([[[[0.0, 0, 6, 6]]]]), torch.tensor([[[[0.0, 2, 4, 6]]]])
    assert float(continuity_loss(at_once)) == pytest.approx(float(continuity_loss(slowly))) == pytest.approx(2.0)
    assert float(continuity_loss(torch.ones(1, 2, 3, 3))) == 0


def test_network_keeps_size_and_its_responses_are_normalised() -> None:
    torch.manual_seed(0)
    responses = build_network(3, 8, 2)(torch.randn(1, 3, 20, 31))
    assert responses.shape == (1, 8, 20, 31)
    torch.testing.assert_close(responses.mean((0, 2, 3)), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(responses.var((0, 2, 3), correction=0), torch.ones(8), atol=1e-3, rtol=0)


def test_split_weighs_clusters_by_area() -> None:
    """Means 0, 1, 2.5: unweighted the widest gap isolates 2.5, but a large cluster at 0 pulls 1 to the bright side."""
    means = np.array([1.0, 2.5, 0.0])
    even, heavy = np.array([1.0, 1.0, 1.0]), np.array([60.0, 1.0, 100.0])
    # heavy: {0 | 1, 2.5}: 100/161 * 61/161 * (62.5/61)² = 0.247; {0, 1 | 2.5}: 160/161 * 1/161 * (2.5 - 0.375)² = 0.028
    assert split_means(even, means).tolist() == [False, True, False]
    assert split_means(heavy, means).tolist() == [True, True, False]


def test_split_of_one_level_finds_no_object() -> None:
    assert not split_means(np.array([5.0, 0.0, 3.0]), np.array([2.0, 9.0, 2.0])).any()


def test_empty_clusters_have_no_say_and_are_no_objects() -> None:
    """Their means, whatever they are, neither split the others nor make one an object."""
    assert not split_means(np.array([5.0, 0.0, 0.0]), np.array([2.0, 9.0, 1.0])).any()
    assert (
        split_means(np.array([5.0, 3.0, 0.0, 0.0]), np.array([2.0, 6.0, 9.0, 0.0])).tolist()
        == [False, True] + [False] * 2
    )


def test_cluster_sums_add_up_over_strips() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (6, 5)).transpose(2, 0, 1).astype(np.float32)
    values = np.arange(30, dtype=np.float32).reshape(6, 5)
    whole = ClusterSums.of(probabilities, values)
    parts = ClusterSums.of(probabilities[:, :2], values[:2]) + ClusterSums.of(probabilities[:, 2:], values[2:])
    np.testing.assert_allclose(whole.pixels, parts.pixels)
    np.testing.assert_allclose(whole.brightness, parts.brightness)
    cluster = probabilities.argmax(0)
    np.testing.assert_allclose(whole.pixels, [(cluster == index).sum() for index in range(3)])
    np.testing.assert_allclose(whole.brightness, [values[cluster == index].sum() for index in range(3)])


def test_score_passes_a_half_where_the_likeliest_cluster_is_an_object() -> None:
    probabilities = np.random.default_rng(1).dirichlet([1] * 5, (40, 30)).transpose(2, 0, 1).astype(np.float32)
    objects = np.array([True, False, False, True, False])
    np.testing.assert_array_equal(score_objects(probabilities, objects) > 0.5, objects[probabilities.argmax(0)])
    assert not score_objects(probabilities, np.zeros(5, dtype=bool)).any()


def test_reader_gives_the_same_bits_for_other_units_and_turns_dark_objects_round() -> None:
    image = np.round(two_discs()[0])
    everything = (slice(None), slice(None))
    plain = standard_reader(image, "bright")(*everything)
    np.testing.assert_array_equal(plain, standard_reader(image * 3.7 - 90.0, "bright")(*everything))
    np.testing.assert_array_equal(plain, standard_reader(256 - image, "dark")(*everything))
    assert plain.mean() == pytest.approx(0, abs=1e-3)
    assert plain.std() == pytest.approx(1, abs=1e-3)


def test_crops_lie_in_the_image_and_small_images_are_mirrored() -> None:
    image = np.arange(20.0).reshape(4, 5)
    read = standard_reader(image, "bright")
    crops = draw_crops([read], [image.shape], 60, (2, 3), np.random.default_rng(0)).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(read(slice(None), slice(None))[0], (2, 3)).reshape(-1, 2, 3)
    found = {int(np.flatnonzero((windows == crop[0]).all((1, 2)))[0]) for crop in crops}
    assert found == set(range(9))  # every place of 3 x 3 is drawn
    padded = draw_crops([read], [image.shape], 1, (6, 5), np.random.default_rng(0)).numpy()[0, 0]
    np.testing.assert_array_equal(padded[4:], padded[3:1:-1])


def test_two_discs_are_found_on_either_side() -> None:
    image, label = two_discs()
    settings = {"name": "dfc", "channels": 16, "iterations": 30}
    assert dice(segment([image], settings, side="bright", threads=1).labels[0], label) > 0.85
    assert dice(segment([-image], settings, side="dark", threads=1).labels[0], label) > 0.85


def test_images_do_not_see_each_other() -> None:
    image, _ = two_discs()
    fitted = fit_method([image], "dfc:channels=8,iterations=5", threads=1, side="bright")
    alone = fitted.score(image)
    fitted.score(image.T.copy())
    np.testing.assert_array_equal(alone, fitted.score(image))


def test_training_stops_at_few_clusters_and_never_below_two() -> None:
    """With as many clusters allowed as there are, not one step is made: later steps change nothing."""
    image, _ = two_discs()
    few = [DFC(channels=6, min_clusters=6, iterations=count).fit([image], Work(threads=1))(image) for count in (1, 9)]
    np.testing.assert_array_equal(*few)
    more = DFC(channels=6, min_clusters=2, iterations=9).fit([image], Work(threads=1))(image)
    assert (few[0] != more).any()


AWKWARD = {
    "one row": np.random.default_rng(0).random((1, 30)),
    "two pixels": np.array([[0, 1]]),
    "one bright pixel": np.pad(np.ones((1, 1), dtype=np.uint8), 12),
    "boolean": np.eye(20) > 0,
    "very large": np.random.default_rng(0).random((20, 20)) * 1e300,
    "very small and negative": np.random.default_rng(0).random((20, 20)) * -1e-300,
    "an outlier": np.where(np.eye(30) * np.arange(30) == 7, 1e12, np.random.default_rng(0).random((30, 30))),
    "a difference in one channel of four": np.stack([np.full((9, 14), 7.0)] * 3 + [np.eye(9, 14)], axis=2),
}


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize(
    "method",
    [
        "dfc:channels=6,iterations=4",
        "iic:width=3,steps=2,batch_size=2,crop_px=16",
        "autoregressive:width=3,steps=2,batch_size=2,crop_px=16",
    ],
)
def test_awkward_images_get_scores(method: str, kind: str) -> None:
    score = segment([AWKWARD[kind]], method, side="bright", threads=1).scores[0]
    assert score.shape == AWKWARD[kind].shape[:2]
    assert score.min() >= 0  # not NaN either
    assert score.max() <= 1


def test_large_images_train_on_crops_and_come_out_whole() -> None:
    image, label = two_discs(90, 70)
    found = segment([image], "dfc:channels=8,iterations=20,crop_px=48", side="bright", threads=1)
    assert found.scores[0].shape == (90, 70)
    assert dice(found.labels[0], label) > 0.6


def test_prediction_uses_the_statistics_of_the_image() -> None:
    """As in training; the running mean that batch norm keeps would lag behind so fast a training."""
    image, _ = two_discs()
    read, fabric = standard_reader(image, "bright"), Machine(device="cpu", threads=1).fabric()
    network = DFC(channels=5, iterations=3)._train(read, image.shape, Work(threads=1), fabric)
    whole = torch.from_numpy(read(slice(None), slice(None)))[None]
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(whole), network.train()(whole), atol=0.01, rtol=0.01)


def test_divergence_is_named() -> None:
    image, _ = two_discs()
    with pytest.raises(RunError, match=r"dfc diverged in step 1: the loss is inf, .* learning_rate \(now 0.1\)"):
        segment([image], "dfc:channels=8,continuity=1e39", threads=1)
    network = build_network(1, 4, 1)
    check_finite(torch.tensor(1.0), network, "dfc", 3, 0.1)
    with torch.no_grad():
        network[0].weight[2, 0, 1, 1] = torch.inf
    with pytest.raises(RunError, match="step 3"):
        check_finite(torch.tensor(1.0), network, "dfc", 3, 0.1)
