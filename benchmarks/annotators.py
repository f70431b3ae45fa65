"""How well the habits of simulated annotators of nuclei are told from their labels, and how good the consensus is.

Run ``python benchmarks/annotators.py`` from the repository root; it writes ``benchmarks/results/annotators.md``, one
group after another. Labels are those of the training part of ../shared/data/nuc, which stand for the truth; annotators
are drawn with `SEED` and the image's name. The comparison sees neither the truth nor how annotators were made.
"""

import argparse
import platform
import resource
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import scipy

from metastructure import _version
from metastructure.audit import AnnotatorComparison, compare_annotators, consensus_label
from metastructure.audit.annotator_outlines import compare_outlines, find_outline
from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray, load_image, load_label, write_text
from metastructure.data.folder import find_items
from metastructure.label import LabelArray
from metastructure.metrics import foreground_dice
from metastructure.noise import corrupt, parse_noise
from metastructure.noise.annotators import Annotator, majority_label
from metastructure.noise.base import NoiseModel
from metastructure.rng import generator
from metastructure.transition import TransitionMatrix

SEED = 7
DATA = Path("../shared/data/nuc")
CAREFUL = Annotator(jitter_px=0.5)
GROUPS: dict[str, dict[str, NoiseModel]] = {
    "four annotators of unlike habits": {
        "careful": CAREFUL,
        "conservative": Annotator(bias_px=-1, jitter_px=0.5),
        "generous": Annotator(bias_px=2, jitter_px=0.5),
        "sloppy": Annotator(omission=0.15, jitter_px=1),
    },
    "four alike": dict.fromkeys(("ann", "bo", "cy", "di"), CAREFUL),
    "random pixels": {
        "careful": CAREFUL,
        "flips 10 %": parse_noise("flip:0.1"),
        "flips 30 %": parse_noise("flip:0.3"),
        "half sampled": parse_noise("sample:0.5"),
    },
    "two generous against one careful": {
        "careful": CAREFUL,
        "generous": Annotator(bias_px=2, jitter_px=0.5),
        "generous too": Annotator(bias_px=2, jitter_px=0.5),
    },
    "two only": {"conservative": Annotator(bias_px=-1, jitter_px=0.5), "generous": Annotator(bias_px=2, jitter_px=0.5)},
}
PARTS: tuple[tuple[Callable[[Path], np.ndarray], str], ...] = ((load_image, "image"), (load_label, "label"))
SKIPPED = "four annotators of unlike habits"
"""The group that is looked at once more with each annotator given a random half of the images."""

HEAD = (
    "| annotator | place | Dice, told | true | misses of class 1, told | true | false alarms of class 0, told | true | "
    "outside the consensus, px | true | outside the edges, px | objects missed, told | true |"
)

PREAMBLE = """\
`told` is what the comparison says, with its interval; `true` is measured against the labels as they are. Shifts: the
true one is that against the same labels by the same measure. Nothing was chosen on these data."""


Labels = dict[str, LabelArray]


def draw_labels(clean: Labels, name: str, noise: NoiseModel, share: float) -> Labels:
    """Return one annotator's labels of a share of the images."""
    ids = [one for one in clean if generator(SEED, f"{name} {one}", "given").random() < share]
    return {one: corrupt(clean[one], noise, seed=SEED, item=f"{name} {one}", num_classes=2) for one in ids}


class Table:
    """The file of results, rewritten whole at each row."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, list[str]()

    def add(self, *lines: str) -> None:
        """Add lines, and write the file."""
        self.lines += lines
        write_text(self.path, "\n".join(self.lines) + "\n")
        print(*lines, sep="\n", flush=True)


def true_numbers(clean: Labels, drawn: Labels) -> tuple[float, TransitionMatrix, float, float]:
    """Return Dice, matrix, shift and share of missed objects of one annotator against the clean labels."""
    table, shifts, missed, expected = np.zeros((2, 2), dtype=np.int64), [], 0, 0
    for image, label in drawn.items():
        table += contingency_table(clean[image], label, 2)
        first, second = find_outline(label, 2), find_outline(clean[image], 2)
        if first is None or second is None:
            continue
        found = compare_outlines(first, second)
        shifts.append((found.shift_px * found.num_shifted, found.num_shifted))
        missed, expected = missed + found.num_missed, expected + found.num_expected
    above, below = np.sum(shifts, axis=0)
    return float(foreground_dice(table)), TransitionMatrix.from_counts(table), above / below, missed / expected


def consensus_scores(clean: Labels, group: dict[str, Labels], found: AnnotatorComparison) -> dict[str, float]:
    """Return the Dice of the consensus and of the majority with the clean labels."""
    tables = {"consensus": np.zeros((2, 2), dtype=np.int64), "majority": np.zeros((2, 2), dtype=np.int64)}
    for image in clean:
        given = {name: of[image] for name, of in group.items() if image in of}
        if given:
            agreed, most = consensus_label(given, found)[0], majority_label(list(given.values()), 2)
            for name, label in (("consensus", agreed), ("majority", most)):
                tables[name] += contingency_table(clean[image], label, 2)
    return {name: float(foreground_dice(table)) for name, table in tables.items()}


def run_group(
    table: Table,
    title: str,
    noises: dict[str, NoiseModel],
    images: dict[str, ImageArray],
    clean: Labels,
    share: float = 1.0,
) -> None:
    """Compare one group of annotators and add its rows."""
    group = {name: draw_labels(clean, name, noise, share) for name, noise in noises.items()}
    start = time.process_time()
    found = compare_annotators(group, images, 2)
    seconds = time.process_time() - start
    table.add("", f"## {title}", "", HEAD, "|---" * HEAD.count(" | ") + "|---|")
    for one in found.annotators:
        dice, Q, shift_px, missed = true_numbers(clean, group[one.name])
        miss, alarm = one.transition[1][0], one.transition[0][1]
        table.add(
            f"| {one.name} | {one.place or '-'} | {one.dice} | {dice:.3f} | {miss} | {Q.rows[1, 0]:.3f} | {alarm} | "
            f"{Q.rows[0, 1]:.3f} | {one.consensus_shift_px} | {shift_px:.2f} | {one.edge_shift_px} | {one.missed} | "
            f"{missed:.3f} |"
        )
    scores = consensus_scores(clean, group, found)
    told = "; ".join(f"{name} {value:.4f}" for name, value in scores.items())
    excess = max(found.pairs, key=lambda pair: np.nan_to_num(pair.excess, nan=-1))
    table.add(
        "",
        f"Dice with the truth: {told}; tied {100 * found.tied_share:.2f} %. Places: "
        f"{' > '.join(', '.join(names) for names in found.ranking()) or 'none'}. Largest excess of agreement: "
        f"{100 * excess.excess:.2f} % of the pixels ({excess.first}, {excess.second}). {seconds:.0f} s of CPU time, "
        "edges of the images included.",
        *(f"Note: {note}" for note in found.notes),
    )


def main() -> None:
    """Write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=60, help="images of nuc/train")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/annotators.md"))
    args = parser.parse_args()
    items = find_items(DATA, "train")[: args.num]
    images, clean = ({one.id: load(getattr(one, part)) for one in items} for load, part in PARTS)
    table = Table(args.out)
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    table.add(
        "# Who is who among simulated annotators of real nuclei",
        "",
        f"{date.today()} · {platform.system()} · {versions}, metastructure {_version.__version__}. By "
        f"`python benchmarks/annotators.py --num {args.num}`; {args.num} images of 256 x 256.",
        "",
        PREAMBLE,
    )
    for title, noises in GROUPS.items():
        run_group(table, title, noises, images, clean)
    title = f"{SKIPPED}, each of whom labelled a random half of the images"
    run_group(table, title, GROUPS[SKIPPED], images, clean, share=0.5)
    table.add("", f"Peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, all images held.")


if __name__ == "__main__":
    main()
