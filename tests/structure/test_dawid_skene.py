"""Annotators' matrices from their answers: by hand, a slow reference, known matrices, permutations, who was asked."""

from itertools import product

import numpy as np
import pytest

from metastructure.rng import generator
from metastructure.structure.dawid_skene import NO_ANSWER, AnnotatorModel, AnswerTable

ROWS = np.array(
    [
        [[0.9, 0.1], [0.3, 0.7]],
        [[0.8, 0.2], [0.05, 0.95]],
        [[0.6, 0.4], [0.25, 0.75]],
    ]
)
SHARES = np.array([0.7, 0.3])


def expected(rows, shares):
    """Return all patterns and their probabilities: the sum over hidden classes, written out."""
    A, C = rows.shape[:2]
    patterns = np.array(list(product(range(C), repeat=A)))
    chances = [
        sum(shares[j] * np.prod([rows[a, j, pattern[a]] for a in range(A)]) for j in range(C)) for pattern in patterns
    ]
    return patterns, np.array(chances)


def test_exact_counts_give_back_what_they_were_made_from():
    patterns, chances = expected(ROWS, SHARES)
    model = AnswerTable(patterns, 2).fit(1e6 * chances)
    np.testing.assert_allclose(model.rows, ROWS, atol=1e-4)  # EM stops when steps are 1e-7, some way before the end
    np.testing.assert_allclose(model.shares, SHARES, atol=1e-4)


def test_three_classes_and_four_annotators():
    rng = generator(0, "rows", "test")
    rows = 0.6 * np.eye(3) + 0.4 * rng.dirichlet(np.ones(3), size=(4, 3))
    patterns, chances = expected(rows, np.array([0.5, 0.3, 0.2]))
    model = AnswerTable(patterns, 3).fit(1e6 * chances)
    np.testing.assert_allclose(model.rows, rows, atol=1e-3)


def test_posterior_by_hand():
    # annotators answer 1, 0, nothing: 0.7 · 0.1 · 0.8 = 0.056 against 0.3 · 0.7 · 0.05 = 0.0105
    model = AnnotatorModel(SHARES[None], ROWS, SHARES)
    belief = AnswerTable(np.array([[1, 0, NO_ANSWER], [NO_ANSWER] * 3]), 2).posterior(model)
    np.testing.assert_allclose(belief, [[0.056 / 0.0665, 0.0105 / 0.0665], [0.5, 0.5]])


def test_one_step_is_that_of_a_plain_loop():
    rng = generator(1, "step", "test")
    patterns = rng.integers(-1, 3, size=(40, 3))
    patterns = np.unique(patterns[(patterns >= 0).sum(axis=1) > 1], axis=0)
    counts = rng.integers(20, 90, size=len(patterns)).astype(float)
    table = AnswerTable(patterns, 3)
    start = table._maximise(table._votes(), counts)
    model, likelihood = table._step(start, counts)
    tables, group_shares, total = np.zeros((3, 3, 3)), {}, 0.0
    groups = sorted({tuple(pattern >= 0) for pattern in patterns})
    for pattern, count in zip(patterns, counts, strict=True):
        group = groups.index(tuple(pattern >= 0))
        joint = [
            start.group_shares[group, j] * np.prod([start.rows[a, j, pattern[a]] for a in range(3) if pattern[a] >= 0])
            for j in range(3)
        ]
        total += count * np.log(sum(joint))
        for j in range(3):
            group_shares[group, j] = group_shares.get((group, j), 0) + count * joint[j] / sum(joint)
            for a in range(3):
                if pattern[a] >= 0:
                    tables[a, j, pattern[a]] += count * joint[j] / sum(joint)
    assert likelihood == pytest.approx(total)
    np.testing.assert_allclose(model.rows, tables / tables.sum(axis=2, keepdims=True), atol=1e-9)
    for group in range(len(groups)):
        mass = np.array([group_shares[group, j] for j in range(3)])
        np.testing.assert_allclose(model.group_shares[group], mass / mass.sum())


def test_every_step_raises_the_likelihood():
    patterns, chances = expected(ROWS, SHARES)
    counts = generator(2, "draw", "test").multinomial(5000, chances).astype(float)
    table = AnswerTable(patterns, 2)
    model, before = table._maximise(table._votes(), counts), -np.inf
    for _ in range(60):
        model, now = table._step(model, counts)
        assert now >= before - 1e-6
        before = now
    assert table._climb(table._maximise(table._votes(), counts), counts, 1000)[1] >= before - 1e-3


def test_permuted_annotators_get_permuted_matrices():
    patterns, chances = expected(ROWS, SHARES)
    counts = generator(3, "draw", "test").multinomial(20000, chances)
    one = AnswerTable(patterns, 2).fit(counts)
    other = AnswerTable(patterns[:, [2, 0, 1]], 2).fit(counts)
    np.testing.assert_allclose(one.rows[[2, 0, 1]], other.rows, atol=1e-4)


def test_an_annotator_given_other_images_is_not_blamed_for_them():
    # the first three see images with 10 % of class 1; the fourth was asked, beside the first, about images with 60 %
    common, chances = expected(ROWS, np.array([0.9, 0.1]))
    fourth = np.array([[0.95, 0.05], [0.1, 0.9]])
    both, shared = expected(np.stack([ROWS[0], fourth]), np.array([0.4, 0.6]))
    patterns = np.concatenate([np.pad(common, ((0, 0), (0, 1)), constant_values=NO_ANSWER), np.full((4, 4), NO_ANSWER)])
    patterns[-4:, [0, 3]] = both
    model = AnswerTable(patterns, 2).fit(np.concatenate([1e6 * chances, 1e6 * shared]))
    np.testing.assert_allclose(model.rows[:3], ROWS, atol=2e-3)
    np.testing.assert_allclose(model.rows[3], fourth, atol=2e-3)


def test_one_answer_says_nothing_of_its_annotator():
    patterns, chances = expected(ROWS, SHARES)
    alone = np.array([[1, NO_ANSWER, NO_ANSWER]])
    table = AnswerTable(np.concatenate([patterns, alone]), 2)
    with_more = table.fit(np.concatenate([1e4 * chances, [1e6]]))
    np.testing.assert_allclose(with_more.rows, table.fit(np.concatenate([1e4 * chances, [0]])).rows, atol=1e-6)
    nothing = table.fit(np.concatenate([0 * chances, [5]]))
    assert np.isnan(nothing.rows).all()
    assert np.isnan(nothing.shares).all()


def test_a_class_that_nobody_gave_has_no_row():
    model = AnswerTable(np.array([[0, 0], [2, 2]]), 3).fit(np.array([30, 10]))
    assert np.isnan(model.rows[:, 1]).all()
    np.testing.assert_allclose(model.shares, [0.75, 0, 0.25], atol=1e-9)


def test_a_large_table_is_fitted_alike(monkeypatch):
    patterns, chances = expected(ROWS, SHARES)
    dense = AnswerTable(patterns, 2).fit(1e4 * chances)
    monkeypatch.setattr("metastructure.structure.dawid_skene.DENSE_ENTRIES", 0)
    np.testing.assert_allclose(AnswerTable(patterns, 2).fit(1e4 * chances).rows, dense.rows, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_longer_steps_end_no_lower_than_plain_ones(seed):
    rng = generator(seed, "plain", "test")
    rows = 0.5 * np.eye(2) + 0.5 * rng.dirichlet(0.3 * np.ones(2), size=(3, 2))  # some entries are close to 0
    patterns, chances = expected(rows, np.array([0.8, 0.2]))
    counts = rng.multinomial(20000, chances).astype(float)
    table = AnswerTable(patterns, 2)
    start = plain = table._maximise(table._votes(), counts)
    for _ in range(1000):
        plain, likelihood = table._step(plain, counts)
    assert table._climb(start, counts, 300)[1] >= likelihood - 0.05


def test_a_class_that_is_not_in_a_part_of_the_pixels_is_left_out():
    patterns, without = expected(ROWS, np.array([1.0, 0.0]))
    _, within = expected(ROWS, np.array([0.9, 0.1]))
    table = AnswerTable(patterns, 2)
    model = AnnotatorModel(SHARES[None], ROWS, SHARES)
    draws = [generator(seed, "no", "test").multinomial(20000, without) for seed in range(4)]
    for draw in draws:
        assert table.start_from(draw, model).shares.tolist() == [1, 0]
    enough = generator(0, "yes", "test").multinomial(20000, within)
    np.testing.assert_allclose(table.start_from(enough, model).shares, [0.9, 0.1], atol=0.02)
    alone = table.fit(draws[0], table.start_from(draws[0], model))
    assert alone.shares[1] == 0
    np.testing.assert_allclose(alone.rows[:, 0], ROWS[:, 0], atol=0.01)
    assert np.isnan(alone.rows[:, 1]).all()
