"""The U-Net, MONAI's `BasicUNet` with batch norm and ReLU."""

from typing import Annotated

from monai.networks.nets.basic_unet import BasicUNet
from pydantic import Field
from torch import nn

from metastructure.networks.padded import Padded
from metastructure.networks.residual_blocks import initialise

STRIDE = 16


def unet(in_channels: int, out_channels: int, width: Annotated[int, Field(ge=1)] = 64) -> nn.Module:
    """Return a U-Net with `width` to 16 `width` channels over five scales; 64 is the paper's (31.1 M parameters).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the images and of the logits.
    width : int
        Channels at full resolution.

    Notes
    -----
    Against the paper: convolutions are padded, so that the logits have the image's size, and each is followed by batch
    norm; the last transposed convolution keeps its 2 `width` channels where the paper halves them (0.07 M more).

    References
    ----------
    Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.
    """
    features = (width, 2 * width, 4 * width, 8 * width, 16 * width, width)
    network = BasicUNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=out_channels,
        features=features,
        act=("relu", {"inplace": True}),
        norm="batch",
        upsample="deconv",
    )
    initialise(network)
    return Padded(network, STRIDE)
