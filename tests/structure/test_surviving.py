"""Surviving classes: full and reduced ranks, the false alarm rate, σ_min beside them, and undefined cases."""

import tracemalloc

import numpy as np
import pytest

from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import SurvivingClasses, estimate_surviving
from metastructure.structure.agreement import noise_edge
from metastructure.structure.estimate import Estimate, bootstrap_images
from metastructure.structure.moments import pool
from metastructure.structure.pairs import collect_moments

TWO_LEFT = "matrix:[[0.8,0.1,0.1],[0.2,0.4,0.4],[0.2,0.4,0.4]]"


def _clean(num_images: int = 8) -> list[np.ndarray]:
    rng = generator(0, "", "test surviving")
    return [
        np.kron(rng.integers(0, 3, (8, 8)), np.ones((12, 12), dtype=np.uint8)).astype(np.uint8)
        for _ in range(num_images)
    ]


def _noisy(spec: str, clean: list[np.ndarray]) -> list[np.ndarray]:
    return [
        corrupt(label, parse_noise(spec), seed=3, item=str(i), num_classes=int(label.max()) + 1)
        for i, label in enumerate(clean)
    ]


def _count(labels: list[np.ndarray], **settings: object) -> SurvivingClasses:
    return estimate_surviving(labels, generator(0), num_resamples=40, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        ("clean", 3),
        ("flip:0.5", 3),
        ("sample:0.1", 3),
        ("dilate:2", 3),
        (TWO_LEFT, 2),
        ("random", 1),
        ("random:0.2", 1),
    ],
)
def test_counts_the_rank_of_the_transition_matrix(spec: str, left: int) -> None:
    got = _count(_noisy(spec, _clean()))
    assert got.num_surviving == left
    assert got.reason is None
    assert len(got.signal_to_noise) == 2


def test_matrix_rank_would_have_missed_it() -> None:
    """A realised Q has full rank where only two classes are left; its σ_min is small but not 0."""
    clean = _clean()
    noisy = _noisy(TWO_LEFT, clean)
    got = _count(noisy, clean=clean, num_classes=3)
    assert got.sigma_min is not None
    assert 0 < got.sigma_min.value < 0.02
    assert got.sigma_min.low <= got.sigma_min.value
    assert got.num_surviving == 2
    assert got.signal_to_noise == _count(noisy, num_classes=3).signal_to_noise  # clean labels change nothing else


def test_signal_to_noise_is_the_variance_ratio() -> None:
    """Columns of ones and zeros flipped at random: variance of the clean density over that of a mean of n pixels."""
    clean = [np.kron([[0, 1] * 10] * 20, np.ones((10, 10), dtype=np.uint8)).astype(np.uint8) for _ in range(6)]
    noisy = _noisy("matrix:[[0.7,0.3],[0.1,0.9]]", clean)
    got = _count(noisy, half_width_px=1, num_classes=2).signal_to_noise[0]
    # one row of a stripe of 10: densities 1/3, 2/3 at its two edges -> variance of f = (8 * 1/4 + 2 * 1/36) / 10;
    # the image's own first and last column are edge-corrected, which moves both by about a hundredth
    clean_variance = (8 / 4 + 2 / 36) / 10 * 0.6**2
    noise = (0.7 * 0.3 + 0.9 * 0.1) / 2 / 9
    assert got.value == pytest.approx(clean_variance / noise, rel=0.04)
    assert got.low < got.value < got.high


def test_random_labels_rarely_pass_the_edge() -> None:
    rng = generator(0, "", "false alarms")
    counts = [_count([rng.choice(3, (48, 48), p=[0.5, 0.3, 0.2])], half_width_px=2).num_surviving for _ in range(200)]
    assert np.mean(np.array(counts) > 1) <= 0.035  # bound 0.01; 200 draws at that rate pass 7 once in 10 000


def test_noise_in_few_pixels_rarely_passes_its_edge() -> None:
    """Class 0 clean, two rare classes merged: a count over all windows found a third class in 1 of 6 draws."""
    counts = []
    for seed in range(60):
        rng, noisy = generator(seed, "", "few pixels"), []
        for _ in range(4):
            label = np.zeros((96, 96), dtype=np.uint8)
            for _ in range(2):
                row, column = rng.integers(0, 84, 2)
                label[row : row + 6, column : column + 12] = 1
            noisy.append(np.where(label > 0, rng.integers(1, 3, label.shape), 0))
        counts.append(estimate_surviving(noisy, generator(0), num_classes=3, num_resamples=1).num_surviving)
    assert np.mean(np.array(counts) == 2) >= 0.95  # bound 0.99; 60 draws at that rate miss 4 once in 400
    assert min(counts) == 2


def test_noise_everywhere_has_the_edge_of_all_windows() -> None:
    """Beside the edge for noise alike everywhere: the squares of single blocks are allowed for."""
    labels = [generator(seed, "", "everywhere").integers(0, 3, (90, 100)) for seed in range(4)]
    (moments,), _ = collect_moments([(label, label) for label in labels], [3], "box", 3)
    got = _count(labels, half_width_px=3, num_classes=3)
    assert got.edges == pytest.approx([noise_edge(2, pool(moments).num_independent())] * 2, rel=0.1)
    assert got.edge == max(got.edges)


def test_edge_moves_with_the_probability() -> None:
    (label,) = _clean(1)
    noisy = _noisy("flip:0.6", [label])
    often, rarely = (_count(noisy, probability=probability) for probability in (0.5, 1e-6))
    # (1 + x)² - 1 with x = (sqrt(2) + sqrt(2 ln(1 / p))) / sqrt(n)
    roots = [np.sqrt(1 + one.edges[0]) - 1 for one in (often, rarely)]
    assert roots[1] / roots[0] == pytest.approx((2**0.5 + (2 * np.log(1e6)) ** 0.5) / (2**0.5 + (2 * np.log(2)) ** 0.5))
    assert (often.probability, rarely.probability) == (0.5, 1e-6)


def test_class_names_do_not_matter() -> None:
    noisy, order = _noisy("flip:0.5", _clean()), np.array([2, 0, 1])
    before, after = _count(noisy), _count([order[label] for label in noisy])
    for one, other in zip(before.signal_to_noise, after.signal_to_noise, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-9)


def test_one_class_and_no_class() -> None:
    one = _count([np.ones((9, 9), dtype=np.uint8)], half_width_px=1)
    assert (one.num_surviving, one.signal_to_noise) == (1, ())
    none = _count([np.full((9, 9), 255)], half_width_px=1)
    assert none.num_surviving == 0
    assert "no pixel" in str(none.reason)
    dotted = np.full((9, 9), 255)
    dotted[::2, ::2] = np.arange(25).reshape(5, 5) % 2
    thin = _count([dotted], half_width_px=1)
    assert thin.num_surviving == 0
    assert "side by side" in str(thin.reason)
    assert str(thin.signal_to_noise[0]).startswith("undefined: the labels have no two known pixels side by side")


def test_labels_without_noise_have_an_infinite_ratio() -> None:
    label = np.zeros((20, 20), dtype=np.uint8)
    label[:, 8:] = 1
    got = _count([label, label])
    assert got.num_surviving == 2
    assert got.signal_to_noise[0].value == got.signal_to_noise[0].low == np.inf


def test_what_is_refused() -> None:
    label = np.zeros((20, 20), dtype=np.uint8)
    with pytest.raises(ValueError, match="a clean label for each noisy one; got 1 and 2"):
        _count([label, label], clean=[label])
    with pytest.raises(ValueError, match="no labels"):
        _count([])
    for probability in (0, 1, 2):
        with pytest.raises(ValueError, match=f"probability must lie between 0 and 1; got {probability}"):
            _count([label], probability=probability)
    with pytest.raises(ValueError, match=r"num_classes must lie in 1\.\.255; got 0"):
        _count([label], num_classes=0)
    with pytest.raises(ValueError, match="same shape"):
        _count([label], clean=[label[:10]])


def test_an_estimate_says_what_it_is() -> None:
    assert str(Estimate(value=0.5, low=float("nan"), high=float("nan"))) == "0.500 (no interval)"
    assert str(Estimate(value=float("nan"), low=0, high=0, reason="nothing")) == "undefined: nothing"


def test_bootstrap_has_the_width_of_the_normal_theory() -> None:
    values = generator(0, "", "widths").normal(5, 2, 400)
    ((low, high),) = bootstrap_images(lambda t: np.array([t @ values / 400]), 400, generator(1), 0.95, 4000)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)  # 4000 resamples: 4 %


def test_intervals_of_a_biased_statistic_hold_the_truth_and_the_value() -> None:
    """The squared length of a mean of 40 vectors around 0 in 20 dimensions: 1/2 too high, its resamples by 1."""
    held = []
    for seed in range(20):
        vectors = generator(seed, "", "squares").normal(size=(40, 20))

        def length(times: np.ndarray, vectors: np.ndarray = vectors) -> np.ndarray:
            return np.array([((times @ vectors / 40) ** 2).sum()])

        value = length(np.ones(40))[0]
        ((low, high),) = bootstrap_images(length, 40, generator(seed), 0.95, 300)
        assert low <= value <= high
        held.append(low <= 0)
    assert np.mean(held) >= 0.8  # 0.95 in the limit; plain percentiles never hold 0


def test_intervals_of_a_mean_are_the_percentiles() -> None:
    values, seen = generator(0, "", "percentiles").exponential(size=15), []

    def mean(times: np.ndarray) -> np.ndarray:
        assert times.sum() == 15
        seen.append(times @ values / 15)
        return np.array([seen[-1]])

    ((low, high),) = bootstrap_images(mean, 15, generator(1), 0.9, 400)
    resamples = np.array(seen[1:])
    assert resamples.mean() == pytest.approx(values.mean(), abs=1e-12)  # every image drawn equally often
    expected = np.quantile(resamples, [0.05, 0.95], method="inverted_cdf")
    np.testing.assert_allclose([low, high], expected, atol=1e-12)


def test_resamples_of_many_images_take_two_bytes_each() -> None:
    num_images, num_resamples = 2000, 100
    tracemalloc.start()
    try:
        bootstrap_images(lambda t: np.array([t[0] / 2]), num_images, generator(1), 0.95, num_resamples)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * num_images * num_resamples  # 16 where they are held twice, as indices of 8 bytes
