"""What a training undoes, and where: in the loss, in the target, or at prediction, but only once."""

import numpy as np
import pytest
import torch

from metastructure.label import IGNORE, LabelArray
from metastructure.noise import corrupt, parse_noise
from metastructure.training import TrainingSettings
from metastructure.training.losses import parse_loss
from metastructure.training.plan import make_plan
from metastructure.transition import TransitionMatrix

Q = TransitionMatrix([[0.8, 0.2], [0.3, 0.7]])


def labels(noise: str, num: int = 6) -> list[LabelArray]:
    draw, model = np.random.default_rng(0), parse_noise(noise)
    clean = [np.kron(draw.random((8, 8)) < 0.3, np.ones((16, 16))).astype(np.uint8) for _ in range(num)]
    return [corrupt(label, model, seed=0, item=str(i), num_classes=2) for i, label in enumerate(clean)]


NOISY = labels("flip:0.3")


def settings(**changes: object) -> TrainingSettings:
    return TrainingSettings.model_validate(changes)


def test_plain_undoes_nothing() -> None:
    plan = make_plan(settings(), NOISY, 2, Q)
    assert plan.transition is None
    assert plan.make_target is None
    assert plan.note is None
    assert plan.loss == parse_loss("cross_entropy")
    assert plan.decoder.transition is None


def test_labels_are_undone_at_prediction() -> None:
    plan = make_plan(settings(transition="known"), NOISY, 2, Q)
    assert plan.decoder.transition == Q
    assert plan.make_target is None


def test_densities_are_undone_in_the_target() -> None:
    plan = make_plan(settings(transition="known", target="density", half_width_px=0), NOISY, 2, Q)
    assert plan.decoder.transition is None
    assert plan.make_target is not None
    target = plan.make_target(torch.tensor([[[0, 1]]]))
    np.testing.assert_allclose(target[0, :, 0].T, Q.inverse(), rtol=1e-5)


@pytest.mark.parametrize("target", ["label", "density"])
@pytest.mark.parametrize("loss", ["forward", "backward + iou"])
def test_corrected_losses_undo_it_themselves(loss: str, target: str) -> None:
    plan = make_plan(settings(transition="known", loss=loss, target=target), NOISY, 2, Q)
    assert plan.decoder.transition is None
    assert "transition=[[0.8,0.2],[0.3,0.7]]" in str(plan.loss)
    if plan.make_target is not None:  # the density as it is
        density = plan.make_target(torch.from_numpy(NOISY[0])[None].long())
        assert density.min() >= 0
        assert density.max() <= 1


def test_the_half_width_follows_the_noise() -> None:
    chosen = [
        make_plan(settings(transition="known", target="density"), labels(f"flip:{rate}"), 2, transition).make_target
        for rate, transition in ((0.0, None), (0.45, TransitionMatrix.symmetric(0.45, 2)))
    ]
    first, second = (target.half_width_px for target in chosen if target is not None)
    assert first == 0 < second


def test_estimated_from_the_labels_alone() -> None:
    plan = make_plan(settings(transition="estimated"), labels("flip:0.2", 12), 2)
    assert plan.transition is not None
    assert plan.decoder.transition == plan.transition
    np.testing.assert_allclose(plan.transition.rows, [[0.8, 0.2], [0.2, 0.8]], atol=0.05)


def test_conventions() -> None:
    """Most pixels of these labels are background; nine in ten of all pixels are then flipped."""
    flipped = labels("flip:0.9", 12)
    diagonal, background = (
        make_plan(settings(transition="estimated", convention=name), flipped, 2).transition
        for name in ("diagonal", "background")
    )
    assert diagonal is not None
    assert background is not None
    np.testing.assert_allclose(diagonal.rows, [[0.9, 0.1], [0.1, 0.9]], atol=0.05)
    np.testing.assert_allclose(background.rows, [[0.1, 0.9], [0.9, 0.1]], atol=0.05)


def test_clean_labels_with_much_foreground_keep_their_names() -> None:
    plan = make_plan(settings(transition="estimated"), [1 - label for label in labels("clean", 12)], 2)
    assert plan.transition is not None
    np.testing.assert_allclose(plan.transition.rows, np.eye(2), atol=0.03)


def test_clean_labels_need_nothing_undone() -> None:
    plan = make_plan(settings(transition="estimated"), labels("clean", 12), 2)
    assert plan.transition is not None
    np.testing.assert_allclose(plan.transition.rows, np.eye(2), atol=0.03)


def test_what_cannot_be_undone_is_said() -> None:
    for noise, known in (("random:0.5", None), ("flip:0.5", TransitionMatrix.symmetric(0.5, 2))):
        for source in ("known", "estimated"):
            plan = make_plan(settings(transition=source, loss="forward", target="density"), labels(noise), 2, known)
            assert plan.transition is None
            assert str(plan.note).startswith("no transition matrix is undone: ")
            assert plan.loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, 2).long()) == pytest.approx(np.log(2))


def test_ignore_everywhere_else() -> None:
    label = np.full((40, 40), IGNORE, np.uint8)
    label[10:30, 10:20] = 1
    label[10:30, 20:30] = 0
    assert make_plan(settings(transition="known", target="density"), [label], 2, Q).make_target is not None
