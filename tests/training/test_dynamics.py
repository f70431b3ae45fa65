"""Learning dynamics: the shares by hand, a watch that changes nothing, and the epoch where memorisation starts."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from metastructure.networks import NetworkSpec, build_network
from metastructure.training import Machine, PixelStore, TrainingSettings, train
from metastructure.training.decode import Decoder
from metastructure.training.dynamics import Watch, count_triples, describe_agreement, memorisation_start
from metastructure.transition import TransitionMatrix

FABRIC = Machine(device="cpu", threads=1).fabric()
IGNORE = 255


class Echo(nn.Module):
    """Says foreground where the (normalised) image is bright."""

    def forward(self, images_BKHW: torch.Tensor) -> torch.Tensor:
        return 4 * images_BKHW


def _describe(clean: object, noisy: object, own: object, decoded: object, num_classes: int = 2) -> dict[str, float]:
    first, second, *predictions = (np.array([row], np.uint8) for row in (clean, noisy, own, decoded))
    return describe_agreement(*(count_triples(first, second, one, num_classes) for one in predictions))


def test_shares_by_hand_with_pixels_to_ignore() -> None:
    X = IGNORE
    clean = [0, 0, 0, 0, 1, 1, 1, 1, 1, X, 0]
    noisy = [0, 0, 1, 1, 1, 1, 1, 0, 0, 1, X]  # 9 counted, 4 changed
    own = [0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0]
    turned = [0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1]
    found = _describe(clean, noisy, own, turned)
    assert (found["pixels"], found["changed_pixels"]) == (9, 4)
    assert found["noisy"] == pytest.approx(5 / 9)  # own is right of noisy at 0, 2, 4, 5, 7
    assert found["noisy_changed"] == pytest.approx(2 / 4)  # 2 and 7
    assert found["noisy_left"] == pytest.approx(3 / 5)
    assert found["clean"] == pytest.approx(7 / 9)  # decoded is wrong of clean at 5 and 8
    assert found["clean_changed"] == pytest.approx(3 / 4)  # wrong at 8 of 2, 3, 7, 8
    assert found["clean_left"] == pytest.approx(4 / 5)
    assert found["noisy_score"] == pytest.approx(2 * 3 / (5 + 5))  # own 1 at 1, 2, 4, 5, 8; noisy 1 at 2..6
    assert found["clean_score"] == pytest.approx(2 * 3 / (3 + 5))
    # class 0: noisy 0, 0, 1, 1 and own 0, 1, 1, 0: A = E = 1/2. Class 1: noisy 1, 1, 1, 0, 0 and own 1, 1, 0, 0, 1:
    # A = 3/5, E = (3 * 3 + 2 * 2) / 25 = 13/25. (4 * 0 + 5 * 2/25) / (4 / 2 + 5 * 12/25) = 0.4 / 4.4
    assert found["memory"] == pytest.approx(1 / 11)


def test_no_number_where_there_is_none() -> None:
    same = _describe([0, 1, 1], [0, 1, 1], [0, 1, 0], [0, 1, 0])
    assert not {"noisy_changed", "clean_changed", "memory"} & set(same)
    assert same["clean_left"] == same["noisy"] == same["clean"] == pytest.approx(2 / 3)
    nothing = _describe([0, 255], [255, 1], [0, 1], [0, 1])
    assert nothing == {"pixels": 0, "changed_pixels": 0}


def test_many_classes_score_by_miou_and_their_names_do_not_matter() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, (4, 400))
    found = _describe(*labels, num_classes=3)
    turned = _describe(*np.array([2, 0, 1])[labels], num_classes=3)
    assert found == pytest.approx(turned)
    tables = [[((labels[1] == j) & (labels[2] == k)).sum() for k in range(3)] for j in range(3)]
    hits, table = np.diag(tables), np.array(tables)
    assert found["noisy_score"] == pytest.approx(np.mean(hits / (table.sum(0) + table.sum(1) - hits)))


def test_memory_is_zero_without_it_and_one_with_all_of_it() -> None:
    draw = np.random.default_rng(0)
    clean = draw.integers(0, 2, 200_000)
    noisy = np.where(clean & (draw.random(200_000) < 0.9), 0, clean)  # 10 % sampling
    image_only = np.where(draw.random(200_000) < 0.2, 1 - clean, clean)
    assert abs(_describe(clean, noisy, image_only, image_only)["memory"]) < 0.01  # 4 standard errors
    assert _describe(clean, noisy, np.zeros_like(clean), clean)["noisy_changed"] == 1  # which is why memory is needed
    assert _describe(clean, noisy, np.zeros_like(clean), clean)["memory"] == 0
    assert _describe(clean, noisy, noisy, clean)["memory"] == 1


def test_own_and_decoded_predictions_go_to_their_labels() -> None:
    clean = np.zeros((40, 40), np.uint8)
    clean[:, 20:] = 1
    noisy = 1 - clean
    watch = Watch([noisy * 9], [clean], [noisy], num_classes=2, crop_px=32, fabric=FABRIC,
                  decoder=Decoder(TransitionMatrix([[0.1, 0.9], [0.9, 0.1]])))  # fmt: skip
    found = watch(Echo())
    assert found["noisy"] == found["clean"] == 1
    assert found["pixels"] == found["changed_pixels"] == 32 * 32
    assert "validation" not in found


def test_crops_are_the_middles_of_evenly_spaced_images() -> None:
    labels = [np.full((5 + n, 8), n % 2, np.uint8) for n in range(9)]  # sizes differ; 4 px of 5..13 rows, all of 8 px
    for n, label in enumerate(labels):
        label[0] = label[-1] = IGNORE  # outside the middle of all but the first
        if n % 4:
            label[:] = IGNORE  # not one of three evenly spaced over nine
    watch = Watch(labels, labels, labels, num_classes=2, crop_px=4, fabric=FABRIC, decoder=Decoder(), max_crops=3,
                  val_images=[np.array([[3, 7]])], val_labels=[np.array([[0, 1]])])  # fmt: skip
    found = watch(Echo())
    # images 0, 4, 8: of 5 rows the first four are taken, one of them IGNORE
    assert found["pixels"] == 4 * (3 + 4 + 4)
    assert found["validation"] == 1


def _train(watched: bool) -> tuple[nn.Module, list[dict[str, float]]]:
    draw = np.random.default_rng(0)
    clean = [(draw.random((36, 40)) < 0.4).astype(np.uint8) for _ in range(4)]
    noisy = [np.where(draw.random(label.shape) < 0.2, 1 - label, label) for label in clean]
    settings = TrainingSettings(epochs=2, batch_size=2, crop_px=32)
    torch.manual_seed(7)
    network = build_network(NetworkSpec(name="residual_unet", settings={"width": 4}), 1, 2)
    network = nn.Sequential(nn.Dropout(0.5), network)
    watch = Watch(clean, clean, noisy, num_classes=2, crop_px=32, fabric=FABRIC, decoder=Decoder(), val_images=clean,
                  val_labels=clean)  # fmt: skip
    pixels = PixelStore([label[None].astype(np.float32) for label in clean], noisy, 32)
    history = train(network, pixels, settings, seed=1, fabric=FABRIC, watch=watch if watched else None)
    return network, history.watched


def test_a_watch_draws_nothing_and_changes_nothing() -> None:
    (watched, history), (alone, nothing) = _train(True), _train(False)
    assert all(
        torch.equal(a, b) for a, b in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True)
    )
    assert len(history) == 2
    assert nothing == []
    assert history == _train(True)[1]


def test_a_call_leaves_the_generators_alone() -> None:
    label = np.array([[0, 1], [1, 0]], np.uint8)
    watch = Watch([label], [label], [1 - label], num_classes=2, crop_px=32, fabric=FABRIC, decoder=Decoder())
    state = torch.get_rng_state()
    found = watch(nn.Sequential(nn.Dropout(0.5), Echo()))
    assert torch.equal(state, torch.get_rng_state())
    assert found["clean"] == 1
    assert found["noisy"] == 0


def test_labels_that_do_not_fit_are_refused() -> None:
    one = [np.zeros((4, 4), np.uint8)]
    with pytest.raises(ValueError, match="got 1 images with 1 and 2 labels"):
        Watch(one, one, 2 * one, num_classes=2, crop_px=32, fabric=FABRIC, decoder=Decoder())
    with pytest.raises(ValueError, match="at least one; got 0 images"):
        Watch([], [], [], num_classes=2, crop_px=32, fabric=FABRIC, decoder=Decoder())


# --- where memorisation starts ---------------------------------------------------------------------------------------


def _start(curve: Sequence[float], pixels: int = 100_000) -> int | None:
    return memorisation_start([{"clean": float(share), "pixels": pixels} for share in curve])


RISE = [0.5, 0.7, 0.8, 0.86, 0.9]
FLAT = [0.9] * 10


@pytest.mark.parametrize(
    ("curve", "start"),
    [
        (RISE + FLAT, None),
        (RISE + FLAT + [0.88, 0.86, 0.84, 0.82, 0.80], 16),
        (RISE + FLAT + [0.88, 0.86, 0.84] + FLAT, None),  # it came back
        (RISE + FLAT + [0.88, 0.86, 0.9, 0.85, 0.84, 0.83], 19),  # once more, then for good
        (RISE + FLAT + [0.88, 0.86], None),  # too late to tell
        ([0.9, 0.8, 0.7, 0.6, 0.5], 2),
        (RISE, None),
        ([], None),
        ([0.9, 0.5, 0.1], None),
    ],
)
def test_the_start_on_made_curves(curve: list[float], start: int | None) -> None:
    assert _start(curve) == start


def test_the_tolerance_has_both_errors() -> None:
    small = [*FLAT, 0.89, 0.89, 0.89]
    # three errors of a difference: 3 * sqrt(2 * 0.9 * 0.1 / n) is 0.0040 for 100 000 pixels and 0.040 for 1000
    assert _start(small, 100_000) == 11
    assert _start(small, 1_000) is None
    # a curve that jumps by 0.02 from epoch to epoch does not tell a fall by 0.03, one that stands still does
    jumps = np.tile([0.01, -0.01], 10)
    fall = np.repeat([0.9, 0.87], 10)
    assert _start(fall) == 11
    assert _start(fall + jumps) is None


def test_a_curve_that_only_jumps_has_no_start() -> None:
    draw = np.random.default_rng(0)
    curves = 0.8 + 0.01 * draw.normal(size=(300, 60))
    assert sum(_start(curve) is not None for curve in curves) <= 6
