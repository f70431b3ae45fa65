"""What is measured of a folder of labels: frozen values that are written as JSON (`strict_json.to_json`).

`N` labels, `C` classes, `R` radii. A value that is undefined is NaN, and a reason stands beside it.
"""

from pydantic import BaseModel, ConfigDict

from metastructure.structure.estimate import Estimate
from metastructure.structure.similarity import Similarity
from metastructure.structure.surviving import SurvivingClasses


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class DensitySummary(_Value):
    """The densities of all labels at one half-width, over the pixels at which they are defined.

    Attributes
    ----------
    half_width_px : int
    mean, sd : tuple of C floats
        Of the density of each class.
    absent_share, filled_share : tuple of C floats
        Share of the windows without a pixel of the class, and of those that hold nothing else.
    reason : str or None
        Why all are NaN.
    """

    half_width_px: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    absent_share: tuple[float, ...]
    filled_share: tuple[float, ...]
    reason: str | None


class NullTest(_Value):
    """Whether the pixels of a class could lie at random: a sample of the labels against their own pixels shuffled.

    Attributes
    ----------
    l_minus_r, low, high : tuple of R floats
        Besag's L less r in the sample, and the band of the extreme rank length test.
    p_value, level : float
        Of the curve as a whole, not corrected for the number of classes; never below 1 / (simulations + 1).
    reason : str or None
        Why it is NaN.
    """

    l_minus_r: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    p_value: float
    level: float
    reason: str | None


class ClassMeasure(_Value):
    """One class: how common it is and how its pixels lie.

    Attributes
    ----------
    klass : int
    share : float
        Of the pixels that are not IGNORE.
    num_images : int
        Labels that hold it.
    k, null_k, l_minus_r : tuple of R floats
        Ripley's K in px², pooled over all labels, what random pixels give, and Besag's L less r in px.
    reason : str or None
        Why these are NaN, at some radii or at all.
    test : NullTest
    """

    klass: int
    share: float
    num_images: int
    k: tuple[float, ...]
    null_k: tuple[float, ...]
    l_minus_r: tuple[float, ...]
    reason: str | None
    test: NullTest


class Sample(_Value):
    """The part of the labels that the null model was simulated on.

    Attributes
    ----------
    ids : tuple of str
        Evenly spaced over all labels; of a larger one the middle is taken.
    largest_side_px : int
    num_pixels, num_simulations : int
    """

    ids: tuple[str, ...]
    largest_side_px: int
    num_pixels: int
    num_simulations: int


class Comparison(_Value):
    """The labels against clean ones of the same images.

    Attributes
    ----------
    folder : str
    similarity : Similarity
        At each half-width, pooled and per image, in the order of `Measurement.ids`.
    counts : C tuples of C int
        Pixels known in both; rows are the clean class.
    transition : C tuples of C floats
        Each row of `counts` over its sum; a row is NaN for a class that the clean labels lack.
    sigma_min : Estimate
        Smallest singular value of `transition`, over the classes that the clean labels hold.
    changed : Estimate
        Share of the pixels whose class differs.
    dice : tuple of C Estimate
        Of each class over all pixels; NaN for a class that neither side holds.
    """

    folder: str
    similarity: Similarity
    counts: tuple[tuple[int, ...], ...]
    transition: tuple[tuple[float, ...], ...]
    sigma_min: Estimate
    changed: Estimate
    dice: tuple[Estimate, ...]


class ExampleFiles(_Value):
    """The files of one label to be shown; `slice` is its place in a volume."""

    id: str
    label: str
    clean: str | None
    image: str | None
    slice: int | None


class Measurement(_Value):
    """Everything that `measure_labels` finds.

    Attributes
    ----------
    metastructure : str
        Version.
    folder : str
        Where the labels lie.
    seed : int
        Of intervals and simulations.
    num_images, num_classes : int
    ids : tuple of N str
        Path of each label below the folder, without the suffix.
    sizes : dict from ``H x W`` to the number of labels of that size
    ignored_share : float
    half_widths_px : tuple of int
    radii_px : tuple of R floats
    densities : tuple of DensitySummary
        One a half-width.
    surviving : SurvivingClasses
        Classes that can still be told apart (lemma 2), from the labels alone.
    surviving_half_width_px, surviving_num_images : int
        What that was found at and in; all labels unless they do not fit in memory.
    classes : tuple of C ClassMeasure
    sample : Sample
    comparison : Comparison or None
    examples : tuple of ExampleFiles
        Evenly spaced.
    notes : tuple of str
    """

    metastructure: str
    folder: str
    seed: int
    num_images: int
    num_classes: int
    ids: tuple[str, ...]
    sizes: dict[str, int]
    ignored_share: float
    half_widths_px: tuple[int, ...]
    radii_px: tuple[float, ...]
    densities: tuple[DensitySummary, ...]
    surviving: SurvivingClasses
    surviving_half_width_px: int
    surviving_num_images: int
    classes: tuple[ClassMeasure, ...]
    sample: Sample
    comparison: Comparison | None
    examples: tuple[ExampleFiles, ...]
    notes: tuple[str, ...]
