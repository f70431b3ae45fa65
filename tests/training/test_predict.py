"""Prediction: probabilities sum to 1, sizes are kept, tiles agree with the whole."""

import numpy as np
import torch
from torch import nn

from metastructure.networks import NetworkSpec, build_network
from metastructure.training import Machine, predict_probabilities

FABRIC = Machine(device="cpu", threads=1).fabric()


def _images(*shapes: tuple[int, int], channels: int = 1) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.normal(size=(channels, *shape)).astype(np.float32) for shape in shapes]


def test_two_classes_from_one_logit() -> None:
    class Constant(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.full_like(images, float(np.log(3)))

    (out,) = predict_probabilities(Constant(), _images((5, 6)), FABRIC)
    np.testing.assert_allclose(out[0], 0.25, rtol=1e-6)
    np.testing.assert_allclose(out[1], 0.75, rtol=1e-6)


def test_ragged_images_and_many_classes() -> None:
    network = build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 3, 5)
    shapes = [(7, 30), (64, 64), (33, 1)]
    found = list(predict_probabilities(network, _images(*shapes, channels=3), FABRIC))
    assert [out.shape for out in found] == [(5, *shape) for shape in shapes]
    for out in found:
        np.testing.assert_allclose(out.sum(0), 1, atol=1e-5)


def test_tiles_agree_with_the_whole_where_the_network_is_local() -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 1)
    image = _images((70, 90))
    (whole,) = predict_probabilities(network, image, FABRIC)
    (tiled,) = predict_probabilities(network, image, FABRIC, tile_px=32)
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


def test_prediction_leaves_no_gradient_and_is_repeatable() -> None:
    network = build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)
    first, second = (next(iter(predict_probabilities(network, _images((16, 16)), FABRIC))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not network.training
