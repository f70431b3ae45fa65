"""Made loss curves: where early learning ends, where memorisation begins, and where it does not."""

import math

import numpy as np
import pytest

from metastructure.training import early_learning
from metastructure.training.early_learning import MIN_EPOCHS, find_elbow, find_tangent, is_memorising


def first_alarm(losses: list[float]) -> int | None:
    """Return after how many epochs memorisation is first seen."""
    return next((n for n in range(1, len(losses) + 1) if is_memorising(losses[:n])), None)


def saturating(num: int, time: float, scale: float = 1.0) -> list[float]:
    return [scale * (0.3 + 0.4 * math.exp(-epoch / time)) for epoch in range(num)]


def memorising(num: int, onset: int, gain: float = 0.25) -> list[float]:
    """A second fall, half done 3 epochs after `onset`."""
    return [loss - gain / (1 + math.exp(onset + 3 - t)) for t, loss in enumerate(saturating(num, 1.5))]


def test_the_elbow_by_hand() -> None:
    # falls over two epochs: 0.7, 0.35, 0.15, 0.069, 0.02; a tenth of the fastest is 0.07
    losses = [1.0, 0.5, 0.3, 0.15, 0.15, 0.081, 0.08]
    assert find_elbow(losses) == 5
    assert find_elbow(losses[:5]) is None
    assert find_elbow([1.0, 1.1, 1.2, 1.3]) is None  # nothing was learnt yet


def test_the_tangent_by_hand() -> None:
    losses = [2.0, 1.0, 0.5, 0.46, 0.44, 0.42, 0.40, 0.38, 0.38, 0.30]
    assert find_elbow(losses) == 4
    windows = {end: np.polyfit(range(4), losses[end - 3 : end + 1], 1) for end in range(7, 10)}
    flattest = max(windows, key=lambda end: windows[end][0])
    assert flattest == 8
    tangent = find_tangent(losses)
    assert tangent is not None
    assert tangent.epoch == 8
    assert tangent.fall == pytest.approx(0.014)  # (1.5 * 0.42 + 0.5 * 0.40 - 0.5 * 0.38 - 1.5 * 0.38) / 5
    assert tangent.loss == pytest.approx(0.395 - 1.5 * 0.014)


def test_of_equally_flat_parts_the_last_and_never_rising() -> None:
    flat = find_tangent([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert flat == (7, 0.5, 0.0)
    rising = find_tangent([1.0, 0.5, 0.49, 0.5, 0.51, 0.52, 0.53])
    assert rising is not None
    assert rising.fall == 0


@pytest.mark.parametrize("onset", [10, 14, 25])
def test_memorisation_is_seen_soon_after_it_begins(onset: int) -> None:
    losses = memorising(40, onset)
    alarm = first_alarm(losses)
    assert alarm is not None
    assert onset < alarm <= onset + 7
    tangent = find_tangent(losses[:alarm])
    assert tangent is not None
    assert find_elbow(losses) < tangent.epoch <= onset + 1  # type: ignore[operator]
    assert losses[tangent.epoch] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("time", [0.3, 1.0, 3.0, 10.0, 40.0])
@pytest.mark.parametrize("num", [12, 20, 100])
def test_a_curve_that_only_saturates_never_fires(num: int, time: float) -> None:
    assert first_alarm(saturating(num, time)) is None
    slow_too = [fast + slow for fast, slow in zip(saturating(num, time), saturating(num, 8 * time), strict=True)]
    assert first_alarm(slow_too) is None


@pytest.mark.parametrize("num", [20, 60])
def test_noise_never_fires(num: int) -> None:
    draw = np.random.default_rng(0)
    for sigma in (0.001, 0.01, 0.05):
        for time in (1.0, 3.0):
            losses = np.array(saturating(num, time)) + sigma * draw.standard_normal(num)
            assert first_alarm(losses.tolist()) is None
    assert first_alarm((0.7 + 0.001 * draw.standard_normal(num)).tolist()) is None  # nothing was learnt at all


def test_small_second_falls_are_put_down_to_the_rate() -> None:
    assert first_alarm(memorising(30, 12, gain=0.03)) is None  # 0.075 of the first fall
    assert first_alarm(memorising(30, 12, gain=0.08)) is not None


def test_one_low_loss_is_no_memorisation() -> None:
    losses = saturating(12, 1.0)
    for _ in range(2):
        losses.append(0.1)
        assert not is_memorising(losses)
    assert is_memorising([*losses, 0.1])
    flattest_early = [1.0, 0.5, 0.3, *[0.3] * 8, 0.299, 0.298, 0.297, 0.296, 0.295, 0.1, 0.293, 0.292, 0.291]
    assert first_alarm(flattest_early) is None


def test_a_steady_slow_fall_is_no_memorisation() -> None:
    falls = 0.01 + 0.00005 * np.arange(30)  # 0.32 in all, but at most 0.02 below the tangent
    assert first_alarm([1.0, 0.5, 0.35, *(0.35 - falls.cumsum()).tolist()]) is None


def test_the_scale_of_the_loss_does_not_matter() -> None:
    alarms = {first_alarm([scale * loss for loss in memorising(40, 14)]) for scale in (1e-6, 1.0, 1e6)}
    assert len(alarms) == 1
    assert first_alarm([loss + 5 for loss in memorising(40, 14)]) in alarms  # nor its zero


def test_too_few_epochs_show_nothing() -> None:
    sudden = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0]
    assert len(sudden) == MIN_EPOCHS
    assert is_memorising(sudden)
    assert first_alarm(sudden) == MIN_EPOCHS
    assert early_learning.find_tangent(sudden[:5]) is None
