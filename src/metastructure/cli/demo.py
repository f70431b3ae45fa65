"""``metastructure demo``: the paper's claim on this machine, in minutes."""

import json
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, ThreadsOption


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data, records and the page.")] = Path(
        "metastructure-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of images, noise and training.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that all works here: too short to show the claim.")
    ] = False,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the paper's claim: train on nine kinds of labels, clean to random, and compare.

    Generates microscopy images, corrupts their labels, trains a small U-Net on each kind, tests all on clean labels,
    and writes one HTML page. Ctrl-C loses nothing: the next call goes on.

    Example: metastructure demo --out my-demo
    """
    from metastructure.cli.display import StudyDisplay, print_table
    from metastructure.study import SerialEngine, Store
    from metastructure.study.demo import demo_study, run_demo
    from metastructure.training import Machine

    study, store = demo_study(seed, quick), Store(out)
    with StudyDisplay(study, store) as display:
        table, page = run_demo(study, store, SerialEngine(Machine(device=device.value, threads=threads)), display)
    if as_json:
        rows = json.loads(table.to_json(orient="records"))  # NaN becomes null
        print(json.dumps({"page": str(page.resolve()), "table": rows}, indent=1))
        return
    print_table(table, "Test scores after training on each kind of label")
    print(f"\nThe page with pictures: {page.resolve()}")
