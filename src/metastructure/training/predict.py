"""Prediction of whole images of any size, tiled where they are large, in strips that need little memory.

`C` classes, `K` channels, `H` rows, `W` columns, `h` rows of a strip.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import nn

from metastructure.data.files import ImageArray
from metastructure.training.decode import Probabilities
from metastructure.training.pairs import NOT_FINITE, is_finite
from metastructure.training.tiling import Span, check_tile, plan_spans

TILE_PX = 512
STATISTICS_ROWS = 256

TileReader = Callable[[slice, slice], npt.NDArray[np.float32]]
"""From rows and columns to the normalised pixels there, (K, rows, columns)."""


def predict_probabilities(
    network: nn.Module,
    images: Iterable[npt.NDArray[np.float32]],
    fabric: Fabric,
    tile_px: int = TILE_PX,
) -> Iterator[Probabilities]:
    """Yield the class probabilities of each image in turn.

    Parameters
    ----------
    network : nn.Module
        From (B, K, H, W) to one logit, or to C.
    images : iterable of (K, H, W) float32 arrays
        Normalised as in training.
    fabric : Fabric
        Device and precision.
    tile_px : int
        Images with a side longer than this are predicted in overlapping tiles of this side, see
        `metastructure.training.tiling`.

    Yields
    ------
    (C, H, W) float32 array
        Sums to 1 over C; two classes from one logit.

    Raises
    ------
    ValueError
        If an image has another shape or dtype, or as `predict_strips`.
    """
    for index, image in enumerate(images):
        if image.ndim != 3 or image.dtype != np.float32:
            raise ValueError(
                f"image {index} must be (K, H, W) float32, as zscore gives it; "
                f"got {image.dtype} of shape {image.shape}."
            )
        shape = image.shape[1:]
        yield join_strips(predict_strips(network, _slice_reader(image), shape, fabric, tile_px), shape)


def predict_strips(
    network: nn.Module, read_tile: TileReader, shape: tuple[int, ...], fabric: Fabric, tile_px: int = TILE_PX
) -> Iterator[Probabilities]:
    """Yield the class probabilities of one image from top to bottom, in strips (C, h, W) that together have H rows.

    Parameters
    ----------
    network, fabric, tile_px
        As for `predict_probabilities`.
    read_tile : callable
        Gives one tile of the image, so that the image itself may lie anywhere and in any dtype.
    shape : (H, W)

    Notes
    -----
    Memory beyond the image: one tile in the network and a few arrays of (C, `tile_px`, W). Logits are blended, not
    probabilities.

    Raises
    ------
    ValueError
        If `tile_px` is no multiple of 32, or below 64.
    """
    check_tile(tile_px)
    network = network.to(fabric.device).eval()
    rows, columns = (plan_spans(length, tile_px) for length in shape)
    carried: torch.Tensor | None = None
    for row, below in zip(rows, [*rows[1:], None], strict=True):
        band_ChW = _predict_band(network, read_tile, row, columns, fabric)
        if len(rows) > 1:
            band_ChW *= torch.from_numpy(row.weight).to(band_ChW.device)[:, None]
        if carried is not None:
            band_ChW[:, : carried.shape[1]] += carried
        finished = (row.stop if below is None else below.start) - row.start
        carried = band_ChW[:, finished:].clone()
        yield _to_probabilities(band_ChW[:, :finished]).cpu().numpy()


def join_strips(strips: Iterable[Probabilities], shape: tuple[int, ...]) -> Probabilities:
    """Return strips from top to bottom as one (C, H, W) array."""
    joined: Probabilities | None = None
    top = 0
    for strip in strips:
        if strip.shape[1:] == shape:
            return strip
        if joined is None:
            joined = np.empty((len(strip), *shape), dtype=np.float32)
        joined[:, top : top + strip.shape[1]] = strip
        top += strip.shape[1]
    assert joined is not None  # every image has a strip
    return joined


def zscore_reader(image: ImageArray) -> TileReader:
    """Return a reader of the tiles of ``zscore(image)`` that never holds more of it than a tile.

    Parameters
    ----------
    image : (H, W) or (H, W, K) array

    Raises
    ------
    ValueError
        If the image holds NaN or infinite values.
    """
    mean, deviation = _mean_and_deviation(image)
    if not np.isfinite(deviation):
        raise ValueError(f"the image {NOT_FINITE}")

    def read(rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        pixels = np.asarray(image[rows, columns], dtype=np.float32)
        pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        if deviation == 0:
            return np.zeros(pixels.shape, dtype=np.float32)
        return np.ascontiguousarray((pixels - np.float32(mean)) / np.float32(deviation))

    return read


def _mean_and_deviation(image: ImageArray) -> tuple[float, float]:
    """Return both over all values, reading a few rows at a time; NaN or infinite where a value is."""
    parts = [image[top : top + STATISTICS_ROWS] for top in range(0, len(image), STATISTICS_ROWS)]
    if not all(map(is_finite, parts)):
        return np.nan, np.nan
    with np.errstate(invalid="ignore", over="ignore"):
        mean = sum(float(part.sum(dtype=np.float64)) for part in parts) / image.size
        squares = sum(float(((part.astype(np.float64) - mean) ** 2).sum()) for part in parts)
    return mean, float(np.sqrt(squares / image.size))


@torch.no_grad()
def _predict_band(
    network: nn.Module, read_tile: TileReader, row: Span, columns: tuple[Span, ...], fabric: Fabric
) -> torch.Tensor:
    """Return the logits of one row of tiles, (C, h, W), joined from left to right."""
    band_ChW: torch.Tensor | None = None
    for column in columns:
        tile = read_tile(slice(row.start, row.stop), slice(column.start, column.stop))
        tile_1KHW = torch.from_numpy(tile)[None].to(fabric.device, memory_format=torch.channels_last)
        with fabric.autocast():
            logits_CHW: torch.Tensor = network(tile_1KHW)[0].float()
        if len(columns) == 1:
            return logits_CHW
        if band_ChW is None:
            band_ChW = logits_CHW.new_zeros(*logits_CHW.shape[:2], columns[-1].stop)
        weight = torch.from_numpy(column.weight).to(fabric.device)
        band_ChW[..., column.start : column.stop] += logits_CHW * weight
    assert band_ChW is not None  # every axis has a span
    return band_ChW


def _slice_reader(image: npt.NDArray[np.float32]) -> TileReader:
    return lambda rows, columns: image[:, rows, columns]


def _to_probabilities(logits_CHW: torch.Tensor) -> torch.Tensor:
    if len(logits_CHW) > 1:
        return torch.softmax(logits_CHW, 0)
    foreground = torch.sigmoid(logits_CHW)
    return torch.cat([1 - foreground, foreground])
