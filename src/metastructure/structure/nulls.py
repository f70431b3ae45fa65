"""Labels drawn from a null model, and the curves that a statistic takes on them.

`R` radii, `n` simulations. Both nulls keep the number of pixels of each class and never touch IGNORE.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray, check_label
from metastructure.structure.pair_counts import check_class
from metastructure.structure.windows import FloatArray

Statistic = Callable[[Sequence[LabelArray]], npt.ArrayLike]
"""From all labels of a sample to one curve, (R,): the measure of one label, or pooled over many."""
Null = Callable[[LabelArray, np.random.Generator], LabelArray]
"""From a label to one drawn from the null model."""


def scatter_pixels(label: LabelArray, rng: np.random.Generator) -> LabelArray:
    """Return the label with its pixels in random order: the Bernoulli lattice with the counts of each class as given.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        IGNORE pixels stay where they are.
    rng : numpy Generator

    Notes
    -----
    Given its count, a Bernoulli lattice is a random set of that many pixels, whatever its rate. Keeping the count
    therefore makes the test exact, where drawing at the estimated rate would not.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> scatter_pixels(np.array([[1, 0, 255, 0, 2]]), generator(0)).tolist()[0][2]
    255
    """
    check_label(label)
    scattered = label.copy()
    seen = label != IGNORE
    scattered[seen] = rng.permutation(label[seen])
    return scattered


def relabel_pixels(label: LabelArray, rng: np.random.Generator, first: int, second: int) -> LabelArray:
    """Return the label with the pixels of two classes dealt out anew over the places of both: random labelling.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
    rng : numpy Generator
    first, second : int
        The two classes. Both keep their counts; all other pixels stay.

    Notes
    -----
    It asks whether the two classes lie differently given where either of them is; `scatter_pixels` asks whether
    they lie at random at all.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> relabel_pixels(np.array([[0, 1, 1, 1, 3]]), generator(0), first=1, second=2)
    array([[0, 1, 1, 1, 3]])
    """
    check_label(label)
    check_class(first, "first")
    check_class(second, "second")
    dealt = label.copy()
    either = (label == first) | (label == second)
    dealt[either] = rng.permutation(label[either])
    return dealt


def simulate_curves(
    labels: Sequence[LabelArray], statistic: Statistic, null: Null, num_simulations: int, rng: np.random.Generator
) -> FloatArray:
    """Return the statistic of labels drawn from the null model, each time one for every label of the sample.

    Parameters
    ----------
    labels : sequence of labels
        The sample; one or many.
    statistic : callable
        ``statistic(labels) -> (R,) array``; pools over the labels if there are many.
    null : callable
        ``null(label, rng) -> label``: `scatter_pixels`, or ``partial(relabel_pixels, first=1, second=2)``.
    num_simulations : int
        n. The smallest p-value is 1 / (n + 1): 999 is usual, 99 the least for a level of 0.05.
    rng : numpy Generator

    Returns
    -------
    (n, R) array

    Raises
    ------
    ValueError
        If there is no label, or `num_simulations` is below 1.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> from metastructure.structure.ripley import ripley_k
    >>> def curve(labels):
    ...     return ripley_k(labels[0], 1, [1, 2]).l_minus_r
    >>> simulate_curves([np.eye(8, dtype=int)], curve, scatter_pixels, 3, generator(0)).shape
    (3, 2)
    """
    if not labels:
        raise ValueError("There is nothing to simulate: give at least one label.")
    if num_simulations < 1:
        raise ValueError(f"num_simulations must be at least 1; got {num_simulations}.")
    curves = [statistic([null(label, rng) for label in labels]) for _ in range(num_simulations)]
    return np.asarray(curves, dtype=np.float64)
