"""Check the theory on generated and on real labels, and write docs/results/theory.md with its figures.

Run ``.venv/bin/python docs/scripts/theory.py`` from the repository root. Each set of labels gives its figures,
``theory-NAME.png``, and its numbers, ``records/theory/NAME.json``; ``--redraw`` writes page and figures
from the numbers.
"""

import argparse
import io
import platform
from datetime import date
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from metastructure import _version
from metastructure.data.files import write_text
from metastructure.data.strict_json import to_json
from metastructure.data.theory import NUM_IMAGES, check_theory
from metastructure.data.theory_report import TheoryReport
from metastructure.data.theory_verdicts import judge_all
from metastructure.report.theory_figures import draw_theory
from metastructure.report.theory_text import describe_labels, noise_table, statement_table, to_markdown

RESULTS = Path(__file__).parents[1] / "results"
RECORDS = RESULTS / "records" / "theory"
DATA = Path("../shared/data")
SETS: dict[str, Path | str] = {
    "generated-nuc": "nuc",
    "generated-street": "street",
    "nuc": DATA / "nuc/train/labels",
    "camvid": DATA / "camvid/train/labels",
}
SHEET_WIDTH_PX = 1320
DPI = 100
SEED = 0


def main() -> None:
    """Check each set, keep its numbers, draw its figures, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=NUM_IMAGES, help="images of each set")
    parser.add_argument("--redraw", action="store_true", help="check nothing; draw what was found before")
    arguments = parser.parse_args()
    for name, labels in SETS.items():
        if not arguments.redraw:
            found = check_theory(labels, seed=SEED, num_images=arguments.images)
            facts = f"{date.today().isoformat()}, Python {platform.python_version()}, numpy {np.__version__}, scipy "
            facts += f"{scipy.__version__}, metastructure {_version.__version__}"
            write_text(RECORDS / f"{name}.json", to_json(found) + "\n")
            write_text(RECORDS / f"{name}.txt", facts + "\n")
        report = load(name)
        draw_sheet(report, RESULTS / f"theory-{name}.png")
        print("\n".join([name, *(f"  {one.name}: {one.verdict}" for one in report.statements)]), flush=True)
    write_text(RESULTS / "theory.md", "\n".join(page()) + "\n")


def load(name: str) -> TheoryReport:
    """Return the numbers kept of one set, judged again."""
    kept = TheoryReport.model_validate_json((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    return kept.model_copy(update={"statements": judge_all(kept)})


def draw_sheet(report: TheoryReport, path: Path) -> None:
    """Write all figures of one set on one sheet, row by row."""
    pictures = []
    for figure in draw_theory(report).values():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        pictures.append(Image.open(buffer).convert("RGB"))
    rows: list[list[Image.Image]] = [[]]
    for picture in pictures:
        if sum(one.width for one in rows[-1]) + picture.width > SHEET_WIDTH_PX:
            rows.append([])
        rows[-1].append(picture)
    heights = [max(one.height for one in row) for row in rows]
    sheet = Image.new("RGB", (SHEET_WIDTH_PX, sum(heights)), "white")
    for row, top in zip(rows, np.cumsum([0, *heights[:-1]]), strict=True):
        left = 0
        for picture in row:
            sheet.paste(picture, (left, int(top)))
            left += picture.width
    sheet.quantize(64).save(path, optimize=True)


def page() -> list[str]:
    """Return the page, line by line."""
    reports = {name: load(name) for name in SETS}
    lines = ["# The theory, checked", ""]
    lines += [
        "`metastructure measure theory LABELS` takes labels for clean, corrupts them with fixed noises and judges each "
        "statement of [meta-structure.md](../meta-structure.md). What a verdict rests on is in `theory.json` under "
        "`criterion`. Written by `python docs/scripts/theory.py`; numbers in `records/theory`.",
        "",
    ]
    names = [one.name for one in next(iter(reports.values())).statements]
    verdicts = [[str(report.statements[k].verdict) for report in reports.values()] for k in range(len(names))]
    lines += to_markdown([["statement", *reports], *([name, *row] for name, row in zip(names, verdicts, strict=True))])
    for name, report in reports.items():
        command = f"metastructure measure theory {report.labels}"
        if isinstance(SETS[name], str):
            command = f"metastructure measure theory --kind {SETS[name]}"
        made = (RECORDS / f"{name}.txt").read_text(encoding="utf-8").strip()
        lines += ["", f"## {name}", "", f"{describe_labels(report)}.", ""]
        lines += [f"`{command} --images {report.num_images} --seed {report.seed}`; {made}.", ""]
        lines += [f"![Figures of the checks on {name}](theory-{name}.png)", ""]
        lines += [*to_markdown(statement_table(report)), "", *to_markdown(noise_table(report))]
    return lines


if __name__ == "__main__":
    main()
