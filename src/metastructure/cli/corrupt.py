"""``metastructure corrupt``: noisy copies of a folder of labels, and the proof that they can be made again."""

from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import JsonOption, check_there, complete_noise
from metastructure.cli.progress import show_progress


def corrupt(
    labels: Annotated[
        Path | None, typer.Argument(metavar="LABELS", help="Folder of PNG and TIFF labels, sub-folders too.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="A new folder.")] = None,
    noise: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Such as 'sample:0.1 + dilate:2'.", autocompletion=complete_noise),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; they change no byte.")] = 1,
    check: Annotated[
        Path | None, typer.Option(metavar="manifest.json", help="Draw the noise again and compare; writes nothing.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write noisy copies of all labels in a folder, with a manifest.json.

    Names, sub-folders, format and dtype are kept. The same call goes on after an interruption. With --check, LABELS is
    needed only if the clean labels have moved.

    Example: metastructure corrupt labels noisy --noise flip:0.45 --seed 1
    """
    if check is not None:
        if out is not None or noise is not None:
            raise typer.BadParameter("--check takes the noise from the manifest; give neither OUT nor --noise")
        _check(check, labels, jobs, as_json)
        return
    if labels is None or out is None or noise is None:
        missing = "LABELS" if labels is None else "OUT" if out is None else "--noise SPEC"
        raise typer.BadParameter(
            f"{missing} is missing; for example: metastructure corrupt labels noisy --noise flip:0.45"
        )
    check_there("folder of labels", labels)
    _write(labels, out, noise, seed, classes, jobs, as_json)


def _write(labels: Path, out: Path, noise: str, seed: int, classes: int | None, jobs: int, as_json: bool) -> None:
    from metastructure.data.corrupt import corrupt_folder

    with show_progress("corrupting") as on_item:
        manifest = corrupt_folder(
            labels,
            out,
            noise,
            seed=seed,
            num_classes=classes,
            jobs=jobs,
            on_item=on_item,
        )
    if as_json:
        print(manifest.model_dump_json(indent=1))
        return
    rates = [record.realised_rate for record in manifest.files if record.realised_rate is not None]
    unchanged = sum(bool(record.note) for record in manifest.files)
    mean = f", {100 * sum(rates) / len(rates):.1f} % of the pixels changed class" if rates else ""
    ignored = [record.ignored_rate or 0.0 for record in manifest.files]
    lost = f", {100 * sum(ignored) / len(ignored):.1f} % became IGNORE" if any(ignored) else ""
    print(
        f"{len(manifest.files)} labels of {manifest.recipe.num_classes} classes{mean}{lost}, {unchanged} unchanged: "
        f"{out / 'manifest.json'}"
    )


def _check(manifest: Path, labels: Path | None, jobs: int, as_json: bool) -> None:
    import json

    from metastructure.data.corrupt import check_manifest

    with show_progress("checking") as on_item:
        problems = check_manifest(
            manifest,
            labels,
            jobs=jobs,
            on_item=on_item,
        )
    if as_json:
        print(json.dumps({"manifest": str(manifest), "problems": problems}, indent=1))
    elif problems:
        print("\n".join(problems))
    else:
        print(f"{manifest}: every label comes out the same, bit for bit.")
    if problems:
        raise typer.Exit(1)
