"""The rounds of iterative training: label the images with the networks, train the networks on these labels, repeat.

`B` batch, `H` rows, `W` columns. What a round learns from is chosen by whoever calls: `choose` turns a prediction into
a candidate label, and EMS the candidate into points.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from pydantic import BaseModel, ConfigDict, Field
from skimage.transform import resize
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from metastructure.data.files import ImageArray
from metastructure.data.folder import zscore
from metastructure.errors import RunError
from metastructure.networks import NetworkSpec, build_network
from metastructure.rng import derive_seed, generator
from metastructure.training.batches import PixelStore
from metastructure.training.losses import Loss, parse_loss, with_transition
from metastructure.training.predict import join_strips, predict_strips, zscore_reader
from metastructure.training.settings import LossText
from metastructure.transition import TransitionMatrix
from metastructure.unsupervised.base import Score
from metastructure.unsupervised.ems import BoolArray, MetaStructureExtraction

SETTLING_BATCHES = 8
LOWEST_RATE = 1e-3
"""Of points in a candidate, so that their transition matrix keeps an inverse."""

Count = Annotated[int, Field(ge=1)]


Watch = Callable[[list[BoolArray]], None]


class Rounds(BaseModel):
    """How networks are trained, round by round.

    Parameters
    ----------
    rounds : int
        At most so many.
    first_steps, steps : int
        Of training in the first round, and in each later one.
    batch_size, crop_px : int
        Random square crops, flipped and turned at random.
    learning_rate : float
        Of AdamW.
    width : int
        Of the residual U-Net.
    loss : str
        Of `metastructure.training.losses`. ``forward`` undoes what is known of the points, that they are a sample of
        the candidate: its transition matrix is that of the sampling.
    statistics : "settled" or "running"
        What batch norm uses in prediction: means taken anew over the images with the weights as they are, or the
        running means of training, which lag behind weights that move.
    teacher_decay : float
        Above 0, an exponential mean of the weights predicts instead of the weights.
    networks : int
        So many are trained apart, and their predictions averaged.
    scales : tuple of float
        Of the image; predictions at all of them are averaged.
    settled : float
        Rounds end once no more pixels change than this share of those that are called object.
    last : "ems" or "whole"
        What the last round is trained on: points, as the others, or whole candidates, from which the network itself
        learns how wide objects are. A last round of whole candidates follows even if the rounds settle early. Without
        EMS, and if there is one round only, nothing changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: Count = 8
    first_steps: Count = 80
    steps: Count = 24
    batch_size: Annotated[int, Field(ge=2)] = 16
    crop_px: Annotated[int, Field(ge=32)] = 96
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    width: Count = 12
    loss: LossText = "forward"
    statistics: Literal["settled", "running"] = "settled"
    teacher_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    networks: Count = 1
    scales: tuple[Annotated[float, Field(gt=0, le=4)], ...] = (1.0,)
    settled: Annotated[float, Field(ge=0, le=1)] = 0.005
    last: Literal["ems", "whole"] = "ems"


class RoundLog(NamedTuple):
    """What one round did.

    Attributes
    ----------
    loss : float
        Mean over its steps and networks.
    rate : float
        Points for each pixel of the candidates trained on.
    share : float
        Of the object in the new candidates.
    changed : float
        Share of the pixels whose candidate changed.
    train_seconds, predict_seconds, choose_seconds : float
        Choosing is candidates and EMS.
    """

    loss: float
    rate: float
    share: float
    changed: float
    train_seconds: float
    predict_seconds: float
    choose_seconds: float


class Rounded(NamedTuple):
    """Networks after their last round, and the way there."""

    networks: list[nn.Module]
    candidates: list[BoolArray]
    logs: list[RoundLog]


def run_rounds(
    images: Sequence[ImageArray],
    start: Sequence[BoolArray],
    choose: Callable[[list[Score]], list[BoolArray]],
    ems: MetaStructureExtraction | None,
    settings: Rounds,
    *,
    seed: int,
    fabric: Fabric,
    on_progress: Callable[[int, int], None],
    watch: Watch | None = None,
) -> Rounded:
    """Train networks on labels that they make themselves, beginning with `start`.

    Parameters
    ----------
    images : sequence of (H, W) or (H, W, K) arrays
    start : sequence of (H, W) arrays of bool
    choose : callable
        ``choose(scores)`` gives the candidates of all images from the networks' scores of them.
    ems : MetaStructureExtraction, optional
        Without it the networks are trained on the candidates themselves.
    settings : Rounds
    seed : int
    fabric : Fabric
    on_progress : callable
        ``on_progress(done, total)`` in steps.
    watch : callable, optional
        Sees the candidates after each round; for studies, which may compare them with labels.

    Raises
    ------
    RunError
        If training diverges.
    """
    channels = 1 if images[0].ndim == 2 else images[0].shape[2]
    learners = [
        _Learner(channels, settings, derive_seed(seed, f"{n}", "igtt"), fabric) for n in range(settings.networks)
    ]
    store = PixelStore(
        [zscore(image) for image in images], [mask.astype(np.uint8) for mask in start], settings.crop_px, fabric.device
    )
    candidates, logs, done = list(start), [], 0
    total = settings.first_steps + settings.steps * (settings.rounds - 1)
    is_settled, ends_whole = False, ems is not None and settings.last == "whole" and settings.rounds > 1
    for index in range(settings.rounds):
        is_last = is_settled or index == settings.rounds - 1
        steps = settings.first_steps if index == 0 else settings.steps
        losses, rates, choosing, training = [], [], 0.0, 0.0
        for learner in learners:
            began = time.monotonic()
            points = _draw_points(candidates, None if ends_whole and is_last else ems, learner.seed, index)
            rates.append(_rate(points, candidates))
            store.replace_labels([mask.astype(np.uint8) for mask in points])
            choosing += time.monotonic() - began
            began = time.monotonic()
            losses.append(learner.train(store, index, steps, rates[-1]))
            learner.settle(store, index)
            training += time.monotonic() - began
        done += steps
        on_progress(done, total)
        began = time.monotonic()
        bests = [learner.best for learner in learners]
        scores = [predict_score(bests, image, settings.scales, fabric) for image in images]
        predicting = time.monotonic() - began
        began = time.monotonic()
        before, candidates = candidates, choose(scores)
        choosing += time.monotonic() - began
        changed = _mean_over_pixels([a != b for a, b in zip(before, candidates, strict=True)])
        share = _mean_over_pixels(candidates)
        logs.append(RoundLog(_mean(losses), _mean(rates), share, changed, training, predicting, choosing))
        if watch is not None:
            watch(candidates)
        if is_settled:
            break
        is_settled = index > 0 and changed <= settings.settled * share
        if is_settled and not ends_whole:
            break
    on_progress(total, total)
    return Rounded([learner.best for learner in learners], candidates, logs)


def predict_score(networks: Sequence[nn.Module], image: ImageArray, scales: Sequence[float], fabric: Fabric) -> Score:
    """Return the mean foreground probability of one image over networks and scales, (H, W) float32."""
    total = np.zeros(image.shape[:2], dtype=np.float64)
    for scale in scales:
        seen = image if scale == 1 else _resize(image, scale)
        for network in networks:
            strips = predict_strips(network, zscore_reader(seen), seen.shape[:2], fabric)
            p_HW = join_strips((strip[1:] for strip in strips), seen.shape[:2])[0]
            total += p_HW if scale == 1 else resize(p_HW, image.shape[:2], order=1)
    return np.asarray(total / (len(scales) * len(networks)), dtype=np.float32)


class _Learner:
    """One network with its optimizer, and what predicts in its place."""

    def __init__(self, channels: int, settings: Rounds, seed: int, fabric: Fabric) -> None:
        self.settings, self.seed, self.fabric = settings, seed, fabric
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(NetworkSpec(name="residual_unet", settings={"width": settings.width}), channels, 2)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=1e-3)
        self.network = network
        self.model, self.optimizer = fabric.setup(network, optimizer)
        self.teacher: AveragedModel | None = None
        if settings.teacher_decay > 0:
            rule = get_ema_multi_avg_fn(settings.teacher_decay)  # type: ignore[no-untyped-call]
            self.teacher = AveragedModel(network, multi_avg_fn=rule, use_buffers=True)

    @property
    def best(self) -> nn.Module:
        """The network that predicts."""
        return self.network if self.teacher is None else self.teacher.module

    def train(self, store: PixelStore, index: int, steps: int, rate: float) -> float:
        """Take `steps` steps on the store's labels and return their mean loss."""
        compute_loss = _make_loss(self.settings.loss, rate)
        draws = torch.Generator().manual_seed(derive_seed(self.seed, f"round {index}", "batches"))
        self.model.train()
        total = 0.0
        for _ in range(steps):
            members = torch.randint(len(store), (self.settings.batch_size,), generator=draws)
            images_BKHW, labels_BHW = store.crops(members, draws, "dihedral")
            loss = compute_loss(self.model(images_BKHW), labels_BHW)
            self.optimizer.zero_grad()
            self.fabric.backward(loss)
            self.optimizer.step()
            if self.teacher is not None:
                self.teacher.update_parameters(self.network)
            total += float(loss.detach())
            if not np.isfinite(total):
                raise RunError(
                    f"igtt diverged in round {index + 1}: the loss is {float(loss.detach())}; lower learning_rate "
                    f"(now {self.settings.learning_rate:g})."
                )
        return total / steps

    def settle(self, store: PixelStore, index: int) -> None:
        """Take the statistics of batch norm anew over random crops, if the settings say so."""
        if self.settings.statistics == "running":
            return
        draws = torch.Generator().manual_seed(derive_seed(self.seed, f"round {index}", "settle"))
        num, size = len(store), self.settings.batch_size
        batches = (
            store.crops(torch.randint(num, (size,), generator=draws), draws, "none")[0] for _ in range(SETTLING_BATCHES)
        )
        update_bn(batches, self.best)


@functools.lru_cache(maxsize=4)
def _make_loss(spec: str, rate: float) -> Loss:
    return with_transition(parse_loss(spec), TransitionMatrix([[1.0, 0.0], [1.0 - rate, rate]]))


def _draw_points(
    candidates: Sequence[BoolArray], ems: MetaStructureExtraction | None, seed: int, index: int
) -> list[BoolArray]:
    if ems is None:
        return list(candidates)
    return [
        ems(candidate, generator(seed, f"round {index} image {number}", "ems"))
        for number, candidate in enumerate(candidates)
    ]


def _rate(points: Sequence[BoolArray], candidates: Sequence[BoolArray]) -> float:
    """Return points for each pixel of the candidates, from LOWEST_RATE to 1."""
    pixels = sum(int(np.count_nonzero(candidate)) for candidate in candidates)
    kept = sum(int(np.count_nonzero(mask)) for mask in points)
    return float(np.clip(kept / max(pixels, 1), LOWEST_RATE, 1.0))


def _mean_over_pixels(masks: Sequence[BoolArray]) -> float:
    return float(sum(int(np.count_nonzero(mask)) for mask in masks) / sum(mask.size for mask in masks))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _resize(image: ImageArray, scale: float) -> npt.NDArray[np.float32]:
    shape = tuple(max(8, round(side * scale)) for side in image.shape[:2])
    return np.asarray(resize(image.astype(np.float64), shape, order=1, anti_aliasing=scale < 1), dtype=np.float32)
