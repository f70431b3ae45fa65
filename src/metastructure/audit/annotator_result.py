"""What the labels of several annotators say of each of them: frozen values that are written as JSON.

`A` annotators, `N` images, `C` classes. A number that is undefined is NaN, and the reason stands beside it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from metastructure.structure.estimate import Estimate

Method = Literal["agreement", "each alone"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class PairAgreement(_Value):
    """Two annotators, on the images that both labelled.

    Attributes
    ----------
    first, second : str
    num_images : int
    dice : Estimate
        Mean over the classes 1..C-1; of two classes that of the foreground.
    class_dice : C float
    kappa : Estimate
        Cohen's.
    excess : float
        Share of the pixels on which they agree, less what their two matrices explain. Above 0: errors in common. With
        three annotators of two classes the matrices explain all, and it says nothing.
    distance_px : Estimate
        Mean distance from a boundary of one, between objects and class 0, to the nearest of the other, both ways.
    """

    first: str
    second: str
    num_images: int
    dice: Estimate
    class_dice: tuple[float, ...]
    kappa: Estimate
    excess: float
    distance_px: Estimate


class AnnotatorReport(_Value):
    """One annotator.

    Attributes
    ----------
    name : str
    num_images : int
    place : int
        1 for those to trust most; annotators that cannot be told apart from the best of a place share it. 0: unknown.
    dice : Estimate
        Of his labels with the hidden classes, mean over the classes 1..C-1, that follows from `transition`.
    error, inner_error : Estimate
        Share of the pixels to which he gives another class than the hidden one; the same among pixels away from every
        boundary.
    transition : C rows of C Estimate
        Rows are the hidden class. NaN where it was not found.
    near_transition, inner_transition : C rows of C Estimate
        Of pixels near a boundary; of those away from every one, whose errors are random pixels, whole objects and
        exchanged classes.
    label_shares : C float
        Of the pixels that he labelled.
    consensus_shift_px : Estimate
        How far his boundaries lie outside those of the consensus (or of the other, see `against`); below 0 inside. Of
        images with three voices or more, since with fewer the consensus is too much his own.
    edge_shift_px : Estimate
        How far they lie outside the edges of the images, see `estimate_boundary_bias`.
    missed : Estimate
        Share of the objects of the consensus that he left out; of the same images.
    added : Estimate
        Share of his objects that the consensus does not hold.
    """

    name: str
    num_images: int
    place: int
    dice: Estimate
    error: Estimate
    inner_error: Estimate
    transition: tuple[tuple[Estimate, ...], ...]
    near_transition: tuple[tuple[Estimate, ...], ...]
    inner_transition: tuple[tuple[Estimate, ...], ...]
    label_shares: tuple[float, ...]
    consensus_shift_px: Estimate
    edge_shift_px: Estimate
    missed: Estimate
    added: Estimate


class ImageAgreement(_Value):
    """One image that at least one annotator labelled.

    Attributes
    ----------
    name : str
    num_annotators : int
    dice : float
        Mean over the pairs of annotators; NaN for one annotator, or where no object was drawn.
    disputed_share : float
        Share of the pixels with two answers or more on which they differ.
    inner_disputed_share : float
        Of the disputed pixels those away from every boundary: objects and random pixels rather than outlines.
    furthest : str
        The annotator with the lowest Dice with the others; empty for fewer than three.
    """

    name: str
    num_annotators: int
    dice: float
    disputed_share: float
    inner_disputed_share: float
    furthest: str


class AnnotatorComparison(_Value):
    """All that the labels of several annotators say of them.

    Attributes
    ----------
    metastructure : str
        Version.
    seed, num_images, num_classes : int
    method : "agreement" or "each alone"
        Whether the matrices follow from how three or more annotators agree, or from the structure of each one's labels
        alone, which shows random pixels only.
    reason : str or None
        Why not from agreement.
    voices : tuple of tuple of str
        Annotators that count as one, because they gave the same class to every pixel they share.
    against : "the consensus" or "the other"
        What shifts, missed and added objects are told against; of two voices each is held against the other.
    class_shares, near_shares, inner_shares : C Estimate
        Of the hidden classes, among all pixels, those near a boundary and the others; NaN for "each alone".
    annotators : tuple of AnnotatorReport
        In the order in which they were given.
    pairs : tuple of PairAgreement
    images : tuple of ImageAgreement
        Those on which they agree least first.
    tied_share : float
        Share of the pixels with an answer on which no class of the consensus is likelier than another.
    notes : tuple of str
        What could not be used or told.
    """

    metastructure: str
    seed: int
    num_images: int
    num_classes: int
    method: Method
    reason: str | None
    voices: tuple[tuple[str, ...], ...]
    against: Literal["the consensus", "the other"]
    class_shares: tuple[Estimate, ...]
    near_shares: tuple[Estimate, ...]
    inner_shares: tuple[Estimate, ...]
    annotators: tuple[AnnotatorReport, ...]
    pairs: tuple[PairAgreement, ...]
    images: tuple[ImageAgreement, ...]
    tied_share: float
    notes: tuple[str, ...]

    def annotator(self, name: str) -> AnnotatorReport:
        """Return the report on one annotator."""
        return next(one for one in self.annotators if one.name == name)

    def ranking(self) -> tuple[tuple[str, ...], ...]:
        """Return the names by place, those that cannot be told apart together; empty where nothing can be told."""
        places = sorted({one.place for one in self.annotators if one.place})
        return tuple(tuple(one.name for one in self.annotators if one.place == place) for place in places)
