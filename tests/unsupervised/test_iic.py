"""IIC: mutual information by hand, its limits, the symmetries undone, and two discs found."""

import math

import numpy as np
import pytest
import torch

from metastructure.errors import RunError
from metastructure.training import Machine
from metastructure.unsupervised import Work, parse_method, segment
from metastructure.unsupervised.cluster_network import build_seeded, maximise, predict_rows, score_image
from metastructure.unsupervised.clusters import score_objects
from metastructure.unsupervised.crops import standard_reader
from metastructure.unsupervised.folder_result import method_title
from metastructure.unsupervised.iic import IIC, NUM_SYMMETRIES, Clusterer, turn, turn_back
from metastructure.unsupervised.information import joint_distribution, mean_information, mutual_information


def two_discs(num: int = 2) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images of two bright discs with noise, and their labels."""
    rng, rows, columns = np.random.default_rng(4), *np.mgrid[:48, :56]
    labels = [
        ((rows - 14 - index) ** 2 + (columns - 15) ** 2 < 64) | ((rows - 32) ** 2 + (columns - 40 + index) ** 2 < 144)
        for index in range(num)
    ]
    return [np.asarray(50 + 100 * label + rng.normal(0, 8, label.shape)) for label in labels], labels


def dice(predicted: np.ndarray, label: np.ndarray) -> float:
    return float(2 * (predicted.astype(bool) & label).sum() / (predicted.sum() + label.sum()))


def test_information_of_an_asymmetric_joint_by_hand() -> None:
    joint = torch.tensor([[0.4, 0.1], [0.2, 0.3]], dtype=torch.float64)  # rows 0.5, 0.5; columns 0.6, 0.4
    expected = (
        0.4 * math.log(0.4 / 0.30) + 0.1 * math.log(0.1 / 0.20) + 0.2 * math.log(0.2 / 0.30) + 0.3 * math.log(0.3 / 0.2)
    )
    assert float(mutual_information(joint)) == pytest.approx(expected, rel=1e-12)
    assert float(mutual_information(joint.T)) == pytest.approx(expected, rel=1e-12)


def test_information_is_zero_for_independence_and_largest_for_agreement() -> None:
    first, second = torch.tensor([0.1, 0.9]), torch.tensor([0.3, 0.7])
    assert float(mutual_information(torch.outer(first, second))) == pytest.approx(0, abs=1e-6)
    entropy = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    assert float(mutual_information(torch.diag(first))) == pytest.approx(entropy, rel=1e-5)
    assert float(mutual_information(torch.tensor([[0.0, 0.1], [0.9, 0.0]]))) == pytest.approx(entropy, rel=1e-5)


def test_information_has_finite_gradients_where_clusters_are_empty() -> None:
    joint = torch.tensor([[1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    mutual_information(joint).backward()
    assert joint.grad is not None
    assert torch.isfinite(joint.grad).all()


def test_joint_by_hand_with_a_shift() -> None:
    """Two pixels side by side: with a shift of one column the left pixel of the first meets the right of the second."""
    first = torch.tensor([[0.9, 0.3], [0.1, 0.7]]).view(1, 2, 1, 2)
    second = torch.tensor([[0.2, 0.6], [0.8, 0.4]]).view(1, 2, 1, 2)
    torch.testing.assert_close(joint_distribution(first, second, (0, 1)), torch.tensor([[0.54, 0.36], [0.06, 0.04]]))
    torch.testing.assert_close(joint_distribution(first, second, (0, -1)), torch.tensor([[0.06, 0.24], [0.14, 0.56]]))
    both = torch.tensor([[0.9 * 0.2 + 0.3 * 0.6, 0.9 * 0.8 + 0.3 * 0.4], [0.1 * 0.2 + 0.7 * 0.6, 0.08 + 0.28]]) / 2
    torch.testing.assert_close(joint_distribution(first, second), both)


def test_joint_against_a_pixel_loop() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 3, 5, 4).softmax(1), torch.randn(2, 3, 5, 4).softmax(1)
    expected, pairs = torch.zeros(3, 3), 0
    for b in range(2):
        for row in range(5):
            for column in range(4):
                if row - 2 >= 0 and column + 1 < 4:
                    expected += torch.outer(first[b, :, row, column], second[b, :, row - 2, column + 1])
                    pairs += 1
    torch.testing.assert_close(joint_distribution(first, second, (-2, 1)), expected / pairs)


def test_information_is_largest_when_views_agree() -> None:
    """Even hard halves reach log 2; the more pixels of the second are shuffled, the less is left."""
    torch.manual_seed(0)
    label = (torch.arange(400) % 2).view(1, 1, 20, 20).float()
    first = torch.cat([label, 1 - label], 1)
    found = []
    for share in (0.0, 0.2, 0.6, 1.0):
        mixed = torch.where(torch.rand(1, 1, 20, 20) < share, torch.randint(2, (1, 1, 20, 20)).float(), label)
        found.append(float(mean_information(first, torch.cat([mixed, 1 - mixed], 1), 0)))
    assert found[0] == pytest.approx(math.log(2), rel=1e-5)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.02
    swapped = torch.cat([1 - label, label], 1)
    joint = joint_distribution(first, swapped)
    assert float(mutual_information(joint)) == pytest.approx(math.log(2), rel=1e-5)


def test_displacements_are_meaned() -> None:
    torch.manual_seed(1)
    first, second = torch.randn(1, 2, 6, 7).softmax(1), torch.randn(1, 2, 6, 7).softmax(1)
    parts = []
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            joint = joint_distribution(first, second, (row, column))
            parts.append(float(mutual_information((joint + joint.T) / 2)))
    assert float(mean_information(first, second, 1)) == pytest.approx(np.mean(parts), rel=1e-4)


def test_symmetries_differ_and_are_undone() -> None:
    image = torch.arange(2 * 3 * 3.0).view(1, 2, 3, 3)
    turned = [turn(image, symmetry) for symmetry in range(NUM_SYMMETRIES)]
    assert len({tuple(each.flatten().tolist()) for each in turned}) == NUM_SYMMETRIES
    for symmetry, each in enumerate(turned):
        assert torch.equal(turn_back(each, symmetry), image)


def test_network_gives_every_head_at_full_size() -> None:
    network = Clusterer(3, 4, (2, 5))
    images = torch.randn(2, 3, 17, 21)
    assert [tuple(logits.shape) for logits in network.all_heads(images)] == [(2, 2, 17, 21), (2, 5, 17, 21)]
    network.eval()
    assert torch.equal(network(images), network.all_heads(images)[0])


def test_first_weights_come_from_the_seed_and_leave_torch_s_generator() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (build_seeded(lambda: Clusterer(1, 4, (2,)), Work(seed=seed), "iic") for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [each.features[0].weight for each in (first, again, other)]  # type: ignore[index, union-attr]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_tiles_and_strips_join_to_the_whole() -> None:
    image = np.random.default_rng(0).random((600, 530))
    read, objects = standard_reader(image, "bright"), np.array([True, False, False])
    network = build_seeded(lambda: Clusterer(1, 4, (3,)), Work(), "iic").eval()
    fabric = Machine(device="cpu", threads=1).fabric()
    assert len(list(predict_rows(network, read, image.shape, fabric))) == 2
    with torch.no_grad():
        whole = network(torch.from_numpy(read(slice(None), slice(None)))[None])[0].softmax(0).numpy()
    found = score_image(network, read, image.shape, fabric, objects)
    np.testing.assert_allclose(found, score_objects(whole, objects), atol=1e-5)


def test_two_discs_are_found_and_progress_is_told() -> None:
    images, labels = two_discs()
    told: list[tuple[int, int]] = []
    method = IIC(clusters=2, width=8, steps=60, batch_size=4, crop_px=32, learning_rate=0.01)
    predict = method.fit(images, Work(threads=1, on_progress=lambda done, total: told.append((done, total))))
    assert min(dice(predict(image) > 0.5, label) for image, label in zip(images, labels, strict=True)) > 0.75
    assert told == [(step + 1, 60) for step in range(60)]


def test_divergence_is_named() -> None:
    network = torch.nn.Linear(1, 1)
    with pytest.raises(RunError, match=r"iic diverged in step 3: the loss is nan, .* lower learning_rate \(now 0.5\)"):
        maximise(
            network,
            lambda step: network.weight.sum() * (float("nan") if step == 2 else 1.0),
            steps=4,
            learning_rate=0.5,
            name="iic",
            on_progress=lambda done, total: None,
        )


def test_many_clusters_are_merged() -> None:
    images, labels = two_discs()
    settings = {"name": "iic", "width": 8, "steps": 60, "batch_size": 4, "crop_px": 32, "clusters": 6, "auxiliary": 0}
    found = segment(images, {**settings, "learning_rate": 0.01}, side="bright", threads=1)
    assert min(dice(found.labels[index], labels[index]) for index in range(2)) > 0.75


def test_titles_list_the_settings_in_one_order() -> None:
    """That of the published method: both heads, then the training, then the views."""
    found = method_title(parse_method("iic:noise=0,steps=9,width=8,auxiliary=0,clusters=3"))
    assert found == "iic:clusters=3,auxiliary=0,width=8,steps=9,noise=0.0"
