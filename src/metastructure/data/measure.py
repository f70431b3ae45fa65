"""`measure_labels`: everything that can be said of a folder of labels, alone or against clean ones.

`N` labels, `C` classes, `S` half-widths. Labels are read again for every pass, so a folder of any size can be measured.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metastructure._version import __version__
from metastructure.contingency import changed_rate, contingency_table
from metastructure.data.files import load_image
from metastructure.data.label_set import (
    Label,
    LabelEntry,
    LabelSet,
    count_label_files,
    describe_shape,
    match_images,
    match_labels,
    pick_evenly,
    scan_labels,
)
from metastructure.data.measure_patterns import (
    NUM_SIMULATIONS,
    choose_radii,
    compare_with_chance,
    draw_sample,
    measure_k,
    pool_k,
)
from metastructure.data.measurement import (
    ClassMeasure,
    Comparison,
    DensitySummary,
    ExampleFiles,
    Measurement,
)
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE, MAX_CLASSES
from metastructure.metrics.overlap import dice
from metastructure.rng import generator
from metastructure.structure.density import bands, density_blocks
from metastructure.structure.estimate import ONE_IMAGE, Counts, Estimate, bootstrap_images
from metastructure.structure.second_order import SecondOrder
from metastructure.structure.similarity import CONFIDENCE, NUM_RESAMPLES, Similarity, similarity
from metastructure.structure.surviving import SurvivingClasses, estimate_surviving
from metastructure.structure.windows import FloatArray
from metastructure.transition import TransitionMatrix, sigma_min_interval

HALF_WIDTHS_PX = (1, 2, 4, 8, 16)
NUM_EXAMPLES = 4
BYTES_PER_CLASS = 28
"""Of a pixel of a band: its density, a copy where it is defined, running sums."""
PIXELS_AT_ONCE = 2**28
"""Labels held in memory together, one byte a pixel, for the number of surviving classes."""

NO_KNOWN_PIXEL = "every pixel is IGNORE"
IN_NEITHER = "neither side holds this class"
NOT_KNOWN_IN_BOTH = "no pixel is known in both labels"

Step = Callable[[], None]


def measure_labels(
    labels: Path | str,
    against: Path | str | None = None,
    images: Path | str | None = None,
    *,
    half_widths_px: Sequence[int] | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    on_item: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Return what a folder of labels holds, how its classes lie, and what is left in it of clean labels.

    Parameters
    ----------
    labels : Path or str
        Folder of PNG and TIFF labels, sub-folders too; or a data set, whose training labels are taken. IGNORE pixels
        are never counted.
    against : Path or str, optional
        Clean labels of the same images under the same names, with any suffix. It may hold more.
    images : Path or str, optional
        Images under the same names, for the page; nothing is measured of them.
    half_widths_px : sequence of int, optional
        S half-widths of the box windows, each smaller than the shortest side of all labels. Without it those of
        1, 2, 4, 8, 16 that are.
    num_classes : int, optional
        C. Without it what the labels hold, and the clean ones, at least 2.
    seed : int, at least 0
        Of the bootstrap and of the simulations.
    on_item : callable, optional
        ``on_item(done, total)`` as the work goes on.

    Returns
    -------
    Measurement
        What is undefined is NaN, with the reason beside it: classes nobody holds, labels that are IGNORE throughout,
        intervals of one image.

    Raises
    ------
    DataError
        If files cannot be read, are images rather than labels, or have no counterpart of their size; always with the
        path.
    ConfigError
        If a half-width, the number of classes or the seed is not possible.

    Notes
    -----
    Densities, K, similarity, transition matrix and Dice are those of all labels. The test against chance is done on a
    sample (`Measurement.sample`), the number of surviving classes on as many evenly spaced labels as fit in 2**28
    pixels (`Measurement.surviving_num_images`).

    Memory, beside the labels: densities and similarity take about 0.15 GB whatever the size of an image, which is gone
    through in bands; K takes 35 bytes a pixel of the largest, the number of surviving classes about 40 for each class.
    """
    if num_classes is not None and not 2 <= num_classes <= MAX_CLASSES:
        raise ConfigError(f"The number of classes must lie in 2..{MAX_CLASSES}; got {num_classes}.")
    if seed < 0:
        raise ConfigError(f"seed must be at least 0; got {seed}.")
    sides = [Path(side) for side in (labels, against) if side is not None]
    progress = _Progress(on_item, [count_label_files(side) for side in sides])
    noisy, *others = [scan_labels(side, num_classes, progress.on_label) for side in sides]
    clean = match_labels(noisy, others[0]) if others else None
    C = num_classes or max(side.count_classes() for side in (noisy, clean) if side is not None)
    widths = _choose_half_widths(noisy, half_widths_px)
    examples = _choose_examples(noisy, clean, images)
    radii = choose_radii(noisy)
    windows, sample = draw_sample(noisy)
    middle = widths[(len(widths) - 1) // 2]
    in_memory = pick_evenly(len(noisy), max(1, PIXELS_AT_ONCE // max(height * width for height, width in noisy.shapes)))
    step = progress.start(_count_steps(len(noisy), len(sides), len(in_memory)))

    densities, k, tables = _go_through(noisy, clean, widths, radii, C, step)
    tests = compare_with_chance(windows, radii, C, seed, step)
    known = noisy.counts[:, :C]
    return Measurement(
        metastructure=__version__,
        folder=str(noisy.folder),
        seed=seed,
        num_images=len(noisy),
        num_classes=C,
        ids=tuple(entry.id for entry in noisy.entries),
        sizes=dict(Counter(map(describe_shape, sorted(noisy.shapes)))),
        ignored_share=float(noisy.counts[:, IGNORE].sum() / noisy.counts.sum()),
        half_widths_px=tuple(widths),
        radii_px=tuple(radii.tolist()),
        densities=densities,
        surviving=_count_surviving(noisy, in_memory, middle, C, seed, step),
        surviving_half_width_px=middle,
        surviving_num_images=len(in_memory),
        classes=tuple(
            ClassMeasure(
                klass=klass,
                share=float(known[:, klass].sum() / known.sum()) if known.any() else float("nan"),
                num_images=int((known[:, klass] > 0).sum()),
                k=tuple(pooled.k.tolist()),
                null_k=tuple(pooled.null_k.tolist()),
                l_minus_r=tuple(pooled.l_minus_r.tolist()),
                reason=reason,
                test=tests[klass],
            )
            for klass in range(C)
            for pooled, reason in [pool_k(k[klass], radii)]
        ),
        sample=sample,
        comparison=None if clean is None else _compare(noisy, clean, tables, widths, C, seed, step),
        examples=examples,
        notes=tuple(_write_notes(noisy, clean, len(others[0]) if others else 0, C, len(in_memory))),
    )


def _go_through(
    noisy: LabelSet, clean: LabelSet | None, widths: Sequence[int], radii_px: FloatArray, num_classes: int, step: Step
) -> tuple[tuple[DensitySummary, ...], list[list[SecondOrder]], list[npt.NDArray[np.int64]]]:
    """Return the densities' summaries, the K of each class in each label, and the tables against the clean labels."""
    sums = [np.zeros((5, num_classes)) for _ in widths]
    k: list[list[SecondOrder]] = [[] for _ in range(num_classes)]
    tables = []
    for index, label in enumerate(noisy):
        for scale, half_width_px in enumerate(widths):
            sums[scale] += _sum_density(label, half_width_px, num_classes)
        for klass, found in measure_k(label, radii_px, num_classes).items():
            k[klass].append(found)
        if clean is not None:
            tables.append(contingency_table(clean.load(index), label, num_classes))
        step()
    return tuple(_summarise(h, total) for h, total in zip(widths, sums, strict=True)), k, tables


def _sum_density(label: Label, half_width_px: int, num_classes: int) -> FloatArray:
    """Return, for each class, pixels, sums of f and f², and how often f is 0 and 1; (5, C)."""
    total = np.zeros((5, num_classes))
    rows = bands(label.shape, BYTES_PER_CLASS * num_classes, half_width_px)[0].stop
    for _, f in density_blocks(label, half_width_px, "box", num_classes, rows):
        known = f[:, ~np.isnan(f[0])]
        squares = np.einsum("cp,cp->c", known, known)
        total += [np.full(num_classes, known.shape[1]), known.sum(1), squares, (known == 0).sum(1), (known == 1).sum(1)]
    return total


def _summarise(half_width_px: int, total: FloatArray) -> DensitySummary:
    num, *sums = total
    mean, square, absent, filled = np.divide(sums, num, out=np.full_like(sums, np.nan), where=num > 0)
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    return DensitySummary(
        half_width_px=half_width_px,
        mean=tuple(mean.tolist()),
        sd=tuple(sd.tolist()),
        absent_share=tuple(absent.tolist()),
        filled_share=tuple(filled.tolist()),
        reason=None if num.any() else NO_KNOWN_PIXEL,
    )


def _count_surviving(
    noisy: LabelSet, places: Sequence[int], half_width_px: int, num_classes: int, seed: int, step: Step
) -> SurvivingClasses:
    def read() -> Iterator[Label]:
        for place in places:
            yield noisy.load(place)
            step()

    rng = generator(seed, "", "measure surviving")
    return estimate_surviving(read(), rng, half_width_px=half_width_px, num_classes=num_classes)


def _compare(
    noisy: LabelSet,
    clean: LabelSet,
    tables: Sequence[npt.NDArray[np.int64]],
    widths: Sequence[int],
    num_classes: int,
    seed: int,
    step: Step,
) -> Comparison:
    counts = np.sum(tables, axis=0)
    transition = TransitionMatrix.from_counts(counts)
    low, high = float("nan"), float("nan")
    if counts.any():
        low, high = sigma_min_interval(tables, generator(seed, "", "measure sigma_min"))
    changed, *overlaps = _estimate_overlaps(np.stack(tables), seed)
    return Comparison(
        folder=str(clean.folder),
        similarity=_measure_similarity(noisy, clean, widths, num_classes, seed, step),
        counts=tuple(tuple(row) for row in counts.tolist()),
        transition=tuple(tuple(row) for row in transition.rows.tolist()),
        sigma_min=_estimate(transition.sigma_min(), low, high, len(tables), NOT_KNOWN_IN_BOTH),
        changed=changed,
        dice=tuple(overlaps),
    )


def _estimate_overlaps(tables: npt.NDArray[np.int64], seed: int) -> list[Estimate]:
    """Return the share of changed pixels and the Dice of each class."""

    def statistic(times: Counts) -> FloatArray:
        pooled = np.tensordot(times, tables, axes=1)
        return np.array([changed_rate(pooled), *dice(pooled)])

    num = len(tables)
    values = statistic(np.ones(num, dtype=np.int64))
    intervals = bootstrap_images(statistic, num, generator(seed, "", "measure overlap"), CONFIDENCE, NUM_RESAMPLES)
    reasons = [NOT_KNOWN_IN_BOTH] + [IN_NEITHER] * (len(values) - 1)
    return [
        _estimate(float(value), float(low), float(high), num, reason)
        for value, (low, high), reason in zip(values, intervals, reasons, strict=True)
    ]


def _estimate(value: float, low: float, high: float, num_images: int, undefined: str) -> Estimate:
    reason = undefined if np.isnan(value) else ONE_IMAGE if num_images < 2 else None
    return Estimate(value=value, low=low, high=high, reason=reason)


def _measure_similarity(
    noisy: LabelSet, clean: LabelSet, widths: Sequence[int], num_classes: int, seed: int, step: Step
) -> Similarity:
    def read() -> Iterator[tuple[Label, Label]]:
        for index, label in enumerate(noisy):
            yield clean.load(index), label
            step()

    return similarity(read(), generator(seed, "", "measure similarity"), widths, num_classes=num_classes)


def _choose_half_widths(labels: LabelSet, asked: Sequence[int] | None) -> list[int]:
    place = int(np.argmin([min(shape) for shape in labels.shapes]))
    shortest, path = min(labels.shapes[place]), labels.entries[place].path
    if asked is None:
        return [h for h in HALF_WIDTHS_PX if h < shortest] or [0]
    if not asked or any(isinstance(h, bool) or not isinstance(h, int | np.integer) or h < 0 for h in asked):
        raise ConfigError(f"Half-widths are whole numbers of pixels, at least 0; got {list(asked)!r}.")
    if max(asked) >= shortest:
        raise ConfigError(
            f"{path}: a half-width must be smaller than the shortest side of every label; got {max(asked)} px for "
            f"{describe_shape(labels.shapes[place])}. Ask for smaller ones, or leave this label out."
        )
    return sorted({int(h) for h in asked})


def _choose_examples(labels: LabelSet, clean: LabelSet | None, images: Path | str | None) -> tuple[ExampleFiles, ...]:
    found: Mapping[str, Path] = {} if images is None else match_images(labels, Path(images))
    chosen = []
    for place in pick_evenly(len(labels), NUM_EXAMPLES):
        entry = labels.entries[place]
        image = found.get(entry.id)
        if image is not None:
            _check_image(image, entry, labels.shapes[place])
        chosen.append(
            ExampleFiles(
                id=entry.id,
                label=str(entry.path),
                clean=None if clean is None else str(clean.entries[place].path),
                image=None if image is None else str(image),
                slice=entry.slice,
            )
        )
    return tuple(chosen)


def _check_image(image: Path, entry: LabelEntry, shape: tuple[int, int]) -> None:
    size = load_image(image).shape
    if size[:2] != shape:
        raise DataError(
            f"{image}: this image is {size[0]} x {size[1]} pixels, but its label {entry.path} is "
            f"{describe_shape(shape)}."
        )


def _write_notes(
    noisy: LabelSet, clean: LabelSet | None, num_clean: int, num_classes: int, num_in_memory: int
) -> Iterator[str]:
    if not noisy.counts[:, :IGNORE].any():
        yield "Every pixel of every label is IGNORE: nothing can be measured."
    empty = int((noisy.counts[:, :IGNORE].sum(axis=1) == 0).sum())
    if 0 < empty < len(noisy):
        yield f"{empty} of {len(noisy)} labels are IGNORE throughout and add nothing."
    absent = [str(k) for k in range(num_classes) if not noisy.counts[:, k].any()]
    if absent and len(absent) < num_classes:
        yield f"No label holds class {', '.join(absent)}; their values are NaN."
    if num_clean > len(noisy):
        yield (
            f"{num_clean - len(noisy)} of the {num_clean} clean labels have no counterpart among the {len(noisy)} "
            "labels measured and are left out."
        )
    if clean is not None and noisy.count_classes() != clean.count_classes():
        yield (
            f"The labels hold classes up to {noisy.count_classes() - 1}, the clean ones up to "
            f"{clean.count_classes() - 1}; all is measured with {num_classes} classes."
        )
    if num_in_memory < len(noisy):
        yield f"The surviving classes were counted in {num_in_memory} evenly spaced labels, to fit in memory."


def _count_steps(num_labels: int, num_sides: int, num_in_memory: int) -> int:
    """Return how often a step is counted after the first reading."""
    return num_labels * num_sides + num_in_memory + NUM_SIMULATIONS + 1


class _Progress:
    """Turns the passes over the labels into one count for `on_item` that grows to a total known from the start.

    It is taken that a file is one label and that all fit in memory; otherwise the total is mended once, after the
    first reading.
    """

    def __init__(self, on_item: Callable[[int, int], None] | None, num_files: Sequence[int]) -> None:
        self.on_item = on_item or (lambda done, total: None)
        self.done = 0
        self.total = sum(num_files) + _count_steps(num_files[0], len(num_files), num_files[0])

    def on_label(self, done: int, total: int) -> None:
        """Count a file of the first reading."""
        self._count()

    def start(self, num_steps: int) -> Step:
        """Return what is to be called at each of the steps that follow."""
        self.total = self.done + num_steps
        return self._count

    def _count(self) -> None:
        self.done += 1
        self.on_item(self.done, self.total)
