"""Every loss under one contract, and against a slow reference in numpy. Axes: `N` pixels, `C` classes."""

import inspect
import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from metastructure.label import IGNORE
from metastructure.training.losses import LOSSES, Loss, LossSum, parse_loss, with_transition
from metastructure.transition import TransitionMatrix

Array = npt.NDArray[np.float64]

VARIANTS = [
    "dmi + iou",
    "dice:per=image",
    "generalised_dice:per=image",
    "iou:per=image,background=false",
    "dmi:per=image",
]
SPECS = [*LOSSES, *VARIANTS]
Q3 = [[0.7, 0.2, 0.1], [0.0, 0.9, 0.1], [0.3, 0.1, 0.6]]
Q2 = [[0.9, 0.1], [0.4, 0.6]]


def make(spec: str, num_classes: int) -> Loss:
    return with_transition(parse_loss(spec), TransitionMatrix({2: Q2, 3: Q3}[num_classes]))


def draw(channels: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (3, channels, 4, 5) and labels with every class in every image; unknown above in image 0."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, channels, 4, 5, generator=generator, dtype=dtype)
    labels = torch.randint(max(2, channels), (3, 4, 5), generator=generator)
    labels[:, 3] = torch.arange(5) % max(2, channels)
    labels[0, :2] = IGNORE
    return logits, labels


def to_soft(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    return torch.stack([labels == c for c in range(num_classes)], dim=1).double()


def draw_soft(num_classes: int, seed: int = 1) -> torch.Tensor:
    """Return a soft target with entries outside [0, 1], every class present; unknown above in image 0."""
    _, labels = draw(num_classes)
    noise = torch.randn(3, num_classes, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    soft = to_soft(labels, num_classes) + 0.3 * (noise - noise.mean(dim=1, keepdim=True))
    soft[0, :, :2] = 0
    return soft


def compute_gradient(loss: Loss, logits: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
    logits = logits.detach().clone().requires_grad_()
    loss(logits, *rest).backward()
    assert logits.grad is not None
    return logits.grad


def test_every_concrete_loss_is_under_contract() -> None:
    def descend(loss: type[Loss]) -> set[type[Loss]]:
        return {loss}.union(*map(descend, loss.__subclasses__()))

    concrete = {loss for loss in descend(Loss) if not inspect.isabstract(loss)}
    assert concrete == {*LOSSES.values(), LossSum}
    assert all(name == loss.name for name, loss in LOSSES.items())


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_unknown_pixels_change_nothing(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    soft = draw_soft(max(2, channels))
    weights = torch.rand(labels.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    changed = logits.clone()
    changed[0, :, :2] = 7.0 * torch.arange(channels)[:, None, None] - 9.0
    for target in (labels, soft):
        for extra in ([], [weights]):
            value = loss(logits, target, *extra)
            assert value.shape == ()
            assert value == loss(changed, target, *extra)
            gradient = compute_gradient(loss, logits, target, *extra)
            assert not gradient[0, :, :2].any()
            assert gradient[0, :, 2:].any()
            assert gradient[1:].any()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_weight_0_is_ignore_and_soft_one_hot_is_the_label(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    full = torch.where(labels == IGNORE, 1, labels)
    weights = (labels != IGNORE).double()
    expected = loss(logits, labels)
    for target in (labels, full):
        torch.testing.assert_close(loss(logits, target, weights), expected)
        torch.testing.assert_close(loss(logits, to_soft(target, max(2, channels)), weights), expected)
    torch.testing.assert_close(loss(logits, to_soft(labels, max(2, channels))), expected)
    uneven = 0.1 + torch.rand(labels.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    soft = to_soft(labels, max(2, channels))
    torch.testing.assert_close(loss(logits, soft, uneven), loss(logits, labels, uneven))
    assert not torch.isclose(loss(logits, labels, uneven), expected)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_weight_counts_as_so_many_pixels(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    repeats = torch.tensor([1, 3, 1, 2, 1])
    weights = repeats.double().expand(labels.shape)
    longer = loss(logits.repeat_interleave(repeats, dim=3), labels.repeat_interleave(repeats, dim=2))
    torch.testing.assert_close(loss(logits, labels, weights), longer)
    torch.testing.assert_close(loss(logits, labels, 1e-3 * weights), longer)


@pytest.mark.parametrize("spec", SPECS)
def test_one_logit_is_two_logits(spec: str) -> None:
    loss, (logits, labels) = make(spec, 2), draw(1)
    both = torch.cat([torch.full_like(logits, 1.5), logits + 1.5], dim=1)
    for target in (labels, draw_soft(2)):
        torch.testing.assert_close(loss(both, target), loss(logits, target))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "background" not in spec])
def test_class_names_do_not_matter(spec: str) -> None:
    logits, labels = draw(3)
    order = [2, 0, 1]  # new class c is old class order[c]
    renamed = torch.full_like(labels, IGNORE)
    for new, old in enumerate(order):
        renamed[labels == old] = new
    permuted = with_transition(parse_loss(spec), TransitionMatrix(np.array(Q3)[np.ix_(order, order)]))
    torch.testing.assert_close(permuted(logits[:, order], renamed), make(spec, 3)(logits, labels))
    soft = draw_soft(3)
    torch.testing.assert_close(permuted(logits[:, order], soft[:, order]), make(spec, 3)(logits, soft))


@pytest.mark.parametrize("spec", SPECS)
def test_order_of_the_batch_does_not_matter(spec: str) -> None:
    loss, (logits, labels) = make(spec, 3), draw(3)
    order = [2, 0, 1]
    torch.testing.assert_close(loss(logits[order], labels[order]), loss(logits, labels))
    torch.testing.assert_close(loss(logits.flip(3), labels.flip(2)), loss(logits, labels))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_confident_logits_are_safe(spec: str, channels: int, dtype: torch.dtype) -> None:
    loss, (noise, labels) = make(spec, max(2, channels)), draw(channels, dtype=torch.float32)
    for logits in (50 * noise.sign(), torch.full_like(noise, 50), torch.full_like(noise, -50)):
        for target in (labels, draw_soft(max(2, channels)).float()):
            with torch.autocast("cpu", enabled=dtype == torch.bfloat16):
                value = loss(logits.to(dtype), target)
                assert value.dtype == torch.float32
                assert compute_gradient(loss, logits.to(dtype), target).isfinite().all()
            torch.testing.assert_close(value, loss(logits.double(), target).float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", ["cross_entropy", "forward", "backward"])
def test_a_confident_mistake_still_has_a_gradient(spec: str) -> None:
    identity = with_transition(parse_loss(spec), TransitionMatrix.identity(2))
    for label in (torch.tensor([[[1]]]), to_soft(torch.tensor([[[1]]]), 2).float()):
        assert compute_gradient(identity, torch.full((1, 1, 1, 1), -80.0), label).item() == pytest.approx(-1)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_is_that_of_the_value(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    weights = torch.rand(labels.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for target in (labels, draw_soft(max(2, channels))):
        assert torch.autograd.gradcheck(lambda z, t=target: loss(z, t, weights), logits.clone().requires_grad_())


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_known_is_0_without_gradient(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    nothing = torch.full_like(labels, IGNORE)
    for target, weights in (
        (nothing, None),
        (to_soft(nothing, max(2, channels)), None),
        (labels, torch.zeros(labels.shape)),
    ):
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, target, weights)
        assert value == 0
        value.backward()
        assert leaf.grad is not None
        assert torch.equal(leaf.grad, torch.zeros_like(leaf))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_steps_lower_the_loss(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    leaf = logits.clone().requires_grad_()
    optimizer = torch.optim.SGD([leaf], lr=0.5)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(leaf, labels)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert all(after < before for before, after in itertools.pairwise(values))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_absent_class_and_a_constant_prediction_are_safe(spec: str, channels: int) -> None:
    loss, (logits, labels) = make(spec, max(2, channels)), draw(channels)
    for absent in range(max(2, channels)):
        lacking = torch.where(labels == absent, (absent + 1) % max(2, channels), labels)
        for predicted in (logits, torch.zeros_like(logits)):
            assert loss(predicted, lacking).isfinite()
            assert compute_gradient(loss, predicted, lacking).isfinite().all()


def _dice(p: Array, t: Array, w: Array) -> float:
    scores = [2 * (w * p[:, c] * t[:, c]).sum() / (w * (p[:, c] ** 2 + t[:, c] ** 2)).sum() for c in range(3)]
    return float(1 - np.mean(scores))


def _generalised_dice(p: Array, t: Array, w: Array) -> float:
    above = below = 0.0
    for c in range(3):
        importance = 1 / (w * t[:, c]).sum() ** 2
        above += 2 * importance * (w * p[:, c] * t[:, c]).sum()
        below += importance * (w * (p[:, c] + t[:, c])).sum()
    return float(1 - above / below)


def _iou(p: Array, t: Array, w: Array) -> float:
    scores = [(w * p[:, c] * t[:, c]).sum() / (w * (p[:, c] + t[:, c] - p[:, c] * t[:, c])).sum() for c in range(3)]
    return float(1 - np.mean(scores))


def _dmi(p: Array, t: Array, w: Array) -> float:
    joint = sum(weight * np.outer(p_n, t_n) for p_n, t_n, weight in zip(p, t, w, strict=True)) / w.sum()
    return float(-np.log(abs(np.linalg.det(joint))))


def _mean(per_pixel: Callable[[Array, int], float]) -> Callable[[Array, Array, Array], float]:
    def reference(p: Array, t: Array, w: Array) -> float:
        values = [per_pixel(p_n, int(t_n.argmax())) for p_n, t_n in zip(p, t, strict=True)]
        return float(np.average(values, weights=w))

    return reference


REFERENCE: dict[str, Callable[[Array, Array, Array], float]] = {
    "cross_entropy": _mean(lambda p, y: -np.log(p[y])),
    "brier": _mean(lambda p, y: sum((p[c] - (c == y)) ** 2 for c in range(3))),
    "gce": _mean(lambda p, y: (1 - p[y] ** 0.7) / 0.7),
    "sce": _mean(lambda p, y: -0.1 * np.log(p[y]) - sum(p[c] * -4.0 for c in range(3) if c != y)),
    "forward": _mean(lambda p, y: -np.log((np.array(Q3).T @ p)[y])),
    "backward": _mean(lambda p, y: (np.linalg.inv(Q3) @ -np.log(p))[y]),
    "dice": _dice,
    "generalised_dice": _generalised_dice,
    "iou": _iou,
    "dmi": _dmi,
}


@pytest.mark.parametrize("name", LOSSES)
def test_slow_reference(name: str) -> None:
    logits, labels = draw(3)
    weights = torch.rand(labels.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    seen = labels != IGNORE
    p = logits.softmax(dim=1).movedim(1, 3)[seen].numpy()
    hot = np.eye(3)[labels[seen].numpy()]
    loss = make(name if name != "dmi" else "dmi:epsilon=1e-6", 3)
    expected = REFERENCE[name](p, hot, weights[seen].numpy())
    assert loss(logits, labels, weights).item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", ["dice", "generalised_dice", "iou", "dmi"])
def test_per_image_is_the_mean_over_images_in_which_something_is_known(name: str) -> None:
    logits, labels = draw(3)
    alone = [make(name, 3)(logits[b : b + 1], labels[b : b + 1]) for b in range(3)]
    together = make(f"{name}:per=image", 3)
    torch.testing.assert_close(together(logits, labels), torch.stack(alone).mean())
    labels[1] = IGNORE
    torch.testing.assert_close(together(logits, labels), (alone[0] + alone[2]) / 2)


@pytest.mark.parametrize("name", ["dice", "iou"])
def test_without_background_only_the_foreground_counts(name: str) -> None:
    """Foreground p = 0.5 four times, label 1 once: Dice 2 · 0.5 / (1 + 1), IoU 0.5 / (2 + 1 - 0.5)."""
    logits, labels = torch.zeros(1, 1, 1, 4), torch.tensor([[[1, 0, 0, 0]]])
    loss = parse_loss({"name": name, "background": False})
    assert loss(logits, labels).item() == pytest.approx({"dice": 1 - 0.5, "iou": 1 - 0.2}[name])
    assert loss(logits, torch.zeros_like(labels)) == 0


def test_bad_input_is_named() -> None:
    loss, logits, labels = parse_loss("brier"), torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"Logits must be \(B, C, H, W\); got shape \(3, 2, 2\)"):
        loss(logits[0], labels)
    with pytest.raises(ValueError, match=r"class weights \(1, 3, 2, 2\); got shape \(1, 2, 2, 2\)"):
        loss(logits, torch.zeros(1, 2, 2, 2))
    with pytest.raises(ValueError, match=r"class weights \(1, 2, 2, 2\); got shape \(1, 1, 2, 2\)"):
        loss(logits[:, :1], torch.zeros(1, 1, 2, 2))
    with pytest.raises(TypeError, match="must be int64; got"):
        loss(logits, labels.to(torch.uint8))
    with pytest.raises(TypeError, match="must be floats; got"):
        loss(logits, torch.zeros(1, 3, 2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"weights must be \(1, 2, 2\)"):
        loss(logits, labels, torch.zeros(2, 2))
