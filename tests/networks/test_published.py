"""Parameters, strides and layers against the published ones."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from metastructure.networks import NetworkSpec, Padded, build_network
from metastructure.networks.deeplab import Encoder, Pyramid
from metastructure.networks.hrnet import LAYOUTS, Exchange, HRNet
from metastructure.networks.residual_blocks import Residual, basic_block, bottleneck, conv_norm, initialise


def count(module: nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_of(name: str, in_channels: int, num_classes: int, **settings: object) -> int:
    """Return how many parameters a network has; nothing is allocated."""
    with torch.device("meta"):
        return count(build_network(NetworkSpec(name=name, settings=settings), in_channels, num_classes))


@pytest.mark.parametrize(
    ("kind", "with_classifier", "features"), [("resnet50", 25_557_032, 2048), ("resnet18", 11_689_512, 512)]
)
def test_encoder_parameters(kind: str, with_classifier: int, features: int) -> None:
    # torchvision's model pages give num_params of resnet50 and resnet18; the classifier of 1000 classes goes
    with torch.device("meta"):
        assert count(Encoder(3, kind, 64)) == with_classifier - 1000 * (features + 1)  # type: ignore[arg-type]


def test_deeplab_parameters() -> None:
    # DeepLabV3 with ResNet-50 and 21 classes: torchvision's page gives 42 004 074 with the auxiliary head, which is
    # 3 x 3, 1024 to 256, batch norm, and 1 x 1 to 21 with bias
    v3 = 42_004_074 - (9 * 1024 * 256 + 2 * 256 + 256 * 21 + 21)
    assert v3 == 39_638_869
    # its head ends in 3 x 3, 256 to 256, and 1 x 1 to 21; V3+ adds 1 x 1, 256 to 48, and 3 x 3, 304 to 256
    added = 256 * 48 + 2 * 48 + 9 * 304 * 256 + 2 * 256
    assert count_of("deeplab", 3, 21) == v3 + added == 40_352_181


@pytest.mark.parametrize(
    ("variant", "exact", "published"),
    [("w48", 65_859_379, 65.8e6), ("w18_small_v2", 3_939_579, 3.9e6), ("w18_small_v1", 1_540_819, 1.5e6)],
)
def test_hrnet_parameters(variant: str, exact: int, published: float) -> None:
    # published: the table of github.com/HRNet/HRNet-Semantic-Segmentation, Cityscapes, 19 classes, cut to one decimal
    assert count_by_hand(variant, 3, 19) == exact
    assert count_of("hrnet", 3, 19, variant=variant) == exact
    assert published <= exact < published + 0.1e6


def count_by_hand(variant: str, in_channels: int, out_channels: int) -> int:
    """Add up the paper's layers: every convolution but the two of the head is followed by batch norm."""
    layout = LAYOUTS[variant]

    def conv(kernel: int, before: int, after: int) -> int:
        return kernel**2 * before * after + 2 * after

    c, narrow = layout.width, layout.bottleneck_channels
    wide = 4 * narrow
    total = conv(3, in_channels, 64) + conv(3, 64, 64)
    total += conv(1, 64, narrow) + conv(3, narrow, narrow) + conv(1, narrow, wide) + conv(1, 64, wide)
    total += (layout.bottlenecks - 1) * (conv(1, wide, narrow) + conv(3, narrow, narrow) + conv(1, narrow, wide))
    total += conv(3, wide, c) + conv(3, wide, 2 * c) + conv(3, 2 * c, 4 * c) + conv(3, 4 * c, 8 * c)
    for branches, modules in zip((2, 3, 4), layout.modules, strict=True):
        one = sum(2 * layout.blocks * conv(3, c * 2**scale, c * 2**scale) for scale in range(branches))
        for target in range(branches):
            for source in range(branches):
                if source > target:
                    one += conv(1, c * 2**source, c * 2**target)
                elif source < target:
                    one += (target - source - 1) * conv(3, c * 2**source, c * 2**source)
                    one += conv(3, c * 2**source, c * 2**target)
        total += modules * one
    return total + conv(1, 15 * c, 15 * c) + 15 * c + 15 * c * out_channels + out_channels


def test_u_net_parameters() -> None:
    # the layout of Ronneberger et al. with 3 input channels and one logit, batch norm in place of biases: 31 037 633
    # (milesial/Pytorch-UNet and many others)
    published = sum(
        9 * (before * here + here * here) + 2 * 2 * here
        for before, here in [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    )
    published += sum(
        4 * 2 * here * here + here + 9 * (2 * here * here + here * here) + 2 * 2 * here for here in (512, 256, 128, 64)
    )
    published += 64 + 1
    assert published == 31_037_633
    # MONAI keeps the biases before batch norm, and 128 channels in the last transposed convolution
    biases = 2 * (64 + 128 + 256 + 512 + 1024) + 2 * (512 + 256 + 128 + 64)
    wider = (4 * 128 * 64 + 64) + 9 * 64 * 64
    assert count_of("unet", 3, 2) == published + biases + wider


@pytest.mark.parametrize(
    ("name", "settings", "stride"),
    [
        ("residual_unet", {}, 8),
        ("unet", {"width": 4}, 16),
        ("deeplab", {"encoder": "resnet50", "width": 4}, 16),
        ("deeplab", {"encoder": "resnet18", "width": 4}, 16),
        ("hrnet", {"variant": "w18_small_v1"}, 32),
    ],
)
def test_the_coarsest_features(name: str, settings: dict[str, object], stride: int) -> None:
    network = build_network(NetworkSpec(name=name, settings=settings), 1, 2).eval()
    assert isinstance(network, Padded)
    assert network.stride == stride
    sides: list[int] = []

    def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        sides.append(output.shape[-1])

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    network(torch.zeros(1, 1, 128, 128))
    assert min(side for side in sides if side > 1) == 128 // stride  # 1: the pooled branch of the pyramid


def test_encoder_strides() -> None:
    low, high = Encoder(1, "resnet50", 4).eval()(torch.zeros(1, 1, 128, 96))
    assert low.shape == (1, 16, 32, 24)
    assert high.shape == (1, 128, 8, 6)


@pytest.mark.parametrize("kind", ["resnet18", "resnet50"])
def test_the_dilated_stage_is_the_strided_one_made_dense(kind: str) -> None:
    torch.manual_seed(0)
    encoder = Encoder(2, kind, 4)  # type: ignore[arg-type]
    initialise(encoder)
    images = torch.randn(2, 2, 96, 128)
    encoder(images)  # batch norm sees something
    plain = copy.deepcopy(encoder)
    for number, block in enumerate(plain.high[-1].children()):
        strided = number == 0
        for conv in (module for module in block.modules() if isinstance(module, nn.Conv2d)):
            if conv.kernel_size == (3, 3):
                conv.dilation = conv.padding = (1, 1)
                if strided:  # the first 3 x 3 of the stage has the stride, and so has its shortcut
                    conv.stride, strided = (2, 2), False
        if number == 0:
            block.shortcut[0].stride = (2, 2)  # type: ignore[union-attr, index]
    dense, sparse = encoder.eval()(images)[1], plain.eval()(images)[1]
    assert dense.shape[-2:] == (6, 8)
    assert sparse.shape[-2:] == (3, 4)
    torch.testing.assert_close(dense[..., ::2, ::2], sparse, rtol=1e-4, atol=1e-5)


def test_the_pyramid_looks_where_its_rates_say() -> None:
    pyramid = Pyramid(3, 4).eval()
    reached = []
    for branch in pyramid.local:
        features = torch.zeros(1, 3, 41, 41, requires_grad=True)
        conv = branch[0]  # type: ignore[index]
        conv(features)[0, :, 20, 20].sum().backward()
        assert features.grad is not None
        reached.append((features.grad.abs().sum(dim=(0, 1, 2)) > 0).nonzero().flatten().tolist())
    assert reached == [[20], [14, 20, 26], [8, 20, 32], [2, 20, 38]]


def test_the_pooled_branch_hears_a_far_corner() -> None:
    pyramid = Pyramid(3, 4).eval()
    initialise(pyramid)
    features = torch.rand(1, 3, 64, 64, requires_grad=True)
    pyramid(features)[0, :, 0, 0].sum().backward()
    assert features.grad is not None
    assert features.grad[0, :, 63, 63].abs().max() > 0


def test_an_exchange_sums_all_resolutions() -> None:
    torch.manual_seed(0)
    exchange = Exchange([2, 4, 8], blocks=1).eval()
    features = [torch.randn(1, 2, 16, 24), torch.randn(1, 4, 8, 12), torch.randn(1, 8, 4, 6)]
    fine, middle, coarse = (branch(one) for branch, one in zip(exchange.branches, features, strict=True))
    paths = exchange.paths
    upsample = {factor: nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False) for factor in (2, 4)}
    expected = [
        fine + upsample[2](paths[0][1](middle)) + upsample[4](paths[0][2](coarse)),  # type: ignore[index]
        paths[1][0](fine) + middle + upsample[2](paths[1][2](coarse)),  # type: ignore[index]
        paths[2][0](fine) + paths[2][1](middle) + coarse,  # type: ignore[index]
    ]
    for ours, reference in zip(exchange(features), expected, strict=True):
        torch.testing.assert_close(ours, reference.relu())
        assert ours.min() == 0
    twice = [type(layer) for layer in paths[2][0].modules() if not list(layer.children())]  # type: ignore[index]
    assert twice == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d], "only the sum is behind a ReLU"


def test_the_head_of_hrnet_sees_four_resolutions() -> None:
    network = HRNet(1, 2, LAYOUTS["w18_small_v1"]).eval()
    features = network.stages([network.stem(torch.zeros(1, 1, 64, 128))])
    assert [tuple(one.shape) for one in features] == [
        (1, 16, 16, 32),
        (1, 32, 8, 16),
        (1, 64, 4, 8),
        (1, 128, 2, 4),
    ]


def test_first_weights() -> None:
    torch.manual_seed(0)
    conv, up = nn.Conv2d(16, 400, 3), nn.ConvTranspose2d(32, 400, 2, stride=2)
    initialise(nn.ModuleList([conv, up]))
    # N(0, 2 / n): n = 9 x 16 inputs, and one tap of 32 channels; 50 000 draws give the deviation to 0.3 %
    assert conv.weight.std().item() == pytest.approx((2 / 144) ** 0.5, rel=0.02)
    assert up.weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.02)
    assert not conv.bias.any()  # type: ignore[union-attr]


def test_a_convolution_at_stride_1_keeps_the_size() -> None:
    features = torch.zeros(1, 2, 9, 11)
    for kernel, dilation in [(1, 1), (3, 1), (3, 4), (7, 1)]:
        assert conv_norm(2, 3, kernel, dilation=dilation).eval()(features).shape == (1, 3, 9, 11)


@pytest.mark.parametrize(("block", "channels"), [(basic_block, 8), (bottleneck, 2)])
def test_a_block_adds_its_shortcut(block: Callable[..., Residual], channels: int) -> None:
    features = torch.randn(2, 8, 6, 10)
    same, halved = block(8, channels).eval(), block(8, channels, stride=2).eval()
    torch.testing.assert_close(same(features), (same.branch(features) + features).relu())
    assert halved(features).shape == (2, 8, 3, 5)


def test_padding_changes_nothing_where_none_is_needed() -> None:
    inner = nn.Conv2d(1, 1, 3, padding=1)
    image = torch.randn(1, 1, 16, 24)
    assert torch.equal(Padded(inner, 8)(image), inner(image))
    assert Padded(inner, 8)(image[..., :13, :19]).shape == (1, 1, 13, 19)


def test_padding_repeats_the_edge_below_and_right() -> None:
    seen: list[torch.Tensor] = []

    class Spy(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images

    image = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    padded = Padded(Spy(), 4)
    assert torch.equal(padded.eval()(image), image)
    assert seen[-1][0, 0].tolist() == [[1, 2, 3, 3], [4, 5, 6, 6], [4, 5, 6, 6], [4, 5, 6, 6]]
    assert torch.equal(padded.train()(image), image)
    assert seen[-1].shape == (1, 1, 4, 8), "batch norm needs two values where one image shrinks to one pixel"
    padded(image.expand(2, 1, 2, 3))
    assert seen[-1].shape == (2, 1, 4, 4)
