"""Predictors on the labels of finished runs, and how well they rank conditions."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from metastructure.contingency import contingency_table
from metastructure.errors import RunError
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.study import RunRecord, Store, StudySpec, make_table
from metastructure.study import run as run_module
from metastructure.study.predictors import (
    PREDICTORS,
    group_by_condition,
    is_inverted,
    measure_predictors,
    resample_scores,
    training_labels,
)
from metastructure.study.rank_agreement import (
    NO_DRAWS,
    compare_predictors,
    decided_pairs,
    kendall,
    rank_gaps,
    spearman,
)
from metastructure.study.run import load_data


@pytest.fixture(scope="module")
def table(study: StudySpec, finished: Store) -> pd.DataFrame:
    return measure_predictors(study, finished, num_resamples=50)


def _digest(labels: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(label.astype(np.uint8).tobytes() for label in labels)).hexdigest()


# --- measured on labels ----------------------------------------------------------------------------------------------


def test_the_labels_are_those_of_the_run(study: StudySpec, finished: Store, tmp_path: Path, monkeypatch) -> None:
    split = load_data("blobs", study.data["blobs"], finished.root / "data").splits["train"]
    for draw in ("fixed", "online"):
        one = study.model_copy(update={"noises": ("flip:0.3",), "seeds": (1,), "draw": draw})
        seen: list[list[np.ndarray]] = []

        def listen(images, labels, *args, seen=seen):
            seen.append(labels)
            raise RunError("seen enough")

        monkeypatch.setattr(run_module, "PixelStore", listen)
        run = next(one.runs())
        data = load_data("blobs", study.data["blobs"], finished.root / "data")
        with pytest.raises(RunError, match="seen enough"):
            run_module.execute_run(run, data, Store(tmp_path), run_module.Machine(device="cpu", threads=1))
        assert _digest(training_labels(run, split, 2)) == _digest(seen[0])
        assert _digest(training_labels(run.model_copy(update={"seed": 0}), split, 2)) != _digest(seen[0])


def test_measured_values_by_another_route(study: StudySpec, finished: Store, table: pd.DataFrame) -> None:
    split = load_data("blobs", study.data["blobs"], finished.root / "data").splits["train"]
    assert table["noise"].tolist() == ["clean", "flip:0.3"]
    assert table["seeds"].tolist() == [2, 2]
    dices, agreements, ious, sigmas = [], [], [], []
    for seed in (0, 1):
        noisy = [
            corrupt(label, parse_noise("flip:0.3"), seed=seed, item=item, num_classes=2)
            for item, label in zip(split.ids, split.labels, strict=True)
        ]
        per_image = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(split.labels, noisy, strict=True)]
        dices.append(np.mean(per_image))
        a, b = (np.concatenate([label.ravel() for label in labels]) for labels in (split.labels, noisy))
        agreements.append((a == b).mean())
        ious.append(np.mean([((a == k) & (b == k)).sum() / ((a == k) | (b == k)).sum() for k in (0, 1)]))
        counts = contingency_table(a[None], b[None], 2)
        sigmas.append(np.linalg.svd(counts / counts.sum(axis=1, keepdims=True))[1].min())
    row = table.iloc[1]
    assert row["label_dice"] == pytest.approx(np.mean(dices))
    assert row["agreement"] == pytest.approx(np.mean(agreements))
    assert row["label_iou"] == pytest.approx(np.mean(ious))
    assert row["sigma_min"] == pytest.approx(np.mean(sigmas))
    assert row["similarity"] > row["uncorrected"] > 0.3
    for name in list(PREDICTORS)[:-1]:
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_clean_labels_are_perfect_and_the_scores_are_those_of_the_table(
    study: StudySpec, finished: Store, table: pd.DataFrame
) -> None:
    clean = table.iloc[0]
    assert [clean[name] for name in PREDICTORS] == pytest.approx([1, 1, 1, 1, 1, 1, 2])
    expected = make_table(finished.load_done(study))
    for column in ("noise", "score", "low", "high", "score_at_half", "auc"):
        assert table[column].tolist() == expected[column].tolist()
    assert table["family"].tolist() == ["clean", "randomised"]


def test_labels_that_are_no_longer_drawn_so_are_refused(study: StudySpec, finished: Store, tmp_path: Path) -> None:
    record = finished.load_done(study)[1]
    assert record.spec.noise == "flip:0.3"
    ((a, b), (c, d)) = record.noise.table
    other = record.noise.model_copy(update={"table": [[a - 1, b + 1], [c, d]]})
    store = Store(tmp_path)
    store.save(record.model_copy(update={"noise": other}), {})
    with pytest.raises(RunError, match=r"flip:0\.3.*the labels drawn now differ from those it was trained on"):
        measure_predictors(study, store)


def test_runs_that_are_not_done_are_left_out(study: StudySpec, finished: Store, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunError, match="no run of study 'tiny' is done"):
        measure_predictors(study, store)
    record = finished.load_done(study)[1]
    store.save(record.model_copy(update={"test": record.test.model_copy(update={"auc": 0.2})}), {})
    only = measure_predictors(study, store, num_resamples=20)
    assert (only["noise"].tolist(), only["seeds"].tolist()) == (["flip:0.3"], [1])
    assert only["auc_either"].tolist() == [80], "an AUC of 20 says as much as one of 80"


@pytest.mark.parametrize(
    ("noise", "num_classes", "expected"),
    [
        ("clean", 2, False),
        ("sample:0.1", 2, False),  # most foreground pixels say background, but foreground says foreground
        ("sample:0.1", 11, False),
        ("flip:0.49", 2, False),
        ("flip:0.51", 2, True),
        ("flip:0.9", 11, False),
        ("flip:0.95", 11, True),
        ("random:0.5", 2, False),
        ("classflip:[0.1,0.6]", 2, False),
        ("classflip:[0.5,0.6]", 2, True),
        ("sample:0.1 + dilate:1", 2, False),
    ],
)
def test_inverted_is_past_the_singular_rate(noise: str, num_classes: int, expected: bool) -> None:
    assert is_inverted(noise, num_classes) is expected


def _record(base: RunRecord, noise: str, seed: int, hits: list[int]) -> RunRecord:
    """Return a record whose test images each hold 10 foreground pixels, of which so many are found: Dice 2h/(h+10)."""
    spec = base.spec.model_copy(update={"noise": noise, "seed": seed})
    tables = [[[5, 0], [10 - hit, hit]] for hit in hits]
    test = base.test.model_copy(update={"tables": tables, "ids": [str(index) for index in range(len(hits))]})
    return base.model_copy(update={"spec": spec, "identity": spec.identity, "test": test})


def test_resampled_scores_are_paired(study: StudySpec, finished: Store) -> None:
    base = finished.load_done(study)[0]
    # the same hits in both conditions but for a seed of its own, and a condition with one seed
    records = [
        _record(base, "clean", 0, [10, 0, 5]),
        _record(base, "flip:0.3", 0, [10, 0, 5]),
        _record(base, "clean", 1, [0, 0, 0]),
        _record(base, "flip:0.3", 1, [0, 0, 0]),
        _record(base, "flip:0.9", 0, [10, 0, 5]),
    ]
    assert [len(members) for members in group_by_condition(records)] == [2, 2, 1]
    draws = resample_scores(records, generator(0), 400)
    assert draws.shape == (400, 3)
    assert (draws[:, 0] == draws[:, 1]).all(), "same images and seeds"
    ratio = draws[:, 0] / np.where(draws[:, 2] > 0, draws[:, 2], np.nan)
    assert set(np.round(ratio[~np.isnan(ratio)], 9)) == {0.0, 0.5, 1.0}, "none, one or both seeds are the good one"
    # one seed: mean of three draws from Dice 1, 0 and 2/3
    possible = {round(100 * (i + 2 / 3 * j) / 3, 6) for i in range(4) for j in range(4 - i)}
    assert set(np.round(draws[:, 2], 6)) == possible, "every choice of three of the images is met"
    assert draws[:, 2].mean() == pytest.approx(100 * (1 + 2 / 3) / 3, abs=6)  # 3 standard errors


# --- rank agreement --------------------------------------------------------------------------------------------------

TIED = {"score": [90.0, 80, 70, 60, 50], "x": [0.9, 0.9, 0.5, 0.7, 0.1]}


def test_rho_and_tau_by_hand_with_ties() -> None:
    # ranks of x: 4.5 4.5 2 3 1, of the score: 5 4 3 2 1; means 3; products 3 + 1.5 + 0 + 0 + 4 = 8.5
    # squares of x: 2.25 + 2.25 + 1 + 0 + 4 = 9.5, of the score 10
    agreement = compare_predictors(pd.DataFrame(TIED), generator(0), predictors=["x"], num_resamples=50).agreements[0]
    assert agreement.rho.value == pytest.approx(8.5 / np.sqrt(95))
    # 10 pairs: one tied, one out of order, eight in order; tau-b = 7 / sqrt(9 * 10)
    assert agreement.tau.value == pytest.approx(7 / np.sqrt(90))
    assert (agreement.num_conditions, agreement.num_missing) == (5, 0)
    assert agreement.rho.low <= agreement.rho.value <= agreement.rho.high


def test_equal_to_scipy_on_resamples_with_ties() -> None:
    rng = generator(3)
    for _ in range(50):
        x, y = rng.integers(0, 6, 12).astype(float), rng.integers(0, 9, 12).astype(float)
        times = rng.multinomial(12, np.full(12, 1 / 12))
        expected_rho = spearmanr(np.repeat(x, times), np.repeat(y, times)).statistic
        expected_tau = kendalltau(np.repeat(x, times), np.repeat(y, times)).statistic
        assert spearman(x, y, times) == pytest.approx(expected_rho, abs=1e-12)
        assert kendall(x, y, times) == pytest.approx(expected_tau, abs=1e-12)


def test_any_increasing_scale_gives_the_same() -> None:
    frame = pd.DataFrame(TIED)
    bent = frame.assign(x=np.exp(3 * frame["x"]), score=frame["score"] ** 3)
    first, second = (compare_predictors(f, generator(0), predictors=["x"], num_resamples=100) for f in (frame, bent))
    assert first == second
    turned = compare_predictors(frame.assign(x=-frame["x"]), generator(0), predictors=["x"], num_resamples=100)
    assert turned.agreements[0].rho.value == -first.agreements[0].rho.value
    assert turned.agreements[0].rho.low == pytest.approx(-first.agreements[0].rho.high, abs=0.1)


def test_the_interval_is_that_of_resampled_conditions() -> None:
    # half of the conditions in order, half reversed: what a resample gives depends on which half it takes
    n = 12
    score = np.arange(n, dtype=float)
    x = np.concatenate([score[: n // 2], score[n // 2 :][::-1]])
    found = compare_predictors(pd.DataFrame({"score": score, "x": x}), generator(0), predictors=["x"]).agreements[0]
    rng = np.random.default_rng(5)
    values = []
    for _ in range(2000):
        picked = rng.integers(n, size=n)
        values.append(spearmanr(x[picked], score[picked]).statistic)
    # standard error of a 2.5 % quantile of 2000 draws with this spread
    assert [found.rho.low, found.rho.high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.03)


def test_missing_values_are_left_out_and_counted() -> None:
    frame = pd.DataFrame({"score": [90.0, 80, 70, 60, 50, np.nan], "x": [0.9, 0.9, 0.5, 0.7, 0.1, 0.5]})
    frame = pd.concat([frame, pd.DataFrame({"score": [10.0], "x": [np.nan]})], ignore_index=True)
    frame["y"] = [5.0, 4, 3, 2, 1, 0, -1]
    found = compare_predictors(frame, generator(0), predictors=["y", "x"], num_resamples=100)
    y, x = found.agreements
    assert (x.num_conditions, x.num_missing, y.num_conditions, y.num_missing) == (5, 2, 6, 1)
    assert x.rho.value == pytest.approx(8.5 / np.sqrt(95))
    assert y.rho.value == pytest.approx(1)
    # over the five that both know, not the sixth that y knows alone
    assert found.differences[0].num_conditions == 5
    assert found.differences[0].difference.value == pytest.approx(1 - 8.5 / np.sqrt(95))


def test_too_few_conditions_and_constant_predictors_say_so() -> None:
    frame = pd.DataFrame({"score": [90.0, 80, 70], "x": [0.9, 0.5, 0.1]})
    few = compare_predictors(frame, generator(0), predictors=["x"]).agreements[0]
    assert np.isnan([few.rho.value, few.rho.low, few.tau.value]).all()
    assert few.rho.reason == "3 conditions are known; a rank correlation needs 4"
    assert compare_predictors(frame[:0], generator(0), predictors=["x"]).agreements[0].num_conditions == 0
    constant = compare_predictors(pd.DataFrame(TIED).assign(x=1.0), generator(0), predictors=["x"]).agreements[0]
    assert np.isnan(constant.rho.value)
    assert "equal" in str(constant.rho.reason)


def test_differences_are_paired() -> None:
    frame = pd.DataFrame(TIED).assign(same=lambda f: 2 * f["x"], best=lambda f: f["score"])
    found = compare_predictors(frame, generator(0), predictors=["x", "same", "best"], num_resamples=300)
    by_pair = {(d.first, d.second): d.difference for d in found.differences}
    assert set(by_pair) == {("x", "same"), ("x", "best"), ("same", "best")}
    equal = by_pair["x", "same"]
    assert (equal.value, equal.low, equal.high) == (0, 0, 0)
    assert by_pair["x", "best"].value == pytest.approx(8.5 / np.sqrt(95) - 1)
    assert by_pair["x", "best"].high <= 1e-12, "no resample can put x above the score itself"


def test_noise_of_the_test_widens_the_interval_and_leaves_the_value() -> None:
    frame = pd.DataFrame({"score": np.arange(8.0), "x": np.arange(8.0)})
    assert compare_predictors(frame, generator(0), predictors=["x"]).agreements[0].rho_on_other_tests.reason == NO_DRAWS
    draws = np.arange(8.0) + 3 * generator(1).standard_normal((500, 8))
    found = compare_predictors(frame, generator(0), predictors=["x"], draws=draws, num_resamples=300).agreements[0]
    assert (found.rho.value, found.rho.low) == (1, 1)
    assert found.rho_on_other_tests.value == 1
    assert found.rho_on_other_tests.low < 0.7


def test_only_decided_pairs_are_counted() -> None:
    # scores 90 and 91 cross on other test data, 70 and 50 never do
    score = np.array([90.0, 91, 70, 50])
    draws = np.stack([score, [92, 91, 70, 50], [90, 91, 70, 49]])
    order = decided_pairs(score, draws)
    assert order.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [-1, -1, 0, 1], [-1, -1, -1, 0]]
    wide = decided_pairs(score, draws, margin=20.5)
    assert wide.tolist() == [[0, 0, 0, 1], [0, 0, 1, 1], [0, -1, 0, 0], [-1, -1, 0, 0]]
    frame = pd.DataFrame({"score": score, "x": [0.9, 0.5, 0.5, 0.6]})
    found = compare_predictors(frame, generator(0), predictors=["x"], draws=draws, num_resamples=50).agreements[0]
    # pairs: 90-70 right, 90-50 right, 91-70 tied, 91-50 wrong, 70-50 wrong
    assert found.num_decided == 5
    assert found.in_order.value == pytest.approx(2.5 / 5)


def test_rank_gaps_with_ties_and_missing_values() -> None:
    gaps = rank_gaps(np.array([1.0, 1.0, 0.2, np.nan, 0.1]), np.array([90.0, 20, 80, 50, 10]))
    # among the four known: ranks of x 3.5 3.5 2 1, of y 4 2 3 1
    np.testing.assert_allclose(gaps, [-0.5, 1.5, -1, np.nan, 0])


def test_wrong_columns_are_named() -> None:
    frame = pd.DataFrame(TIED)
    with pytest.raises(ValueError, match="no column 'similarity'; it has score, x"):
        compare_predictors(frame, generator(0))
    with pytest.raises(ValueError, match=r"one column for each of the 5 rows; got shape \(7, 4\)"):
        compare_predictors(frame, generator(0), predictors=["x"], draws=np.zeros((7, 4)))
