"""From images and labels in memory to a trained model: the one place where normalisation, plan and loop meet."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric

from metastructure.data.folder import zscore
from metastructure.networks import build_network
from metastructure.rng import derive_seed
from metastructure.training.batches import PixelStore
from metastructure.training.distributed import train_on
from metastructure.training.model_file import Model, ModelHeader
from metastructure.training.pairs import Images, Labels
from metastructure.training.plan import make_plan
from metastructure.training.settings import Machine
from metastructure.transition import TransitionMatrix


def fit_model(
    header: ModelHeader,
    images: Images,
    labels: Labels,
    machine: Machine,
    fabric: Fabric,
    *,
    transition: TransitionMatrix | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Model:
    """Return the trained network of a header, with the header filled in.

    Parameters
    ----------
    header : ModelHeader
        What is to be trained, and how; its `transition` and `loss` are found here.
    images, labels : sequences of arrays
        They have passed `metastructure.training.pairs.check_pairs`.
    machine : Machine
    fabric : Fabric
        Of the machine, with the precision of the settings.
    transition, checkpoint, on_epoch
        As for `Segmenter.fit`.

    Raises
    ------
    RunError
        If training diverges, or the checkpoint cannot be used.

    Warns
    -----
    UserWarning
        If a transition matrix was to be undone and cannot be.
    """
    settings, C = header.training, header.num_classes
    torch.manual_seed(derive_seed(header.seed, "", "network"))
    network = build_network(header.network, header.num_channels, C)
    store = PixelStore([zscore(image) for image in images], list(labels), settings.crop_px, fabric.device)
    plan = make_plan(settings, list(labels), C, transition, fabric.device)
    if plan.note is not None:
        warnings.warn(plan.note, stacklevel=3)
    history = train_on(
        machine,
        fabric,
        network,
        store,
        settings,
        compute_loss=plan.loss,
        make_target=plan.make_target,
        seed=header.seed,
        checkpoint=checkpoint,
        identity=header.identity,
        on_epoch=on_epoch,
    )
    undone = plan.decoder.transition
    rows = None if undone is None else tuple(tuple(row) for row in undone.rows.tolist())
    return Model(header.model_copy(update={"transition": rows, "loss": tuple(history.loss)}), network.eval())
