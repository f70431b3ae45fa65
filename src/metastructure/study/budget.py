"""How much must be annotated: test scores against the share of labels, and when sloppy labels do better than few.

A study in which the training labels are thinned out: to a share of their pixels in all images, and to a share of the
images. Its records are kept, so that a stopped call goes on.
"""

import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from metastructure._version import __version__
from metastructure.errors import ConfigError
from metastructure.label import IGNORE
from metastructure.networks import NetworkSpec
from metastructure.noise import parse_noise
from metastructure.rng import generator
from metastructure.study.budget_data import leave_labelled, load_plan_data
from metastructure.study.budget_estimate import make_curve, resample_scores, weigh_sloppy
from metastructure.study.budget_result import AnnotationPlan
from metastructure.study.budget_run import DATA_NAME, STUDY_NAME, OnProgress, check_plan_folder, run_trainings
from metastructure.study.spec import StudySpec
from metastructure.study.store import Store
from metastructure.training.batches import count_batches
from metastructure.training.settings import Machine, TrainingSettings
from metastructure.training.validation import validate

CLEAN = "clean"
ROBUST = TrainingSettings(loss="forward", transition="estimated")
"""Undoes pixelwise noise: its transition matrix is estimated from the labels alone."""

PIXELS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
IMAGES = (0.1, 0.2, 0.4, 0.7, 1.0)
SLOPPY = ("dilate:2", "boxes")
NUM_STEPS = 400


def plan_annotation(
    data: Path | str,
    out: Path | str,
    *,
    pixels: Sequence[float] = PIXELS,
    images: Sequence[float] = IMAGES,
    sloppy: Sequence[str] = SLOPPY,
    loss: float = 1.0,
    network: str | NetworkSpec = "residual_unet",
    training: TrainingSettings = ROBUST,
    num_steps: int = NUM_STEPS,
    num_classes: int | None = None,
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    threads: int | None = None,
    num_resamples: int = 1000,
    on_progress: OnProgress | None = None,
) -> AnnotationPlan:
    """Return how the test score grows with the labels, and how many of them are enough.

    Parameters
    ----------
    data : Path or str
        With ``train``, fully labelled, and if possible ``test``; see `load_plan_data`. All labels are taken for true.
    out : Path or str
        A folder of its own; ``out/runs`` keeps the records. The same call goes on after an interruption, and one with
        other shares, seeds or sloppy labels does only the runs that are missing.
    pixels, images : sequences of float in (0, 1]
        Shares of the pixels of every image, drawn at random and evenly from each class, and of the images. All labels,
        1, are always among them; an empty sequence leaves the curve out.
    sloppy : sequence of noise specs
        What is done to the labels of all images, such as ``dilate:2``.
    loss : float
        Points (0-100) that may be lost against all labels.
    network : str or NetworkSpec
    training : TrainingSettings
        If its `epochs` are not set, as many as make about `num_steps` steps of the optimiser.
    num_steps : int
        See `training`.
    num_classes : int, optional
        C; without it what the training labels hold.
    seeds : sequence of int
        A training each of every kind of labels; of what is labelled, too.
    device, threads
        As for `Machine`.
    num_resamples : int
        Of the bootstrap over test images and seeds.
    on_progress : callable, optional
        ``on_progress(labels, epochs_done, epochs_in_all)``, over all trainings that this call has to do; the labels as
        a noise of the true ones.

    Raises
    ------
    ConfigError
        If a share, a noise, the loss or the training cannot be, or a share of the images is less than one.
    DataError
        If a file cannot be used, there are too few images, or `out` holds something else.
    RunError
        After all trainings were tried, if some failed.

    Notes
    -----
    Of the images the nearest whole number is labelled, those of a smaller share among those of a larger one, others
    under each seed. Shares in the result are realised ones.
    """
    data, out = Path(data), Path(out)
    by_pixels = {_canonical(f"sample:{share:.12g},fill=ignore"): share for share in _check_shares(pixels, "pixels")}
    by_images = {_canonical(f"unlabelled:{1 - share:.12g}"): share for share in _check_shares(images, "images")}
    careless = list(dict.fromkeys(map(_canonical, sloppy)))
    if CLEAN in careless:
        raise ConfigError("sloppy labels must differ from the true ones; leave out 'clean'.")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"give at least one seed, and each once; got {list(seeds)}.")
    if not (math.isfinite(loss) and loss > 0):
        raise ConfigError(f"the loss must be a positive number of points; got {loss}.")
    check_plan_folder(data, out)
    dataset, tested_on = load_plan_data(data, num_classes)
    ids = dataset.splits["train"].ids
    counts = _count_images(by_images, len(ids))
    if not (by_pixels or counts):
        raise ConfigError("give a share below all, of the pixels or of the images; there is nothing to compare.")
    labels = list(dict.fromkeys([CLEAN, *counts, *by_pixels, *careless]))
    training = _set_epochs(training, len(ids), num_steps)
    studies = [
        _make_study(
            data,
            [leave_labelled(ids, counts[one], seed) if one in counts else one for one in labels],
            network,
            training,
            seed,
            num_classes,
        )
        for seed in seeds
    ]
    machine = Machine.model_validate({"device": device, "threads": threads})
    records_SP = run_trainings(studies, dataset, Store(out), machine, on_progress)

    tables_PSNCC = np.stack([[record.test.counts(at_half=True) for record in row] for row in records_SP], axis=1)
    scores = resample_scores(labels, tables_PSNCC, generator(0, "", "bootstrap"), num_resamples)
    ignored_PS = np.array([[record.noise.ignored_rate for record in row] for row in records_SP]).T
    images_PS = np.repeat([[counts.get(one, len(ids)) / len(ids)] for one in labels], len(studies), axis=1)
    in_images, in_pixels = scores.with_shares(images_PS), scores.with_shares(1 - ignored_PS)
    known = sum(int((label != IGNORE).sum()) for label in dataset.splits["train"].labels)
    image_curve = make_curve("images", len(ids), in_images.pick([*counts, CLEAN]), loss) if counts else None
    pixel_curve = make_curve("pixels", known, in_pixels.pick([*by_pixels, CLEAN]), loss) if by_pixels else None
    return AnnotationPlan(
        data=str(data),
        metric="dice" if dataset.num_classes == 2 else "miou",
        loss=loss,
        tested_on=tested_on,
        num_train=len(ids),
        num_test=len(dataset.splits["test"]),
        num_classes=dataset.num_classes,
        seeds=tuple(seeds),
        network=studies[0].networks[0],
        training=training,
        full=in_images.pick([CLEAN]).points()[0].score,
        curves=tuple(curve[0] for curve in (image_curve, pixel_curve) if curve),
        sloppy=weigh_sloppy(in_images.pick(careless), image_curve),
        seconds=sum(record.seconds for row in records_SP for record in row),
        versions={"metastructure": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )


def _check_shares(shares: Sequence[float], what: str) -> list[float]:
    """Return the shares below 1, each once."""
    for share in shares:
        if not 0 < share <= 1:
            raise ConfigError(f"shares of the {what} lie above 0 and at most at 1; got {share:g}. Write 0.1 for 10 %.")
    return sorted({float(share) for share in shares if share < 1})


def _canonical(noise: str) -> str:
    return str(parse_noise(noise))


def _count_images(shares: Mapping[str, float], num_images: int) -> dict[str, int]:
    """Return how many images to label for each share; shares that come to the same number, or to all, are merged."""
    found: dict[int, str] = {}
    for noise, share in shares.items():
        count = round(share * num_images)
        if not count:
            raise ConfigError(
                f"a share of {share:g} of {num_images} training images is less than one image; leave it out, or label "
                "more to plan with."
            )
        if count < num_images:
            found.setdefault(count, noise)
    return {noise: count for count, noise in found.items()}


def _make_study(
    data: Path,
    noises: list[str],
    network: str | NetworkSpec,
    training: TrainingSettings,
    seed: int,
    num_classes: int | None,
) -> StudySpec:
    """Return the study of one seed, as which images are labelled depends on it."""
    try:
        return validate(
            StudySpec,
            {
                "name": STUDY_NAME,
                "description": "Training labels thinned out to shares of their pixels and images, and made sloppy.",
                "data": {DATA_NAME: {"folder": str(data.resolve()), "num_classes": num_classes}},
                "noises": noises,
                "networks": [network],
                "training": training,
                "seeds": [seed],
            },
        )
    except ValueError as error:
        raise ConfigError(f"plan: {error}") from None


def _set_epochs(training: TrainingSettings, num_images: int, num_steps: int) -> TrainingSettings:
    if "epochs" in training.model_fields_set:
        return training
    steps = count_batches(num_images, training.batch_size, training.crops_per_image)
    return validate(TrainingSettings, {**training.model_dump(), "epochs": math.ceil(num_steps / steps)})
