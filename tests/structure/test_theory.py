"""The lemmas and theorems: held by the noise they speak of, refuted by noise they do not."""

from pathlib import Path

import numpy as np
import pytest

from metastructure.data import load_label
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import check_lemma_1, check_lemma_2, check_theorem_1, check_theorem_2
from metastructure.transition import TransitionMatrix

Pairs = list[tuple[np.ndarray, np.ndarray]]
MIXED = [[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.3, 0.3, 0.4]]
RARELY_DRAWN = [[1, 0, 0], [0, 0.5, 0.5], [0, 0.98, 0.02]]
TWO_LEFT = [[0.8, 0.1, 0.1], [0.2, 0.4, 0.4], [0.2, 0.4, 0.4]]


def _clean(num_classes: int = 3, num_images: int = 10) -> list[np.ndarray]:
    rng = generator(0, "", "test theory")
    size = np.ones((12, 12), dtype=np.uint8)
    return [np.kron(rng.integers(0, num_classes, (8, 9)), size).astype(np.uint8) for _ in range(num_images)]


def _pairs(spec: str, clean: list[np.ndarray], num_classes: int = 3) -> Pairs:
    model = parse_noise(spec)
    return [(c, corrupt(c, model, seed=5, item=str(i), num_classes=num_classes)) for i, c in enumerate(clean)]


def _drawn(rows: list[list[float]], clean: list[np.ndarray]) -> Pairs:
    return _pairs(f"matrix:{rows}".replace(" ", ""), clean, len(rows))


@pytest.mark.parametrize("window", ["box", "disc", "gaussian"])
def test_lemma_1_holds_for_randomised_labels(window: str) -> None:
    pairs = _drawn(MIXED, _clean())
    for clean, noisy in pairs:
        clean[:10] = 255
        noisy[40:50, 5:60] = 255
    got = check_lemma_1(pairs, TransitionMatrix(MIXED), (0, 1, 3, 8), window)  # type: ignore[arg-type]
    assert not got.refuted
    for scale in got.scales:
        assert scale.ratio == pytest.approx(1, abs=4 * scale.ratio_error)
    assert got.slope == pytest.approx(got.predicted_slope, abs=0.05)
    assert got.predicted_slope == pytest.approx(-1, abs=0.15)  # windows cut by the image's edge shrink less


def test_lemma_1_by_hand() -> None:
    """Half-width 0, Q = [[0.5, 0.5], [0, 1]]: a clean 0 is off by (1/2, -1/2) whatever is drawn, a clean 1 by 0."""
    clean = np.array([[0, 0, 1, 1]]).repeat(2, axis=0)
    noisy = np.array([[1, 0, 1, 1], [0, 1, 1, 1]])
    got = check_lemma_1([(clean, noisy)], TransitionMatrix([[0.5, 0.5], [0, 1]]), [0])
    scale = got.scales[0]
    assert (scale.measured, scale.predicted, scale.ratio) == (0.25, 0.25, 1.0)
    assert (scale.ratio_error, scale.standard_errors) == (0, 0)  # the squared error of a pixel is 1/2 or 0 for sure
    assert got.bias_error == 0  # two of the four zeros became 1, as expected
    assert np.isnan(got.slope)
    noisy[1, 1] = 0  # one of four: 1 off, with a standard error of sqrt(4 / 4)
    assert check_lemma_1([(clean, noisy)], TransitionMatrix([[0.5, 0.5], [0, 1]]), [0]).bias_error == 1
    noisy[0, 3] = 0  # Q forbids it
    assert check_lemma_1([(clean, noisy)], TransitionMatrix([[0.5, 0.5], [0, 1]]), [0]).bias_error == np.inf


@pytest.mark.parametrize(
    "rows", [[[1, 0, 0], [0.9, 0.1, 0], [0.3, 0.3, 0.4]], [[1, 0, 0], [0, 0.5, 0.5], [0, 0.98, 0.02]]]
)
def test_standard_errors_of_lemma_1_are_those_of_the_draws(rows: list[list[float]]) -> None:
    """Objects drawn, background not: noise in few pixels, with a fourth cumulant far from normal."""
    rng, clean = generator(4, "", "calibration"), []
    for _ in range(3):
        label = np.zeros((60, 64), dtype=np.uint8)
        for row, column in rng.integers(0, 52, (6, 2)):
            label[row : row + 9, column : column + 12] = rng.integers(1, 3)
        clean.append(label)
    cumulative, errors = np.cumsum(rows, axis=1), []
    for _ in range(60):
        drawn = [(rng.random(label.shape)[..., None] > cumulative[label]).sum(axis=-1) for label in clean]
        found = check_lemma_1(list(zip(clean, drawn, strict=True)), TransitionMatrix(rows), (1, 4, 12))
        errors.append([(scale.ratio - 1) / scale.ratio_error for scale in found.scales])
    spread = np.array(errors).std(axis=0)
    assert ((spread > 0.7) & (spread < 1.35)).all(), spread  # 60 draws: 1 ± 0.09, more with long tails
    assert np.abs(np.mean(errors, axis=0)).max() < 0.5  # 1 / sqrt(60) = 0.13


def test_standard_error_of_lemma_1_against_the_slow_way() -> None:
    """All pairs of pixels, with the kernel of the windows as they are, in an image with a hole."""
    rng, rows = generator(5, "", "slow"), np.array([[0.8, 0.2, 0], [0.1, 0.6, 0.3], [0, 0, 1]])
    clean = rng.integers(0, 3, (26, 30))
    clean[3, 4] = 255
    places, known = np.array(list(np.ndindex(clean.shape))), (clean != 255).ravel()
    weights = (np.abs(places[:, None] - places).max(axis=2) <= 2) * known
    weights = (weights / weights.sum(axis=1, keepdims=True))[known]
    kernel = weights.T @ weights
    Q = np.vstack([rows, np.zeros((253, 3))])[clean.ravel()]
    V = np.einsum("km,mn->kmn", Q, np.eye(3)) - np.einsum("km,kn->kmn", Q, Q)
    squares = (Q**2).sum(axis=1)
    variance = 2 * (kernel**2 * np.einsum("kmn,lmn->kl", V, V)).sum()
    variance += np.diagonal(kernel) ** 2 @ (4 * ((Q**3).sum(axis=1) - squares**2) - 2 * (V**2).sum(axis=(1, 2)))
    got = check_lemma_1([(clean, clean)], TransitionMatrix(rows), [2]).scales[0]
    mean = np.diagonal(kernel) @ np.trace(V, axis1=1, axis2=2)
    assert got.predicted == pytest.approx(mean / known.sum(), rel=1e-9)
    assert got.ratio_error == pytest.approx(np.sqrt(variance) / mean, rel=0.03)  # windows cut by the edge


def test_lemma_1_is_refuted_by_a_wrong_matrix_and_by_boundary_noise() -> None:
    clean = _clean(2)
    flipped = _pairs("flip:0.3", clean, 2)
    assert not check_lemma_1(flipped, TransitionMatrix.symmetric(0.3, 2), (1, 2, 4)).refuted
    assert check_lemma_1(flipped, TransitionMatrix.symmetric(0.32, 2), (1, 2, 4)).refuted
    dilated = _pairs("dilate:2", clean, 2)
    counts = sum(np.bincount(2 * c.ravel().astype(int) + n.ravel(), minlength=4).reshape(2, 2) for c, n in dilated)
    got = check_lemma_1(dilated, TransitionMatrix.from_counts(counts), (1, 2, 4))
    assert got.refuted  # the realised Q is right on average, but the errors of neighbours go together
    assert got.scales[2].ratio > 3


def test_lemma_1_of_labels_without_noise() -> None:
    clean = _clean()
    got = check_lemma_1([(c, c) for c in clean], TransitionMatrix.identity(3), (1, 2))
    assert [scale.ratio for scale in got.scales] == [1, 1]
    assert not got.refuted
    assert np.isnan(got.slope)
    assert check_lemma_1([(c, 2 - c) for c in clean], TransitionMatrix.identity(3), (1, 2)).refuted


def test_lemma_2_counts_the_rank_and_predicts_the_signal() -> None:
    clean = _clean()
    cases = [
        ("clean", [(c, c) for c in clean], TransitionMatrix.identity(3)),
        ("mixed", _drawn(MIXED, clean), TransitionMatrix(MIXED)),
        ("two left", _drawn(TWO_LEFT, clean), TransitionMatrix(TWO_LEFT)),
        ("singular", _pairs("flip:0.6666666667", clean), TransitionMatrix.symmetric(2 / 3, 3)),
    ]
    got = check_lemma_2(cases)
    assert [case.name for case in got] == ["clean", "mixed", "two left", "singular"]
    assert [case.rank for case in got] == [3, 3, 2, 1]
    assert [case.num_surviving for case in got] == [case.detectable for case in got] == [3, 3, 2, 1]
    np.testing.assert_allclose(got[1].signal_to_noise, got[1].predicted, rtol=0.1)
    assert got[2].predicted[1] == pytest.approx(0, abs=1e-9)


def test_lemma_2_of_noise_in_few_pixels() -> None:
    """Two rare classes merged, the background clean: the chance of few pixels is no third class."""
    Q, found = TransitionMatrix([[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]), []
    for seed in range(25):
        rng, pairs = generator(seed, "", "few pixels"), []
        for _ in range(3):
            clean = np.zeros((96, 96), dtype=np.uint8)
            for klass in (1, 2):
                row, column = rng.integers(0, 84, 2)
                clean[row : row + 6, column : column + 12] = klass
            pairs.append((clean, np.where(clean > 0, rng.integers(1, 3, clean.shape), 0)))
        (case,) = check_lemma_2([("merged", pairs, Q)])
        assert case.edges[1] > 1  # for noise alike everywhere 0.22
        assert case.edge == max(case.edges)
        found.append((case.rank, case.num_surviving, case.detectable))
    assert set(found) == {(2, 2, 2)}


def test_lemma_2_says_when_a_class_is_out_of_reach() -> None:
    rate = 2 / 3 - 0.004
    case = ("near", _pairs(f"flip:{rate}", _clean()), TransitionMatrix.symmetric(rate, 3))
    (got,) = check_lemma_2([case])
    assert got.rank == 3
    assert got.num_surviving == got.detectable == 1
    assert got.sigma_min == pytest.approx(0.006)


def test_rank_is_over_the_classes_that_occur() -> None:
    clean = _clean(2)
    singular = [[0.8, 0.1, 0.1], [0.2, 0.4, 0.4], [0.2, 0.4, 0.4]]
    (got,) = check_lemma_2([("no class 2", _drawn(singular, clean), TransitionMatrix(singular))])
    assert (got.rank, got.num_surviving) == (2, 2)


def test_theorem_1_on_growing_discs() -> None:
    clean = _clean(2, 20)
    cases = [(f"dilate:{r}", _pairs(f"dilate:{r}", clean, 2)) for r in (1, 2, 4)]
    got = check_theorem_1(cases, 2, generator(0), num_resamples=100)
    assert got.decreasing
    assert got.spearman == pytest.approx(-1)
    assert all(step.high < 0 for step in got.steps)
    assert [case.changed for case in got.cases] == sorted(case.changed for case in got.cases)
    assert [case.distance for case in got.cases] == sorted(case.distance for case in got.cases)
    back = check_theorem_1(cases[::-1], 2, generator(0), num_resamples=20)
    assert not back.decreasing  # the order of strength is the caller's: turned round, the statement fails
    assert back.spearman == pytest.approx(-1)


def test_steps_of_theorem_1_are_between_clipped_values_at_the_confidence_asked_for() -> None:
    clean = _clean(2, 12)
    cases = [(spec, _pairs(spec, clean, 2)) for spec in ("clean", "dilate:1", "dilate:2")]
    narrow, wide = (
        check_theorem_1(cases, 2, generator(0), confidence=confidence, num_resamples=200) for confidence in (0.5, 0.99)
    )
    for before, after, step in zip(wide.cases[:-1], wide.cases[1:], wide.steps, strict=True):
        assert step.value == after.similarity.value - before.similarity.value  # 1, the clipped one, for clean labels
    for one, other in zip(wide.steps, narrow.steps, strict=True):
        assert one.high - one.low > 2 * (other.high - other.low)  # 2.58 / 0.67 = 3.8 for normal resamples


def test_what_cannot_be_known_says_why() -> None:
    clean = _clean(2, 2)
    one = [(spec, _pairs(spec, clean[:1], 2)) for spec in ("clean", "dilate:1")]
    got = check_theorem_1(one, 2, generator(0))
    assert got.decreasing
    for estimate in (*got.steps, *(case.similarity for case in got.cases)):
        assert estimate.reason == "one image only: no interval"
    Q = TransitionMatrix.symmetric(0.3, 2)
    (case,) = check_theorem_2([("one", one[1][1], Q)], generator(0))
    assert case.corrected.reason == case.uncorrected.reason == "one image only: no interval"

    ignored = np.full((40, 40), 255, dtype=np.uint8)
    nothing = [(ignored, ignored)] * 2
    theorem_1 = check_theorem_1([("a", nothing), ("b", nothing)], 2, generator(0), num_resamples=5)
    assert theorem_1.decreasing is None
    for estimate in (*theorem_1.steps, *(case.similarity for case in theorem_1.cases)):
        assert "no pixel" in str(estimate.reason)
    (lemma_2,) = check_lemma_2([("nothing", nothing, Q)])
    assert (lemma_2.rank, lemma_2.num_surviving, lemma_2.detectable) == (0, 0, 0)
    assert (lemma_2.signal_to_noise, lemma_2.predicted) == ((), ())
    assert "no pixel" in str(lemma_2.reason)
    (theorem_2,) = check_theorem_2([("nothing", nothing, Q)], generator(0), num_resamples=5)
    assert np.isnan(theorem_2.predicted)
    assert "no pixel" in str(theorem_2.corrected.reason)


def test_theorem_1_does_not_hold_for_randomised_labels() -> None:
    clean = _clean(2, 20)
    cases = [(spec, _pairs(spec, clean, 2)) for spec in ("flip:0.1", "flip:0.3", "flip:0.9")]
    got = check_theorem_1(cases, 2, generator(0), num_resamples=50)
    assert min(case.similarity.value for case in got.cases) > 0.98
    assert not all(step.high < 0 for step in got.steps)


def test_theorem_2() -> None:
    clean = _clean()
    cases = [
        ("mixed", _drawn(MIXED, clean), TransitionMatrix(MIXED)),
        ("two left", _drawn(TWO_LEFT, clean), TransitionMatrix(TWO_LEFT)),
        ("singular", _pairs("flip:0.6666666667", clean), TransitionMatrix.symmetric(2 / 3, 3)),
    ]
    got = check_theorem_2(cases, generator(0), num_resamples=50)
    assert [case.predicted for case in got] == [1, 0.5, 0]
    for case in got:
        assert case.corrected.value == pytest.approx(case.predicted, abs=0.03)
    assert got[0].uncorrected.value < 0.95


def test_what_is_refused() -> None:
    label = np.zeros((20, 20), dtype=np.uint8)
    with pytest.raises(ValueError, match="at least two strengths"):
        check_theorem_1([("one", [(label, label)])], 2, generator(0))
    with pytest.raises(ValueError, match="on the same images"):
        check_theorem_1([("one", [(label, label)]), ("two", [])], 2, generator(0))
    with pytest.raises(ValueError, match="no pixel that is known"):
        check_lemma_1([(label, label + np.uint8(255))], TransitionMatrix.identity(2))
    with pytest.raises(ValueError, match="same shape"):
        check_lemma_1([(label, label[1:])], TransitionMatrix.identity(2))
    with pytest.raises(ValueError, match="holds class 5"):
        check_lemma_2([("five", [(label, label + np.uint8(5))], TransitionMatrix.identity(2))])


@pytest.mark.realdata
def test_street_scenes_keep_lemma_1(real_data: Path) -> None:
    labels = [load_label(path) for path in sorted((real_data / "camvid/train/labels").iterdir())[:6]]
    got = check_lemma_1(_pairs("flip:0.8", labels, 11), TransitionMatrix.symmetric(0.8, 11), (1, 4, 16))
    assert not got.refuted
    assert got.slope == pytest.approx(-1, abs=0.1)
