"""Linear CKA: by hand, against a slow reference, its invariances, and streamed as whole."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from metastructure.training import features as features_module
from metastructure.training.features import compare_features, find_layers, linear_cka

FloatArray = npt.NDArray[np.float64]


def _draw(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape)


def _slow(first: FloatArray, second: FloatArray) -> float:
    """HSIC of linear kernels between all pairs of places, centred by the matrix H (Gretton et al. 2005)."""
    H = np.eye(len(first)) - 1 / len(first)
    K, L = first @ first.T, second @ second.T

    def hsic(a: FloatArray, b: FloatArray) -> float:
        return float(np.trace(a @ H @ b @ H))

    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


def test_it_equals_the_kernels_of_all_pairs() -> None:
    first = _draw(40, 5) + 3
    second = first[:, :3] ** 2 + _draw(40, 3, seed=1) - 7
    assert linear_cka(first, second) == pytest.approx(_slow(first, second), rel=1e-10)
    assert linear_cka(second, first) == pytest.approx(linear_cka(first, second), rel=1e-12)
    assert 0.1 < linear_cka(first, second) < 0.9


def test_turned_scaled_and_moved_features_are_the_same() -> None:
    first = _draw(50, 4) * [1, 2, 3, 4]
    rotation, _ = np.linalg.qr(_draw(4, 4, seed=1))
    assert linear_cka(first, first @ rotation * -3.7 + [1, 2, 3, 4]) == pytest.approx(1, abs=1e-12)
    assert linear_cka(first, np.hstack([first @ rotation, np.zeros((50, 3))])) == pytest.approx(1, abs=1e-12)


def test_a_general_linear_map_changes_it_as_computed_by_hand() -> None:
    # two uncorrelated columns of equal size; one of them scaled by 2: XtX = 4 I, XtY = 4 diag(1, 2), YtY = 4 diag(1, 4)
    first = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert linear_cka(first, first * [1, 2]) == pytest.approx((1 + 4) / np.sqrt(2 * (1 + 16)))  # 0.857


def test_constant_features_have_none() -> None:
    assert np.isnan(linear_cka(np.full((9, 2), 0.1), _draw(9, 2)))
    almost = 1000 + 1e-4 * _draw(9, 2).astype(np.float32)  # below what float32 holds at 1000
    assert np.isnan(linear_cka(almost.astype(np.float32), _draw(9, 2)))


def test_independent_features_score_as_the_note_says() -> None:
    values = [linear_cka(_draw(2000, 10, seed=n), _draw(2000, 40, seed=100 + n)) for n in range(5)]
    assert np.mean(values) == pytest.approx(np.sqrt(10 * 40) / 2000, rel=0.15)


# --- networks --------------------------------------------------------------------------------------------------------


class Scales(nn.Module):
    """Full resolution, half of it, and back."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.wide = nn.Conv2d(1, 3, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.down = nn.Conv2d(3, 5, 2, stride=2)
        self.flat = nn.Flatten()
        self.up = nn.ConvTranspose2d(5, 1, 2, stride=2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        half = self.down(self.act(self.wide(images)))
        self.flat(half)
        return self.up(half)


def _images(number: int = 3) -> list[npt.NDArray[np.float32]]:
    return [(_draw(1, 8, 8 + 4 * n, seed=n) + n).astype(np.float32) for n in range(number)]


def _places(network: nn.Module, images: list[npt.NDArray[np.float32]], step: int) -> dict[str, FloatArray]:
    """A slow reference: the features at every place of every image, all in memory."""
    found: dict[str, list[FloatArray]] = {"wide": [], "act": [], "down": [], "up": []}
    for image in images:
        with torch.no_grad():
            wide = network.wide(torch.from_numpy(image)[None])
            act = torch.relu(wide)
            down = network.down(act)
            up = network.up(down)
        for name, output, scale in (("wide", wide, 1), ("act", act, 1), ("down", down, 2), ("up", up, 1)):
            for row in range(0, image.shape[1], step):
                for column in range(0, image.shape[2], step):
                    found[name].append(output[0, :, row // scale, column // scale].double().numpy())
    return {name: np.array(rows) for name, rows in found.items()}


@pytest.mark.parametrize("step", [1, 2, 4])
def test_streamed_layers_of_any_scale_equal_all_places_at_once(step: int) -> None:
    first, second, images = Scales(0), Scales(1), _images()
    found = compare_features(first, second, iter(images), step_px=step)
    assert found.layers_a == ("wide", "act", "down", "up")
    assert found.num_places == sum(image.size for image in images) // step**2
    mine, theirs = _places(first, images, step), _places(second, images, step)
    expected = [[_slow(mine[a], theirs[b]) for b in found.layers_b] for a in found.layers_a]
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-6)  # float32 features
    assert found.diagonal() == {name: found.matrix[k, k] for k, name in enumerate(found.layers_a)}


def test_networks_of_other_shape_share_the_names_they_share() -> None:
    one, other = Scales(0), nn.Sequential(nn.Conv2d(1, 2, 1))
    other.add_module("up", nn.Conv2d(2, 1, 1))
    found = compare_features(one, other, _images(1))
    assert found.matrix.shape == (4, 2)
    assert list(found.diagonal()) == ["up"]


def test_layers_are_thinned_evenly_and_the_last_is_kept() -> None:
    network = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(10)))
    image = np.zeros((1, 4, 4), np.float32)
    assert find_layers(network, image, 5) == ("1", "3", "5", "7", "9")
    assert find_layers(network, image, 3) == ("2", "6", "9")
    assert len(find_layers(network, image)) == 10
    assert find_layers(nn.Sequential(nn.Dropout(0.5), nn.ReLU(), nn.Identity()), image) == ("1",)


class Twice(nn.Module):
    """One activation in two places, as residual blocks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.act(self.act(images) - 1)


def test_of_a_module_that_works_twice_the_first_output_counts() -> None:
    plain = nn.Sequential()
    plain.add_module("act", nn.ReLU())
    assert compare_features(Twice(), plain, _images(2)).diagonal() == {"act": pytest.approx(1)}


def test_nothing_is_left_behind() -> None:
    network = Scales(0)
    compare_features(network, network, _images(1))
    assert not any(module._forward_hooks for module in network.modules())


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="no layer 'deep'; its layers: wide, act, down, up"):
        compare_features(Scales(0), Scales(1), _images(1), layers=["deep"])
    with pytest.raises(ValueError, match="'flat' gives no"):
        compare_features(Scales(0), Scales(1), _images(1), layers=["flat"])
    with pytest.raises(ValueError, match="at least one image"):
        compare_features(Scales(0), Scales(1), [])


def test_rounding_does_not_grow_with_the_level() -> None:
    first, second = _draw(60, 3), _draw(60, 3, seed=1) + _draw(60, 3)
    products = features_module._Products()
    for part in range(0, 60, 20):
        products.add([first[part : part + 20] + 1e5], [second[part : part + 20] - 1e5])
    assert products.linear_cka(1)[0, 0] == pytest.approx(_slow(first, second), rel=1e-8)
