"""Decoding: what a perfect network of noisy labels says must come out as the clean truth."""

import numpy as np
import pytest

from metastructure.training.decode import Decoder
from metastructure.transition import TransitionMatrix

BINARY = {
    "sampled": TransitionMatrix([[1, 0], [0.9, 0.1]]),
    "one-sided": TransitionMatrix([[0.6, 0.4], [0.05, 0.95]]),
    "inverted": TransitionMatrix([[0.1, 0.9], [0.7, 0.3]]),
}
THREE = TransitionMatrix([[0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.7, 0.1, 0.2]])


def noisy_posterior(clean_CHW: np.ndarray, transition: TransitionMatrix) -> np.ndarray:
    """Return Qᵀ p, what cross-entropy on noisy labels leads to."""
    return np.einsum("jhw,jm->mhw", clean_CHW, transition.rows).astype(np.float32)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    foreground = np.array([[0.0, 0.2, 0.49], [0.51, 0.7, 1.0]])
    clean = np.stack([1 - foreground, foreground])
    decoder = Decoder(BINARY[name])
    p = noisy_posterior(clean, BINARY[name])
    np.testing.assert_allclose(decoder.posterior(p), clean, atol=1e-5)
    assert decoder.label(p).tolist() == [[0, 0, 0], [1, 1, 1]]
    score = decoder.score(p).ravel()
    assert (np.diff(score) > 0).all()
    assert score[2] < 0.5 < score[3]


def test_score_by_hand() -> None:
    # Q = [[0.6, 0.4], [0.05, 0.95]]: the threshold is 0.675, and odds 1 are divided by 0.675 / 0.325.
    p = np.array([[[0.5]], [[0.5]]], np.float32)
    assert Decoder(BINARY["one-sided"]).score(p)[0, 0] == pytest.approx(0.325, abs=1e-6)


def test_scores_keep_the_order_where_the_posterior_is_clipped() -> None:
    p = np.array([[[0.9, 0.8]], [[0.1, 0.2]]], np.float32)  # both above the row of foreground, 0.1
    decoder = Decoder(BINARY["sampled"])
    assert decoder.posterior(p)[1].tolist() == [[1, 1]]
    first, second = decoder.score(p)[0]
    assert 0.5 < first < second < 1


def test_many_classes() -> None:
    clean = np.random.default_rng(0).dirichlet(np.ones(3), (4, 5)).transpose(2, 0, 1)
    p = noisy_posterior(clean, THREE)
    np.testing.assert_allclose(Decoder(THREE).posterior(p), clean, atol=1e-5)
    np.testing.assert_array_equal(Decoder(THREE).label(p), clean.argmax(0))


def test_nothing_to_undo() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(3), (4, 5)).transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_array_equal(Decoder().posterior(p), p)
    np.testing.assert_array_equal(Decoder().label(p), p.argmax(0))
    np.testing.assert_array_equal(Decoder(TransitionMatrix.identity(3)).label(p), p.argmax(0))


@pytest.mark.parametrize("name", BINARY)
def test_extreme_probabilities(name: str) -> None:
    p = np.array([[[1.0, 0.0]], [[0.0, 1.0]]], np.float32)
    decoder = Decoder(BINARY[name])
    assert sorted(decoder.score(p).ravel().tolist()) == [0, 1]
    assert np.isfinite(decoder.posterior(p)).all()


def test_singular() -> None:
    with pytest.raises(ValueError, match="singular"):
        Decoder(TransitionMatrix.symmetric(0.5, 2))
