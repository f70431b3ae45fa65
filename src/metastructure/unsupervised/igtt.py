"""iGTT, iterative ground-truth training: a network that learns from labels that it makes itself."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric
from pydantic import BaseModel, Discriminator, Field, Tag, field_validator
from scipy.special import expit
from torch import nn

from metastructure.data.files import ImageArray
from metastructure.errors import RunError
from metastructure.networks import NetworkSpec
from metastructure.training.model_file import Model, ModelHeader, load_model, save_model
from metastructure.training.settings import Machine, TrainingSettings
from metastructure.unsupervised.base import Method, Predictor, Score, Side, Work, fit_alone, score_around, to_grey
from metastructure.unsupervised.candidates import best_candidate, best_dice_threshold, search_candidate
from metastructure.unsupervised.ems import BoolArray, MetaStructureExtraction
from metastructure.unsupervised.ems_choice import EMSChoice, choose_ems
from metastructure.unsupervised.methods import parse_method, parse_untrained
from metastructure.unsupervised.rounds import Rounded, Rounds, Watch, predict_score, run_rounds

MAX_LOGIT = 2.0
"""A network surer than this counts as this sure beside the image: training made it sure of its own labels."""

MAX_EVIDENCE = 0.7
"""The same for the image; evidence is about 0.5 in objects."""

LEAST_AGREEMENT = 0.5
"""Dice between the networks' labels and the start's below which the start's are given instead."""


def _over_default(model: type[BaseModel], value: Any) -> Any:
    """Return settings that name some of the loop's with the others as the method has them by default."""
    if isinstance(value, Mapping):
        return {**model.model_fields["training"].default.model_dump(), **value}
    return value


def _ems_kind(value: Any) -> str:
    return "auto" if value == "auto" else ""


AutoEMS = Annotated[
    Annotated[Literal["auto"], Tag("auto")] | Annotated[MetaStructureExtraction | None, Tag("")],
    Discriminator(_ems_kind),
]
"""The tag of settings is empty, so that an error names ``ems.radius_px`` and nothing in between."""


class IGTT(Method):
    """Iterative training that begins from a classical segmentation and never lets go of the image.

    In each round the networks are trained on the candidate labels, or on points drawn from them, as a label of which
    only a known share of the object's pixels is marked; then each image gets a new candidate, where the networks'
    probability and the image's own evidence together speak for the object.

    Parameters
    ----------
    start : str or mapping
        The method that gives the first candidates and, in every round and in the end, the evidence.
    evidence : float, at least 0
        Weight of the evidence, in logits for each unit; 0 lets the networks decide alone.
    ems : "auto", None or MetaStructureExtraction
        How points are drawn; with None the candidates themselves are trained on. ``auto`` draws points around the
        skeletons of the first candidates if their outlines are known worse than their widths differ: see
        `metastructure.unsupervised.ems_choice`.
    training : Rounds

    Notes
    -----
    What differs from the published model (`PublishedIGTT`), and why, is told in ``docs/igtt.md``: a warm start; a
    loss that is right for rare objects, where L_DMI calls an object whatever is more likely one than the average pixel;
    a mean of the weights that predicts (Tarvainen and Valpola, NeurIPS 2017), with batch norm's statistics taken anew
    before each prediction; evidence. With
    the default weight no pixel changes whose evidence is beyond a quarter; a network that by itself agrees with the
    start by a Dice of less than LEAST_AGREEMENT is not used: the start is given, with a warning.

    References
    ----------
    Luo, Liu, Guo and Yang, "Deep neural networks learn meta-structures from noisy labels in semantic segmentation",
    AAAI 2022.
    """

    name: ClassVar[str] = "igtt"
    learns: ClassVar[bool] = True

    start: str = "restored"
    evidence: Annotated[float, Field(ge=0, le=100)] = 8.0
    ems: AutoEMS = "auto"
    training: Rounds = Rounds(teacher_decay=0.95, last="whole")

    @field_validator("training", mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        return _over_default(cls, value)

    @field_validator("ems", mode="before")
    @classmethod
    def _check_ems(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "auto":
            raise ValueError(f"must be auto, none, or settings such as ems.radius_px=2; got {value!r}")
        return value

    @field_validator("start")
    @classmethod
    def _check_start(cls, start: str) -> str:
        parse_untrained("start", start)
        return start

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return what networks trained on all of these images and an image's own evidence say of it together.

        Warns
        -----
        UserWarning
            If what the networks say has nothing to do with their start, which is then given instead.
        """
        fabric = Machine(device=work.device, threads=work.threads).fabric()
        begin = fit_alone(parse_method(self.start), work)
        evidence = [_evidence(begin, image) for image in images]
        ems, notes = self._choose_ems(evidence)
        networks = self._run(images, evidence, ems, work, fabric).networks
        scores = [predict_score(networks, image, self.training.scales, fabric) for image in images]
        threshold = best_dice_threshold(scores)
        agreement = pooled_dice([score > threshold for score in scores], [values > 0 for values in evidence])
        if agreement < LEAST_AGREEMENT:
            warnings.warn(
                " ".join(
                    [
                        f"igtt drifted away from its start (Dice {agreement:.2f}); the labels are those of "
                        f"{self.start!r}.",
                        *notes,
                    ]
                ),
                stacklevel=3,
            )
            return begin
        return HeldPredictor(
            networks, self.training, count_channels(images[0]), threshold, fabric, work.seed, begin, self.evidence,
            notes,
        )  # fmt: skip

    def _choose_ems(self, evidence: Sequence[Score]) -> tuple[MetaStructureExtraction | None, tuple[str, ...]]:
        """Return EMS as it is asked for, and what is to be told of a choice."""
        if self.ems != "auto":
            return self.ems, ()
        chosen = choose_ems(evidence)
        return chosen.ems, (_describe_choice(chosen),)

    def run(self, images: Sequence[ImageArray], work: Work, fabric: Fabric, watch: Watch | None = None) -> Rounded:
        """Return the networks after their rounds; `watch` sees the candidates of each."""
        begin = fit_alone(parse_method(self.start), work)
        evidence = [_evidence(begin, image) for image in images]
        return self._run(images, evidence, self._choose_ems(evidence)[0], work, fabric, watch)

    def _run(
        self,
        images: Sequence[ImageArray],
        evidence: Sequence[Score],
        ems: MetaStructureExtraction | None,
        work: Work,
        fabric: Fabric,
        watch: Watch | None = None,
    ) -> Rounded:
        def choose(scores: list[Score]) -> list[BoolArray]:
            threshold = best_dice_threshold(scores)
            return [
                _logit_held(score, threshold, values, self.evidence) > 0
                for score, values in zip(scores, evidence, strict=True)
            ]

        return run_rounds(
            images,
            [values > 0 for values in evidence],
            choose,
            ems,
            self.training,
            seed=work.seed,
            fabric=fabric,
            on_progress=work.on_progress,
            watch=watch,
        )

    def load(self, path: Path, work: Work) -> Predictor:
        """Return the predictor in a model file that `NetworkPredictor.save` wrote.

        Raises
        ------
        DataError, RunError
            As `metastructure.training.model_file.load_model`.
        """
        model = load_model(path)
        fabric = Machine(device=work.device, threads=work.threads).fabric()
        header = model.header
        begin = fit_alone(parse_method(self.start), work)
        return HeldPredictor(
            [model.network], self.training, header.num_channels, header.threshold, fabric, header.seed, begin,
            self.evidence,
        )  # fmt: skip


class PublishedIGTT(Method):
    """Iterative training as published: from all-background labels, candidates by L_DMI, EMS, and L_DMI + L_IoU.

    Parameters
    ----------
    candidate : "mean" or "search"
        The threshold of least L_DMI in closed form, or the best of `num_thresholds`.
    num_thresholds : int
        K of the search.
    ems : MetaStructureExtraction, optional
        None is the published ablation.
    training : Rounds
        Batch norm in prediction uses the running means, as usual.

    Notes
    -----
    Published code picks one candidate for a batch and tunes thresholds on clean labels; here each image has its own,
    and no label is seen. Which side of the result is the object is told by `Work.side`, for the whole folder.

    References
    ----------
    As `IGTT`. K = 30, radius 1, fraction 0.1.
    """

    name: ClassVar[str] = "igtt_published"
    learns: ClassVar[bool] = True

    candidate: Literal["mean", "search"] = "mean"
    num_thresholds: Annotated[int, Field(ge=2)] = 30
    ems: MetaStructureExtraction | None = MetaStructureExtraction()
    training: Rounds = Rounds(loss="dmi + iou", statistics="running", settled=0.0)

    @field_validator("training", mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        return _over_default(cls, value)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return what the networks say of an image, cut at the threshold of least L_DMI."""
        fabric = Machine(device=work.device, threads=work.threads).fabric()
        found = self.run(images, work, fabric)
        turned = is_turned(images, found.candidates, work.side)

        def predict(image: ImageArray) -> Score:
            score = predict_score(found.networks, image, self.training.scales, fabric)
            around = score_around(score, float(score.mean(dtype=np.float64)))
            return 1 - around if turned else around

        return predict

    def run(self, images: Sequence[ImageArray], work: Work, fabric: Fabric, watch: Watch | None = None) -> Rounded:
        """Return the networks after their rounds; `watch` sees the candidates of each, on either side."""

        def choose(scores: list[Score]) -> list[BoolArray]:
            if self.candidate == "mean":
                return [best_candidate(score) for score in scores]
            return [search_candidate(score, self.num_thresholds) for score in scores]

        return run_rounds(
            images,
            [np.zeros(image.shape[:2], dtype=bool) for image in images],
            choose,
            self.ems,
            self.training,
            seed=work.seed,
            fabric=fabric,
            on_progress=work.on_progress,
            watch=watch,
        )


@dataclass(frozen=True, eq=False)
class HeldPredictor:
    """The mean foreground probability of networks beside the evidence of the start; one network can be kept as a file.

    The model file holds the network and its threshold alone, which ``metastructure predict`` takes; `IGTT.load` puts
    the start back, which has learnt nothing.
    """

    networks: list[nn.Module]
    training: Rounds
    num_channels: int
    threshold: float
    fabric: Fabric
    seed: int
    start: Predictor
    evidence: float
    notes: tuple[str, ...] = ()

    def __call__(self, image: ImageArray) -> Score:
        """Return the score of one image."""
        p = predict_score(self.networks, image, self.training.scales, self.fabric)
        if self.evidence == 0:
            return score_around(p, self.threshold)
        logit = _logit_held(p, self.threshold, _evidence(self.start, image), self.evidence)
        return np.asarray(expit(logit), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write a model file that ``metastructure predict`` takes.

        Raises
        ------
        RunError
            If there are several networks or scales, which no model file holds.
        """
        if len(self.networks) > 1 or self.training.scales != (1.0,):
            raise RunError("a model file holds one network at one scale; fit with networks=1 and scales=(1,).")
        settings = TrainingSettings(
            crop_px=self.training.crop_px,
            batch_size=self.training.batch_size,
            learning_rate=self.training.learning_rate,
        )
        header = ModelHeader(
            network=NetworkSpec(name="residual_unet", settings={"width": self.training.width}),
            num_channels=self.num_channels,
            num_classes=2,
            threshold=self.threshold,
            training=settings,
            seed=self.seed,
        )
        save_model(path, Model(header, self.networks[0]))


def pooled_dice(first: Sequence[BoolArray], second: Sequence[BoolArray]) -> float:
    """Return the Dice of two labels over the pixels of all images; 1 if both are empty."""
    shared = sum(int(np.count_nonzero(a & b)) for a, b in zip(first, second, strict=True))
    total = sum(int(np.count_nonzero(a)) + int(np.count_nonzero(b)) for a, b in zip(first, second, strict=True))
    return 2 * shared / total if total else 1.0


def _describe_choice(chosen: EMSChoice) -> str:
    if np.isnan(chosen.thickness_px):
        return "igtt trained on whole candidates, without EMS: its start finds no objects, or nothing else."
    why = (
        f"outlines are doubtful over {chosen.doubtful_px:.1f} px, and half of the objects' half-widths lie within "
        f"{chosen.spread_px:.1f} px"
    )
    if chosen.ems is None:
        return f"igtt trained on whole candidates, without EMS: {why}."
    radius = chosen.ems.radius_px
    return f"igtt trained on points up to {radius} px from centre lines (EMS): {why}. Without: igtt:ems=none."


def _evidence(start: Predictor, image: ImageArray) -> Score:
    """Return what the image itself says for the object, from -MAX_EVIDENCE to MAX_EVIDENCE."""
    return np.clip(2 * start(image) - 1, -MAX_EVIDENCE, MAX_EVIDENCE)


def _logit_held(p: Score, threshold: float, evidence: Score, weight: float) -> npt.NDArray[np.float64]:
    """Return networks and image together, above 0 in objects."""
    logit = np.clip(_logit(p) - _logit(threshold), -MAX_LOGIT, MAX_LOGIT) + weight * evidence
    return np.asarray(logit, dtype=np.float64)


def _logit(probability: Score | float) -> npt.NDArray[np.float64]:
    p = np.clip(np.asarray(probability, dtype=np.float64), 1e-6, 1 - 1e-6)
    logit: npt.NDArray[np.float64] = np.log(p / (1 - p))
    return logit


def count_channels(image: ImageArray) -> int:
    """Return K of an (H, W) or (H, W, K) image."""
    return 1 if image.ndim == 2 else image.shape[2]


def is_turned(images: Sequence[ImageArray], candidates: Sequence[BoolArray], side: Side) -> bool:
    """Return whether the candidates lie on the background's side of the grey values, over all images together."""
    covariance = 0.0
    for image, candidate in zip(images, candidates, strict=True):
        grey = to_grey(image, side)
        covariance += float(((grey - grey.mean()) * candidate).mean())
    return covariance < 0
