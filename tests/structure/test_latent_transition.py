"""Q from noisy labels alone: exact moments by hand, slow references, invariances, recovery, and what is refused."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from metastructure.data import load_label
from metastructure.data.synthetic import generate
from metastructure.label import LabelArray
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator
from metastructure.structure import latent_transition
from metastructure.structure.block_moments import block_moments, mean_distance_px
from metastructure.structure.latent_classes import diagonalise, find_latent_classes
from metastructure.structure.latent_transition import EstimatedTransition, estimate_transition

ONE_SIDED = [[0.95, 0.05], [0.3, 0.7]]


def _clean(num_images: int = 6, classes: tuple[float, ...] = (0.65, 0.35), tile_px: int = 16) -> list[LabelArray]:
    rng = generator(0, "", "test latent transition")
    tile = np.ones((tile_px, tile_px), dtype=np.uint8)
    return [np.kron(rng.choice(len(classes), (10, 9), p=classes).astype(np.uint8), tile) for _ in range(num_images)]


def _noisy(spec: str, clean: list[LabelArray], seed: int = 0) -> list[LabelArray]:
    C = max(int(label[label != 255].max()) for label in clean) + 1
    return [
        corrupt(label, parse_noise(spec), seed=seed, item=str(i), num_classes=max(C, 2))
        for i, label in enumerate(clean)
    ]


def _find(labels: list[LabelArray], **settings: object) -> EstimatedTransition:
    return estimate_transition(labels, generator(0), num_resamples=40, **settings)  # type: ignore[arg-type]


def test_hidden_classes_by_hand() -> None:
    """Two pixels in 1/4 x (1/2, 1/2) and 3/4 x (9/10, 1/10): every moment is a short sum.

    M₂[1, 1] = 1/4 · 1/4 + 3/4 · 1/100 = 0.07, M₂[0, 1] = 1/4 · 1/4 + 3/4 · 9/100 = 0.13, M₂[0, 0] = 0.67;
    M₃[1, 1, 1] = 1/4 · 1/8 + 3/4 · 1/1000 = 0.032, [0, 1, 1] = 0.07 - 0.032, [0, 0, 1] = 0.13 - 0.038.
    """
    pairs = np.array([[0.67, 0.13], [0.13, 0.07]])
    triples = np.array([[[0.578, 0.092], [0.092, 0.038]], [[0.092, 0.038], [0.038, 0.032]]])
    found = find_latent_classes(pairs, triples, 2)
    order = np.argsort(found.shares)
    np.testing.assert_allclose(found.shares[order], [0.25, 0.75], atol=1e-9)
    np.testing.assert_allclose(found.rows[order], [[0.5, 0.5], [0.9, 0.1]], atol=1e-9)


def test_hidden_classes_of_seven_are_exact() -> None:
    rng = generator(0, "", "seven")
    shares, rows = rng.dirichlet(np.ones(7)), rng.dirichlet(np.full(7, 0.5), size=7)
    pairs = np.einsum("j,ja,jb->ab", shares, rows, rows)
    triples = np.einsum("j,ja,jb,jc->abc", shares, rows, rows, rows)
    found = find_latent_classes(pairs, triples, 7)
    place = [int(np.argmin(((found.rows - row) ** 2).sum(axis=1))) for row in rows]
    np.testing.assert_allclose(found.rows[place], rows, atol=1e-7)
    np.testing.assert_allclose(found.shares[place], shares, atol=1e-7)


def test_equal_rows_have_no_solution() -> None:
    row = np.array([0.7, 0.3])
    found = find_latent_classes(np.outer(row, row) - 1e-12, np.einsum("a,b,c->abc", row, row, row), 2)
    assert np.isnan(found.rows).all()


def test_common_axes_are_found_from_any_start() -> None:
    rng = generator(0, "", "axes")
    truth = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    matrices = np.stack([truth @ np.diag(rng.normal(size=5)) @ truth.T for _ in range(3)])
    for start in (np.eye(5), np.linalg.qr(rng.normal(size=(5, 5)))[0]):
        match = np.abs(diagonalise(matrices, start).T @ truth)
        np.testing.assert_allclose(np.sort(match, axis=1), np.tile([0, 0, 0, 0, 1], (5, 1)), atol=1e-6)


def test_axes_are_left_where_they_are_worst() -> None:
    """All of [[0, 1], [1, 0]] is beside the diagonal; a rule that follows the slope alone stays there."""
    axes = diagonalise(np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.eye(2))
    np.testing.assert_allclose(np.abs(axes), np.sqrt(0.5), atol=1e-12)


def test_axes_of_matrices_without_common_ones_are_the_best() -> None:
    """Of 20,000 angles none leaves less beside the diagonals of three matrices."""
    matrices = generator(0, "", "compromise").normal(size=(3, 2, 2))
    matrices += matrices.transpose(0, 2, 1)

    def beside(axes: np.ndarray) -> float:
        return float(sum((axes[:, 0] @ matrix @ axes[:, 1]) ** 2 for matrix in matrices))

    turns = np.linspace(0, np.pi / 2, 20_000)
    best = min(beside(np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])) for t in turns)
    assert beside(diagonalise(matrices, np.eye(2))) <= best + 1e-9


@pytest.mark.parametrize(("side", "step"), [(2, 1), (3, 1), (4, 2)])
def test_moments_count_every_pair_and_triple(side: int, step: int) -> None:
    label = generator(0, "", "moments").integers(0, 3, (9, 7)).astype(np.uint8)
    label[4, 3] = 255
    num, singles, pairs, triples = 0, np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3, 3))
    for row in range(0, 9 - side + 1, step):
        for column in range(0, 7 - side + 1, step):
            block = label[row : row + side, column : column + side].ravel()
            if 255 in block:
                continue
            num += 1
            n = len(block)
            np.add.at(singles, block, 1 / n)
            for a, b in permutations(block, 2):
                pairs[a, b] += 1 / (n * (n - 1))
            for a, b, c in permutations(block, 3):
                triples[a, b, c] += 1 / (n * (n - 1) * (n - 2))
    for num_parts in (1, 3):
        parts = list(block_moments(label, [side], 3, num_parts))
        assert len(parts) == num_parts
        total = [sum(field) for field in zip(*parts, strict=True)]
        assert total[0] == num > 0
        np.testing.assert_allclose(total[1][0], singles, atol=1e-9)
        np.testing.assert_allclose(total[2][0], pairs, atol=1e-9)
        np.testing.assert_allclose(total[3][0], triples, atol=1e-9)


def test_mean_distance_of_a_block_of_nine() -> None:
    # 12 pairs at 1, 8 at √2, 6 at 2, 8 at √5, 2 at √8
    assert mean_distance_px(3) == pytest.approx((12 + 8 * 2**0.5 + 6 * 2 + 8 * 5**0.5 + 2 * 8**0.5) / 36)


@pytest.mark.parametrize(
    ("spec", "truth", "tolerance"),
    [
        ("clean", [[1, 0], [0, 1]], 0.003),
        ("flip:0.1", [[0.9, 0.1], [0.1, 0.9]], 0.01),
        ("flip:0.4", [[0.6, 0.4], [0.4, 0.6]], 0.03),
        ("flip:0.9", [[0.1, 0.9], [0.9, 0.1]], 0.01),
        ("sample:0.1", [[1, 0], [0.9, 0.1]], 0.01),
        (f"matrix:{ONE_SIDED}".replace(" ", ""), ONE_SIDED, 0.01),
        ("dilate:2", [[1, 0], [0, 1]], 0.01),
        ("erode:2", [[1, 0], [0, 1]], 0.01),
    ],
)
def test_two_classes_are_recovered(spec: str, truth: list[list[float]], tolerance: float) -> None:
    """Six images of 160 x 144; the tolerances are about four standard errors."""
    got = _find(_noisy(spec, _clean()))
    assert got.identified
    assert got.reason is None
    assert got.disputed == (spec == "flip:0.9")
    np.testing.assert_allclose(got.matrix().rows, truth, atol=tolerance)


def test_many_classes_are_recovered_with_shares() -> None:
    clean = _clean(10, (0.4, 0.3, 0.2, 0.1))
    got = _find(_noisy("flip:0.5", clean))
    assert got.identified
    assert got.convention == "diagonal"
    # the standard errors that the estimate reports reach 0.02; the errors are 0.008 and 0.013
    np.testing.assert_allclose(np.diag(got.matrix().rows), 0.5, atol=0.03)
    np.testing.assert_allclose(got.shares(), np.bincount(np.ravel(clean)) / np.size(clean), atol=0.03)


def test_class_names_change_with_the_labels() -> None:
    noisy, order = _noisy("flip:0.3", _clean(4, (0.5, 0.3, 0.2))), np.array([2, 0, 1], dtype=np.uint8)
    before, after = _find(noisy), _find([order[label] for label in noisy])
    # the same numbers in another order, to where the fit stops
    np.testing.assert_allclose(after.matrix().rows[np.ix_(order, order)], before.matrix().rows, atol=1e-6)
    np.testing.assert_allclose(after.shares()[order], before.shares(), atol=1e-6)


def test_turned_images_give_the_same() -> None:
    """Blocks of up to 12 px lie alike on 146 px: 146 less the side is a whole number of steps; only those of 18 move.

    The tolerance is a quarter of the standard error of the estimate: images are cut into bands of rows, so turned ones
    may choose their reach by another scatter.
    """
    noisy = [np.pad(label, ((0, 0), (0, 16)), mode="symmetric")[:146, :146] for label in _noisy("flip:0.2", _clean(4))]
    before, after = _find(noisy), _find([np.rot90(label) for label in noisy])
    np.testing.assert_allclose(after.matrix().rows, before.matrix().rows, atol=2e-3)


def test_conventions_name_a_large_foreground_otherwise() -> None:
    noisy = _noisy("flip:0.1", _clean(4, (0.3, 0.7)))
    by_size, by_agreement = _find(noisy), _find(noisy, convention="diagonal")
    assert by_size.disputed
    assert by_agreement.disputed
    # ten of the standard errors that it reports; the second is the first with its rows exchanged, up to rounding
    np.testing.assert_allclose(by_agreement.matrix().rows, [[0.9, 0.1], [0.1, 0.9]], atol=0.02)
    np.testing.assert_allclose(by_size.matrix().rows, by_agreement.matrix().rows[::-1], atol=1e-9)


def test_ignored_pixels_are_not_counted() -> None:
    noisy = _noisy("flip:0.2", _clean())
    for label in noisy:
        label[:40] = 255
        label[60, ::30] = 255
    # twice that of whole images with fewer flips above
    np.testing.assert_allclose(_find(noisy).matrix().rows, [[0.8, 0.2], [0.2, 0.8]], atol=0.02)


def test_a_class_that_never_occurs_has_no_row() -> None:
    got = _find(_noisy("sample:0.5", _clean()), num_classes=3)
    assert got.identified
    assert np.isnan(got.matrix().rows[2]).all()
    assert got.shares()[2] == 0
    # twice that of fewer flips above
    np.testing.assert_allclose(got.matrix().rows[:2, :2], [[1, 0], [0.5, 0.5]], atol=0.02)


def test_merged_classes_are_not_identified() -> None:
    spec = "matrix:[[0.8,0.1,0.1],[0.2,0.4,0.4],[0.2,0.4,0.4]]"
    got = _find(_noisy(spec, _clean(6, (0.4, 0.3, 0.3))))
    assert not got.identified
    assert got.num_found == 2
    assert "only 2 of the 3" in str(got.reason)


@pytest.mark.parametrize("seed", range(5))
def test_labels_without_structure_say_so(seed: int) -> None:
    got = _find(_noisy("random", _clean(3), seed))
    assert not got.identified
    assert "no structure" in str(got.reason)
    assert np.isnan(got.matrix().rows).all()


def test_one_image_has_values_and_no_interval() -> None:
    got = _find(_noisy("flip:0.1", _clean(1)))
    assert got.identified
    assert got.transition[0][1].value == pytest.approx(0.1, abs=0.02)
    assert np.isnan(got.transition[0][1].low)
    assert "one image" in str(got.reason)


def test_one_class_and_no_block() -> None:
    assert "one class only" in str(_find([np.ones((20, 20), dtype=np.uint8)]).reason)
    assert "no block" in str(_find([np.ones((2, 9), dtype=np.uint8)]).reason)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="no labels"):
        _find([])
    with pytest.raises(ValueError, match="class 3"):
        _find([np.full((9, 9), 3)], num_classes=2)
    with pytest.raises(ValueError, match="num_classes must be at least 2; got 1"):
        _find([np.zeros((9, 9), dtype=int)], num_classes=1)
    with pytest.raises(TypeError, match="integer classes"):
        _find([np.zeros((9, 9))])


def _nuclei(seed: int, num_images: int = 20) -> list[LabelArray]:
    return [generate("nuc", seed=seed, index=i, height=128, width=128)[1] for i in range(num_images)]


def test_intervals_hold_the_truth_where_far_blocks_are_biased() -> None:
    """P(1 given 1) of small round objects comes out low: the value's bootstrap interval alone holds 0.7 in 5 of 10.

    At 0.95 fewer than 8 of 10 have a chance of 0.012.
    """
    entries = [_find(_noisy("flip:0.3", _nuclei(seed), seed)).transition[1][1] for seed in range(300, 310)]
    assert sum(entry.low <= 0.7 <= entry.high for entry in entries) >= 8
    assert np.mean([entry.high - entry.low for entry in entries]) < 0.1


def test_a_moved_boundary_is_no_noise() -> None:
    """Jitter of 2 px is drawn by boundary, not by pixel; 0.01 is the tolerance of dilation and erosion above."""
    got = _find(_noisy("jitter:2", _nuclei(0)))
    assert got.identified
    np.testing.assert_allclose(got.matrix().rows, np.eye(2), atol=0.01)


def test_lines_of_one_pixel_are_refused() -> None:
    got = _find(_noisy("skeleton", _nuclei(0)))
    assert not got.identified
    assert np.isnan(got.matrix().rows).all()
    assert "thinner than about three pixels" in str(got.reason)


def test_a_class_that_only_noise_makes_has_no_row() -> None:
    """Nothing tells it from a class that cannot be told apart, so the matrix is not identified; its column is known."""
    noise = parse_noise("matrix:[[0.8,0.1,0.1],[0.2,0.6,0.2],[0,0,1]]")
    got = _find([corrupt(label, noise, seed=0, item=str(i), num_classes=3) for i, label in enumerate(_clean())])
    assert not got.identified
    assert "only 2 of the 3" in str(got.reason)
    assert np.isnan(got.matrix().rows[2]).all()
    np.testing.assert_allclose(got.matrix().rows[:2], [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]], atol=0.01)


@pytest.mark.realdata
def test_nuclei_with_flips_of_04(real_data: Path) -> None:
    labels = [load_label(path) for path in sorted((real_data / "nuc" / "train" / "labels").iterdir())[:60]]
    got = _find(_noisy("flip:0.4", labels))
    np.testing.assert_allclose(got.matrix().rows, [[0.6, 0.4], [0.4, 0.6]], atol=0.03)


def test_many_images_share_a_bounded_number_of_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [(generator(index).random((40, 40)) < 0.2).astype(np.uint8) for index in range(70)]
    apart, image_of, _ = latent_transition._collect(labels, 2)
    monkeypatch.setattr(latent_transition, "MOST_MOMENTS", 1)
    joined, group_of, _ = latent_transition._collect(labels, 2)
    assert group_of[-1] + 1 == latent_transition.LEAST_GROUPS == 50
    for before, after in zip(apart, joined, strict=True):
        of_image = np.stack([before[image_of == index].sum(axis=0) for index in range(70)])
        of_group = np.stack([after[group_of == group].sum(axis=0) for group in range(50)])
        np.testing.assert_allclose(of_group[:20], of_image[:20] + of_image[50:])
        np.testing.assert_array_equal(of_group[20:], of_image[20:50])
