"""Which finding of the audit each noise gives on generated labels, and what the audit of real labels takes.

Run ``python benchmarks/audit_kinds.py`` from the repository root; it writes ``benchmarks/results/audit_kinds.md`` row
by row. Pictures and noise are drawn with `SEED`; the rules of the audit were chosen on seeds 0 to 4.
"""

import argparse
import platform
import resource
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

from metastructure import _version
from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_result import Audit
from metastructure.data.files import save_image, write_text
from metastructure.data.synthetic import NUM_CLASSES, generate
from metastructure.errors import DataError
from metastructure.noise import corrupt, parse_noise

SEED, NUM, SIZE = 11, 16, 128
NOISES = {
    "clean": "",
    "flip:0.02": "random",
    "flip:0.2": "random",
    "sample:0.3": "random",
    "dilate:2": "bias",
    "erode:2": "bias",
    "jitter:1": "jitter",
    "jitter:2": "jitter",
    "move:3": "jitter",
    "polygon:3": "",
    "skeleton": "skeleton",
    "boxes": "box",
    "omit:0.2": "missing",
    "include:0.3": "spurious",
    "swap:0.2": "swapped",
}
"""Noise and the finding it should give; `polygon` has none of its own, `move` moves each boundary against its edge."""

PREAMBLE = """\
Clear findings stand first, with the evidence and the lower end of its interval; weak ones follow in parentheses. A
label that noise emptied is told as `empty`, and as `outlier`, whatever the noise."""


class Table:
    """The file of results, rewritten whole at each row."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, list[str]()

    def add(self, *lines: str) -> None:
        """Add lines, and write the file."""
        self.lines += lines
        write_text(self.path, "\n".join(self.lines) + "\n")
        print(*lines, sep="\n", flush=True)


def write_folder(root: Path, kind: str, noise: str, seed: int) -> None:
    """Write generated images with noisy labels."""
    model, C = parse_noise(noise), NUM_CLASSES[kind]
    for index in range(NUM):
        image, label = generate(kind, seed=seed, index=index, height=SIZE, width=SIZE)
        noisy = corrupt(label, model, seed=seed, item=f"{index:02}", num_classes=C)
        save_image(root / "images" / f"{index:02}.png", image)
        save_image(root / "labels" / f"{index:02}.png", noisy)


def told(audit: Audit) -> tuple[str, str]:
    """Return the clear and the weak findings in short."""
    texts = []
    for confidence in ("clear", "weak"):
        found = [finding for finding in audit.findings if finding.confidence == confidence]
        texts.append(
            ", ".join(f"{one.kind} {one.evidence.value:.3g} ({one.evidence.low:.3g})" for one in found) or "none"
        )
    return texts[0], texts[1]


def row(kind: str, noise: str, wanted: str, seed: int) -> str:
    """Return a row of the table of noises."""
    with tempfile.TemporaryDirectory() as name:
        write_folder(Path(name), kind, noise, seed)
        start = time.process_time()
        audit = audit_folder(Path(name) / "images", Path(name) / "labels", num_classes=NUM_CLASSES[kind])
        seconds = time.process_time() - start
    clear, weak = told(audit)
    kinds = {finding.kind for finding in audit.findings if finding.confidence == "clear"}
    others = kinds - {wanted, "empty", "outlier"}
    verdict = "yes" if not wanted or wanted in kinds else "no"
    return (
        f"| {kind} | `{noise}` | {wanted or 'nothing'} | {verdict} | {', '.join(sorted(others)) or 'none'} | "
        f"{clear} ({weak}) | {seconds:.1f} s |"
    )


def real(table: Table, folder: Path) -> None:
    """Add what the audit says of real labels as they are, and what it takes."""
    start, wall = time.process_time(), time.perf_counter()
    audit = audit_folder(folder / "images", folder / "labels")
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.add(
        "",
        f"## {'/'.join(folder.parts[-2:])}, {audit.num_images} images",
        "",
        f"{seconds:.1f} s of CPU time, one thread ({wall:.0f} s on the clock), peak memory {peak:.0f} MB.",
        "",
        *(f"- {finding.kind}, {finding.confidence}: {finding.sentence}" for finding in audit.findings),
    )


def main() -> None:
    """Measure and write the tables, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of nuc")
    parser.add_argument("--kinds", nargs="*", default=["nuc", "mito", "er", "street"])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/audit_kinds.md"))
    arguments = parser.parse_args()
    table = Table(arguments.out)
    table.add(
        "# What the audit tells of labels with a known noise",
        "",
        f"{date.today()} · {platform.system()} · Python {platform.python_version()}, numpy {np.__version__}, "
        f"metastructure {_version.__version__}. By `python benchmarks/audit_kinds.py --seed {arguments.seed}`.",
        "",
        PREAMBLE,
    )
    for split in ("train", "val"):
        if (arguments.data / "nuc" / split).is_dir():
            real(table, arguments.data / "nuc" / split)
    table.add("", f"## Generated labels, {NUM} images of {SIZE} x {SIZE}, seed {arguments.seed}", "")
    table.add(
        "| kind | noise | wanted | found clear | also clear | evidence | CPU time |", "|---|---|---|---|---|---|---|"
    )
    for kind in arguments.kinds:
        for noise, wanted in NOISES.items():
            try:
                table.add(row(kind, noise, wanted, arguments.seed))
            except (ValueError, DataError) as error:
                table.add(f"| {kind} | `{noise}` | | | | not possible: {error} | |")


if __name__ == "__main__":
    main()
