"""Three views of one hidden class: from the moments of views alone back to what each hidden class shows.

`C` observed classes, `K` hidden ones. Given its hidden class the views are independent and alike, so with shares π and
rows q_j the moments are M₂ = Σ π_j q_j ⊗ q_j and M₃ = Σ π_j q_j ⊗ q_j ⊗ q_j.
"""

from typing import NamedTuple

import numpy as np

from metastructure.structure.windows import FloatArray

MAX_SWEEPS = 60
ANGLE_TOLERANCE = 1e-10
"""Radians; a sweep that turns every pair of axes by less is the last."""


class LatentClasses(NamedTuple):
    """Shares (K,), rows (K, C), each summing to 1 but not clipped, and the axes (K, K) to start a similar problem."""

    shares: FloatArray
    rows: FloatArray
    axes: FloatArray


def find_latent_classes(
    pairs: FloatArray, triples: FloatArray, num_hidden: int, axes: FloatArray | None = None
) -> LatentClasses:
    """Return the hidden classes that explain the moments of two and three views.

    Parameters
    ----------
    pairs : (C, C) array
        M₂, symmetric, with a positive sum in each row; sums to 1.
    triples : (C, C, C) array
        M₃, symmetric.
    num_hidden : int
        K, at most C.
    axes : (K, K) orthogonal array, optional
        Where to start, from a problem that differs little.

    Returns
    -------
    LatentClasses
        In no particular order. NaN if M₂ has fewer than K positive eigenvalues, or a class comes out with no share.

    Notes
    -----
    With W the K columns for which Wᵀ M₂ W = 1, the tensor M₃(W, W, W) = Σ π_j^(-1/2) v_j ⊗ v_j ⊗ v_j has orthonormal
    v_j. Its slices are symmetric matrices with these as common eigenvectors, which Jacobi rotations find. Unique
    unless M₂ has a smaller rank: only then two hidden classes show the same.

    References
    ----------
    Anandkumar, Ge, Hsu, Kakade, Telgarsky, "Tensor decompositions for learning latent variable models", JMLR 2014,
    theorem 4.3. Cardoso, Souloumiac, "Jacobi angles for simultaneous diagonalization", SIAM J. Matrix Anal. 1996.

    Examples
    --------
    >>> shares, rows = np.array([0.25, 0.75]), np.array([[0.5, 0.5], [0.1, 0.9]])
    >>> found = find_latent_classes(
    ...     np.einsum("j,ja,jb->ab", shares, rows, rows), np.einsum("j,ja,jb,jc->abc", shares, rows, rows, rows), 2
    ... )
    >>> order = np.argsort(found.shares)
    >>> found.shares[order].round(6).tolist(), found.rows[order].round(6).tolist()
    ([0.25, 0.75], [[0.5, 0.5], [0.1, 0.9]])
    """
    C, K = len(pairs), num_hidden
    nothing = LatentClasses(np.full(K, np.nan), np.full((K, C), np.nan), np.eye(K))
    if not (pairs.sum(axis=1) > 0).all():  # a resample without one of the classes
        return nothing
    scale = np.sqrt(pairs.sum(axis=1))
    values, vectors = np.linalg.eigh(pairs / np.outer(scale, scale))
    values, vectors = values[::-1][:K], vectors[:, ::-1][:, :K]
    if not values[-1] > 0:
        return nothing
    whiten = vectors / np.sqrt(values) / scale[:, None]
    colour = vectors * np.sqrt(values) * scale[:, None]
    tensor = np.einsum("abc,ai,bj,ck->kij", triples, whiten, whiten, whiten, optimize=True)
    axes = diagonalise(tensor, np.eye(K) if axes is None else axes)
    strength = np.einsum("kij,il,jl,kl->l", tensor, axes, axes, axes, optimize=True)
    unscaled = (colour @ axes).T  # ± sqrt(π_j) q_j
    sums = unscaled.sum(axis=1, keepdims=True)
    if not (np.abs(sums) > 0).all() or not (strength != 0).all():
        return nothing
    return LatentClasses(sums[:, 0] ** 2 / (sums**2).sum(), unscaled / sums, axes)


def diagonalise(matrices: FloatArray, axes: FloatArray) -> FloatArray:
    """Return the orthogonal axes (K, K) in which symmetric matrices (L, K, K) are jointly as diagonal as can be.

    Parameters
    ----------
    matrices : (L, K, K) array
    axes : (K, K) orthogonal array
        Where to start; columns are axes.

    Examples
    --------
    >>> turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    >>> axes = diagonalise(np.stack([turn @ np.diag([3.0, 1.0]) @ turn.T]), np.eye(2))
    >>> np.abs(axes.T @ turn).round(9).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    turned = np.einsum("kij,il,jm->klm", matrices, axes, axes, optimize=True)
    axes = axes.copy()
    K = len(axes)
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for p in range(K - 1):
            for q in range(p + 1, K):
                difference, off = turned[:, p, p] - turned[:, q, q], 2 * turned[:, p, q]
                angle = np.arctan2(2 * difference @ off, difference @ difference - off @ off) / 4
                largest = max(largest, abs(angle))
                if abs(angle) > ANGLE_TOLERANCE:
                    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                    turned[:, :, [p, q]] = turned[:, :, [p, q]] @ rotation
                    turned[:, [p, q], :] = rotation.T @ turned[:, [p, q], :]
                    axes[:, [p, q]] = axes[:, [p, q]] @ rotation
        if largest <= ANGLE_TOLERANCE:
            break
    return axes
