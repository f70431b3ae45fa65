"""HRNetV2: four resolutions side by side from stride 4 to 32, which exchange features and are joined at the end."""

from functools import reduce
from typing import Literal, NamedTuple, final

import torch
from torch import nn
from torch.nn import functional

from metastructure.networks.padded import Padded
from metastructure.networks.residual_blocks import (
    EXPANSION,
    basic_block,
    bottleneck,
    conv_norm,
    conv_norm_relu,
    initialise,
)

STRIDE = 32
STEM_CHANNELS = 64


class Layout(NamedTuple):
    """The published numbers of one variant; stages 2 to 4 have basic blocks at 2, 3 and 4 resolutions."""

    bottlenecks: int
    """Blocks of the first stage."""
    bottleneck_channels: int
    width: int
    """Channels at stride 4; each coarser resolution has twice as many."""
    blocks: int
    """Basic blocks per resolution between two exchanges."""
    modules: tuple[int, int, int]
    """Exchanges in stages 2, 3 and 4."""


LAYOUTS = {
    "w18_small_v1": Layout(1, 32, 16, 2, (1, 1, 1)),
    "w18_small_v2": Layout(2, 64, 18, 2, (1, 3, 2)),
    "w48": Layout(4, 64, 48, 4, (1, 4, 3)),
}
"""W48: the paper. The small ones: the authors' segmentation configurations; v1 has 16 channels in spite of its name."""


def hrnet(
    in_channels: int,
    out_channels: int,
    variant: Literal["w18_small_v1", "w18_small_v2", "w48"] = "w18_small_v2",
) -> nn.Module:
    """Return an HRNetV2 with the head that concatenates all four resolutions (w18_small_v2: 3.9 M parameters).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the images and of the logits.
    variant : {"w18_small_v1", "w18_small_v2", "w48"}
        A key of LAYOUTS: 1.5, 3.9 and 65.9 M parameters.

    Notes
    -----
    The logits are made at stride 4 and enlarged bilinearly. The authors draw weights of standard deviation 0.001
    before they load ImageNet weights; without those the first batch norm would meet variances near its epsilon, so
    the weights here are He's.

    References
    ----------
    Wang et al., "Deep high-resolution representation learning for visual recognition", TPAMI 2021 (arXiv 1908.07919),
    sections 3 and 5. Small variants: github.com/HRNet/HRNet-Semantic-Segmentation, `experiments/cityscapes`.
    """
    network = HRNet(in_channels, out_channels, LAYOUTS[variant])
    initialise(network)
    return Padded(network, STRIDE)


@final
class HRNet(nn.Module):
    """The stem, four stages and the head, for sides that are multiples of STRIDE."""

    def __init__(self, in_channels: int, out_channels: int, layout: Layout) -> None:
        super().__init__()
        widths = [layout.width * 2**scale for scale in range(len(layout.modules) + 1)]
        first = EXPANSION * layout.bottleneck_channels
        self.stem = nn.Sequential(
            conv_norm_relu(in_channels, STEM_CHANNELS, stride=2),
            conv_norm_relu(STEM_CHANNELS, STEM_CHANNELS, stride=2),
            bottleneck(STEM_CHANNELS, layout.bottleneck_channels),
            *(bottleneck(first, layout.bottleneck_channels) for _ in range(layout.bottlenecks - 1)),
        )
        stages: list[nn.Module] = []
        before = [first]
        for number, modules in enumerate(layout.modules):
            here = widths[: number + 2]
            stages.append(Transition(before, here))
            stages.extend(Exchange(here, layout.blocks) for _ in range(modules))
            before = here
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.Conv2d(sum(widths), sum(widths), 1),  # the authors keep this bias before the batch norm
            nn.BatchNorm2d(sum(widths)),
            nn.ReLU(inplace=True),
            nn.Conv2d(sum(widths), out_channels, 1),
        )

    def forward(self, images_BKHW: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C, H, W)."""
        features = self.stages([self.stem(images_BKHW)])
        size = features[0].shape[-2:]
        joined_BFHW = torch.cat([features[0], *(_enlarge(coarse, size) for coarse in features[1:])], dim=1)
        return _enlarge(self.head(joined_BFHW), images_BKHW.shape[-2:])


@final
class Transition(nn.Module):
    """From the resolutions of one stage to those of the next, which has one more.

    Parameters
    ----------
    before, after : list of int
        Channels per resolution, fine to coarse.
    """

    def __init__(self, before: list[int], after: list[int]) -> None:
        super().__init__()
        self.kept = nn.ModuleList(
            nn.Identity() if old == new else conv_norm_relu(old, new) for old, new in zip(before, after, strict=False)
        )
        self.added = conv_norm_relu(before[-1], after[-1], stride=2)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return one tensor per resolution, fine to coarse."""
        kept = [module(one) for module, one in zip(self.kept, features, strict=True)]
        return [*kept, self.added(features[-1])]


@final
class Exchange(nn.Module):
    """Residual blocks at each resolution, then every resolution gets the sum of all, resampled.

    Parameters
    ----------
    widths : list of int
        Channels per resolution, fine to coarse.
    blocks : int
        Basic blocks per resolution.
    """

    def __init__(self, widths: list[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(basic_block(width, width) for _ in range(blocks))) for width in widths
        )
        scales = range(len(widths))
        self.paths = nn.ModuleList(
            nn.ModuleList(_path(widths, source, target) for source in scales) for target in scales
        )

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return as many tensors of the same shapes."""
        features = [branch(one) for branch, one in zip(self.branches, features, strict=True)]
        sums = []
        for paths, own in zip(self.paths, features, strict=True):
            assert isinstance(paths, nn.ModuleList)
            arriving = [_enlarge(path(one), own.shape[-2:]) for path, one in zip(paths, features, strict=True)]
            sums.append(functional.relu(reduce(torch.add, arriving), inplace=True))
        return sums


def _path(widths: list[int], source: int, target: int) -> nn.Module:
    """From one resolution to another: 1 x 1 towards finer ones (enlarged after), strided 3 x 3 towards coarser ones."""
    if source == target:
        return nn.Identity()
    if source > target:
        return conv_norm(widths[source], widths[target], kernel=1)
    halvings = [conv_norm_relu(widths[source], widths[source], stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, conv_norm(widths[source], widths[target], stride=2))


def _enlarge(features_BFHW: torch.Tensor, size: torch.Size) -> torch.Tensor:
    if features_BFHW.shape[-2:] == size:
        return features_BFHW
    return functional.interpolate(features_BFHW, size=size, mode="bilinear", align_corners=False)
