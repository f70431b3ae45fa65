"""Claims against records: numbers, verdicts as defined, one family of tests a score, and what is missing."""

import math
import re
from collections.abc import Callable, Hashable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from metastructure.metrics import foreground_dice, mean_iou
from metastructure.metrics.equivalence import Difference, estimate_difference
from metastructure.report import Page, render_page
from metastructure.rng import generator
from metastructure.study import CLAIM_COLUMNS, RunRecord, RunSpec, StudySpec, check_claims, make_table
from metastructure.study.claims_text import (
    NAMES,
    SIGNS,
    claims_to_markdown,
    claims_to_text,
    describe_seeds,
    describe_tests,
    explain_undecided,
    format_claims,
)
from metastructure.study.record import Evaluation, NoiseSummary

Tables = np.ndarray


def _study(**changes: object) -> StudySpec:
    fields = {"name": "s", "data": {"a": "/x"}, "noises": ["clean", "flip:0.3", "dilate:2"], "seeds": [0, 1, 2]}
    return StudySpec.model_validate({**fields, **changes})


def _record(run: RunSpec, tables_NCC: Tables) -> RunRecord:
    ids = [f"image_{n}" for n in range(len(tables_NCC))]
    empty = Evaluation(ids=[], tables=[])
    return RunRecord(
        spec=run,
        identity=run.identity,
        data_fingerprint="",
        num_classes=tables_NCC.shape[-1],
        num_parameters=1,
        noise=NoiseSummary(table=[], changed_rate=None, ignored_rate=0.0),
        loss=[],
        epoch_seconds=[],
        threshold=None,
        val=empty,
        test=Evaluation(ids=ids, tables=tables_NCC.tolist()),
        seconds=1.0,
        device="",
        threads=1,
        versions={},
        finished="",
    )


def _binary(missed: Tables) -> Tables:
    """Return tables of images with 1000 pixels of foreground, so many of them missed."""
    missed = np.asarray(missed)
    return np.stack([[np.full_like(missed, 5000), 0 * missed], [missed, 1000 - missed]]).transpose(2, 0, 1)


def _random(run: RunSpec, worse: int = 0, num_images: int = 12) -> Tables:
    images = generator(0, "", "images").integers(0, 200, num_images)
    return _binary(50 + worse + images + generator(run.seed, run.noise, "rest").integers(0, 15, num_images))


def _records(study: StudySpec, make: Callable[[RunSpec], Tables]) -> list[RunRecord]:
    return [_record(run, make(run)) for run in study.runs()]


def _only(claims: pd.DataFrame, score: str) -> dict[str, object]:
    (row,) = claims[claims["score"] == score].to_dict("records")
    return row  # type: ignore[return-value]


def test_one_seed_of_images_that_all_have_a_score_is_the_paired_t_test() -> None:
    study = _study(seeds=[4], claims=["dilate:2 < clean"])
    clean, wide = [0, 100, 50, 30], [120, 150, 130, 90]
    found = check_claims(study, _records(study, lambda run: _binary(wide if run.noise == "dilate:2" else clean)))
    image, pooled = _only(found, "image"), _only(found, "pooled")
    # Dice of an image with m of 1000 missed and none spurious: 2 (1000 - m) / (2000 - m).
    dice = [[100 * 2 * (1000 - m) / (2000 - m) for m in side] for side in (wide, clean)]
    test = stats.ttest_rel(*dice, alternative="less")
    interval = test.confidence_interval(0.95)
    assert image["difference"] == pytest.approx(np.mean(dice[0]) - np.mean(dice[1]))
    assert image["high"] == pytest.approx(interval.high)
    assert image["p"] == image["p_adjusted"] == pytest.approx(test.pvalue, rel=1e-6)
    # Pooled: 490 and 180 of 4000 missed.
    assert pooled["difference"] == pytest.approx(100 * (2 * 3510 / 7510 - 2 * 3820 / 7820))
    assert image["verdict"] == pooled["verdict"] == "supported"
    assert (image["seeds"], image["images"], image["metric"]) == (1, 4, "dice")


@pytest.mark.parametrize("C", [2, 3])
def test_differences_are_those_of_the_table_and_of_the_plain_definition(C: int) -> None:
    study = _study(claims=["flip:0.3 ~ clean"])

    def make(run: RunSpec) -> Tables:
        return generator(run.seed, run.noise, "tables").integers(1, 90, (5, C, C)) + 200 * np.eye(C, dtype=np.int64)

    records = _records(study, make)
    found = check_claims(study, records)
    score = foreground_dice if C == 2 else mean_iou
    runs = list(study.runs())
    image, pooled = (
        {noise: np.mean([f(make(run)) for run in runs if run.noise == noise]) for noise in ("flip:0.3", "clean")}
        for f in (lambda t: score(t).mean(), lambda t: score(t.sum(0)))
    )
    for name, values in (("image", image), ("pooled", pooled)):
        assert _only(found, name)["difference"] == pytest.approx(100 * (values["flip:0.3"] - values["clean"]))
    main = "image" if C == 2 else "pooled"
    row = make_table(records, 5).set_index("noise").loc["flip:0.3"]
    assert _only(found, main)["difference"] == pytest.approx(row["difference"])
    assert _only(found, main)["metric"] == row["metric"]


def test_swapped_sides_and_shuffled_images_say_the_same() -> None:
    study = _study(claims=["flip:0.3 < clean", "clean > flip:0.3"])
    found = check_claims(study, _records(study, lambda run: _random(run, 9 * (run.noise != "clean"))))
    first, second = found.iloc[0], found.iloc[2]
    assert first["difference"] == -second["difference"] < 0
    assert (first["low"], first["p"]) == pytest.approx((-second["high"], second["p"]))
    back = check_claims(
        study.model_copy(update={"seeds": (2, 0, 1)}),
        _records(study, lambda run: _random(run, 9 * (run.noise != "clean"))[::-1])[::-1],
    )
    pd.testing.assert_frame_equal(found, back)


def test_identical_sides_are_equal_whatever_the_seeds() -> None:
    study = _study(claims=["flip:0.3 ~ clean", "dilate:2 < clean"])
    found = check_claims(study, _records(study, lambda run: _binary([10 * run.seed, 300, 5, 70])))
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert found["verdict"].tolist() == ["supported", "supported", "undecided", "undecided"]
    assert found["p_adjusted"].min() == 0.001


def test_verdicts() -> None:
    claims = ["flip:0.3 ~ clean", "dilate:2 < clean", "dilate:2 > clean", "dilate:2 ~ clean", "flip:0.3 < clean"]
    study = _study(claims=claims, seeds=range(5))
    found = check_claims(study, _records(study, lambda run: _random(run, 200 * (run.noise == "dilate:2"))))
    verdicts = found[found["score"] == "image"].set_index("claim")["verdict"].to_dict()
    assert list(verdicts.values()) == ["supported", "supported", "refuted", "refuted", "undecided"]
    wide = study.model_copy(update={"margin": 50.0})
    again = check_claims(wide, _records(study, lambda run: _random(run, 200 * (run.noise == "dilate:2"))))
    assert again.loc[again["claim"] == "dilate:2 ~ clean", "verdict"].tolist() == ["supported", "supported"]


def test_claims_on_one_score_are_corrected_together_with_those_not_run() -> None:
    study = _study(claims=["flip:0.3 < clean", "clean < flip:0.3", "dilate:2 < clean"])
    runs = [run for run in study.runs() if (run.noise, run.seed) != ("dilate:2", 1)]
    found = check_claims(study, [_record(run, _random(run, 3 * (run.noise == "flip:0.3"))) for run in runs])
    for _, rows in found.groupby("score"):
        small, large = rows["p"].iloc[0], rows["p"].iloc[1]
        assert small < large
        assert rows["p_adjusted"].iloc[:2].tolist() == pytest.approx([3 * small, min(1, max(3 * small, 2 * large))])
        assert rows["verdict"].iloc[2] == "not run"
        assert rows[["difference", "low", "p", "p_adjusted"]].iloc[2].isna().all()


def test_nothing_run_is_not_run_and_no_claims_are_no_rows() -> None:
    found = check_claims(_study(claims=["flip:0.3 < clean"]), [])
    assert found["verdict"].tolist() == ["not run", "not run"]
    assert found["metric"].tolist() == ["", ""]
    assert "– not run" in claims_to_text(found)
    none = check_claims(_study(), [])
    assert none.empty
    assert list(none) == list(found) == list(CLAIM_COLUMNS)
    assert claims_to_text(none) == claims_to_markdown(none) == describe_tests(none) == ""


def test_images_without_dice_are_skipped() -> None:
    study = _study(claims=["flip:0.3 < clean"])
    blank = np.array([[[900, 0], [0, 0]]])

    def with_blank(run: RunSpec) -> Tables:
        return np.concatenate([_random(run), blank])

    full, skipped = (check_claims(study, _records(study, make)) for make in (_random, with_blank))
    image = full["score"] == "image"
    pd.testing.assert_frame_equal(full[image], skipped[image])
    assert skipped["images"].tolist() == [12, 13]

    def sometimes_blank(run: RunSpec) -> Tables:
        spurious = np.array([[[880, 20], [0, 0]]])  # Dice 0 in one run, none in the others
        return np.concatenate([_random(run), spurious if (run.noise, run.seed) == ("flip:0.3", 0) else blank])

    row = _only(check_claims(study, _records(study, sometimes_blank)), "image")
    assert row["images"] == 13
    drop = np.mean(100 * foreground_dice(_random(next(r for r in study.runs() if r.noise == "flip:0.3")))) / 13 / 3
    assert row["difference"] == pytest.approx(_only(full, "image")["difference"] - drop)

    nowhere = check_claims(study, _records(study, lambda run: np.repeat(blank, 3, axis=0)))
    assert nowhere["verdict"].tolist() == ["undecided", "undecided"]
    assert nowhere[["difference", "p"]].isna().all(axis=None)


def test_one_seed_and_one_image_are_said() -> None:
    one_seed = _study(seeds=[0], claims=["flip:0.3 ~ clean"])
    text = claims_to_text(check_claims(one_seed, _records(one_seed, _random)))
    assert "this one seed only" in " ".join(text.split())
    three = _study(claims=["flip:0.3 ~ clean"])
    assert "one seed" not in describe_tests(check_claims(three, _records(three, _random)))
    one_image = check_claims(three, _records(three, lambda run: _random(run, num_images=1)))
    assert "this one image only" in describe_tests(one_image)
    assert one_image["p"].notna().all()
    neither = check_claims(one_seed, _records(one_seed, lambda run: _random(run, num_images=1)))
    assert neither["p"].isna().all()
    assert (neither["verdict"] == "undecided").all()


def test_claims_are_made_for_every_data_set_network_and_recipe_or_for_those_named() -> None:
    study = _study(
        data={"a": "/x", "b": "/y"},
        networks=[{"name": "unet"}, {"name": "residual_unet"}],
        recipes={"plain": {}, "long": {"epochs": 99}},
        claims=["flip:0.3 < clean", "flip:0.3 [long] > flip:0.3 [plain]"],
        seeds=[0, 1],
    )
    found = check_claims(study, _records(study, lambda run: _random(run, 0 if run.recipe == "long" else 30)))
    assert found["recipe"].value_counts().to_dict() == {"plain": 8, "long": 8, "long | plain": 8}
    assert not found.duplicated(["data", "network", "recipe", "claim", "score"]).any()
    between = found[found["recipe"] == "long | plain"]
    assert (between["difference"] > 1).all()
    text = claims_to_text(found)
    assert "flip:0.3 [long] > flip:0.3 [plain]  (b, unet, long | plain)" in text
    assert max(map(len, text.splitlines())) <= 80
    cells = re.split(r"(?<!\\)\|", claims_to_markdown(found).splitlines()[2])
    assert len(cells) == len(format_claims(found)[0]) + 2


def test_different_images_are_refused() -> None:
    study = _study(claims=["flip:0.3 < clean"])
    records = _records(study, lambda run: _random(run, num_images=3 if run.noise == "clean" else 4))
    with pytest.raises(ValueError, match=r"a · flip:0\.3.* and a · clean.* different images"):
        check_claims(study, records)


def test_every_verdict_and_score_can_be_shown_without_colour() -> None:
    claims = ["dilate:2 < clean", "dilate:2 > clean", "flip:0.3 < clean"]
    study = _study(claims=claims, seeds=range(4))
    records = _records(study, lambda run: _random(run, 300 * (run.noise == "dilate:2")))
    found = check_claims(study, records)
    rows = format_claims(found)
    page = Page("t", "", [], [], [], {}, claims=rows, claims_note=describe_tests(found))
    html = render_page(page)
    for sign in ("✓ supported", "✗ refuted", "? undecided"):
        assert f"<td>{sign}</td>" in html
        assert sign in claims_to_text(found)
    assert "against" in claims_to_text(found)
    assert "dilate:2 &lt; clean" in html
    assert "<h2>Claims" not in render_page(Page("t", "", [], [], [], {}))
    assert len(set(SIGNS.values())) == 4
    assert {(metric, score) for metric in ("dice", "miou", "") for score in ("image", "pooled")} == set(NAMES)


def _row(claims: pd.DataFrame, **changes: object) -> dict[Hashable, object]:
    return {**claims[claims["score"] == "image"].iloc[0].to_dict(), **changes}


def test_both_sides_of_an_equality_are_told() -> None:
    study = _study(seeds=[4], claims=["dilate:2 ~ clean", "dilate:2 < clean"], margin=9.0)
    clean, wide = [0, 100, 50, 30], [120, 150, 130, 90]
    found = check_claims(study, _records(study, lambda run: _binary(wide if run.noise == "dilate:2" else clean)))
    dice = [np.array([100 * 2 * (1000 - m) / (2000 - m) for m in side]) for side in (wide, clean)]
    row = _row(found)
    assert row["p_above"] == pytest.approx(stats.ttest_rel(dice[0] + 9, dice[1], alternative="greater").pvalue)
    assert row["p_below"] == pytest.approx(stats.ttest_rel(dice[0] - 9, dice[1], alternative="less").pvalue, rel=1e-6)
    assert row["p_below"] < row["p_above"] == row["p"]
    assert found.loc[found["claim"] == "dilate:2 < clean", ["p_above", "p_below"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        # interval -1.5 ± 2: even at 0 it would reach past ±1
        (
            {"margin": 1.0},
            r"above -1 p 0\.600, below \+1 p 0\.020: this study could not have shown it, .* 2\.00, is no",
        ),
        ({"margin": 2.0}, r"above -2 .*: this study could not have shown it"),
        ({"margin": 2.5}, r"above -2\.5 p 0\.600, below \+2\.5 p 0\.020: shown only for differences below 0\.50$"),
        ({"p": 0.03}, r"above -1 .*: shown alone \(p 0\.030\), not with all claims together$"),
        ({"p_above": math.nan, "p_below": math.nan}, r"^this study shows no difference below 2\.00$"),
        ({"p_above": math.nan, "p_below": math.nan, "p": 0.0002}, r"^shown alone \(p ≤ 0\.001\), not with all claims"),
        ({"verdict": "supported"}, "^$"),
        ({"verdict": "refuted"}, "^$"),
        ({"low": math.nan, "high": math.nan}, "^$"),
    ],
)
def test_an_undecided_claim_says_why(changes: dict[str, object], remark: str) -> None:
    base = {"verdict": "undecided", "low": -3.5, "high": 0.5, "margin": 1.0, "p": 0.6, "p_above": 0.6, "p_below": 0.02}
    assert re.search(remark, explain_undecided({**base, **changes}))


def test_what_could_not_be_shown_is_not_shown_by_any_difference() -> None:
    # the remark rests on the interval alone; move a study's sides together and its verdict must not change
    study = _study(claims=["flip:0.3 ~ clean"], seeds=[0, 1])
    found = check_claims(study, _records(study, _random))
    half = (_row(found)["high"] - _row(found)["low"]) / 2  # type: ignore[operator]
    for margin, can in ((0.98 * half, False), (1.02 * half, True)):
        given = Difference(0.0, *_variances(study), 2, 12)
        assert (given.p_within(margin) <= 0.05) is can
        row = _row(found, margin=margin, verdict="undecided", p=1.0)
        assert ("could not have shown it" in explain_undecided(row)) is not can


def _variances(study: StudySpec) -> tuple[float, float]:
    by_key = {(run.noise, run.seed): 100 * foreground_dice(_random(run)) for run in study.runs()}
    found = estimate_difference(np.stack([by_key["flip:0.3", s] - by_key["clean", s] for s in study.seeds]))
    return found.seed_variance, found.image_variance


def test_few_seeds_are_said_to_have_low_power() -> None:
    # Student's t at 5 % for 2 degrees of freedom is 2.920, at 5 % / 4 it is 6.205
    assert "exceed 2.9 standard errors for one claim, 6.2 for the first of 4." in describe_seeds(3, 4)
    assert describe_seeds(2, 1).endswith("exceed 6.3 standard errors for one claim.")
    assert "one seed only" in describe_seeds(1, 3)
    assert describe_seeds(0, 3) == describe_seeds(5, 3) == ""
    study = _study(claims=["flip:0.3 ~ clean"])
    found = check_claims(study, _records(study, _random))
    assert "3 seeds: power is low, and undecided does not mean equal" in describe_tests(found)
    assert "for this one claim;" in describe_tests(found)


def test_why_a_verdict_is_undecided_is_in_text_markdown_and_page() -> None:
    study = _study(claims=["flip:0.3 ~ clean", "dilate:2 < clean"], seeds=[0, 1], margin=0.02)
    found = check_claims(study, _records(study, lambda run: _random(run, 300 * (run.noise == "dilate:2"))))
    assert "could not have shown it" in " ".join(claims_to_text(found).split())
    assert max(map(len, claims_to_text(found).splitlines())) <= 80
    header, first, _, last, _ = format_claims(found)
    assert header[-1] == "why undecided"
    assert first[-1].startswith("above -0.02 p ")
    assert last[-1] == ""
    html = render_page(Page("t", "", [], [], [], {}, claims=format_claims(found)))
    assert f'<td class="long">{first[-1]}</td>' in html
    alone = format_claims(found[found["verdict"] == "supported"])
    assert "why undecided" not in alone[0]
