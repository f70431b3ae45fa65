"""The parts that DeepLabV3+ and HRNet are made of: convolution with batch norm, residual blocks, first weights.

References
----------
He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016 (the blocks).
He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, equation 10 (the weights).
"""

import math
from typing import final

import torch
from torch import nn
from torch.nn import functional

EXPANSION = 4
"""A bottleneck gives this many times the channels of its 3 x 3 convolution (He et al. 2016, table 1)."""


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Return a convolution without bias and batch norm; at stride 1 it keeps height and width."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Return `conv_norm` and a ReLU, in place: batch norm needs its input for the gradient, not its output."""
    return nn.Sequential(*conv_norm(in_channels, out_channels, kernel, stride, dilation), nn.ReLU(inplace=True))


@final
class Residual(nn.Module):
    """The ReLU of the sum of a branch and a shortcut, which may be the input itself."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, features_BKHW: torch.Tensor) -> torch.Tensor:
        """Return features (B, out channels, H / stride, W / stride)."""
        return functional.relu(self.branch(features_BKHW) + self.shortcut(features_BKHW), inplace=True)


def basic_block(in_channels: int, channels: int, stride: int = 1) -> Residual:
    """Return two 3 x 3 convolutions with a shortcut; the block gives `channels`."""
    branch = nn.Sequential(conv_norm_relu(in_channels, channels, stride=stride), conv_norm(channels, channels))
    return Residual(branch, _shortcut(in_channels, channels, stride))


def bottleneck(in_channels: int, channels: int, stride: int = 1) -> Residual:
    """Return 1 x 1, 3 x 3 and 1 x 1 convolutions with a shortcut; the block gives EXPANSION x `channels`.

    The stride is at the 3 x 3 convolution, where no input is skipped (often called ResNet v1.5).
    """
    branch = nn.Sequential(
        conv_norm_relu(in_channels, channels, kernel=1),
        conv_norm_relu(channels, channels, stride=stride),
        conv_norm(channels, EXPANSION * channels, kernel=1),
    )
    return Residual(branch, _shortcut(in_channels, EXPANSION * channels, stride))


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_norm(in_channels, out_channels, kernel=1, stride=stride)


def initialise(network: nn.Module) -> None:
    """Draw all convolutions from N(0, 2 / n), n the inputs to one output value, and set their biases to 0.

    With n taken over the inputs the logits start near unit variance; over the outputs (as is usual for ImageNet) a
    head with one logit would start with a standard deviation above ten. A transposed convolution whose kernel is
    its stride sees each input channel once.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            taps = math.prod(module.kernel_size)
            if isinstance(module, nn.ConvTranspose2d):
                taps //= math.prod(module.stride)
            nn.init.normal_(module.weight, std=math.sqrt(2 / (taps * module.in_channels)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
