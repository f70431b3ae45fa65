"""The Markov boundary process: its deterministic limits, and binomial counts in between."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import binomtest

from metastructure.noise import MarkovBoundary, markov
from metastructure.noise.markov import draw_trials
from metastructure.rng import generator


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_certain_steps_are_dilation_and_erosion_by_the_cross(scene, steps):
    binary = (scene == 1).astype(np.uint8)
    grown = MarkovBoundary(steps=steps, preference=1, rate=1)(binary, generator(0))
    assert np.array_equal(grown, ndimage.binary_dilation(binary, iterations=steps))
    shrunk = MarkovBoundary(steps=steps, preference=0, rate=1)(binary, generator(0))
    assert np.array_equal(shrunk, ndimage.binary_erosion(binary, iterations=steps, border_value=1))


def test_volumes_grow_along_three_axes():
    volume = np.zeros((5, 5, 5), dtype=np.uint8)
    volume[2, 2, 2] = 1
    grown = MarkovBoundary(steps=2, preference=1, rate=1)(volume, generator(0))
    assert np.array_equal(grown, ndimage.binary_dilation(volume, iterations=2))


def test_one_step_changes_the_stated_share_of_the_boundary():
    label = np.zeros((60, 60), dtype=np.uint8)
    label[20:40, 20:40] = 1
    grown = [int(MarkovBoundary(steps=1, preference=1, rate=0.3)(label, generator(s)).sum()) for s in range(200)]
    assert binomtest(sum(grown) - 200 * 400, 200 * 80, 0.3).pvalue > 1e-3  # 80 background pixels share an edge
    shrunk = [int(MarkovBoundary(steps=1, preference=0, rate=0.3)(label, generator(s)).sum()) for s in range(200)]
    assert binomtest(200 * 400 - sum(shrunk), 200 * 76, 0.3).pvalue > 1e-3  # 76 object pixels do


def test_every_step_chooses_its_direction():
    label = np.zeros((60, 60), dtype=np.uint8)
    label[20:40, 20:40] = 1
    grows = sum(
        int(MarkovBoundary(steps=1, preference=0.8, rate=1)(label, generator(seed)).sum()) > 400 for seed in range(500)
    )
    assert binomtest(grows, 500, 0.8).pvalue > 1e-3


def test_preference_pushes_the_boundary():
    label = np.zeros((100, 100), dtype=np.uint8)
    label[30:70, 30:70] = 1
    models = [MarkovBoundary(steps=100, preference=preference) for preference in (0.2, 0.5, 0.8)]
    areas = [np.mean([model(label, generator(seed)).sum() for seed in range(20)]) for model in models]
    # 60 more steps one way than the other, 0.05 of a boundary of about 160 pixels each
    assert areas[0] < 1600 - 300 < areas[1] < 1600 + 300 < areas[2]


def test_several_neighbours_are_copied_with_equal_chance():
    label = np.array([[1, 0, 2]] * 2000, dtype=np.uint8)[:, :]
    label[1::2] = 255  # each row on its own
    grown = MarkovBoundary(steps=1, preference=1, rate=1)(label, generator(0))
    middle = grown[::2, 1]
    assert set(np.unique(middle)) == {1, 2}
    assert binomtest(int((middle == 1).sum()), 1000, 0.5).pvalue > 1e-3


def test_boundaries_between_objects_stay():
    label = np.array([[1, 1, 2, 2]])
    assert np.array_equal(MarkovBoundary(steps=9, rate=1)(label, generator(0)), label)


def test_flips_come_last():
    label = np.zeros((200, 200), dtype=np.uint8)
    flipped = int(MarkovBoundary(steps=3, flip_rate=0.2)(label, generator(0)).sum())
    assert binomtest(flipped, 40_000, 0.2).pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.95])
def test_trials_are_a_bernoulli_draw(rate):
    hits = np.zeros(50)
    sizes = []
    trials = draw_trials(generator(0), rate)
    next(trials)
    for other in range(3000):
        assert (trials.send(other % 7) < other % 7).all()  # calls in between leave the next ones as they are
        positions = trials.send(50)
        hits[positions] += 1
        sizes.append(len(positions))
    assert np.abs(hits - 3000 * rate).max() < 5 * np.sqrt(3000 * rate * (1 - rate))  # five standard deviations
    assert np.var(sizes) == pytest.approx(50 * rate * (1 - rate), rel=0.15)


@pytest.mark.parametrize("piece", [3, 64])
def test_dropping_and_finding_front_pixels_changes_no_law(piece, monkeypatch):
    label = np.zeros((40, 40), dtype=np.uint8)
    label[10:30, 10:30] = 1
    monkeypatch.setattr(markov, "PIECE_PIXELS", piece)
    monkeypatch.setattr(markov, "SPARE_PIXELS", piece)  # the front is pruned all the time
    for preference, morphology, border in ((1, ndimage.binary_dilation, 0), (0, ndimage.binary_erosion, 1)):
        noisy = MarkovBoundary(steps=5, preference=preference, rate=1)(label, generator(0))
        assert np.array_equal(noisy, morphology(label, iterations=5, border_value=border))
    model = MarkovBoundary(steps=60, preference=0.5, rate=0.3)
    states = [model(label, generator(seed)) for seed in range(30)]
    monkeypatch.undo()
    others = [model(label, generator(seed)) for seed in range(30, 60)]
    areas = [np.array([int(state.sum()) for state in some]) for some in (states, others)]
    error = np.sqrt(sum(some.var() / len(some) for some in areas))
    assert abs(areas[0].mean() - areas[1].mean()) < 4 * error  # four standard errors


def test_slabs_find_the_same_front(scene, monkeypatch):
    model = MarkovBoundary(steps=20, rate=0.3)
    whole = model(scene, generator(0))
    monkeypatch.setattr(markov, "BAND_PIXELS", 200)
    assert np.array_equal(model(scene, generator(0)), whole)
