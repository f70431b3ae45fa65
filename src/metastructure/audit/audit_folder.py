"""What the labels of a folder are worth, without a clean label; networks are not needed, but may have their say.

`N` labels, `C` classes, `H` rows, `W` columns. Labels and images are read again for every pass; one is in memory at a
time, and a few hundred bytes of each object.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from metastructure._version import __version__
from metastructure.audit.audit_files import NO_FOLDER, AuditFiles, pair_files
from metastructure.audit.audit_result import MIXED, Audit, Finding
from metastructure.audit.bias_result import BoundaryBias
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.folder_findings import find_duplicates, find_empty, find_outliers, find_unreadable
from metastructure.audit.gathered import Gathered
from metastructure.audit.look import look_at
from metastructure.audit.network_findings import join_objects, look_through_networks
from metastructure.audit.object_findings import (
    find_box,
    find_missing_objects,
    find_skeleton,
    find_spurious_objects,
    find_swapped,
)
from metastructure.audit.predictions import OutOfFold
from metastructure.audit.random_findings import (
    HIDING_SHARE,
    find_bias,
    find_jitter,
    find_moved,
    find_random,
    random_share,
)
from metastructure.audit.suspects import list_suspects
from metastructure.audit.suspicion import score_images
from metastructure.data.label_set import Label, scan_labels
from metastructure.label import IGNORE
from metastructure.rng import generator
from metastructure.structure.estimate import Estimate
from metastructure.structure.latent_transition import Convention, estimate_transition

NUM_RESAMPLES = 100
"""Of the intervals of Q and of the bias."""

MOST_NOTES = 20
LEAST_OF_A_SET, CLASSES_BETWEEN = 2, 3
"""Labels, and how many classes more the others hold, from which one doubts that the classes of all are the same."""

BROKEN_UP = "random pixels break the objects up; repair the labels first"
OnItem = Callable[[int, int], None]


def audit_folder(
    images: Path | str | None,
    labels: Path | str,
    *,
    num_classes: int | None = None,
    convention: Convention | None = None,
    predictions: OutOfFold | None = None,
    seed: int = 0,
    on_item: OnItem | None = None,
) -> Audit:
    """Return which errors the labels of a folder show, and which images and objects to look at first.

    Parameters
    ----------
    images : Path or None
        Images under the labels' names, with any suffix. None: what needs no image still comes.
    labels : Path
        Folder of PNG and TIFF labels, sub-folders too; or a data set, whose training part is taken. IGNORE counts
        nowhere. Sizes may differ.
    num_classes : int, optional
        C; without it what the labels hold.
    convention : "background" or "diagonal", optional
        How hidden classes get their names, see `estimate_transition`.
    predictions : OutOfFold, optional
        Kept probabilities of networks that never saw the label of their image, see `load_predictions`; they rank.
    seed : int, at least 0
        Of the bootstrap.
    on_item : callable, optional
        ``on_item(done, total)`` after each file of each pass.

    Raises
    ------
    DataError
        If no label can be used, no image has the name of any label, or predictions are of something else. A file that
        is no label is a finding, "unreadable". Single images that are missing, damaged or of another size are told in
        `Audit.notes`, and their labels judged alone.

    Notes
    -----
    Every finding names what it was held against (`Finding.null`). Labels drawn as lines or boxes say nothing more of
    jitter, missing and spurious objects. Memory holds one label and image at a time, and what the tables say of every
    label and object.
    """
    unusable: dict[Path, str] = {}
    found = scan_labels(Path(labels), num_classes, on_unusable=lambda path, error: unusable.update({path: str(error)}))
    files = pair_files(found, None if images is None else Path(images))
    C = num_classes or found.count_classes()
    num_predicted = 0 if predictions is None else sum(name in predictions.fold_of for name in files.ids())
    step = _Steps(2 * len(files) + len(files.images) + 3 * num_predicted, on_item)
    looks = []
    for name, label, image in files:
        looks.append(look_at(name, label, image, C, files.reasons.get(name)))
        step()
    with np.errstate(invalid="ignore"):
        rng = generator(seed, "", "audit")
        random = estimate_transition(_counted(files, step), rng, C, convention, num_resamples=NUM_RESAMPLES)
    bias = estimate_folder_bias(files, C, seed, step)
    bias_reason = None if bias is not None else next(iter(files.reasons.values()), NO_FOLDER)
    gathered = Gathered(looks, bias, C, seed, images is not None)
    share = random_share(random)
    named = {path.relative_to(found.folder).with_suffix("").as_posix(): why for path, why in unusable.items()}
    findings = (*_findings(gathered, share), find_unreadable(named, len({entry.path for entry in found.entries})))
    shown = frozenset(finding.kind for finding in findings if finding.confidence in ("clear", "weak"))
    network, objects = None, list_suspects(gathered, shown)
    if predictions is not None:
        is_noisy = findings[0].confidence == "clear" and share.value > HIDING_SHARE
        network, contradicted = look_through_networks(files, predictions, BROKEN_UP if is_noisy else None, seed, step)
        objects = join_objects(objects, contradicted)
    return Audit(
        metastructure=__version__,
        labels=str(found.folder),
        images_folder=None if images is None else str(images),
        seed=seed,
        num_images=len(files),
        num_classes=C,
        random=random,
        random_share=share,
        boundary=bias,
        boundary_reason=bias_reason,
        findings=findings,
        images=score_images(gathered, gathered.num_misfits),
        objects=objects,
        masks=_find_masks(files),
        notes=_notes(files, findings),
        network=network,
    )


class _Steps:
    """Counts the files gone through over all passes."""

    def __init__(self, total: int, on_item: OnItem | None) -> None:
        self._done, self._total, self._on_item = 0, total, on_item

    def __call__(self) -> None:
        self._done += 1
        if self._on_item is not None:
            self._on_item(self._done, self._total)


def _counted(files: AuditFiles, step: _Steps) -> Iterator[Label]:
    for label in files.labels:
        step()
        yield label


def estimate_folder_bias(
    files: AuditFiles, num_classes: int, seed: int, step: Callable[[], None]
) -> BoundaryBias | None:
    """Return how far the boundaries of a folder lie beyond the edges of its images; None if no image can be used."""
    names = [name for name in files.ids() if name in files.images]
    if not names:
        return None

    def pairs() -> Iterator[tuple[Label, np.ndarray]]:
        for _, label, image in files:
            if image is not None:
                step()
                yield label, image

    first, second = _unzip(pairs())
    rng = generator(seed, "bias", "audit")
    return estimate_boundary_bias(second, first, rng, num_classes, names=names, num_resamples=NUM_RESAMPLES)


def _unzip(pairs: Iterator[tuple[Label, np.ndarray]]) -> tuple[Iterator[Label], Iterator[np.ndarray]]:
    """Return the labels and the images of pairs, to be gone through in step, images first."""
    waiting: list[Label] = []

    def images() -> Iterator[np.ndarray]:
        for label, image in pairs:
            waiting.append(label)
            yield image

    def labels() -> Iterator[Label]:
        while waiting:
            yield waiting.pop()

    return labels(), images()


def _findings(gathered: Gathered, share: Estimate) -> tuple[Finding, ...]:
    random = find_random(gathered, share)
    stopped_by = BROKEN_UP if random.confidence == "clear" and not _is_smoothed(gathered) else None
    skeleton, box, bias = find_skeleton(gathered, stopped_by), find_box(gathered), find_bias(gathered, stopped_by)
    if skeleton.confidence == "clear":
        stopped_by = "objects are drawn as lines"
    elif box.confidence == "clear":
        stopped_by = "objects are drawn as boxes"
    jitter = find_jitter(gathered, stopped_by)
    uncovering = (jitter, bias) if bias.evidence.value < 0 else (jitter,)
    return (
        random,
        jitter,
        bias,
        skeleton,
        box,
        find_missing_objects(gathered, stopped_by, uncovering),
        find_spurious_objects(gathered, stopped_by),
        find_swapped(gathered),
        find_outliers(gathered),
        find_moved(gathered),
        find_duplicates(gathered),
        find_empty(gathered),
    )


def _is_smoothed(gathered: Gathered) -> bool:
    """Return whether the random pixels of most labels were smoothed off before objects were looked for."""
    return bool(np.mean([look.smoothing_px > 0 for look in gathered.looks]) > 0.5)


def _notes(files: AuditFiles, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    notes = []
    if files.images:
        notes = [f"{name}: {reason}; the label was judged alone" for name, reason in sorted(files.reasons.items())]
    if len(notes) > MOST_NOTES:
        notes = [*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES} more images that cannot be used"]
    notes += _describe_mixture(files)
    return (*notes, *(one.sentence for one in findings if one.confidence == "not tested"))


def _describe_mixture(files: AuditFiles) -> list[str]:
    """Return that labels of few classes lie among labels of many, with none between, if so."""
    held = np.sort((files.labels.counts[:, :IGNORE] > 0).sum(axis=1))
    if len(held) < 2 * LEAST_OF_A_SET:
        return []
    gaps = np.diff(held)[LEAST_OF_A_SET - 1 : len(held) - LEAST_OF_A_SET]
    where = int(gaps.argmax())
    if gaps[where] < CLASSES_BETWEEN:
        return []
    num_few = where + LEAST_OF_A_SET
    few, many = held[num_few - 1], held[num_few]
    return [
        f"{MIXED}: {num_few} of {len(held)} labels hold at most {few} classes each, the "
        f"others {many} or more; if their numbers mean different things, audit each set alone"
    ]


def _find_masks(files: AuditFiles) -> tuple[str, ...]:
    """Return the labels that hold 0 and IGNORE alone, if others hold classes."""
    counts = files.labels.counts
    has_class, has_ignore = counts[:, 1:IGNORE].any(axis=1), counts[:, IGNORE] > 0
    pairs = zip(files.ids(), ~has_class & has_ignore, strict=True)
    return tuple(name for name, is_mask in pairs if is_mask) if has_class.any() else ()
