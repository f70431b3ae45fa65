"""Prediction: probabilities sum to 1, sizes are kept, tiles agree with the whole."""

import numpy as np
import pytest
import torch
from torch import nn

from metastructure.data.folder import zscore
from metastructure.networks import NetworkSpec, build_network
from metastructure.training import Machine, predict_probabilities
from metastructure.training.predict import predict_strips, zscore_reader

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


class Strided(nn.Module):
    """A stride of 4 and a reach of 13 pixels: tiles agree with the whole only if their grid and margins are right."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 7, padding=3, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2, stride=2), nn.ReLU()
        )
        self.head = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = 9 * self.head(self.layers(images)).repeat_interleave(4, -2).repeat_interleave(4, -1)
        return logits[..., : images.shape[-2], : images.shape[-1]]


def test_tiles_equal_the_whole_where_the_network_sees_no_further_than_the_margin() -> None:
    network, image = Strided(), _images((203, 330))
    (whole,) = predict_probabilities(network, image, FABRIC, tile_px=352)
    (tiled,) = predict_probabilities(network, image, FABRIC, tile_px=128)  # overlap 32, margin 14
    np.testing.assert_allclose(tiled, whole, atol=1e-5)  # float32 sums in another order
    assert np.ptp(whole[1]) > 0.3


def test_residual_unet_is_equal_in_the_default_tiles() -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)
    image = _images((48, 700))
    (whole,) = predict_probabilities(network, image, FABRIC, tile_px=704)
    (tiled,) = predict_probabilities(network, image, FABRIC)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_tiles_leave_no_seam_where_the_network_sees_the_whole_tile() -> None:
    class Mean(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((-2, -1), keepdim=True).expand_as(images).clone()

    image = [np.broadcast_to(np.linspace(-2, 2, 300, dtype=np.float32), (1, 40, 300)).copy()]
    (found,) = predict_probabilities(Mean(), image, FABRIC, tile_px=128)
    jump = np.abs(np.diff(found[1], axis=-1)).max()
    ends = abs(found[1, 0, 0] - found[1, 0, -1])
    assert ends > 0.5
    assert jump < ends / 4  # hard cuts between its three tiles would jump by half of that


def test_strips_come_from_the_top_and_need_no_whole_map() -> None:
    image = _images((500, 90))[0]
    asked: list[slice] = []

    def read(rows: slice, columns: slice) -> np.ndarray:
        asked.append(rows)
        return image[:, rows, columns]

    strips = predict_strips(nn.Conv2d(1, 1, 1), read, (500, 90), FABRIC, 128)
    first = next(strips)
    assert first.shape == (2, 96, 90)
    assert asked[-1].stop <= 128
    assert sum(strip.shape[1] for strip in strips) == 500 - 96


@pytest.mark.parametrize("shape", [(1, 4096), (4096, 1), (3, 5), (5, 3000)])
def test_thin_images_cost_what_their_pixels_cost(shape: tuple[int, int]) -> None:
    asked: list[int] = []

    def read(rows: slice, columns: slice) -> np.ndarray:
        asked.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return np.zeros((1, rows.stop - rows.start, columns.stop - columns.start), np.float32)

    strips = list(predict_strips(nn.Conv2d(1, 1, 1), read, shape, FABRIC, 128))
    assert sum(strip[0].size for strip in strips) == shape[0] * shape[1]
    assert max(asked) <= 128 * 5
    assert sum(asked) <= 4 / 3 * shape[0] * shape[1]  # neighbours share a quarter


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.float32), np.zeros((1, 9, 9)), np.zeros((1, 9, 9), np.uint8)])
def test_what_is_not_normalised_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"image 1 must be \(K, H, W\) float32, as zscore gives it; got "):
        list(predict_probabilities(nn.Conv2d(1, 1, 1), [*_images((9, 9)), image], FABRIC))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(600, 30), (20, 9, 3)])
def test_the_reader_of_tiles_gives_the_zscore(dtype: type, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(3, 250, shape).astype(dtype)
    whole = zscore(image)
    part = zscore_reader(image)(slice(2, 17), slice(1, 8))
    assert part.dtype == np.float32
    np.testing.assert_allclose(part, whole[:, 2:17, 1:8], rtol=1e-6, atol=1e-6)


def test_the_reader_of_a_constant_image_gives_zero_and_refuses_nan() -> None:
    assert not zscore_reader(np.full((5, 4), 7, np.uint16))(slice(0, 5), slice(0, 4)).any()
    image = np.ones((300, 4), np.float32)
    for wrong in (np.nan, np.inf, -np.inf):
        image[299, 1] = wrong
        with pytest.raises(ValueError, match="holds NaN or infinite values"):
            zscore_reader(image)


def test_prediction_leaves_no_gradient_and_is_repeatable() -> None:
    network = build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)
    first, second = (next(iter(predict_probabilities(network, _images((16, 16)), FABRIC))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not network.training
