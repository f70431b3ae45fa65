"""What can be measured on the labels of a study's finished runs, beside the test score they led to.

`C` classes, `N` training images, `M` test images, `S` seeds, `n` conditions, `B` resamples. A condition is all runs
that differ in nothing but the seed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from metastructure.contingency import contingency_table
from metastructure.data.folder import Dataset, Split
from metastructure.errors import RunError
from metastructure.label import LabelArray
from metastructure.metrics import accuracy, foreground_dice, mean_iou, nanmean
from metastructure.noise import parse_noise
from metastructure.rng import generator
from metastructure.structure import Estimate, estimate_surviving, similarity
from metastructure.structure.estimate import Counts, bootstrap_images
from metastructure.structure.similarity import CONFIDENCE, HALF_WIDTH_PX, NUM_RESAMPLES
from metastructure.study.page import SINGULAR, noise_family
from metastructure.study.record import RunRecord
from metastructure.study.run import corrupt_split, load_data
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.store import Store
from metastructure.study.table import make_table, score

FloatArray = npt.NDArray[np.float64]

PREDICTORS = {
    "similarity": "similarity of meta-structures, corrected for the sampling error",
    "uncorrected": "the same with the sampling error",
    "label_dice": "Dice of the noisy label against the clean one: mean over foreground classes and images",
    "agreement": "share of the known pixels whose class did not change",
    "label_iou": "mean IoU of the noisy label against the clean one, over the classes, all images together",
    "sigma_min": "smallest singular value of the realised transition matrix",
    "surviving": "number of classes that can be told apart in the noisy labels",
}
"""Every predictor and what it says; all but the last lie in [0, 1] and come with the columns `_low` and `_high`."""

_NOT_OF_ONE_ROW = ["difference", "difference_low", "difference_high"]


def measure_predictors(
    study: StudySpec,
    store: Store,
    datasets: Mapping[str, Dataset] | None = None,
    half_width_px: int = HALF_WIDTH_PX,
    num_resamples: int = NUM_RESAMPLES,
) -> pd.DataFrame:
    """Return one row for each condition of a study that has a finished run: predictors and test score.

    Parameters
    ----------
    study : StudySpec
    store : Store
        Runs that have no record yet are left out.
    datasets : mapping from name to Dataset, optional
        Only the split train is used. Without it the data are read as the study reads them.
    half_width_px : int
        Of the windows of the similarity and of the number of surviving classes.
    num_resamples : int
        Of the bootstraps over training images.

    Returns
    -------
    DataFrame
        The columns of `make_table` but the differences; `family` as in `noise_family`; `inverted` as in `is_inverted`;
        `auc_either`, the larger of AUC and 100 - AUC, which does not mind an inverted prediction; those of PREDICTORS.
        Values and ends of intervals are means over the seeds, NaN if they are NaN for one of them.

    Raises
    ------
    RunError
        If no run is done, or the labels drawn now are not those that a run was trained on.

    Notes
    -----
    The labels are corrupted again as the run did it (`corrupt_split` with its noise and seed; the draw of the first
    epoch if it drew anew each time) and their contingency table is compared with the one in the record. Pixels that
    are IGNORE in one of the labels count for none of the predictors: a label with 1 % of its pixels known, all right,
    has a Dice of 1.
    """
    records = store.load_done(study)
    if not records:
        raise RunError(f"{store.root}: no run of study {study.name!r} is done; run it first.")
    if datasets is None:
        datasets = {name: load_data(name, spec, store.root / "data") for name, spec in study.data.items()}
    measured: dict[tuple[str, str, int], dict[str, float]] = {}
    rows = []
    for members in group_by_condition(records):
        for record in members:
            key = (record.spec.data_name, record.spec.noise, record.spec.seed)
            if key not in measured:
                measured[key] = _measure(record, datasets[record.spec.data_name], half_width_px, num_resamples)
        own = pd.DataFrame([measured[r.spec.data_name, r.spec.noise, r.spec.seed] for r in members])
        row = make_table(members).drop(columns=_NOT_OF_ONE_ROW).iloc[0].to_dict()
        noise, C = members[0].spec.noise, members[0].num_classes
        rows.append(
            {
                **row,
                "family": noise_family(noise, C),
                "inverted": is_inverted(noise, C),
                "auc_either": max(row["auc"], 100 - row["auc"]),
                **own.mean(skipna=False).to_dict(),
            }
        )
    return pd.DataFrame(rows)


def group_by_condition(records: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """Return the records by condition, in the order of its first record."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.spec.model_copy(update={"seed": 0}).identity, []).append(record)
    return list(groups.values())


def is_inverted(noise: str, num_classes: int) -> bool:
    """Return whether some class is a stronger sign of another class than of its own: past the singular rate.

    By the transition matrix, ``Q[m, m] < Q[j, m]`` for some j; False for a noise that has none. What a network learns
    from such labels has to be turned round before use, as Luo et al. (2022) do by hand for 90 % flips.

    Examples
    --------
    >>> [is_inverted(noise, 2) for noise in ("clean", "sample:0.1", "flip:0.45", "flip:0.5", "flip:0.9", "dilate:9")]
    [False, False, False, False, True, False]
    """
    matrix = parse_noise(noise).transition(num_classes)
    if matrix is None:
        return False
    return bool((np.diag(matrix.rows) < matrix.rows.max(axis=0) - SINGULAR).any())


def training_labels(run: RunSpec, split: Split, num_classes: int) -> list[LabelArray]:
    """Return the noisy labels of a split as the run was trained on them; the first draw if it made several."""
    epoch = 0 if run.draw == "online" else None
    return corrupt_split(split, parse_noise(run.noise), run.seed, num_classes, epoch)


def resample_scores(records: Sequence[RunRecord], rng: np.random.Generator, num_resamples: int = 1000) -> FloatArray:
    """Return the scores of the conditions on resampled test images and seeds, (B, n), in points.

    Parameters
    ----------
    records : sequence of RunRecord
        In the order given to `measure_predictors`, which is that of the columns.
    rng : numpy Generator
    num_resamples : int
        B.

    Notes
    -----
    Every resample takes the same images, and the same seeds where there are as many, for all conditions of a data set,
    so that differences between conditions are paired.
    """
    counts = [np.stack([record.test.counts() for record in members]) for members in group_by_condition(records)]
    names = [members[0].spec.data_name for members in group_by_condition(records)]
    num_images = {name: table.shape[1] for name, table in zip(names, counts, strict=True)}
    scores = np.empty((num_resamples, len(counts)))
    for row in scores:
        images = {name: rng.integers(M, size=M) for name, M in num_images.items()}
        places = rng.random(max(table.shape[0] for table in counts))
        for column, (name, table) in enumerate(zip(names, counts, strict=True)):
            S = table.shape[0]
            row[column] = score(table[np.ix_((places[:S] * S).astype(int), images[name])])
    return scores


def _measure(record: RunRecord, data: Dataset, half_width_px: int, num_resamples: int) -> dict[str, float]:
    run, clean, C = record.spec, data.splits["train"], record.num_classes
    noisy = training_labels(run, clean, C)
    tables = np.stack([contingency_table(a, b, C) for a, b in zip(clean.labels, noisy, strict=True)])
    if tables.sum(axis=0).tolist() != record.noise.table:
        raise RunError(
            f"{run.title}: the labels drawn now differ from those it was trained on; the data or the noise changed "
            "since. Run it again in a new store."
        )
    rng = generator(run.seed, run.noise, "predictors")
    pairs = zip(clean.labels, noisy, strict=True)
    scale = similarity(pairs, rng, (half_width_px,), num_classes=C, num_resamples=num_resamples).scales[0]
    surviving = estimate_surviving(noisy, rng, clean.labels, half_width_px, num_classes=C, num_resamples=num_resamples)
    assert surviving.sigma_min is not None  # clean labels were given
    estimates = {
        "similarity": scale.corrected,
        "uncorrected": scale.uncorrected,
        **_measure_overlap(tables, rng, num_resamples),
        "sigma_min": surviving.sigma_min,
    }
    found = {
        name + end: value
        for name, estimate in estimates.items()
        for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
    }
    return found | {"surviving": np.nan if surviving.reason else float(surviving.num_surviving)}


def _measure_overlap(
    tables_NCC: npt.NDArray[np.int64], rng: np.random.Generator, num_resamples: int
) -> dict[str, Estimate]:
    dice_N = foreground_dice(tables_NCC)

    def statistic(times: Counts) -> FloatArray:
        pooled = np.tensordot(times, tables_NCC, axes=1)
        return np.array([nanmean(np.repeat(dice_N, times)), accuracy(pooled), mean_iou(pooled)])

    values = statistic(np.ones(len(tables_NCC), dtype=np.int64))
    intervals = bootstrap_images(statistic, len(tables_NCC), rng, CONFIDENCE, num_resamples)
    return {
        name: Estimate(value=value, low=low, high=high)
        for name, value, (low, high) in zip(("label_dice", "agreement", "label_iou"), values, intervals, strict=True)
    }
