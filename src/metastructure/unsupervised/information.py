"""How much two clusterings of the same pixels say of each other: the mutual information that AC and IIC maximise.

`B` batch, `C` clusters, `H` rows, `W` columns.
"""

import torch


def joint_distribution(
    first_BCHW: torch.Tensor, second_BDHW: torch.Tensor, shift: tuple[int, int] = (0, 0)
) -> torch.Tensor:
    """Return how often cluster i of the first and cluster j of the second meet, (C, D), summing to 1.

    Parameters
    ----------
    first_BCHW, second_BDHW : tensors
        Probabilities, summing to 1 over the second axis.
    shift : (rows, columns)
        Pixel (r, c) of the first meets (r + rows, c + columns) of the second; pixels that meet none are left out.

    Notes
    -----
    ``P[i, j] = mean of p(i at the pixel) q(j at the shifted pixel)``, the joint distribution of Ji et al. 2019.
    """
    (top, bottom), (left, right) = (
        (max(0, -step), size - max(0, step)) for step, size in zip(shift, first_BCHW.shape[2:], strict=True)
    )
    rows, columns = shift
    first = first_BCHW[:, :, top:bottom, left:right]
    second = second_BDHW[:, :, top + rows : bottom + rows, left + columns : right + columns]
    joint = torch.einsum("bihw,bjhw->ij", first, second)
    return joint / (first.shape[0] * first.shape[2] * first.shape[3])


def mutual_information(joint_CD: torch.Tensor) -> torch.Tensor:
    """Return ``sum of P[i, j] log(P[i, j] / (P[i] P[j]))`` in nats; an entry of 0 adds nothing.

    Examples
    --------
    >>> round(float(mutual_information(torch.eye(2) / 2)), 4)  # log 2
    0.6931
    """
    tiny = torch.finfo(joint_CD.dtype).tiny
    rows, columns = joint_CD.sum(1, keepdim=True), joint_CD.sum(0, keepdim=True)
    ratio = joint_CD.clamp_min(tiny).log() - rows.clamp_min(tiny).log() - columns.clamp_min(tiny).log()
    return (joint_CD * ratio).sum()


def mean_information(first_BCHW: torch.Tensor, second_BCHW: torch.Tensor, displacement_px: int) -> torch.Tensor:
    """Return the mutual information of two clusterings, meaned over all shifts of up to `displacement_px` each way.

    Parameters
    ----------
    first_BCHW, second_BCHW : tensors
        As for `joint_distribution`, with the same clusters.

    Notes
    -----
    The objective of Ji et al. 2019 for segmentation. Each joint distribution is made symmetric first, as theirs: which
    clustering comes first means nothing.
    """
    steps = range(-displacement_px, displacement_px + 1)
    joints = [joint_distribution(first_BCHW, second_BCHW, (row, column)) for row in steps for column in steps]
    return torch.stack([mutual_information((joint + joint.T) / 2) for joint in joints]).mean()
