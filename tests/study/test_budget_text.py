"""The sentences of a plan: what is enough, what cannot be told, what sloppy labels are worth."""

import numpy as np
import pytest

from metastructure.networks import NetworkSpec
from metastructure.structure.estimate import Estimate
from metastructure.study.budget_estimate import Points, make_curve, weigh_sloppy
from metastructure.study.budget_page import render_plan
from metastructure.study.budget_result import AnnotationPlan
from metastructure.study.budget_text import describe_doubts, describe_verdict
from metastructure.training.settings import TrainingSettings

SHARES = np.array([1 / 64, 1 / 16, 1 / 4, 1.0])
LAW = 90 - 4 / np.sqrt(SHARES)


def _plan(scores: np.ndarray, sloppy: float = 82.0, loss: float = 1.0, noise: float = 0.0) -> AnnotationPlan:
    rng = np.random.default_rng(0)
    rows = np.tile(np.append(scores, sloppy), (60, 1)) + rng.normal(0, 0.2, (60, 1)) + rng.normal(0, noise, (60, 5))
    rows[0] = [*scores, sloppy]
    points = Points(("a", "b", "c", "clean", "boxes<"), np.tile(np.append(SHARES, 1.0), (60, 1)), rows)
    curve = make_curve("images", 64, points.pick(["a", "b", "c", "clean"]), loss)
    return AnnotationPlan(
        data="my <cells>",
        metric="dice",
        loss=loss,
        tested_on="the 9 images of test",
        num_train=64,
        num_test=9,
        num_classes=2,
        seeds=(0,),
        network=NetworkSpec(name="unet"),
        training=TrainingSettings(),
        full=Estimate(value=86, low=85, high=87),
        curves=(curve[0],),
        sloppy=weigh_sloppy(points.pick(["boxes<"]), curve),
        seconds=60.0,
        versions={"metastructure": "1"},
    )


@pytest.mark.parametrize(
    ("plan", "images", "sloppy"),
    [
        (_plan(LAW), "Images: 64 % [64, 64] of them labelled, 41 images of 64, is within 1 point of all", "25 %"),
        (_plan(LAW, loss=30), "the smallest share tried, 1.6 % (1 image of 64), is within 30 points", "less than 0.25"),
        (_plan(LAW, sloppy=86.5), "Images: 64 %", "worth 100 % [100, 100] of the images labelled carefully: no worse"),
        (_plan(LAW, sloppy=30), "Images: 64 %", "the smallest share tried, 1 image labelled carefully."),
        (_plan(np.full(4, 80.0), noise=2), "Images: how many are enough cannot be told", "cannot be told: what all"),
    ],
)  # fmt: skip
def test_the_verdict_in_words(plan: AnnotationPlan, images: str, sloppy: str) -> None:
    first, second, third = describe_verdict(plan)
    assert first == "Dice with all labels: 86.0 [85.0, 87.0] points (64 training images labelled in full)."
    assert images in second
    assert third.startswith("All images labelled as boxes<: ")
    assert sloppy in third


def test_doubts_name_the_test_labels_one_seed_and_a_missing_law() -> None:
    assert len(describe_doubts(_plan(LAW))) == 2
    tested, seed, law = describe_doubts(_plan(np.full(4, 80.0)))
    assert "taken for true" in tested
    assert "another training may differ" in seed
    assert "does not rise" in law


def test_the_page_escapes_names_and_marks_no_budget_that_cannot_be_told() -> None:
    page = render_plan(_plan(LAW), "metastructure plan <x>")
    assert "my &lt;cells&gt;" in page
    assert "plan &lt;x&gt;" in page
    assert "boxes<" not in page
    assert "a = 90" in page
    assert "budget, 95 % interval shaded" in page
    assert "budget, 95 % interval shaded" not in render_plan(_plan(np.full(4, 80.0), noise=2))
