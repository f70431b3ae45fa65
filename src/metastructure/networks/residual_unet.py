"""A small residual U-Net, MONAI's `UNet` with a linear head: the default where there are two cores and no GPU."""

from typing import Annotated

from monai.networks.nets.unet import UNet
from pydantic import Field
from torch import nn

from metastructure.networks.padded import Padded

DEPTH = 4


def residual_unet(
    in_channels: int,
    out_channels: int,
    width: Annotated[int, Field(ge=1)] = 16,
    num_res_units: Annotated[int, Field(ge=0)] = 2,
) -> nn.Module:
    """Return a residual U-Net with `width` to 8 `width` channels over four scales (16: 0.4 M parameters).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the images and of the logits.
    width : int
        Channels of the first scale, which is at half resolution, and of the last features at full resolution.
    num_res_units : int
        Convolutions per residual block.

    Notes
    -----
    MONAI's network ends in as many channels as there are outputs, behind a ReLU: for one logit that is a bottleneck
    of a single channel, which died in training on 10 % sampled labels. Here it ends in `width` channels and a 1 x 1
    convolution makes the logits.

    References
    ----------
    Kerfoot et al., "Left-ventricle quantification using residual U-Net", STACOM 2018.
    """
    features = max(width, out_channels)
    trunk = UNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=features,
        channels=tuple(width * 2**scale for scale in range(DEPTH)),
        strides=(2,) * (DEPTH - 1),
        num_res_units=num_res_units,
        act="relu",
        norm="batch",
    )
    return Padded(nn.Sequential(trunk, nn.Conv2d(features, out_channels, kernel_size=1)), 2 ** (DEPTH - 1))
