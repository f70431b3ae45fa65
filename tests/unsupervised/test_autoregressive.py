"""AC: convolutions that see no later pixel, under each of eight scans, and two discs found."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from metastructure.unsupervised import Work
from metastructure.unsupervised.autoregressive import (
    NUM_ORDERINGS,
    Autoregressive,
    MaskedClusterer,
    MaskedConv,
    seen_weights,
)
from metastructure.unsupervised.cluster_method import NAMING_BATCHES
from metastructure.unsupervised.cluster_network import ClusterPredictor, folder_draw

SIZE = 23


def scan_position(ordering: int) -> np.ndarray:
    """When each pixel comes, (SIZE, SIZE): written out by the corner and direction of each scan."""
    numbers = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)
    return {
        0: numbers,  # top left, along rows
        1: numbers[:, ::-1],  # top right, along rows
        2: numbers[::-1],  # bottom left, along rows
        3: numbers[::-1, ::-1],
        4: numbers.T,  # top left, along columns
        5: numbers.T[::-1],  # bottom left, along columns
        6: numbers.T[:, ::-1],  # top right, along columns
        7: numbers.T[::-1, ::-1],
    }[ordering]


@pytest.mark.parametrize("ordering", range(NUM_ORDERINGS))
def test_no_later_pixel_is_seen(ordering: int) -> None:
    """The gradient of one output over the input vanishes at every later pixel, and not at the pixel itself."""
    torch.manual_seed(ordering)
    network = MaskedClusterer(1, 6, 3).eval()
    image = torch.randn(1, 1, SIZE, SIZE, requires_grad=True)
    row, column = 11, 12
    network(image, ordering)[0, :, row, column].square().sum().backward()
    assert image.grad is not None
    seen, position = image.grad[0, 0].numpy() != 0, scan_position(ordering)
    later = position > position[row, column]
    assert not seen[later].any()
    assert seen[row, column]
    assert seen[~later].sum() > 20


def test_each_ordering_sees_five_of_nine_weights_and_each_another_five() -> None:
    masks = [seen_weights(ordering) for ordering in range(NUM_ORDERINGS)]
    assert [int(mask.sum()) for mask in masks] == [5] * NUM_ORDERINGS
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == NUM_ORDERINGS
    both = seen_weights(0) + seen_weights(3)  # opposite scans: together all, the pixel itself twice
    assert both.tolist() == [[1, 1, 1], [1, 2, 1], [1, 1, 1]]


def test_masked_convolution_by_hand() -> None:
    convolution = MaskedConv(1, 1, 1)
    with torch.no_grad():
        convolution.weight.copy_(torch.arange(1.0, 10.0).view(1, 1, 3, 3))
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 0, 2], image[0, 0, 1, 1], image[0, 0, 2, 1] = 10.0, 1.0, 100.0
    found = [convolution(image, ordering)[0, 0, 1, 1].item() for ordering in (0, 3, None)]
    assert found == [3 * 10 + 5 * 1, 5 * 1 + 8 * 100, 3 * 10 + 5 * 1 + 8 * 100]


def test_without_an_ordering_it_is_a_plain_convolution() -> None:
    torch.manual_seed(0)
    convolution, image = MaskedConv(2, 3, 2), torch.randn(1, 2, 9, 8)
    expected = functional.conv2d(image, convolution.weight, padding=2, dilation=2)
    torch.testing.assert_close(convolution(image, None), expected)


def test_two_discs_are_found_and_progress_is_told() -> None:
    rng, rows, columns = np.random.default_rng(4), *np.mgrid[:48, :56]
    label = ((rows - 14) ** 2 + (columns - 15) ** 2 < 100) | ((rows - 32) ** 2 + (columns - 38) ** 2 < 196)
    images = [np.asarray(50 + 100 * label + rng.normal(0, 8, label.shape)) for _ in range(2)]
    told: list[tuple[int, int]] = []
    method = Autoregressive(clusters=2, width=8, steps=60, batch_size=4, crop_px=32, learning_rate=0.01)
    predict = method.fit(images, Work(threads=1, on_progress=lambda done, total: told.append((done, total))))
    predicted = predict(images[0]) > 0.5
    assert 2 * (predicted & label).sum() / (predicted.sum() + label.sum()) > 0.75
    assert told[-1] == (60, 60)


def test_statistics_are_taken_anew_without_masks() -> None:
    """Those of the first norm are the plain mean over the batches that name the clusters, all nine weights seen."""
    images = [np.random.default_rng(6).normal(size=(24, 30)) for _ in range(2)]
    method, work = Autoregressive(width=4, steps=5, batch_size=2, crop_px=16, learning_rate=0.05), Work(threads=1)
    predictor = method.fit(images, work)
    assert isinstance(predictor, ClusterPredictor)
    network, draw = predictor.network, folder_draw(images, 16, work, torch.device("cpu"))
    assert isinstance(network, MaskedClusterer)
    with torch.no_grad():
        batches = [draw(f"naming {index}", 2) for index in range(NAMING_BATCHES)]
        means = [network.convolutions[0](batch, None).mean((0, 2, 3)) for batch in batches]
    torch.testing.assert_close(network.norms[0].running_mean, torch.stack(means).mean(0))
