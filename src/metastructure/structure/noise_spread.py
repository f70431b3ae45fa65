"""Over how many independent values pixel noise is spread: fewer where it lives in few pixels than where it is all over.

`H` rows, `W` columns, `C` classes, `k` directions in which densities vary. Derived in docs/meta-structure.md.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import fft

from metastructure.label import IGNORE, LabelArray
from metastructure.structure.agreement import EDGE_PROBABILITY, noise_edge, variance_directions
from metastructure.structure.moments import BLOCK_OVERLAP, Moments
from metastructure.structure.windows import FloatArray, Window, WindowName, find_window


def pixel_shares(known: npt.NDArray[np.bool_], kind: Window, half_width_px: int) -> FloatArray:
    """Return for each pixel s, the sum of w² / (sum w)² over the windows around known pixels that hold it, (H, W).

    Examples
    --------
    Of three pixels in a row, of which the last is unknown, both windows hold the first two:

    >>> from metastructure.structure.windows import WINDOWS
    >>> pixel_shares(np.array([[True, True, False]]), WINDOWS["box"], 1)[0, :2].tolist()
    [0.5, 0.5]
    """
    weight = np.asarray(kind.sums(kind.prepare(known), half_width_px), dtype=np.float64)
    per_window: FloatArray = np.divide(1.0, weight**2, out=np.zeros_like(weight), where=known)
    return np.asarray(kind.squared_sums(kind.prepare(per_window), half_width_px), dtype=np.float64)


def correlated_sums(values_JHW: FloatArray, kernel: FloatArray) -> FloatArray:
    """Return Σ_kl a(k) kernel(k - l) b(l) over the pixels for all J x J pairs of images a and b, by Parseval's theorem.

    Parameters
    ----------
    values_JHW : (J, H, W) array
    kernel : (odd, odd) array
        Symmetric about its middle, which is displacement zero; its ends may lie outside the image.

    Examples
    --------
    >>> values = np.array([[[1.0, 2.0]], [[0.0, 3.0]]])
    >>> correlated_sums(values, np.array([[0.5, 1.0, 0.5]])).round(12).tolist()
    [[7.0, 7.5], [7.5, 9.0]]
    """
    sizes = values_JHW.shape[1:]
    reach = [min(length // 2, size - 1) for length, size in zip(kernel.shape, sizes, strict=True)]
    middle = tuple(slice(length // 2 - r, length // 2 + r + 1) for length, r in zip(kernel.shape, reach, strict=True))
    padded = [fft.next_fast_len(size + r, real=True) for size, r in zip(sizes, reach, strict=True)]
    around = np.zeros(padded)
    around[: 2 * reach[0] + 1, : 2 * reach[1] + 1] = kernel[middle]
    power = fft.rfft2(np.roll(around, [-r for r in reach], axis=(0, 1))).real
    power[:, 1 : (padded[1] + 1) // 2] *= 2  # frequencies that stand for their conjugate too
    spectra = fft.rfft2(values_JHW, padded, axes=(1, 2)).reshape(len(values_JHW), -1)
    return np.asarray(((spectra * power.ravel()) @ spectra.conj().T).real / np.prod(padded))


def find_edges(
    noisy: Iterable[LabelArray],
    whole: Moments,
    half_width_px: int,
    window: WindowName,
    probability: float = EDGE_PROBABILITY,
) -> FloatArray:
    """Return for each of `signal_to_noise` the `noise_edge` that holds for the noise in its direction.

    Parameters
    ----------
    noisy : iterable of (H, W) arrays of integers
    whole : Moments
        Of these labels together.
    half_width_px, window
        That the moments were taken with.
    probability : float in (0, 1)

    Returns
    -------
    (k,) array
        Infinite where the sampling error is not known.

    Notes
    -----
    With q(l) the variance of pixel l along a direction v, from the 2 x 2 blocks d of known pixels that hold it,
    (v·d)² / 4, the noise counts for

        (Σ s q)² / Σ_lm ρ(l - m)² s(l) q(l) s(m) q(m)

    independent windows, ρ the autocorrelation of the window: P / Σ ρ² where it is alike in all P windows, and as many
    fewer as it lives in fewer. Squares of single q are too high by their own chance: by as much as adds twice the
    overlap of blocks to Σ ρ² where noise is alike and normal, which is allowed for. Where noise is rare they are higher
    still, and the edge a little too high.
    """
    C, num_independent = len(whole.pixel_noise), whole.num_independent()
    if not whole.num_pixels:
        return np.zeros(0)
    ratios, vectors = variance_directions(whole.covariance()[C:, C:], whole.sampling_covariance())
    spread = np.ones(len(ratios))
    noisy_directions = np.isfinite(ratios)
    spread[noisy_directions] = _spread(noisy, vectors[:, noisy_directions], whole, half_width_px, window)
    return np.array([noise_edge(len(ratios), num_independent * min(share, 1.0), probability) for share in spread])


def _spread(
    noisy: Iterable[LabelArray], vectors: FloatArray, whole: Moments, half_width_px: int, window: WindowName
) -> FloatArray:
    """Return how many independent values the noise in each direction is worth, relative to noise alike everywhere."""
    kind = find_window(window)
    kernel = kind.autocorrelation(half_width_px) ** 2
    total, squares = np.zeros(vectors.shape[1]), np.zeros(vectors.shape[1])
    for label in noisy if total.size else ():
        known = label != IGNORE
        variances = np.stack([_block_variance(label, known, vector) for vector in vectors.T])
        noise_KHW = variances * pixel_shares(known, kind, half_width_px)
        total += noise_KHW.sum(axis=(1, 2))
        squares += np.diagonal(correlated_sums(noise_KHW, kernel))
    alike = (whole.overlap + 2 * BLOCK_OVERLAP) / whole.num_pixels
    return np.divide(alike * total**2, squares, out=np.ones_like(total), where=squares > 0)


def _block_variance(label: LabelArray, known: npt.NDArray[np.bool_], vector: FloatArray) -> FloatArray:
    """Return the variance of a pixel along a direction, as the mean over its 2 x 2 blocks of known pixels; (H, W)."""
    value = np.append(vector, np.zeros(IGNORE + 1 - len(vector)))[label]
    corners = [(slice(r, r - 1 or None), slice(c, c - 1 or None)) for r in (0, 1) for c in (0, 1)]
    whole = np.logical_and.reduce([known[corner] for corner in corners])
    a, b, c, d = (value[corner] for corner in corners)
    square = np.where(whole, (a - b - c + d) ** 2 / 4, 0.0)
    total, num_blocks = np.zeros(label.shape), np.zeros(label.shape)
    for corner in corners:
        total[corner] += square
        num_blocks[corner] += whole
    return np.divide(total, num_blocks, out=total, where=num_blocks > 0)
