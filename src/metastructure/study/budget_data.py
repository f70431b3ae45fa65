"""The data of a plan of the annotation: which images are trained on, and which ones are tested on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metastructure.data.folder import Dataset, Split, load_dataset
from metastructure.errors import DataError
from metastructure.label import IGNORE
from metastructure.noise import Unlabelled, corrupt, parse_noise
from metastructure.rng import derive_seed

HELD_OUT = 0.25
MIN_TO_HOLD_OUT = 8
MIN_TESTED = 2

EMPTY = Split((), (), ())
"""Stands for the split val: the threshold is 0.5, and nothing is chosen."""


def load_plan_data(data: Path, num_classes: int | None = None) -> tuple[Dataset, str]:
    """Return the data set with the splits that a plan needs, and a sentence on what is tested on.

    Parameters
    ----------
    data : Path
        With ``train`` and, if possible, ``test``. Without it ``val`` is tested on, as nothing is chosen on it here.
        Without both a quarter of the training images is held out, those whose names have the lowest hashes: another
        image does not change who else is held out, but at the edge.
    num_classes : int, optional
        C; without it what the training labels hold.

    Raises
    ------
    DataError
        If a file cannot be used, there are too few images, or no test label holds an object.
    """
    names = [name for name in ("train", "test", "val") if name == "train" or (data / name).is_dir()][:2]
    loaded = load_dataset(data, num_classes, names)
    train = loaded.splits["train"]
    if len(names) == 2:
        test = loaded.splits[names[1]]
        why = "" if names[1] == "test" else ", as there is no test split and nothing is chosen on val"
        tested_on = f"the {len(test)} images of {data / names[1]}{why}"
    else:
        train, test = hold_out(train, data)
        tested_on = (
            f"{len(test)} of the {len(train) + len(test)} training images, held out by their names' hash, "
            "as there is no test split"
        )
    if len(test) < MIN_TESTED:
        raise DataError(f"{data / names[-1]}: one image gives no interval; label at least {MIN_TESTED} to test on.")
    if not any(((label != 0) & (label != IGNORE)).any() for label in test.labels):
        raise DataError(f"{data}: no label that is tested on holds an object; there is no Dice to plan by.")
    splits = {"train": train, "val": EMPTY, "test": test}
    return Dataset(splits, loaded.num_classes, loaded.num_channels, loaded.fingerprint), tested_on


def hold_out(train: Split, data: Path) -> tuple[Split, Split]:
    """Return the images that stay and those held out, which depend on their names alone.

    Raises
    ------
    DataError
        If there are fewer than MIN_TO_HOLD_OUT.
    """
    if len(train) < MIN_TO_HOLD_OUT:
        raise DataError(
            f"{data}: without test and val a quarter of the training images is held out, and {len(train)} are too few; "
            f"label at least {MIN_TO_HOLD_OUT}, or make {data / 'test'}."
        )
    order = sorted(range(len(train)), key=lambda place: derive_seed(0, train.ids[place], "hold out"))
    held = set(order[: round(HELD_OUT * len(train))])
    places = range(len(train))
    return _pick(train, [p for p in places if p not in held]), _pick(train, [p for p in places if p in held])


def leave_labelled(ids: Sequence[str], num_labelled: int, seed: int) -> str:
    """Return the noise ``unlabelled:F`` that leaves exactly so many images their label under a seed.

    Every image keeps its label by a draw of its own, from the seed and its id, if F is below it: the images of a
    smaller number are among those of a larger one. F is found by bisection, over how many draws lie above it.

    Parameters
    ----------
    ids : sequence of str
        All different.
    num_labelled : int
        From 1 to as many as there are images.
    seed : int

    Examples
    --------
    >>> noise = leave_labelled(["a", "b", "c", "d"], 3, seed=0)
    >>> [bool(corrupt(np.zeros((1, 1), int), parse_noise(noise), seed=0, item=one)[0, 0] == 0) for one in "abcd"]
    [True, False, True, True]
    """
    pixel = np.zeros((1, 1), dtype=np.uint8)
    low, high = 0.0, 1.0
    while True:
        noise = str(Unlabelled(fraction=(low + high) / 2))
        model = parse_noise(noise)
        kept = sum(int(corrupt(pixel, model, seed=seed, item=item)[0, 0] != IGNORE) for item in ids)
        if kept == num_labelled:
            return noise
        low, high = ((low + high) / 2, high) if kept > num_labelled else (low, (low + high) / 2)


def _pick(split: Split, places: Sequence[int]) -> Split:
    return Split(
        ids=tuple(split.ids[place] for place in places),
        images=tuple(split.images[place] for place in places),
        labels=tuple(split.labels[place] for place in places),
    )
