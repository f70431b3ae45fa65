"""The audit of a folder of labels with networks that are trained for it, each on all folds but the one it judges.

Apart from `audit_folder`, since it waits for torch.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from metastructure.audit.audit_files import pair_files
from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_result import Audit
from metastructure.audit.out_of_fold import NUM_FOLDS, ROBUST, out_of_fold
from metastructure.audit.predictions import PREDICTIONS_NAME, OutOfFold
from metastructure.data.label_set import scan_labels
from metastructure.errors import ConfigError, DataError
from metastructure.networks import NetworkSpec
from metastructure.structure.latent_transition import Convention
from metastructure.training.settings import TrainingSettings

OnItem = Callable[[int, int], None]


def audit_with_networks(
    images: Path | str,
    labels: Path | str,
    out: Path | str,
    *,
    num_classes: int | None = None,
    convention: Convention | None = None,
    folds: int = NUM_FOLDS,
    network: str | dict[str, Any] | NetworkSpec = "residual_unet",
    settings: TrainingSettings = ROBUST,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
    on_training: OnItem = lambda done, total: None,
    on_item: OnItem | None = None,
) -> Audit:
    """Return the audit of a folder, ranked by what networks say that never saw the label of their image.

    Parameters
    ----------
    images, labels : Path
        As for `audit_folder`. Labels whose image cannot be used are judged without networks.
    out : Path
        Predictions and models are kept in ``out-of-fold`` below it, from which a stopped call goes on.
    num_classes, convention, seed, on_item
        As for `audit_folder`.
    folds, network, settings, threads, device
        As for `out_of_fold`.
    on_training : callable, optional
        ``on_training(done, total)`` while networks are trained and predict.

    Raises
    ------
    ConfigError
        If there are not as many different images as folds.
    DataError, RunError
        As `audit_folder` and `out_of_fold`.
    """
    predictions = predict_usable(
        images,
        labels,
        Path(out) / PREDICTIONS_NAME,
        num_classes=num_classes,
        folds=folds,
        network=network,
        settings=settings,
        seed=seed,
        threads=threads,
        device=device,
        on_progress=on_training,
    )
    return audit_folder(
        images,
        labels,
        num_classes=num_classes,
        convention=convention,
        predictions=predictions,
        seed=seed,
        on_item=on_item,
    )


def predict_usable(
    images: Path | str, labels: Path | str, out: Path | str, *, num_classes: int | None = None, **options: Any
) -> OutOfFold:
    """Return out-of-fold predictions of the labels that can be read and whose images can be used.

    Parameters
    ----------
    images, labels, out, num_classes
        As for `out_of_fold`.
    **options
        Passed on to `out_of_fold`.

    Raises
    ------
    ConfigError
        If there are not as many different images as folds.
    DataError
        If there is no usable pair.
    """
    found = scan_labels(Path(labels), num_classes, on_unusable=lambda path, error: None)
    usable = pair_files(found, Path(images)).images
    if not usable:
        raise DataError(f"{images}: no image fits its label, so no network can learn; leave out --out-of-fold.")
    try:
        return out_of_fold(
            images, labels, out, names=usable, num_classes=num_classes or found.count_classes(), **options
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
