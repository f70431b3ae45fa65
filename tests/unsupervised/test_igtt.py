"""iGTT on images small enough to train in seconds: its rounds, its start, its options, its model file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from metastructure.data.files import ImageArray
from metastructure.errors import ConfigError, RunError
from metastructure.training import Machine, Segmenter
from metastructure.training.batches import PixelStore
from metastructure.unsupervised import Work, fit_method, parse_method
from metastructure.unsupervised.base import to_grey
from metastructure.unsupervised.igtt import IGTT, HeldPredictor, PublishedIGTT, _logit_held, pooled_dice
from metastructure.unsupervised.rounds import (
    Rounds,
    _draw_points,
    _Learner,
    _make_loss,
    _rate,
    predict_score,
    run_rounds,
)

QUICK = {"rounds": 3, "first_steps": 60, "steps": 8, "batch_size": 4, "crop_px": 32, "width": 4, "learning_rate": 0.01}
WORK = Work(threads=1)


def scenes(num: int = 4) -> tuple[list[ImageArray], list[np.ndarray]]:
    """Discs under uneven light and noise, and where they are."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:48, :64]
    images: list[ImageArray] = []
    labels = []
    for _ in range(num):
        inside = np.zeros((48, 64), dtype=bool)
        for _ in range(5):
            row, column, radius = rng.uniform(6, 42), rng.uniform(6, 58), rng.uniform(3, 6)
            inside |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        images.append(np.asarray(columns + 60.0 * inside + rng.normal(0, 12, inside.shape)))
        labels.append(inside)
    return images, labels


def quick_fabric() -> object:
    return Machine(device="cpu", threads=1).fabric()


def test_it_keeps_what_its_start_found_and_beats_a_global_threshold() -> None:
    images, labels = scenes()
    found = {
        name: pooled_dice([fitted.predict(image) == 1 for image in images], labels)
        for name, fitted in (
            (str(spec), fit_method(images, spec, side="bright", threads=1))
            for spec in (
                "otsu",
                "local_fitting",
                {"name": "igtt", "start": "local_fitting", "training": {**QUICK, "steps": 20}},
            )
        )
    }
    otsu, start, igtt = found.values()
    assert igtt > start - 0.05
    assert igtt > otsu + 0.05


def test_rounds_log_what_they_did_and_stop_when_nothing_changes() -> None:
    images, labels = scenes()
    seen: list[list[np.ndarray]] = []
    found = run_rounds(
        images,
        labels,
        lambda scores: [label.copy() for label in labels],
        None,
        Rounds(**{**QUICK, "rounds": 9, "first_steps": 2, "steps": 2}),
        seed=0,
        fabric=quick_fabric(),
        on_progress=lambda done, total: None,
        watch=seen.append,
    )
    assert len(found.logs) == len(seen) == 2  # the first round is never the last
    assert [log.changed for log in found.logs] == [0, 0]
    assert found.logs[0].share == pytest.approx(np.mean(labels))
    assert found.logs[0].rate == 1


@pytest.mark.parametrize(("settled", "rounds"), [(0.12, 2), (0.09, 4)])
def test_rounds_end_when_few_of_the_object_pixels_change(settled: float, rounds: int) -> None:
    images, _ = scenes(2)
    label = np.zeros(images[0].shape, dtype=bool)
    label[0, :9] = True  # nine pixels, and one more that comes and goes: a tenth of ten, or a ninth of nine
    turns = iter([True, False, True, False])

    def choose(scores: list[np.ndarray]) -> list[np.ndarray]:
        changed = label.copy()
        changed[0, 9] = next(turns)
        return [changed, changed]

    settings = Rounds(**{**QUICK, "rounds": 4, "first_steps": 1, "steps": 1, "settled": settled})
    found = run_rounds(
        images,
        [label, label],
        choose,
        None,
        settings,
        seed=0,
        fabric=quick_fabric(),
        on_progress=lambda done, total: None,
    )
    assert len(found.logs) == rounds


def test_a_last_round_of_whole_candidates_follows_the_rounds_of_points() -> None:
    images, labels = scenes(2)
    ems = parse_method("igtt:ems.points=candidate,ems.radius_px=0,ems.fraction=0.5").ems

    def rates(ems: object, last: str, rounds: int = 9) -> list[float]:
        found = run_rounds(
            images,
            labels,
            lambda scores: [label.copy() for label in labels],  # nothing changes: settled after the second round
            ems,
            Rounds(**{**QUICK, "rounds": rounds, "first_steps": 2, "steps": 2, "last": last}),
            seed=0,
            fabric=quick_fabric(),
            on_progress=lambda done, total: None,
        )
        return [log.rate for log in found.logs]

    half = pytest.approx(0.5, abs=0.1)
    assert rates(ems, "ems") == [half, half]
    assert rates(ems, "whole") == [half, half, 1]
    assert rates(ems, "whole", rounds=2) == [half, 1]  # settled or not, no more rounds than asked for
    assert rates(ems, "whole", rounds=1) == [half]  # else EMS would do nothing
    assert rates(None, "whole") == [1, 1]
    assert (IGTT().training.last, PublishedIGTT().training.last) == ("whole", "ems")


@pytest.mark.filterwarnings("ignore:igtt drifted away")
def test_progress_ends_at_its_total() -> None:
    images, _ = scenes(2)
    calls: list[tuple[int, int]] = []
    training = {**QUICK, "first_steps": 5, "steps": 2}
    method = parse_method({"name": "igtt", "training": training})
    method.fit(images, Work(threads=1, on_progress=lambda done, total: calls.append((done, total))))
    assert calls[-1] == (9, 9)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_settled_statistics_are_the_means_over_the_images() -> None:
    images, labels = scenes()
    settings = Rounds(**QUICK)
    learner = _Learner(1, settings, 3, quick_fabric())
    store = PixelStore([image[None].astype(np.float32) for image in images], labels, 32)
    norm = next(module for module in learner.network.modules() if isinstance(module, nn.BatchNorm2d))
    norm.running_mean.fill_(77.0)
    learner.settle(store, 0)
    assert norm.momentum is not None
    held: list[torch.Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, inputs: held.append(inputs[0].mean((0, 2, 3))))
    learner.network.train()
    draws = torch.Generator().manual_seed(0)
    for _ in range(40):
        learner.network(store.crops(torch.randint(4, (4,), generator=draws), draws, "none")[0])
    hook.remove()
    settled = norm.running_mean.clone()
    learner.settle(store, 0)
    assert torch.allclose(norm.running_mean, torch.stack(held).mean(0), rtol=0.1, atol=0.1)
    assert not torch.equal(settled, norm.running_mean)
    running = _Learner(1, settings.model_copy(update={"statistics": "running"}), 3, quick_fabric())
    before = {key: value.clone() for key, value in running.network.state_dict().items()}
    running.settle(store, 0)
    assert all(torch.equal(value, before[key]) for key, value in running.network.state_dict().items())


def test_the_loss_undoes_the_sampling() -> None:
    """Of a pixel that is object with probability p only p times the rate is marked: the loss is least at p."""
    rate, p = 0.25, 0.8
    logits = torch.linspace(-4, 4, 801)
    loss = _make_loss("forward", rate)
    marked = torch.tensor([[[1]]])
    values = [
        float(p * rate * loss(z.view(1, 1, 1, 1), marked) + (1 - p * rate) * loss(z.view(1, 1, 1, 1), 1 - marked))
        for z in logits
    ]
    assert torch.sigmoid(logits[int(np.argmin(values))]) == pytest.approx(p, abs=0.01)


def test_the_rate_is_points_for_each_pixel_of_the_candidates() -> None:
    candidate, points = np.zeros((2, 10), dtype=bool), np.zeros((2, 10), dtype=bool)
    candidate[0], points[0, :3] = True, True
    assert _rate([points], [candidate]) == pytest.approx(0.3)
    assert _rate([points & False], [candidate & False]) == 1e-3
    assert _draw_points([candidate], None, 0, 0)[0] is candidate


@pytest.mark.parametrize("evidence", [0, 8])
def test_networks_that_have_nothing_to_do_with_their_start_are_not_used(evidence: int) -> None:
    images, _ = scenes()
    lost = {**QUICK, "rounds": 1, "first_steps": 1, "learning_rate": 1e-9}
    with pytest.warns(UserWarning, match="drifted away from its start"):
        fitted = fit_method(images, {"name": "igtt", "evidence": evidence, "training": lost}, side="bright", threads=1)
    start = fit_method(images, "restored", side="bright")
    np.testing.assert_array_equal(fitted.predict(images[0]), start.predict(images[0]))


@pytest.mark.parametrize(
    "changes",
    [{"teacher_decay": 0.9}, {"networks": 2}, {"scales": [0.5, 1.0]}, {"statistics": "running"}, {"loss": "dmi + iou"}],
    ids=str,
)
def test_options_change_the_result(changes: dict[str, object]) -> None:
    images, _ = scenes(2)
    scores = []
    for settings in ({**QUICK, "first_steps": 10, "rounds": 2} | more for more in ({}, changes)):
        method, fabric = IGTT(training=Rounds(**settings)), quick_fabric()
        networks = method.run(images, WORK, fabric).networks
        scores.append(predict_score(networks, images[0], method.training.scales, fabric))
    assert not np.array_equal(*scores)


def test_a_model_file_says_the_same_and_is_one_that_predict_takes(tmp_path: Path) -> None:
    images, _ = scenes(2)
    method = IGTT(training=Rounds(**QUICK))
    predictor = method.fit(images, WORK)
    assert isinstance(predictor, HeldPredictor)
    predictor.save(tmp_path / "model.pt")
    np.testing.assert_array_equal(method.load(tmp_path / "model.pt", WORK)(images[0]), predictor(images[0]))
    label = Segmenter.load(tmp_path / "model.pt", device="cpu", threads=1).predict(images[0])
    alone = replace(predictor, evidence=0.0)
    assert (label != (alone(images[0]) > 0.5)).mean() < 0.001  # at the threshold itself the two differ
    several = replace(predictor, networks=[*predictor.networks] * 2)
    with pytest.raises(RunError, match="holds one network"):
        several.save(tmp_path / "none.pt")


def test_evidence_holds_the_result_as_it_holds_the_candidates() -> None:
    """Little evidence leaves the networks' label, much the start's; between, both are added as logits."""
    images, _ = scenes(2)
    start = parse_method("local_fitting").fit(images, WORK)
    predictor = IGTT(start="local_fitting", training=Rounds(**QUICK)).fit(images, WORK)
    assert isinstance(predictor, HeldPredictor)
    alone, faint, strong = (replace(predictor, evidence=weight)(images[0]) for weight in (0.0, 1e-6, 1e3))
    np.testing.assert_array_equal(faint > 0.5, alone > 0.5)
    np.testing.assert_array_equal(strong > 0.5, start(images[0]) > 0.5)
    assert (alone > 0.5).sum() != (strong > 0.5).sum()
    p, threshold = np.float32([[0.5, 0.999]]), 0.2  # logits 0 and 6.9, of the threshold -1.386
    held = _logit_held(p, threshold, np.float32([[-0.6, 0.1]]), 3.0)
    np.testing.assert_allclose(held, [[1.386 - 1.8, 2.0 + 0.3]], atol=1e-3)


def test_the_published_model_turns_its_result_to_the_side_of_the_objects() -> None:
    images, _ = scenes()
    method = PublishedIGTT(training=Rounds(**QUICK, loss="dmi + iou", statistics="running"))
    bright, dark = (method.fit(images, Work(side=side, threads=1)) for side in ("bright", "dark"))
    np.testing.assert_allclose(bright(images[0]), 1 - dark(images[0]), atol=1e-6)
    greys = [to_grey(image) for image in images]
    covariance = [
        np.cov(grey.ravel(), bright(image).ravel() > 0.5)[0, 1] for grey, image in zip(greys, images, strict=True)
    ]
    assert sum(covariance) > 0


def test_published_settings_stay_when_others_are_named() -> None:
    method = parse_method("igtt_published:training.rounds=5,ems=none")
    assert isinstance(method, PublishedIGTT)
    assert (method.training.rounds, method.training.loss, method.training.statistics) == (5, "dmi + iou", "running")
    assert method.ems is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("igtt:start=igtt", "needs no training"),
        ("igtt:start=otsi", "did you mean 'otsu'"),
        ("igtt:training.rounds=0", "training.rounds"),
        ("igtt:training.loss=nonsense", "loss"),
        ("igtt:evidence=-1", "evidence"),
        ("igtt:ems=skeleton", "ems: .*auto, none, or settings"),
        ("igtt:ems.radius_px=-1", r" ems\.radius_px: "),
        ("igtt:ems=auto,ems.radius_px=2", "ems has a value, so it has no setting 'radius_px'"),
    ],
)
def test_impossible_settings_are_refused(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_method(spec)


def test_divergence_is_told() -> None:
    images, _ = scenes(2)
    with pytest.raises(RunError, match="lower learning_rate"):
        IGTT(training=Rounds(**{**QUICK, "learning_rate": 1e20})).fit(images, WORK)
