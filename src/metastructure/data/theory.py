"""The paper's lemmas and theorems checked on labels: clean ones are corrupted with fixed noises, the numbers judged.

The statements are derived in docs/meta-structure.md. The checks themselves are in `metastructure.structure`, the noises
in `theory_noises`, the verdicts in `theory_verdicts`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count, takewhile
from pathlib import Path

import numpy as np

from metastructure.data.theory_labels import MAX_SIDE_PX, TheoryLabels, choose_labels, realised_transition
from metastructure.data.theory_noises import TheoryNoises, choose_noises, singular_rate
from metastructure.data.theory_report import ExactCase, Lemma1Case, TheoryReport, WindowCase
from metastructure.data.theory_verdicts import judge_all
from metastructure.errors import ConfigError
from metastructure.label import LabelArray
from metastructure.noise import NoiseModel
from metastructure.rng import generator
from metastructure.structure import Theorem1, check_lemma_1, check_lemma_2, check_theorem_1, check_theorem_2, similarity
from metastructure.structure.pairs import Pair
from metastructure.structure.similarity import HALF_WIDTH_PX
from metastructure.structure.theory import RandomisedCase

NUM_IMAGES = 40
HALF_WIDTHS_PX = (1, 2, 4, 8, 16)
WIDEST_SHARE = 0.5
"""Of the shorter side: the half-widths of the windows that are compared stay below it."""

CONFIDENCE = 0.99
"""Eight steps and a dozen noises are judged at once."""

NUM_RESAMPLES = 400

OnStep = Callable[[int, int], None]
Tick = Callable[[], None]


def check_theory(
    labels: Path | str | Sequence[LabelArray],
    *,
    seed: int = 0,
    num_images: int = NUM_IMAGES,
    num_classes: int | None = None,
    half_widths_px: Sequence[int] | None = None,
    half_width_px: int = HALF_WIDTH_PX,
    on_step: OnStep = lambda done, total: None,
) -> TheoryReport:
    """Return lemmas 1 and 2 and theorems 1 and 2 in numbers, with a verdict each, and where they stop holding.

    Parameters
    ----------
    labels : Path, str or sequence of (H, W) arrays of integers
        A folder of labels (as `metastructure.data.label_set.scan_labels` reads), the kind of generated labels ("er",
        "mito", "nuc" or "street"), or the labels themselves; taken for clean. IGNORE is left out. Larger labels are
        cut to their middle 512 rows and columns.
    seed : int, at least 0
        Of the noise, the bootstrap and generated labels.
    num_images : int
        At most so many, evenly spaced. Time grows with it, with pixels and with classes.
    num_classes : int, optional
        C. Without it what the labels hold; for generated labels that of the kind.
    half_widths_px : sequence of int, optional
        Of Lemma 1. Without it those of 1, 2, 4, 8, 16 whose window fits every image.
    half_width_px : int
        Of all other checks. Windows of different width are compared from 1 px on, doubling.
    on_step : callable, optional
        ``on_step(done, total)`` after each check.

    Raises
    ------
    DataError
        If there is nothing to check: no labels, none readable, only IGNORE or only one class.
    ConfigError
        If the kind is unknown, or a number is not possible for these labels.

    Notes
    -----
    Box windows. Labels of one image have no intervals, and what needs one cannot be seen.

    Examples
    --------
    >>> blocks = generator(0).integers(0, 2, (4, 8, 8)).astype(np.uint8)
    >>> report = check_theory([np.kron(block, np.ones((8, 8), np.uint8)) for block in blocks])
    >>> report.num_images, str(report.statements[0].verdict)
    (4, 'holds')
    """
    clean = choose_labels(labels, num_images, num_classes, seed)
    noises, side = choose_noises(clean.num_classes), clean.shorter_side_px
    widths = tuple(h for h in HALF_WIDTHS_PX if 2 * h < side) if half_widths_px is None else tuple(half_widths_px)
    _check_fit([*widths, half_width_px], side, clean)
    windows = tuple(takewhile(lambda h: h < max(WIDEST_SHARE * side, 2), (2**k for k in count())))
    total, done = 4 + 2 * len(noises.randomised()) + 2 + 1 + len(windows) + 2, count(1)

    def tick() -> None:
        on_step(next(done), total)

    rng = generator(seed, "", "theorem 2")
    report = TheoryReport(
        labels=clean.description,
        num_images=len(clean.labels),
        num_found=clean.num_found,
        max_side_px=MAX_SIDE_PX,
        num_classes=clean.num_classes,
        num_present=clean.count_present(),
        object_width_px=clean.object_width_px(),
        seed=seed,
        half_width_px=half_width_px,
        confidence=CONFIDENCE,
        singular_rate=singular_rate(clean.num_classes),
        noises=noises.specs(),
        lemma_1=tuple(_lemma_1(clean, noises, widths, tick)),
        lemma_2=check_lemma_2(_randomised(clean, noises, tick), half_width_px),
        dilated=_theorem_1(clean, noises.dilated, half_width_px, "dilated", tick),
        eroded=_theorem_1(clean, noises.eroded, half_width_px, "eroded", tick),
        theorem_2=check_theorem_2(
            _randomised(clean, noises, tick), rng, half_width_px, "box", CONFIDENCE, NUM_RESAMPLES
        ),
        sweep=noises.sweep_names(),
        windows=tuple(_windows(clean, noises, windows, tick)),
        exact=tuple(_exact(clean, noises, (*(h for h in widths if h < side - 1), side - 1), half_width_px, tick)),
        widest_share=clean.window_share(side - 1),
    )
    return report.model_copy(update={"statements": judge_all(report)})


def _check_fit(half_widths_px: Sequence[int], side: int, clean: TheoryLabels) -> None:
    if any(not isinstance(h, int | np.integer) or h < 1 for h in half_widths_px):
        raise ConfigError(f"Half-widths must be whole numbers of at least 1; got {list(half_widths_px)}.")
    if max(half_widths_px) >= side:
        raise ConfigError(
            f"{clean.description}: a half-width of {max(half_widths_px)} px does not fit the smallest label, whose "
            f"shorter side is {side} px; use smaller half-widths, or larger labels."
        )


def _lemma_1(
    clean: TheoryLabels, noises: TheoryNoises, half_widths_px: Sequence[int], tick: Tick
) -> Iterator[Lemma1Case]:
    """Yield three randomised noises, and last the boundary noise that must break the lemma."""
    C = clean.num_classes
    for name, model in noises.full_rank().items():
        yield Lemma1Case(name=name, check=check_lemma_1(clean.draw(model), model.transition(C), half_widths_px))
        tick()
    moved = clean.draw(noises.boundary)
    check = check_lemma_1(moved, realised_transition(moved, C), half_widths_px)
    yield Lemma1Case(name=str(noises.boundary), check=check)
    tick()


def _randomised(clean: TheoryLabels, noises: TheoryNoises, tick: Tick) -> Iterator[RandomisedCase]:
    for name, model in noises.randomised().items():
        yield name, clean.draw(model), model.transition(clean.num_classes)
        tick()


def _theorem_1(
    clean: TheoryLabels, models: Sequence[NoiseModel], half_width_px: int, name: str, tick: Tick
) -> Theorem1:
    unmoved: tuple[str, Sequence[Pair]] = ("clean", [(label, label) for label in clean.labels])
    cases = [unmoved, *((str(model), clean.draw(model)) for model in models)]
    rng = generator(clean.seed, name, "theorem 1")
    check = check_theorem_1(cases, clean.num_classes, rng, half_width_px, "box", CONFIDENCE, NUM_RESAMPLES)
    tick()
    return check


def _windows(
    clean: TheoryLabels, noises: TheoryNoises, half_widths_px: Sequence[int], tick: Tick
) -> Iterator[WindowCase]:
    C, rng = clean.num_classes, generator(clean.seed, "", "windows")
    moved = similarity(clean.draw(noises.boundary), rng, half_widths_px, "box", C, CONFIDENCE, NUM_RESAMPLES)
    tick()
    flipped, transition = clean.draw(noises.weak), noises.weak.transition(C)
    for scale in moved.scales:
        (case,) = check_lemma_2([(str(noises.weak), flipped, transition)], scale.half_width_px)
        weakest = case.rank - 2  # densities sum to 1: one dimension less than classes
        found, edges = case.signal_to_noise, case.edges
        yield WindowCase(
            half_width_px=scale.half_width_px,
            signal_to_noise=found[weakest] if weakest < len(found) else float("nan"),
            edge=edges[weakest] if weakest < len(edges) else case.edge,
            dilated=scale.corrected,
        )
        tick()


def _exact(
    clean: TheoryLabels, noises: TheoryNoises, half_widths_px: tuple[int, ...], half_width_px: int, tick: Tick
) -> Iterator[ExactCase]:
    """Yield flips at the singular rate, first with each pixel drawn on its own, then with exact counts."""
    C = clean.num_classes
    for name, model in (("drawn", noises.singular), ("exact", noises.exact)):
        pairs, rng = clean.draw(model), generator(clean.seed, name, "exact")
        realised = realised_transition(pairs, C)
        scale = similarity(pairs, rng, [half_width_px], "box", C, CONFIDENCE, NUM_RESAMPLES).scales[0]
        lemma = check_lemma_1(pairs, model.transition(C), half_widths_px)
        yield ExactCase(
            name=name,
            realised_sigma_min=realised.sigma_min(),
            realised_rank=realised.rank(),
            corrected=scale.corrected,
            half_widths_px=half_widths_px,
            ratios=tuple(one.ratio for one in lemma.scales),
        )
        tick()
