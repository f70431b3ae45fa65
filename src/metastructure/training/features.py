"""Features of two networks compared layer by layer: linear CKA over the pixels of the same images.

`B` batch, `K` channels of an image, `C` channels of a layer, `P` places, `T` channels of all layers of a network
together. A place is a pixel of an image, taken every few pixels; its features in a layer are the C values of that layer
where the pixel lies. So layers of any two scales can be compared, and no average over pixels hides what one holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

FloatArray = npt.NDArray[np.float64]

STEP_PX = 4
MAX_LAYERS = 24
IDENTITIES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
"""Modules that do nothing in evaluation mode are no layers."""

CONSTANT = 1e-12
"""Features with less variance than this share of their mean square are constant up to the rounding of float32."""


@dataclass(frozen=True, eq=False)
class FeatureComparison:
    """How similar the layers of two networks are.

    Attributes
    ----------
    layers_a, layers_b : tuple of str
        Their layers, in the order in which they work.
    matrix : (layers of a, layers of b) array
        Linear CKA in [0, 1]; NaN where a layer is constant.
    num_places : int
        P; independent features of C and C' channels of equal variance score about √(C C') / P, and not 0.
    """

    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    matrix: FloatArray
    num_places: int

    def diagonal(self) -> dict[str, float]:
        """Return the CKA of every layer that both networks have, by its name."""
        places = {name: index for index, name in enumerate(self.layers_b)}
        return {
            name: float(self.matrix[index, places[name]]) for index, name in enumerate(self.layers_a) if name in places
        }


def compare_features(
    network_a: nn.Module,
    network_b: nn.Module,
    images: Iterable[npt.NDArray[np.float32]],
    *,
    layers: Sequence[str] | None = None,
    max_layers: int = MAX_LAYERS,
    step_px: int = STEP_PX,
) -> FeatureComparison:
    """Return the linear CKA of every layer of one network with every layer of another on the same images.

    Parameters
    ----------
    network_a, network_b : nn.Module
        From (B, K, H, W) to (B, C, H, W); left in evaluation mode.
    images : iterable of (K, H, W) float32 arrays
        Normalised as in training; read once, one at a time, and of any sizes.
    layers : sequence of str, optional
        Names of modules, looked for in both networks. Without it those of `find_layers`.
    max_layers : int
        Of `find_layers`, of each network.
    step_px : int
        Every so many rows and columns there is a place.

    Raises
    ------
    ValueError
        If there are no images, or a network has no such layer.

    Notes
    -----
    With X (P, C) and Y (P, C') the centred features of two layers, linear CKA is |Xᵀ Y|² / (|Xᵀ X| |Yᵀ Y|) in Frobenius
    norms: HSIC with linear kernels, in its biased form, normalised. It is 1 for features that differ by a rotation, a
    factor and a shift. Only the products are kept, in float64, T_a T_b numbers and a few more however many images there
    are; they and the means are merged image by image without cancellation (Chan, Golub, LeVeque 1979).

    Images whose sides are no multiples of a network's stride are padded inside it; places then shift by less than a
    cell of a layer.

    References
    ----------
    Kornblith, Norouzi, Lee, Hinton, "Similarity of neural network representations revisited", ICML 2019. Chan, Golub,
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Examples
    --------
    >>> from metastructure.networks import NetworkSpec, build_network
    >>> network = build_network(NetworkSpec(name="residual_unet", settings={"width": 2}), 1, 2)
    >>> image = np.random.default_rng(0).normal(size=(1, 32, 32)).astype(np.float32)
    >>> found = compare_features(network, network, [image], max_layers=3)
    >>> [round(value, 6) for value in found.diagonal().values()]
    [1.0, 1.0, 1.0]
    """
    readers: tuple[_Reader, _Reader] | None = None
    products = _Products()
    for image in images:
        if readers is None:
            readers = _Reader(network_a, image, layers, max_layers), _Reader(network_b, image, layers, max_layers)
        products.add(readers[0].read(image, step_px), readers[1].read(image, step_px))
    if readers is None:
        raise ValueError("Give at least one image to compare features on.")
    matrix = products.linear_cka(len(readers[0].layers))
    return FeatureComparison(readers[0].layers, readers[1].layers, matrix, products.num_places)


def find_layers(network: nn.Module, image: npt.NDArray[np.float32], max_layers: int = MAX_LAYERS) -> tuple[str, ...]:
    """Return the names of modules without children that give (B, C, H, W) tensors, in the order in which they work.

    Of more than `max_layers` that many are taken, evenly spaced, with the last one.

    Parameters
    ----------
    network : nn.Module
        Left in evaluation mode.
    image : (K, H, W) float32 array
        Sent through it once.
    max_layers : int

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 1, 1)))
    >>> find_layers(network, np.zeros((1, 4, 4), np.float32)), find_layers(network, np.zeros((1, 4, 4), np.float32), 2)
    (('0', '1.0', '1.1'), ('1.0', '1.1'))
    """
    leaves = {
        name: module
        for name, module in network.named_modules()
        if not (any(True for _ in module.children()) or isinstance(module, IDENTITIES))
    }
    found = tuple(_run(network, image, leaves, lambda output: output.shape))
    if len(found) <= max_layers:
        return found
    places = np.linspace(len(found) / max_layers, len(found), max_layers).round().astype(int) - 1
    return tuple(found[place] for place in places)


def linear_cka(features_a: npt.ArrayLike, features_b: npt.ArrayLike) -> float:
    """Return the linear CKA of two arrays of features, (P, C) and (P, C'); NaN if one is constant.

    Examples
    --------
    >>> round(linear_cka([[0, 0], [1, 0], [0, 2]], [[0], [1], [0]]), 4)  # (4/9 + 4/9) / (2/3 * 2.9059)
    0.4588
    """
    first, second = (np.asarray(features, dtype=np.float64) for features in (features_a, features_b))
    products = _Products()
    products.add([first], [second])
    return float(products.linear_cka(1)[0, 0])


@final
class _Reader:
    """Reads the features of the layers of one network at the places of an image."""

    def __init__(
        self, network: nn.Module, image: npt.NDArray[np.float32], layers: Sequence[str] | None, max_layers: int
    ) -> None:
        self.network = network
        self.layers = tuple(layers) if layers is not None else find_layers(network, image, max_layers)
        known = dict(network.named_modules())
        unknown = [name for name in self.layers if name not in known]
        if unknown or not self.layers:
            raise ValueError(
                f"The network has no layer {unknown[0]!r}; its layers: {', '.join(find_layers(network, image))}."
                if unknown
                else "The network has no layer whose output is (B, C, H, W)."
            )
        self._modules = {name: known[name] for name in self.layers}

    def read(self, image: npt.NDArray[np.float32], step_px: int) -> list[FloatArray]:
        """Return the features of every layer, (P, C)."""
        grid = tuple(-(-length // step_px) for length in image.shape[1:])

        def sample(output: torch.Tensor) -> FloatArray:
            sampled = functional.interpolate(output.float(), size=grid, mode="nearest")[0].flatten(1).T
            return np.asarray(sampled.double().cpu().numpy())

        read = _run(self.network, image, self._modules, sample)
        missing = [name for name in self.layers if name not in read]
        if missing:
            raise ValueError(f"The layer {missing[0]!r} gives no (B, C, H, W) tensor for this image; leave it out.")
        return [read[name] for name in self.layers]


@final
class _Products:
    """Means and centred products of the layers of two networks, over places that come in parts.

    Of the products within one network only those of each layer with itself are kept.
    """

    def __init__(self) -> None:
        self.num_places = 0

    def add(self, layers_a: Sequence[FloatArray], layers_b: Sequence[FloatArray]) -> None:
        """Take in more places: the features (P, C) of every layer there."""
        number, split = len(layers_a[0]), len(layers_a)
        means = [features.mean(axis=0) for features in (*layers_a, *layers_b)]
        centred = [features - mean for features, mean in zip((*layers_a, *layers_b), means, strict=True)]
        own = [features.T @ features for features in centred]
        cross = np.hstack(centred[:split]).T @ np.hstack(centred[split:])
        if self.num_places == 0:
            self.num_places, self._means, self._own, self._cross = number, means, own, cross
            return
        total = self.num_places + number
        weight = self.num_places * number / total
        shifts = [new - old for new, old in zip(means, self._means, strict=True)]
        for kept, part, shift in zip(self._own, own, shifts, strict=True):
            kept += part + weight * np.outer(shift, shift)
        self._cross += cross + weight * np.outer(np.hstack(shifts[:split]), np.hstack(shifts[split:]))
        for mean, shift in zip(self._means, shifts, strict=True):
            mean += number / total * shift
        self.num_places = total

    def linear_cka(self, num_layers_a: int) -> FloatArray:
        """Return the CKA of each of the first layers with each of the others."""
        norms = np.array([self._norm(own, mean) for own, mean in zip(self._own, self._means, strict=True)])
        parts = self._means[:num_layers_a], self._means[num_layers_a:]
        starts_a, starts_b = (np.cumsum([0, *(len(mean) for mean in part[:-1])]) for part in parts)
        squares = np.add.reduceat(np.add.reduceat(self._cross**2, starts_a, axis=0), starts_b, axis=1)
        return np.asarray(squares / np.outer(norms[:num_layers_a], norms[num_layers_a:]))

    def _norm(self, own: FloatArray, mean: FloatArray) -> float:
        """Return the Frobenius norm of the products of a layer with itself; NaN if it is constant."""
        spread, level = float(np.trace(own)), self.num_places * float((mean**2).sum())
        return float(np.linalg.norm(own)) if spread > CONSTANT * (spread + level) else float("nan")


@torch.no_grad()
def _run(
    network: nn.Module,
    image: npt.NDArray[np.float32],
    modules: dict[str, nn.Module],
    look: Callable[[torch.Tensor], Any],
) -> dict[str, Any]:
    """Return what `look` says of the first (B, C, H, W) output of each module, in the order in which they work."""
    seen: dict[str, Any] = {}

    def listen(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if name not in seen and isinstance(output, torch.Tensor) and output.ndim == 4:
                seen[name] = look(output)

        return hook

    handles = [module.register_forward_hook(listen(name)) for name, module in modules.items()]
    try:
        device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        network.eval()(torch.from_numpy(image)[None].to(device))
    finally:
        for handle in handles:
            handle.remove()
    return seen
