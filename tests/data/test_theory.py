"""The theory as code: what is drawn, what is found on made labels, and verdicts that turn with the numbers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metastructure.data import theory
from metastructure.data.theory import check_theory
from metastructure.data.theory_labels import TheoryLabels, choose_labels, realised_transition
from metastructure.data.theory_noises import choose_noises, singular_rate
from metastructure.data.theory_report import Lemma1Case, TheoryReport, Verdict
from metastructure.data.theory_verdicts import (
    combine,
    combine_all,
    combine_ranks,
    equivalence,
    judge_all,
    judge_counter_example,
    judge_lemma_1,
    judge_slope,
    judge_theorem_1,
    lemma_2_verdict,
    theorem_2_verdict,
)
from metastructure.errors import ConfigError, DataError
from metastructure.noise import MatrixFlipping, parse_noise
from metastructure.rng import generator
from metastructure.structure import Estimate, Lemma1, Lemma2Case, Theorem1, Theorem2Case
from metastructure.structure.lemma_1 import Lemma1Scale
from metastructure.structure.theory import Theorem1Case
from metastructure.transition import TransitionMatrix

HOLDS, FAILS, UNSEEN = Verdict.holds, Verdict.fails, Verdict.unseen


def _blocks(num_classes: int = 2, num_images: int = 6, side: int = 8) -> list[np.ndarray]:
    coarse = generator(1).integers(0, num_classes, (num_images, 7, 8)).astype(np.uint8)
    return [np.kron(block, np.ones((side, side), np.uint8)) for block in coarse]


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    """Intervals as wide as all values of 50 resamples: near 99 %, in an eighth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metastructure.data.theory.NUM_RESAMPLES", 50)
        yield


@pytest.fixture(scope="module")
def report() -> TheoryReport:
    return check_theory(_blocks(), half_widths_px=(1, 2, 4))


def _verdicts(report: TheoryReport) -> dict[str, Verdict]:
    return {one.name: one.verdict for one in report.statements}


def test_no_statement_fails_on_made_labels(report: TheoryReport) -> None:
    found = _verdicts(report)
    assert len(found) == len(report.statements) == 11
    assert FAILS not in found.values()
    for name in ("Lemma 1", "Lemma 1, slope", "Lemma 1, limit", "Lemma 2", "Theorem 1, dilated", "Theorem 1, eroded"):
        assert found[name] == HOLDS, name
    assert (report.num_images, report.num_found, report.num_classes, report.num_present) == (6, 6, 2, 2)
    assert [case.name for case in report.lemma_2] == [case.name for case in report.theorem_2]
    assert report.statements == judge_all(report)


def test_the_report_survives_json(report: TheoryReport) -> None:
    text = report.model_dump_json()
    assert TheoryReport.model_validate_json(text).model_dump_json() == text


def test_the_seed_decides() -> None:
    first, again, other = (check_theory(_blocks(num_images=1), half_widths_px=(1, 2), seed=seed) for seed in (0, 0, 1))
    assert again.model_dump_json() == first.model_dump_json()
    assert other.lemma_1[0] != first.lemma_1[0]


def test_a_wrong_q_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Q with its classes turned round: rows still sum to 1, but it is not what the noise was drawn with."""
    monkeypatch.setattr(
        MatrixFlipping, "transition", lambda self, C: TransitionMatrix(np.array(self.matrix)[::-1, ::-1])
    )
    found = _verdicts(check_theory(_blocks(num_images=1), half_widths_px=(1, 2, 4)))
    assert found["Lemma 1"] == FAILS
    assert found["Lemma 1, limit"] == HOLDS


def test_windows_hold_the_weakest_signal_against_the_edge_of_its_own_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that lives in few pixels raises the edge of one direction, not of all."""
    check = theory.check_lemma_2

    def with_edges(*settings: object) -> tuple[Lemma2Case, ...]:
        edges = {"edges": (7.0, 3.0), "edge": 7.0}
        return tuple(case.model_copy(update=edges) for case in check(*settings))  # type: ignore[arg-type]

    monkeypatch.setattr(theory, "check_lemma_2", with_edges)
    found = check_theory(_blocks(num_classes=3, num_images=3), half_widths_px=(1, 2))
    assert found.windows
    assert {case.edge for case in found.windows} == {3.0}


def test_steps_are_counted_to_the_end() -> None:
    steps: list[tuple[int, int]] = []
    check_theory(_blocks(num_images=1), half_widths_px=(1,), on_step=lambda *step: steps.append(step))
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert {total for _, total in steps} == {len(steps)}


def test_one_image_has_no_intervals_and_says_so() -> None:
    found = check_theory(_blocks(num_images=1))
    verdicts = _verdicts(found)
    assert found.num_images == 1
    assert np.isnan(found.dilated.steps[0].low)
    for name in ("Theorem 1, dilated", "Theorem 2", "Limit: singular rate", "Limit: exact counts"):
        assert verdicts[name] == UNSEEN, name
    assert "one image only" in next(one.reason for one in found.statements if one.name == "Theorem 1, dilated")


def test_ignored_pixels_are_left_out() -> None:
    (label,) = _blocks(3, num_images=1)
    label[:5] = 255
    found = check_theory([label], num_classes=4, half_widths_px=(1, 2))
    assert (found.num_classes, found.num_present) == (4, 3)
    assert max(case.rank for case in found.lemma_2) == 3
    assert _verdicts(found)["Lemma 1"] == HOLDS


@pytest.mark.parametrize("num_classes", [2, 3, 5, 11])
def test_noises_are_what_they_are_drawn_for(num_classes: int) -> None:
    noises, s = choose_noises(num_classes), singular_rate(num_classes)
    for model in noises.full_rank().values():
        assert model.transition(num_classes).rank() == num_classes
    asymmetric = noises.asymmetric.transition(num_classes).rows
    assert not np.allclose(asymmetric, asymmetric.T)
    assert noises.lossy.transition(num_classes).rank() == num_classes - 1
    for model in (noises.singular, noises.exact):
        np.testing.assert_allclose(model.transition(num_classes).rows, 1 / num_classes)
    ranks = {rate: model.transition(num_classes).rank() for rate, model in noises.sweep}
    assert list(ranks) == sorted(ranks)
    assert {rate for rate, rank in ranks.items() if rank < num_classes} == {s}
    assert min(ranks) == s / 2
    assert s < max(ranks) < 1
    for spec in noises.specs().values():
        assert str(parse_noise(spec)) == spec


def test_object_width_by_hand() -> None:
    """Rows: class 1 has 2 + 1 pixels in 2 runs, class 0 two in 2, class 2 one; columns: 3 in 2, 2 in 1, one."""
    label = np.array([[0, 1, 1], [0, 1, 2]], np.uint8)
    clean = TheoryLabels("", 1, ("0",), (label,), 3, 0)
    assert clean.object_width_px() == 1
    ignored = TheoryLabels("", 1, ("0",), (np.where(label == 2, 255, label),), 3, 0)
    assert ignored.object_width_px() == pytest.approx(4 / 3)  # of class 0; class 1 has 6 / 4


def test_object_width_knows_no_background() -> None:
    label = np.zeros((40, 40), np.uint8)
    label[5:9, 5:9] = label[20:24, 12:16] = 1
    widths = [TheoryLabels("", 1, ("0",), (one,), 2, 0).object_width_px() for one in (label, 1 - label)]
    assert widths == [4, 4]


def test_window_share_by_hand() -> None:
    """Windows of a line of 3 hold 2, 3, 2 pixels: the mean of 1 / n is 4 / 9, a share of 3 / 4."""
    clean = TheoryLabels("", 1, ("0",), (np.zeros((3, 3), np.uint8),), 2, 0)
    assert clean.window_share(1) == pytest.approx((3 / 4) ** 2)
    assert clean.window_share(2) == 1
    assert clean.window_share(0) == pytest.approx(1 / 9)


def test_realised_transition_keeps_absent_classes() -> None:
    pair = (np.array([[0, 0, 2, 255]], np.uint8), np.array([[0, 2, 2, 1]], np.uint8))
    got = realised_transition([pair], 3).rows
    np.testing.assert_allclose(got, [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 1]])


def test_labels_are_chosen_evenly_and_cut_to_the_middle() -> None:
    labels = [np.full((20, 30), k % 3, np.uint8) for k in range(9)]
    assert choose_labels(labels, 3, None, 0).ids == ("0", "4", "8")
    wide = np.zeros((4, 612), np.uint8)
    wide[:, 50] = 1
    wide[:, 49] = wide[:, 562] = 2
    (cut,) = choose_labels([wide], 1, 3, 0).labels
    assert cut.shape == (4, 512)
    assert cut[0, 0] == 1
    assert 2 not in cut


def test_generated_labels_and_folders_are_read(tmp_path: Path) -> None:
    made = choose_labels("street", 2, None, 3)
    assert (made.num_classes, len(made.labels), made.ids[1]) == (8, 2, "street_00001")
    assert "generated" in made.description
    for name, label in zip("abc", _blocks(num_images=3), strict=True):
        Image.fromarray(label).save(tmp_path / f"{name}.png")
    read = choose_labels(tmp_path, 2, None, 0)
    assert (read.ids, read.num_found, read.num_classes) == (("a", "c"), 3, 2)


@pytest.mark.parametrize(
    ("labels", "settings", "error", "message"),
    [
        ("golgi", {}, ConfigError, "one of er, mito, nuc, street; got 'golgi'"),
        ("nuc", {"num_classes": 3}, ConfigError, "kind nuc have 2 classes; got 3"),
        ([], {}, DataError, "no labels to check"),
        ([np.zeros((20, 20), np.uint8)], {}, DataError, "class 0 alone"),
        ([np.full((20, 20), 255, np.uint8)], {}, DataError, "nothing but IGNORE"),
        (_blocks(), {"half_widths_px": (1, 56)}, ConfigError, "56 px does not fit the smallest label.*56 px"),
        (_blocks(), {"half_width_px": 70}, ConfigError, "70 px does not fit"),
        (_blocks(), {"half_widths_px": (0, 1)}, ConfigError, "whole numbers of at least 1"),
        (_blocks(), {"num_images": 0}, ConfigError, "images at least 1"),
        (_blocks(), {"seed": -1}, ConfigError, "seed must be at least 0"),
        (_blocks(3), {"num_classes": 2}, DataError, "Label 0 holds class 2"),
        ([np.zeros((2, 3, 4), np.uint8)], {}, DataError, "one image"),
        (Path("/no/such"), {}, DataError, "no such folder"),
    ],
)
def test_what_is_refused(labels: object, settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_theory(labels, **settings)  # type: ignore[arg-type]


def _estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.96, 0.99, HOLDS), (0.9, 0.94, FAILS), (0.94, 0.97, UNSEEN), (0.5, 1.0, UNSEEN), (np.nan, np.nan, UNSEEN)],
)
def test_equivalence(low: float, high: float, verdict: Verdict) -> None:
    assert equivalence(_estimate(low, high), 1.0) == verdict
    assert equivalence(_estimate(1 - high, 1 - low), 0.0) == verdict


def _lemma_2(rank: int, measured: tuple[float, ...], predicted: tuple[float, ...]) -> Lemma2Case:
    return Lemma2Case(
        name="a",
        rank=rank,
        num_surviving=1 + sum(value > 0.1 for value in measured),
        sigma_min=0.1,
        signal_to_noise=measured,
        predicted=predicted,
        edges=(0.1,) * len(measured),
        edge=0.1,
        detectable=1 + sum(value > 0.1 for value in predicted),
    )


@pytest.mark.parametrize(
    ("rank", "measured", "predicted", "verdict"),
    [
        (3, (5.0, 1.0), (5.0, 1.0), HOLDS),
        (2, (5.0, 0.01), (5.0, 0.0), HOLDS),
        (2, (5.0, 1.0), (5.0, 0.0), FAILS),  # a class that Q cannot leave
        (3, (5.0, 0.01), (5.0, 1.0), FAILS),  # one that Q leaves, in plain sight
        (3, (5.0, 0.01), (5.0, 0.05), UNSEEN),  # one that Q leaves below the edge
        (2, (5.0, 0.15), (5.0, 0.0), UNSEEN),  # noise that passes the edge by a little
        (3, (5.0, 0.09), (5.0, 0.15), UNSEEN),
    ],
)
def test_lemma_2_can_be_refuted(
    rank: int, measured: tuple[float, ...], predicted: tuple[float, ...], verdict: Verdict
) -> None:
    assert lemma_2_verdict(_lemma_2(rank, measured, predicted)) == verdict


def test_lemma_2_is_judged_by_the_edge_of_each_direction() -> None:
    case = _lemma_2(2, (5.0, 1.0), (5.0, 0.0))
    assert lemma_2_verdict(case) == FAILS
    assert lemma_2_verdict(case.model_copy(update={"edges": (0.1, 0.6), "edge": 0.6})) == UNSEEN  # noise in few pixels
    unknown = _lemma_2(3, (), ()).model_copy(update={"num_surviving": 0, "reason": "no pixel"})
    assert lemma_2_verdict(unknown) == UNSEEN


def test_theorem_2_is_refuted_only_where_the_signal_can_be_seen() -> None:
    low = Theorem2Case(
        name="a", rank=2, sigma_min=0.1, predicted=1, corrected=_estimate(0.5, 0.6), uncorrected=_estimate(0.1, 0.2)
    )
    assert theorem_2_verdict(_lemma_2(2, (5.0,), (5.0,)), low) == FAILS
    assert theorem_2_verdict(_lemma_2(2, (0.05,), (0.05,)), low) == UNSEEN
    high = low.model_copy(update={"predicted": 0.3})  # too much is never excused
    assert theorem_2_verdict(_lemma_2(2, (0.05,), (0.05,)), high) == FAILS


def _theorem_1(*steps: tuple[float, float]) -> Theorem1:
    whole = Theorem1Case(name="clean", changed=0.0, similarity=_estimate(1, 1), distance=0.0)
    found = tuple(_estimate(*step) for step in steps)
    return Theorem1(cases=(whole,) * (len(steps) + 1), steps=found, spearman=-1.0, decreasing=True)


def test_theorem_1_can_be_refuted() -> None:
    assert judge_theorem_1("a", _theorem_1((-0.2, -0.1), (-0.3, -0.2))).verdict == HOLDS
    assert judge_theorem_1("a", _theorem_1((-0.2, -0.1), (-0.1, 0.1))).verdict == UNSEEN
    assert judge_theorem_1("a", _theorem_1((-0.2, -0.1), (0.1, 0.2))).verdict == FAILS
    assert judge_theorem_1("a", _theorem_1((np.nan, np.nan))).verdict == UNSEEN


def _lemma_1(
    ratio: float = 1.0, error: float = 0.01, bias: float = 1.0, slopes: tuple[float, float] = (-1, -1)
) -> Lemma1:
    scale = Lemma1Scale(half_width_px=2, measured=1, predicted=1, ratio=ratio, ratio_error=error)
    return Lemma1(scales=(scale,), bias_error=bias, slope=slopes[0], predicted_slope=slopes[1], refuted=False)


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (_lemma_1(), HOLDS),
        (_lemma_1(ratio=1.041), FAILS),
        (_lemma_1(ratio=0.959), FAILS),
        (_lemma_1(bias=4.2), HOLDS),  # the largest of 4 counts
        (_lemma_1(bias=4.4), FAILS),
        (_lemma_1(error=0.3), UNSEEN),
        (_lemma_1(error=0.0), HOLDS),  # nothing left to chance
        (_lemma_1(ratio=1.001, error=0.0), FAILS),
    ],
)
def test_lemma_1_can_be_refuted_and_its_limit_is_the_opposite(check: Lemma1, verdict: Verdict) -> None:
    case = Lemma1Case(name="a", check=check)
    assert judge_lemma_1([case], 2).verdict == verdict
    opposite = {HOLDS: FAILS, FAILS: HOLDS, UNSEEN: UNSEEN}[verdict]
    assert judge_counter_example(case, 2).verdict == opposite


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [((-0.95, -0.96), HOLDS), ((-0.5, -0.96), FAILS), ((-0.85, -0.85), UNSEEN), ((np.nan, np.nan), UNSEEN)],
)
def test_the_slope_can_be_refuted(slopes: tuple[float, float], verdict: Verdict) -> None:
    assert judge_slope([Lemma1Case(name="a", check=_lemma_1(slopes=slopes))]).verdict == verdict


def test_limits_can_be_refuted(report: TheoryReport) -> None:
    """The numbers of a report are changed one by one, and the verdict follows."""
    first = report.windows[0]

    def windows(margins: list[float], dilated: list[Estimate]) -> TheoryReport:
        cases = tuple(
            first.model_copy(update={"half_width_px": 4**k, "signal_to_noise": margin, "edge": 1.0, "dilated": one})
            for k, (margin, one) in enumerate(zip(margins, dilated, strict=True))
        )
        return report.model_copy(update={"windows": cases, "object_width_px": 5.0})

    flat, up, down = _estimate(0.6, 0.7), _estimate(0.8, 0.9), _estimate(0.2, 0.3)
    for margins, last, expected in (
        ([2.0, 5.0, 3.0], up, (HOLDS, HOLDS)),
        ([2.0, 3.0, 5.0], down, (FAILS, FAILS)),
        ([2.0, 5.0, 4.9], flat, (UNSEEN, UNSEEN)),
        ([0.2, 0.5, 0.3], up, (UNSEEN, HOLDS)),  # never seen at all
    ):
        statements = {one.name: one.verdict for one in judge_all(windows(margins, [flat, flat, last]))}
        assert (statements["Limit: wide windows"], statements["Limit: bias in wide windows"]) == expected

    drawn, exact = (case.model_copy(update={"corrected": _estimate(0.0, 0.02)}) for case in report.exact)
    for changes, expected in (
        ({"ratios": (1.0, 0.01)}, HOLDS),
        ({"ratios": (1.0, 0.9)}, FAILS),
        ({"ratios": (1.0, 0.01), "corrected": _estimate(0.8, 0.9)}, FAILS),
        ({"ratios": (1.0, 0.01), "corrected": _estimate(0.0, 0.1)}, UNSEEN),
    ):
        changed = report.model_copy(update={"exact": (drawn, exact.model_copy(update=changes))})
        assert {one.name: one.verdict for one in judge_all(changed)}["Limit: exact counts"] == expected


def test_combinations() -> None:
    assert combine([UNSEEN, HOLDS]) == HOLDS
    assert combine([UNSEEN, HOLDS, FAILS]) == FAILS
    assert combine([]) == UNSEEN
    assert combine_all([UNSEEN, HOLDS]) == UNSEEN
    assert combine_ranks([HOLDS, HOLDS], [2, 1]) == HOLDS
    assert combine_ranks([UNSEEN, HOLDS], [2, 1]) == UNSEEN  # nothing seen agrees with every singular Q


@pytest.mark.realdata
def test_nuclei_refute_nothing(real_data: Path) -> None:
    found = check_theory(real_data / "nuc/train/labels", num_images=4, half_widths_px=(2, 8))
    verdicts = _verdicts(found)
    assert FAILS not in verdicts.values()
    assert verdicts["Lemma 1"] == verdicts["Theorem 1, dilated"] == HOLDS
