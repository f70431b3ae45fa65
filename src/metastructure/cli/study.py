"""``metastructure study run|status|table|report|gc|export``: a grid of runs from one YAML file."""

import json
import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metastructure.cli.options import (
    Device,
    DeviceOption,
    JsonOption,
    StoreOption,
    StudyArgument,
    ThreadsOption,
    check_there,
)

if TYPE_CHECKING:
    from metastructure.study import Engine, Store, StudySpec

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


class ExportFormat(StrEnum):
    """What `export` writes."""

    csv = "csv"
    parquet = "parquet"
    mlflow = "mlflow"
    tensorboard = "tensorboard"


class EngineChoice(StrEnum):
    """How the runs of a study get done."""

    serial = "serial"
    ray = "ray"


@app.command(epilog="Example: metastructure study run studies/nuc-quick.yaml")
def run(
    study: StudyArgument,
    store: StoreOption = None,
    engine: Annotated[
        EngineChoice, typer.Option(help="serial: one run after another here; ray: many at once, on a cluster.")
    ] = EngineChoice.serial,
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster: auto, host:port or ray://host:port; without it one is started here."),
    ] = None,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do the runs that are missing; a finished one is never done twice, an interrupted one goes on."""
    if address is not None and engine is EngineChoice.serial:
        raise typer.BadParameter("--address is that of a Ray cluster; add --engine ray")
    if threads is not None and engine is EngineChoice.ray:
        raise typer.BadParameter(
            "--threads is for --engine serial; with ray write resources: {cpus: N} in the study file"
        )
    spec, records_in = _open(study, store)

    from metastructure.cli.display import StudyDisplay, print_table
    from metastructure.counts import count
    from metastructure.study import make_table, run_study
    from metastructure.study.claims_text import ONE_SEED

    if spec.claims and len(spec.seeds) == 1:
        message = "the claims of %s will be tested on one seed; %s"
        logging.getLogger(__name__).warning(message, spec.name, ONE_SEED)
    with _start_engine(engine, spec, device, threads, address) as started, StudyDisplay(spec, records_in) as display:
        records = run_study(spec, records_in, started, display)
    table = make_table(records)
    if as_json:
        print(table.to_json(orient="records", indent=1))
    else:
        print_table(table)
        where = shlex.join([str(study), *(["--store", str(store)] if store else [])])
        print(f"records: {records_in.address}; page: metastructure study report {where}")
        if spec.claims:
            print(f"verdicts on {count(len(spec.claims), 'claim')}: metastructure study table {where}")


@app.command(epilog="Example: metastructure study status studies/nuc-quick.yaml")
def status(
    study: StudyArgument,
    store: StoreOption = None,
    every_run: Annotated[bool, typer.Option("--all", help="One line a run instead of counts.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what failed, is damaged, was interrupted or runs now, and how many runs of each condition are done."""
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
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page with table, bars and test images of the finished runs."""
    from metastructure.study.page import write_study_page

    spec, records_in = _open(study, store)
    path = out or records_in.root / f"{spec.name}.html"
    write_study_page(spec, records_in, path, f"metastructure study run {study}")
    print(json.dumps({"page": str(path)}, indent=1) if as_json else path)


@app.command(epilog="Example: metastructure study gc studies/nuc-quick.yaml --dry-run")
def gc(
    study: StudyArgument,
    store: StoreOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="Also runs that the study no longer has, records included.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what is no longer needed: old checkpoints, leases and temporary files, and damaged records."""
    from metastructure.study.gc import find_litter, litter_to_text, remove_litter

    spec, records_in = _open(study, store)
    found = find_litter(spec, records_in, unlisted)
    if not dry_run:
        remove_litter(records_in, found)
    if as_json:
        print(json.dumps([{"name": one.name, "kind": one.kind, "bytes": one.size} for one in found], indent=1))
    else:
        print(litter_to_text(found, dry_run), end="")


@app.command(epilog="Example: metastructure study export studies/nuc-quick.yaml --format parquet")
def export(
    study: StudyArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A file for csv and parquet, else a folder; by default in the store."),
    ] = None,
    style: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.csv,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the finished runs for other programs: one row a run, or logs of MLflow or TensorBoard."""
    from metastructure.study.export import export_study

    spec, records_in = _open(study, store)
    path = export_study(spec, records_in, style.value, out)
    print(json.dumps({"format": style.value, "out": str(path)}, indent=1) if as_json else path)


@contextmanager
def _start_engine(
    choice: EngineChoice, spec: "StudySpec", device: Device, threads: int | None, address: str | None
) -> "Iterator[Engine]":
    if choice is EngineChoice.ray:
        from metastructure.study.ray_engine import RayEngine

        to_stderr = redirect_stdout(sys.stderr)  # where Ray prints what it has to say of lost nodes
        with to_stderr, RayEngine(spec.resources, device.value, address) as engine:
            yield engine
        return
    from metastructure.study.engines import SerialEngine, choose_machine

    yield SerialEngine(choose_machine(spec.resources, device.value, threads))


def _open(study: Path, store: Path | None) -> "tuple[StudySpec, Store]":
    check_there("study file", study)
    from metastructure.study import Store, load_study

    spec = load_study(study)
    return spec, Store(store or Path("runs") / spec.name)


def _load_some(spec: "StudySpec", store: "Store"):  # type: ignore[no-untyped-def]
    from metastructure.errors import RunError

    records = store.load_results(spec)
    if not records:
        raise RunError(f"{store.address}: no run of study {spec.name!r} is done; run it first.")
    return records
