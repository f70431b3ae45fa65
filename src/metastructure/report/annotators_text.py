"""A comparison of annotators as text for a terminal."""

from textwrap import fill

import numpy as np

from metastructure.audit.annotator_result import AnnotatorComparison
from metastructure.audit.annotator_verdict import AnnotatorVerdict

WIDTH = 79
MOST_PAIRS = 15
NUM_IMAGES = 5


def to_text(found: AnnotatorComparison, verdict: AnnotatorVerdict) -> str:
    """Return verdict, agreement of pairs and the images to look at first, in lines of 79 columns."""
    lines = [
        f"{len(found.annotators)} annotators, {found.num_images} images, {found.num_classes} classes",
        "",
        fill(verdict.headline, WIDTH),
        "",
        *(_item(sentence) for sentence in verdict.sentences),
        "",
        "pairs, the least alike first:",
    ]
    ranked = sorted(found.pairs, key=lambda pair: (np.isnan(pair.dice.value), pair.dice.value))
    for pair in ranked[:MOST_PAIRS]:
        if not pair.num_images:
            lines.append(_item(f"{pair.first}, {pair.second}: no image in common"))
            continue
        numbers = f"Dice {pair.dice.value:.3f}, kappa {pair.kappa.value:.3f}"
        if not np.isnan(pair.distance_px.value):
            numbers += f", boundaries {pair.distance_px.value:.1f} px apart"
        lines.append(_item(f"{pair.first}, {pair.second}: {numbers}".replace("nan", "undefined")))
    if len(ranked) > MOST_PAIRS:
        lines.append(f"- and {len(ranked) - MOST_PAIRS} more pairs")
    first = [f"{one.name} ({one.dice:.2f})" for one in found.images[:NUM_IMAGES] if one.dice < 1]
    if first:
        lines += ["", fill(f"images on which they agree least (mean Dice): {', '.join(first)}", WIDTH)]
    if found.tied_share > 0:
        lines += ["", fill(f"the consensus is tied in {100 * found.tied_share:.2g} % of the pixels", WIDTH)]
    if found.notes:
        lines += ["", "notes:", *(_item(note) for note in found.notes)]
    return "\n".join(lines)


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
