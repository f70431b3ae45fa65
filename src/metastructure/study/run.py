"""One run: corrupt the training labels, train, choose the threshold on validation, test on clean labels.

`C` classes, `N` images.
"""

import datetime
import functools
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from metastructure._version import __version__
from metastructure.contingency import changed_rate, contingency_table
from metastructure.data.folder import Dataset, Split, load_dataset, zscore
from metastructure.data.synthetic.folder import write_dataset
from metastructure.errors import ConfigError, MetastructureError, RunError
from metastructure.label import IGNORE, LabelArray
from metastructure.metrics import ScoreHistogram
from metastructure.networks import build_network
from metastructure.noise import NoiseModel, corrupt, parse_noise
from metastructure.rng import derive_seed
from metastructure.study.record import Evaluation, NoiseSummary, PlanSummary, RunRecord
from metastructure.study.spec import DataSpec, RunSpec
from metastructure.study.store import Samples, Store
from metastructure.training import Machine, PixelStore, predict_probabilities
from metastructure.training.decode import Decoder
from metastructure.training.distributed import train_on
from metastructure.training.dynamics import Watch
from metastructure.training.plan import Plan, make_plan

Predict = Callable[[Split], Iterator[tuple[npt.NDArray[Any], LabelArray]]]

NUM_SAMPLES = 4
"""Test images kept for the report, evenly spaced over the sorted ids so that nobody picks the pretty ones."""


def load_data(name: str, spec: DataSpec, cache: Path) -> Dataset:
    """Return a study's data set, generating it below `cache` first where the spec says so."""
    if spec.folder is not None:
        return load_dataset(spec.folder, spec.num_classes)
    settings = spec.generate
    assert settings is not None  # DataSpec has one or the other
    folder = cache / name
    write_dataset(
        settings.kind,
        folder,
        counts={"train": settings.train, "val": settings.val, "test": settings.test},
        height=settings.height,
        width=settings.width,
        bit_depth=settings.bit_depth,
        seed=settings.seed,
    )
    return load_dataset(folder, spec.num_classes)


def corrupt_split(
    split: Split, noise: NoiseModel, seed: int, num_classes: int, epoch: int | None = None
) -> list[LabelArray]:
    """Return the noisy labels of a split; each depends on (noise, seed, its id) alone, and on the epoch if given."""
    try:
        return [
            corrupt(label, noise, seed=seed, item=item, epoch=epoch, num_classes=num_classes)
            for item, label in zip(split.ids, split.labels, strict=True)
        ]
    except ValueError as error:
        raise ConfigError(f"noise '{noise}' does not fit these labels: {error}") from error


def execute_run(
    run: RunSpec,
    data: Dataset,
    store: Store,
    machine: Machine,
    on_epoch: Callable[[int, float], None] | None = None,
    keep: Callable[[torch.nn.Module], None] | None = None,
) -> RunRecord:
    """Train and test one run, write its record to the store and return it.

    Parameters
    ----------
    run : RunSpec
    data : Dataset
        With the splits train, val and test.
    store : Store
        If it holds a checkpoint of this run, training goes on from there.
    machine : Machine
    on_epoch : callable, optional
        ``on_epoch(epochs_done, mean_loss)``.
    keep : callable, optional
        Gets the trained network, before the record is written.

    Raises
    ------
    ConfigError, RunError
        With the run's title in front.
    """
    try:
        record, samples = _execute(run, data, store, machine, on_epoch, keep)
    except MetastructureError as error:
        raise type(error)(f"{run.title}: {error}") from error
    store.save(record, samples)
    return record


def _execute(
    run: RunSpec,
    data: Dataset,
    store: Store,
    machine: Machine,
    on_epoch: Callable[[int, float], None] | None,
    keep: Callable[[torch.nn.Module], None] | None,
) -> tuple[RunRecord, Samples]:
    started = time.monotonic()
    C = data.num_classes
    fabric = machine.fabric(run.training.precision)
    noise = parse_noise(run.noise)
    clean = data.splits["train"]
    redraw = functools.partial(corrupt_split, clean, noise, run.seed, C) if run.draw == "online" else None
    noisy = redraw(0) if redraw else corrupt_split(clean, noise, run.seed, C)
    if all((label == IGNORE).all() for label in noisy):
        raise RunError("every training pixel is IGNORE; there is nothing to learn from.")

    torch.manual_seed(derive_seed(run.seed, "", "network"))
    network = build_network(run.network, data.num_channels, C)
    pixels = PixelStore([zscore(image) for image in clean.images], noisy, run.training.crop_px, fabric.device)
    plan = make_plan(run.training, noisy, C, noise.transition(C), fabric.device)
    history = train_on(
        machine,
        fabric,
        network,
        pixels,
        run.training,
        seed=run.seed,
        checkpoint=store.checkpoint(run),
        identity=run.identity,
        compute_loss=plan.loss,
        make_target=plan.make_target,
        redraw=redraw,
        watch=_make_watch(run, data, noisy, plan, fabric) if run.dynamics else None,
        on_epoch=on_epoch,
    )
    if keep is not None:
        keep(network)

    predict = functools.partial(_predict_split, network, fabric, plan.decoder)
    threshold = _choose_threshold(predict, data.splits["val"]) if C == 2 else None
    val, test = (_evaluate(predict, data.splits[name], C, threshold) for name in ("val", "test"))
    record = RunRecord(
        spec=run,
        identity=run.identity,
        data_fingerprint=data.fingerprint,
        num_classes=C,
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        noise=_summarise_noise(clean.labels, noisy, C),
        plan=_summarise_plan(plan),
        loss=history.loss,
        epoch_seconds=history.seconds,
        notes=history.notes,
        dynamics=history.watched,
        threshold=threshold,
        val=val,
        test=test,
        seconds=time.monotonic() - started,
        device=_device_name(fabric),
        threads=machine.num_threads,
        versions={"metastructure": __version__, "torch": torch.__version__, "python": platform.python_version()},
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return record, _sample_images(predict, data.splits["test"], noise, run.seed, C, threshold)


def _make_watch(run: RunSpec, data: Dataset, noisy: Sequence[LabelArray], plan: Plan, fabric: Fabric) -> Watch:
    """Return what looks at the network after each epoch; with online draws, at the noisy labels of the first."""
    clean, val = data.splits["train"], data.splits["val"]
    return Watch(
        clean.images,
        clean.labels,
        noisy,
        num_classes=data.num_classes,
        crop_px=run.training.crop_px,
        fabric=fabric,
        decoder=plan.decoder,
        val_images=val.images,
        val_labels=val.labels,
    )


def _predict_split(
    network: torch.nn.Module, fabric: Fabric, decoder: Decoder, split: Split
) -> Iterator[tuple[npt.NDArray[Any], LabelArray]]:
    """Yield for each image what is known of its clean classes, with its true label.

    For two classes that is the foreground's score (H, W), 0.5 being its threshold, for more the label (H, W).
    """
    images = (zscore(image) for image in split.images)
    for p, truth in zip(predict_probabilities(network, images, fabric), split.labels, strict=True):
        yield (decoder.score(p) if len(p) == 2 else decoder.label(p)), truth


def _choose_threshold(predict: Predict, split: Split) -> float:
    """Return the threshold with the best mean Dice on a split; 0.5 where no label holds foreground."""
    scores = ScoreHistogram.empty()
    for p, truth in predict(split):
        scores += ScoreHistogram.from_image(p, truth)
    best = scores.best_threshold()
    return 0.5 if np.isnan(best) else best


def _evaluate(predict: Predict, split: Split, num_classes: int, threshold: float | None) -> Evaluation:
    """Return the evaluation on a split, at the threshold for two classes; one image in memory at a time."""
    if threshold is None:
        tables = [_table(truth, label, num_classes) for label, truth in predict(split)]
        return Evaluation(ids=list(split.ids), tables=tables)
    tables, tables_at_half, scores = [], [], ScoreHistogram.empty()
    for p, truth in predict(split):
        tables.append(_table(truth, p >= threshold, 2))
        tables_at_half.append(_table(truth, p >= 0.5, 2))
        scores += ScoreHistogram.from_image(p, truth)
    auc = scores.auc()
    return Evaluation(
        ids=list(split.ids), tables=tables, tables_at_half=tables_at_half, auc=None if np.isnan(auc) else auc
    )


def _table(truth: LabelArray, prediction: npt.NDArray[np.generic], num_classes: int) -> list[list[int]]:
    table: list[list[int]] = contingency_table(truth, prediction.astype(np.uint8), num_classes).tolist()
    return table


def _summarise_noise(clean: Sequence[LabelArray], noisy: Sequence[LabelArray], num_classes: int) -> NoiseSummary:
    table = sum(
        (contingency_table(before, after, num_classes) for before, after in zip(clean, noisy, strict=True)),
        start=np.zeros((num_classes, num_classes), dtype=np.int64),
    )
    known = sum(int((label != IGNORE).sum()) for label in clean)
    rate = changed_rate(table)
    return NoiseSummary(
        table=table.tolist(),
        changed_rate=None if np.isnan(rate) else rate,
        ignored_rate=1 - int(table.sum()) / known if known else 0.0,
    )


def _sample_images(
    predict: Predict, split: Split, noise: NoiseModel, seed: int, num_classes: int, threshold: float | None
) -> Samples:
    """Return a few test images with truth, a label of the kind trained on, and the prediction."""
    picked = np.unique(np.linspace(0, len(split) - 1, NUM_SAMPLES).round().astype(int))
    few = Split(*(tuple(values[index] for index in picked) for values in (split.ids, split.images, split.labels)))
    samples: Samples = {"ids": np.array(few.ids)}
    for place, (prediction, truth) in enumerate(predict(few)):
        samples[f"image_{place}"] = few.images[place]
        samples[f"truth_{place}"] = truth.astype(np.uint8)
        noisy = corrupt(truth, noise, seed=seed, item=few.ids[place], num_classes=num_classes)
        samples[f"noisy_{place}"] = noisy.astype(np.uint8)
        label = prediction if threshold is None else prediction >= threshold
        samples[f"prediction_{place}"] = label.astype(np.uint8)
    return samples


def _summarise_plan(plan: Plan) -> PlanSummary:
    return PlanSummary(
        transition=None if plan.transition is None else plan.transition.rows.tolist(),
        half_width_px=None if plan.make_target is None else plan.make_target.half_width_px,
        note=plan.note,
    )


def _device_name(fabric: Fabric) -> str:
    return torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else platform.machine()
