"""Write the results page of a finished study into docs/results: table, picture of its report, command, versions, date.

Run:  .venv/bin/python docs/scripts/results.py studies/nuc-quick.yaml        (store runs/nuc-quick)
      .venv/bin/python docs/scripts/results.py demo                           (store metastructure-demo)
Also keeps the run records (not the sample images), so that `study table --store docs/results/records/NAME` and studies
that share runs work from a fresh clone. The picture of the page needs Chromium and is left as it is without.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image, ImageChops

from metastructure.counts import count
from metastructure.report.pictures import show_image, show_label, show_prediction
from metastructure.study import RunRecord, Store, StudySpec, load_study, make_table, to_markdown
from metastructure.study.claims_text import claims_to_markdown
from metastructure.study.demo import demo_study
from metastructure.study.hypotheses import check_claims
from metastructure.study.page import write_study_page

RESULTS = Path(__file__).parents[1] / "results"
PAGE_WIDTH, PAGE_HEIGHT = 1280, 6000
MAX_COLUMNS = 12
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
]


def main(name: str) -> None:
    """Write the page, the picture, the table as CSV and the records of one study."""
    if name == "demo":
        study, store, command = demo_study(), Store(Path("metastructure-demo")), "metastructure demo"
    else:
        study = load_study(Path(name))
        store, command = Store(Path("runs") / study.name), f"metastructure study run {name}"
    records = store.load_done(study)
    _keep_records(study, store)
    make_table(records).to_csv(RESULTS / f"{study.name}.csv", index=False)
    _draw_strip(records, store, RESULTS / f"{study.name}.png")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        write_study_page(study, store, page, command)
        _photograph(page, RESULTS / f"{study.name}-page.png")
    _write_markdown(study, records, command)


def _keep_records(study: StudySpec, store: Store) -> None:
    kept = Store(RESULTS / "records" / study.name)
    for run in filter(store.is_done, study.runs()):
        kept.folder(run).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.folder(run) / "record.json", kept.folder(run) / "record.json")
    shutil.copyfile(store.root / "data.json", kept.root / "data.json")


def _draw_strip(records: list[RunRecord], store: Store, path: Path, place: int = 1) -> None:
    """Draw one test image: labels of each kind above, predictions below; the first seed, the study's last recipe."""
    last = records[-1].spec
    records = [r for r in records if r.spec.seed == records[0].spec.seed and r.spec.recipe == last.recipe]
    C = records[0].num_classes
    first = store.load_samples(records[0].spec)
    image, truth = first[f"image_{place}"], first[f"truth_{place}"]
    columns = [("image / truth", show_image(image), show_label(truth, C))]
    for record in records:
        kept = store.load_samples(record.spec)
        noisy, prediction = kept[f"noisy_{place}"], kept[f"prediction_{place}"]
        columns.append((record.spec.noise, show_label(noisy, C), show_prediction(prediction, truth, C)))
    aspect = image.shape[0] / image.shape[1]
    num_bands = -(-len(columns) // MAX_COLUMNS)
    width = -(-len(columns) // num_bands)
    figure = Figure(figsize=(1.3 * width, num_bands * (2.6 * aspect + 0.25)), dpi=110, layout="constrained")
    axes = figure.subplots(2 * num_bands, width, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for index, (title, above, below) in enumerate(columns):
        band, column = divmod(index, width)
        axes[2 * band, column].imshow(above, interpolation="nearest")
        axes[2 * band + 1, column].imshow(below, interpolation="nearest")
        axes[2 * band, column].set_title(title, fontsize=9)
    figure.savefig(path)


def _photograph(page: Path, path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium: the picture of the page was left as it is", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={PAGE_WIDTH},{PAGE_HEIGHT}"
        arguments = [*CHROMIUM_FLAGS, f"--user-data-dir={profile}", size, f"--screenshot={path.resolve()}"]
        subprocess.run([chromium, *arguments, page.as_uri()], check=True, capture_output=True, timeout=120)
    with Image.open(path) as picture:
        shot = picture.convert("RGB")
    bottom = ImageChops.difference(shot, Image.new("RGB", shot.size, "white")).getbbox()
    height = bottom[3] + 24 if bottom else shot.height
    shot.crop((0, 0, shot.width, height)).quantize(128).save(path, optimize=True)


def _write_markdown(study: StudySpec, records: list[RunRecord], command: str) -> None:
    last = max(record.finished for record in records)
    num_runs = len(list(study.runs()))
    missing = ["", f"**{len(records)} of {num_runs} runs are done; the others are not run yet.**"]
    missing = missing if len(records) < num_runs else []
    versions = ", ".join(f"{name} {version}" for name, version in records[0].versions.items())
    minutes = sum(record.seconds for record in records) / 60
    network = ", ".join(dict.fromkeys(f"{r.spec.network.title} ({r.num_parameters:,} parameters)" for r in records))
    lines = [
        f"# {study.name}",
        "",
        study.description,
        *missing,
        "",
        f"![One test image: labels trained on above, predictions below]({study.name}.png)",
        "",
        to_markdown(make_table(records)),
        "Points (0-100) on clean test labels, 95 % bootstrap intervals over test images, differences paired. "
        + ("Dice: mean over test images, " if records[0].num_classes == 2 else "mIoU: over all test pixels. ")
        + ("threshold chosen on validation. " if records[0].num_classes == 2 else "")
        + ("One seed: the intervals do not speak of other seeds." if len(study.seeds) == 1 else ""),
        "",
        *_describe_claims(study, records),
        f"- Command: `{command}`; this page: `docs/scripts/results.py`; all columns: "
        f"[{study.name}.csv]({study.name}.csv)",
        *(
            f"- Recipe `{name}`: "
            + (", ".join(f"{key} {value}" for key, value in changes.items()) or "nothing changed")
            for name, changes in study.recipes.items()
            if len(study.recipes) > 1
        ),
        f"- {network}; seeds {', '.join(map(str, study.seeds))}; {count(len(records), 'run')} in {minutes:.0f} min of "
        f"wall-clock time on {records[0].threads} threads ({records[0].device})",
        f"- {versions}; finished {last}",
        f"- Records: `docs/results/records/{study.name}`; the report page as people see it: "
        f"[{study.name}-page.png]({study.name}-page.png)",
        "",
    ]
    (RESULTS / f"{study.name}.md").write_text("\n".join(lines), encoding="utf-8")


def _describe_claims(study: StudySpec, records: list[RunRecord]) -> list[str]:
    if not study.claims:
        return []
    return ["## Claims", "", claims_to_markdown(check_claims(study, records)), ""]


if __name__ == "__main__":
    main(sys.argv[1])
