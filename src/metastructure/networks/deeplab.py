"""DeepLabV3+ with a ResNet encoder: context by dilated convolutions at stride 16, edges from features at stride 4."""

from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from metastructure.networks.padded import Padded
from metastructure.networks.residual_blocks import (
    EXPANSION,
    basic_block,
    bottleneck,
    conv_norm_relu,
    initialise,
)

OUTPUT_STRIDE = 16
RATES = (6, 12, 18)
"""Dilations of the pyramid at output stride 16 (Chen et al. 2018, section 3.1)."""


def deeplab(
    in_channels: int,
    out_channels: int,
    encoder: Literal["resnet50", "resnet18"] = "resnet50",
    width: Annotated[int, Field(ge=2)] = 64,
) -> nn.Module:
    """Return a DeepLabV3+; its defaults are the published layers with a ResNet-50 (40.4 M parameters).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the images and of the logits.
    encoder : {"resnet50", "resnet18"}
    width : int
        Channels of the encoder's first convolution. All others keep their ratio to it; 64 is published.

    Notes
    -----
    The pooled branch of the pyramid has one value per channel and image. Batch norm over it fails for a batch of one
    crop and is noisy for a batch of eight, so it has layer norm over its channels: as many parameters, and an image's
    logits do not depend on the others of its batch here. All convolutions are full ones, as in the paper's
    ResNet decoder study, not depthwise separable. There is no multi-grid and no dropout.

    The deepest features of a 128 x 128 crop have 8 x 8 pixels: there the rates 12 and 18 reach only zero padding, and
    those two branches act as 1 x 1 convolutions. They come into their own with crops of 512 and more.

    References
    ----------
    Chen, Zhu, Papandreou, Schroff, Adam, "Encoder-decoder with atrous separable convolution for semantic image
    segmentation", ECCV 2018. The pyramid: Chen, Papandreou, Schroff, Adam, "Rethinking atrous convolution for
    semantic image segmentation", arXiv 1706.05587. Layer norm: Ba, Kiros, Hinton, arXiv 1607.06450.
    """
    network = DeepLab(in_channels, out_channels, encoder, width)
    initialise(network)
    return Padded(network, OUTPUT_STRIDE)


@final
class Encoder(nn.Module):
    """A ResNet without its classifier whose last stage is dilated in place of strided.

    Parameters
    ----------
    in_channels : int
    kind : {"resnet50", "resnet18"}
    width : int
        Channels of the first convolution.
    """

    def __init__(self, in_channels: int, kind: Literal["resnet50", "resnet18"], width: int) -> None:
        super().__init__()
        block, expansion, depths = {
            "resnet50": (bottleneck, EXPANSION, (3, 4, 6, 3)),
            "resnet18": (basic_block, 1, (2, 2, 2, 2)),
        }[kind]
        self.stem = nn.Sequential(
            conv_norm_relu(in_channels, width, kernel=7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
        )
        stages, before = [], width
        for scale, depth in enumerate(depths):
            channels = width * 2**scale
            first = block(before, channels, stride=1 if scale == 0 else 2)
            before = channels * expansion
            stages.append(nn.Sequential(first, *(block(before, channels) for _ in range(depth - 1))))
        _dilate(stages[-1])
        self.low = stages[0]
        self.high = nn.Sequential(*stages[1:])
        self.low_channels = width * expansion
        self.high_channels = before

    def forward(self, images_BKHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features at stride 4 and at stride 16."""
        low_BFHW = self.low(self.stem(images_BKHW))
        return low_BFHW, self.high(low_BFHW)


def _dilate(stage: nn.Sequential) -> None:
    """Make a strided stage dense: at every second row and column it gives what it gave before."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            if module.stride == (2, 2):
                module.stride = (1, 1)
            elif module.kernel_size == (3, 3):
                module.dilation = module.padding = (2, 2)


@final
class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: 1 x 1, three dilated 3 x 3 and the image's mean, joined by 1 x 1.

    Parameters
    ----------
    in_channels, channels : int
        Of the features, and of each branch and the result.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.local = nn.ModuleList(
            [
                conv_norm_relu(in_channels, channels, kernel=1),
                *(conv_norm_relu(in_channels, channels, dilation=rate) for rate in RATES),
            ]
        )
        self.pooled = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, channels, 1, bias=False),
            nn.GroupNorm(1, channels),
            nn.ReLU(inplace=True),
        )
        self.join = conv_norm_relu((len(RATES) + 2) * channels, channels, kernel=1)

    def forward(self, features_BKHW: torch.Tensor) -> torch.Tensor:
        """Return features (B, channels, H, W)."""
        branches = [branch(features_BKHW) for branch in self.local]
        pooled_BF11: torch.Tensor = self.pooled(features_BKHW)
        joined_BFHW: torch.Tensor = self.join(torch.cat([*branches, pooled_BF11.expand_as(branches[0])], dim=1))
        return joined_BFHW


@final
class DeepLab(nn.Module):
    """The encoder, the pyramid and the decoder, for sides that are multiples of OUTPUT_STRIDE."""

    def __init__(
        self, in_channels: int, out_channels: int, encoder: Literal["resnet50", "resnet18"], width: int
    ) -> None:
        super().__init__()
        channels, low_channels = 4 * width, 3 * width // 4  # 256 and 48 in the paper, section 4.1
        self.encoder = Encoder(in_channels, encoder, width)
        self.pyramid = Pyramid(self.encoder.high_channels, channels)
        self.reduce = conv_norm_relu(self.encoder.low_channels, low_channels, kernel=1)
        self.decoder = nn.Sequential(
            conv_norm_relu(channels + low_channels, channels),
            conv_norm_relu(channels, channels),
            nn.Conv2d(channels, out_channels, 1),
        )

    def forward(self, images_BKHW: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C, H, W)."""
        low_BFHW, high_BFHW = self.encoder(images_BKHW)
        context_BFHW = _enlarge(self.pyramid(high_BFHW))
        return _enlarge(self.decoder(torch.cat([context_BFHW, self.reduce(low_BFHW)], dim=1)))


def _enlarge(features_BFHW: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(features_BFHW, scale_factor=4, mode="bilinear", align_corners=False)
