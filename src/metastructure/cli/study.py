"""``metastructure study run|status|table|report``: a grid of runs from one YAML file."""

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, StoreOption, StudyArgument, ThreadsOption

if TYPE_CHECKING:
    from metastructure.study import Store, StudySpec

app = typer.Typer(
    help="Run a grid of data x noises x networks x seeds, and read its results.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class TableFormat(StrEnum):
    """How to print a table."""

    text = "text"
    csv = "csv"
    markdown = "markdown"


@app.command(epilog="Example: metastructure study run studies/nuc-quick.yaml")
def run(
    study: StudyArgument,
    store: StoreOption = None,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do the runs that are missing; a finished one is never done twice, an interrupted one goes on."""
    from metastructure.cli.display import StudyDisplay, print_table
    from metastructure.study import SerialEngine, make_table, run_study
    from metastructure.study.claims_text import ONE_SEED
    from metastructure.study.counts import count
    from metastructure.training import Machine

    spec, records_in = _open(study, store)
    if spec.claims and len(spec.seeds) == 1:
        print(f"warning: the claims of {spec.name} will be tested on one seed; {ONE_SEED}", file=sys.stderr)
    with StudyDisplay(spec, records_in) as display:
        engine = SerialEngine(Machine(device=device.value, threads=threads))
        records = run_study(spec, records_in, engine, display)
    table = make_table(records)
    if as_json:
        print(table.to_json(orient="records", indent=1))
    else:
        print_table(table)
        where = shlex.join([str(study), *(["--store", str(store)] if store else [])])
        print(f"records: {records_in.root}; page: metastructure study report {where}")
        if spec.claims:
            print(f"verdicts on {count(len(spec.claims), 'claim')}: metastructure study table {where}")


@app.command(epilog="Example: metastructure study status studies/nuc-quick.yaml")
def status(
    study: StudyArgument,
    store: StoreOption = None,
    every_run: Annotated[bool, typer.Option("--all", help="One line a run instead of counts.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what failed or was interrupted, and how many runs of each condition are done."""
    from metastructure.study import get_status
    from metastructure.study.status_text import list_status, status_to_text

    spec, records_in = _open(study, store)
    found = get_status(spec, records_in)
    if as_json:
        print(json.dumps(list_status(found, records_in), indent=1))
    else:
        print(status_to_text(spec, found, records_in, every_run), end="")


@app.command(epilog="Example: metastructure study table studies/nuc-quick.yaml --format markdown")
def table(
    study: StudyArgument,
    store: StoreOption = None,
    style: Annotated[TableFormat, typer.Option("--format", help="How to print it.")] = TableFormat.text,
    as_json: JsonOption = False,
) -> None:
    """Print the table of the finished runs, mean and 95 % interval of each kind of label, and the claims' verdicts."""
    from metastructure.study import check_claims, claims_to_markdown, claims_to_text, make_table, to_markdown, to_text

    spec, records_in = _open(study, store)
    records = _load_some(spec, records_in)
    result = make_table(records)
    claims = check_claims(spec, records)
    if as_json:
        parts = {"table": result, "claims": claims}
        print(json.dumps({name: json.loads(part.to_json(orient="records")) for name, part in parts.items()}, indent=1))
    elif style is TableFormat.csv:
        print(result.to_csv(index=False), end="")
    else:
        as_markdown = style is TableFormat.markdown
        print((to_markdown if as_markdown else to_text)(result), end="")
        if not claims.empty:
            print("\n" + (claims_to_markdown if as_markdown else claims_to_text)(claims), end="")


@app.command(epilog="Example: metastructure study report studies/nuc-quick.yaml --out nuc.html")
def report(
    study: StudyArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page; by default in the store.")] = None,
    store: StoreOption = None,
) -> None:
    """Write one self-contained HTML page with table, bars and test images of the finished runs."""
    from metastructure.study.page import write_study_page

    spec, records_in = _open(study, store)
    path = out or records_in.root / f"{spec.name}.html"
    write_study_page(spec, records_in, path, f"metastructure study run {study}")
    print(path)


def _open(study: Path, store: Path | None) -> "tuple[StudySpec, Store]":
    from metastructure.study import Store, load_study

    spec = load_study(study)
    return spec, Store(store or Path("runs") / spec.name)


def _load_some(spec: "StudySpec", store: "Store"):  # type: ignore[no-untyped-def]
    from metastructure.errors import RunError

    records = store.load_done(spec)
    if not records:
        raise RunError(f"{store.root}: no run of study {spec.name!r} is done; run it first.")
    return records
