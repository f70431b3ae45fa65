"""What the audit of a folder of labels finds: frozen values that are written as JSON.

`N` labels, `C` classes. A number that is undefined is NaN, and the reason stands beside it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from metastructure.audit.bias_result import BoundaryBias
from metastructure.audit.label_scores import ImageScore, LabelScores
from metastructure.audit.object_scores import ObjectKind
from metastructure.structure.estimate import Estimate
from metastructure.structure.latent_transition import EstimatedTransition

Kind = Literal[
    "random",
    "jitter",
    "bias",
    "skeleton",
    "box",
    "missing",
    "spurious",
    "swapped",
    "outlier",
    "moved",
    "duplicate",
    "empty",
    "unreadable",
    "boundary",
]
"""The kinds of error, in the order in which they are told; the last is one that only networks find."""

MIXED = "whether two sets of classes are mixed"
"""How the note of `Audit.notes` begins that doubts that class numbers mean the same in all labels."""

Confidence = Literal["clear", "weak", "none", "not tested"]
Why = Literal["missing", "spurious", "boundary too far out", "boundary too far in", "other class", "box", "displaced"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Finding(_Value):
    """What the folder says of one kind of error.

    Attributes
    ----------
    kind : Kind
    evidence : Estimate
        The number behind the sentence, with a 95 % bootstrap interval over the images.
    unit : str
        Of the evidence, such as ``"share of pixels"``.
    confidence : "clear", "weak", "none" or "not tested"
        "clear" if the whole interval lies beyond what `null` gives, "weak" if that is not beyond doubt, "not tested"
        if the evidence is undefined.
    sentence : str
        For a reader, with the number in it.
    null : str
        What the evidence was held against.
    images : tuple of str
        Those that show it, the most telling first.
    """

    kind: Kind
    evidence: Estimate
    unit: str
    confidence: Confidence
    sentence: str
    null: str
    images: tuple[str, ...] = ()


class ImageAudit(_Value):
    """One label, with its image if there is one.

    Attributes
    ----------
    name : str
        Path below the folder of labels, without the suffix.
    lonely_share : float
        Share of the known pixels unlike all their neighbours: what random pixels leave.
    shift_px : float
        How far the label reaches beyond the edges of the image, once it is moved back.
    wander_px : float
        Standard deviation of the boundary about the edges, of what neighbouring stretches share.
    moved_px : (row, column) of float
        By which the whole label is moved against its image.
    thin_share : float
        Share of the object pixels that touch another class.
    box_share, missing_share, spurious_share, swapped_share : float
        Suspicious objects for each object of the label.
    foreground_share, num_objects, object_px : float
        Share of the known pixels that are not class 0, the number of objects, and the median area of them.
    suspicion : float in [0, 1]
        1 less the chance of a number as extreme as the most extreme of these, over the kinds looked at; a median image
        has a low one, whatever the folder as a whole is like.
    strongest : str
        The reason for it in words; empty where there is none.
    reason : str or None
        Why what needs the image is NaN.
    """

    name: str
    lonely_share: float
    shift_px: float
    wander_px: float
    moved_px: tuple[float, float]
    thin_share: float
    box_share: float
    missing_share: float
    spurious_share: float
    swapped_share: float
    foreground_share: float
    num_objects: float
    object_px: float
    suspicion: float
    strongest: str
    reason: str | None


class ObjectAudit(_Value):
    """One suspicious object, or one that may be missing.

    Attributes
    ----------
    image : str
    klass : int
        Its class; that of the objects it looks like if it is missing; -1 if that cannot be said.
    row, column : float
        Its centroid.
    box : (first row, first column, last row + 1, last column + 1)
    area_px : int
    score : float in [0, 1]
        The higher the more suspicious; to be compared among objects of one `why`. NaN if only networks named it.
    why : str
    suggested : int or None
        For "other class" the class it looks like.
    network : str or None
        What networks that never saw the label say is wrong with it, see `ObjectScore`.
    weight : float
        By how much they contradict it, in nats; NaN if they do not.
    """

    image: str
    klass: int
    row: float
    column: float
    box: tuple[int, int, int, int]
    area_px: int
    score: float
    why: Why
    suggested: int | None = None
    network: ObjectKind | None = None
    weight: float = float("nan")


class NetworkAudit(_Value):
    """What networks that never saw a label say against it.

    Attributes
    ----------
    folder : str
        Where their probabilities lie.
    num_folds : int
    scores : LabelScores
    standing_out : dict from name to str
        Labels that are off or moved as a whole beyond doubt, the most suspect first, with what is wrong in words.
    findings : tuple of Finding
        Missing and spurious objects, exchanged classes, boundaries and moved labels.
    skipped : tuple of str
        Labels that no network could judge, for want of a usable image.
    """

    folder: str
    num_folds: int
    scores: LabelScores
    standing_out: dict[str, str]
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...]


class Audit(_Value):
    """All that can be said of a folder of labels.

    Attributes
    ----------
    metastructure : str
        Version.
    labels : str
    images_folder : str or None
    seed, num_images, num_classes : int
    random : EstimatedTransition
        Q from the labels alone; its `reason` says why it is unknown.
    random_share : Estimate
        Share of the pixels that are random noise.
    boundary : BoundaryBias or None
    boundary_reason : str or None
        Why there is none.
    findings : tuple of Finding
        One for each `Kind` but the last, in that order.
    images : tuple of N ImageAudit
        In the order of their names.
    objects : tuple of ObjectAudit
        By image, the most suspicious first within it.
    masks : tuple of str
        Labels of 0 and 255 alone beside others with classes; 255 is IGNORE, so they may be masks by mistake.
    notes : tuple of str
        What could not be read or used, and what was not tested.
    network : NetworkAudit or None
        None if no networks were trained.
    """

    metastructure: str
    labels: str
    images_folder: str | None
    seed: int
    num_images: int
    num_classes: int
    random: EstimatedTransition
    random_share: Estimate
    boundary: BoundaryBias | None
    boundary_reason: str | None
    findings: tuple[Finding, ...]
    images: tuple[ImageAudit, ...]
    objects: tuple[ObjectAudit, ...]
    masks: tuple[str, ...]
    notes: tuple[str, ...]
    network: NetworkAudit | None = None

    def network_scores(self) -> dict[str, ImageScore]:
        """Return what networks say against the images, by name, the most suspect first; empty without networks."""
        return {} if self.network is None else {one.name: one for one in self.network.scores.images}

    def ranked(self) -> list[ImageAudit]:
        """Return the images, the most suspicious first: by the networks' score, those without by their suspicion."""
        scores = self.network_scores()

        def place(one: ImageAudit) -> tuple[float, float, str]:
            score = scores[one.name].score if one.name in scores else float("nan")
            return (float("inf") if score != score else -score, -one.suspicion, one.name)

        return sorted(self.images, key=place)

    def finding(self, kind: Kind) -> Finding:
        """Return the finding of one kind."""
        return next(finding for finding in self.findings if finding.kind == kind)
