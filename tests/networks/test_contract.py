"""One contract for every network: shapes, any size, modes, seeds, gradients, precision, and a living start."""

import copy

import pytest
import torch

from metastructure.networks import NETWORKS, NetworkSpec, build_network

MEMBERS = [
    NetworkSpec(name="residual_unet", settings={"width": 8}),
    NetworkSpec(name="unet", settings={"width": 8}),
    NetworkSpec(name="deeplab", settings={"encoder": "resnet18", "width": 8}),
    NetworkSpec(name="deeplab", settings={"encoder": "resnet50", "width": 4}),
    NetworkSpec(name="hrnet", settings={"variant": "w18_small_v1"}),
]
"""Settings that make each network quick; a network that is missing here fails the first test."""

every_network = pytest.mark.parametrize("spec", MEMBERS, ids=lambda spec: spec.title)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return standard normal images."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(spec: NetworkSpec, in_channels: int = 1, num_classes: int = 2, seed: int = 0) -> torch.nn.Module:
    """Return the network that a seed gives."""
    torch.manual_seed(seed)
    return build_network(spec, in_channels, num_classes)


def warm(network: torch.nn.Module, in_channels: int = 1) -> torch.nn.Module:
    """Return the network in eval mode, after batch norm saw one batch."""
    with torch.no_grad():
        network.train()(draw(4, in_channels, 64, 64, seed=9))
    return network.eval()


def test_every_network_is_in_the_contract() -> None:
    assert {spec.name for spec in MEMBERS} == set(NETWORKS)


@every_network
@pytest.mark.parametrize(
    ("in_channels", "num_classes", "out_channels", "size"),
    [(1, 2, 1, (37, 53)), (3, 5, 5, (64, 64)), (5, 2, 1, (64, 64)), (5, 3, 3, (37, 53))],
)
@pytest.mark.parametrize("training", [True, False])
def test_shape(
    spec: NetworkSpec, in_channels: int, num_classes: int, out_channels: int, size: tuple[int, int], training: bool
) -> None:
    network = make(spec, in_channels, num_classes).train(training)
    assert network(draw(2, in_channels, *size)).shape == (2, out_channels, *size)


@every_network
@pytest.mark.parametrize("size", [(1, 1), (5, 16), (32, 64), (100, 30)])
@pytest.mark.parametrize("training", [True, False])
def test_one_image_of_any_size(spec: NetworkSpec, size: tuple[int, int], training: bool) -> None:
    images = draw(1, 1, *size)
    logits = make(spec).train(training)(images)
    assert logits.shape == (1, 1, *size)
    assert torch.isfinite(logits).all()
    assert torch.equal(images, draw(1, 1, *size)), "the caller's images may not change"


@every_network
def test_the_seed_decides_the_start(spec: NetworkSpec) -> None:
    one, twin, other = make(spec, seed=3), make(spec, seed=3), make(spec, seed=4)
    images = draw(2, 1, 32, 32)
    assert torch.equal(one(images), twin(images))
    assert not torch.allclose(one(images), other(images), atol=1e-3)


@every_network
def test_gradients_reach_every_parameter(spec: NetworkSpec) -> None:
    # in eval mode, since a bias before batch norm in training mode has a gradient of zero by construction
    network = warm(make(spec, num_classes=3))
    (network(draw(2, 1, 64, 64)) * draw(2, 3, 64, 64, seed=1)).sum().backward()
    still = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.abs().max() > 0]
    assert still == []
    assert all(torch.isfinite(one.grad).all() for one in network.parameters() if one.grad is not None)


@every_network
def test_evaluation_does_not_mix_images(spec: NetworkSpec) -> None:
    network = warm(make(spec))
    images = draw(3, 1, 40, 64) * torch.tensor([1.0, 5.0, 0.1])[:, None, None, None]
    with torch.no_grad():
        together, alone = network(images), network(images[:1])
    # convolutions choose other algorithms for other batch sizes; a mixed image would differ by about 1
    torch.testing.assert_close(together[:1], alone, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together[:1], together[1:2], atol=1e-2)


@every_network
def test_state_dict_round_trip(spec: NetworkSpec) -> None:
    trained, fresh = warm(make(spec, seed=1)), make(spec, seed=2).eval()
    images = draw(2, 1, 32, 48)
    assert not torch.equal(trained(images), fresh(images))
    fresh.load_state_dict(copy.deepcopy(trained.state_dict()))
    assert torch.equal(trained(images), fresh(images))


@every_network
def test_channels_last_changes_the_layout_only(spec: NetworkSpec) -> None:
    network = warm(make(spec, 3), 3)
    images = draw(2, 3, 64, 48)
    plain = network(images)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(
        network(images.contiguous(memory_format=torch.channels_last)), plain, rtol=1e-3, atol=1e-4
    )


@every_network
def test_bfloat16(spec: NetworkSpec) -> None:
    network = make(spec, num_classes=3)
    images = draw(2, 1, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(images).float().square().mean().backward()
    assert all(torch.isfinite(one.grad).all() for one in network.parameters() if one.grad is not None)
    with torch.no_grad():
        exact = warm(network)(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(images)
    assert rough.dtype == torch.bfloat16
    # 8 bits of mantissa and some tens of layers: a per cent or two of the spread
    assert (rough.float() - exact).std() < 0.1 * exact.std()


@every_network
def test_the_start_is_alive(spec: NetworkSpec) -> None:
    """docs/decisions/002: a ReLU over a single last channel gives constant logits for some seeds."""
    for seed in range(6):
        for num_classes in (2, 3):
            logits_BCHW = make(spec, num_classes=num_classes, seed=seed)(draw(4, 1, 64, 64, seed=seed)).detach()
            for logits in logits_BCHW.transpose(0, 1):
                assert 0.1 < logits.std() < 4
                assert (logits == logits.min()).float().mean() < 0.1, "cut off from below"
