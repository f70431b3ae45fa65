"""Train a study's networks, and show what they learn when: docs/results/dynamics.md with figures, table and records.

Run:  .venv/bin/python docs/scripts/dynamics.py studies/dynamics-quick.yaml
Runs and weights are kept in runs/NAME, so that it goes on where it was stopped. One network more is trained on clean
labels with another seed: how far two such networks differ is what others are compared with. With --redraw nothing is
trained: records and numbers are taken from docs/results. The section "Reading" of an existing page is written by hand
and kept.
"""

import argparse
import functools
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from metastructure.data.files import atomic_path
from metastructure.data.folder import Dataset, zscore
from metastructure.networks import build_network
from metastructure.report.learning import draw_learning
from metastructure.study import RunRecord, RunSpec, Store, StudySpec, load_study
from metastructure.study.learning import make_learning
from metastructure.study.run import execute_run, load_data
from metastructure.study.table import REFERENCE_NOISE
from metastructure.training import Machine
from metastructure.training.features import compare_features, find_layers

RESULTS = Path(__file__).parents[1] / "results"
READING = "## Reading"
CONTROL = "clean, another seed"
COLOURS = ("#000000", "#0072b2", "#56b4e9", "#e69f00", "#999999", "#cc79a7", "#009e73")
MARKERS = "o^vsXDP"
DPI = 110
THREADS = 1
"""More only wait for each other on networks this small, above all beside other work."""


def main() -> None:
    """Train what is missing, compare, and write the page, the figures and the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the store of the study lies")
    parser.add_argument("--redraw", action="store_true", help="train nothing; draw what was found before")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    check(study)
    kept = Store(arguments.out / "records" / study.name)
    numbers = arguments.out / "dynamics-features.csv"
    if not arguments.redraw:
        store = Store(arguments.runs / study.name)
        data = train_missing(study, store)
        compare_all(study, store, data).to_csv(numbers)
        keep_records(study, store, kept)
    records = [kept.load(run) for run in study.runs()]
    features = pd.read_csv(numbers, index_col="layer")
    draw_learning([make_learning(record) for record in records]).savefig(arguments.out / "dynamics.png", dpi=DPI)
    draw_features(features, arguments.out / "dynamics-features.png")
    page = arguments.out / "dynamics.md"
    reading = page.read_text(encoding="utf-8") if page.is_file() else ""
    reading = reading[reading.index(READING) :] if READING in reading else f"{READING}\n"
    page.write_text(make_page(study, records, features, arguments.study) + reading, encoding="utf-8")
    print(page)


def check(study: StudySpec) -> None:
    """Stop unless the study has dynamics, one of everything but noises, and clean labels among them."""
    single = len(study.data) == len(study.networks) == len(study.recipes) == len(study.seeds) == 1
    if not (single and study.dynamics and REFERENCE_NOISE in study.noises):
        raise SystemExit(
            f"{study.name}: give a study with `dynamics: true`, clean labels among its noises, and one data set, "
            "network, recipe and seed."
        )


def control_of(study: StudySpec) -> RunSpec:
    """Return the run on clean labels with the next seed."""
    clean = next(run for run in study.runs() if run.noise == REFERENCE_NOISE)
    return clean.model_copy(update={"seed": clean.seed + 1})


def train_missing(study: StudySpec, store: Store) -> Dataset:
    """Do the runs that have no record or no weights, and return their data set."""
    ((name, spec),) = study.data.items()
    data = load_data(name, spec, store.root / "data")
    store.claim_data(name, data.fingerprint)
    store.save_study(study)
    for run in [*study.runs(), control_of(study)]:
        if store.is_done(run) and weights_of(run, store).is_file():
            continue
        keep = functools.partial(save_weights, weights_of(run, store))
        record = execute_run(run, data, store, Machine(threads=THREADS), keep=keep)
        print(f"{run.title}: {record.seconds:.0f} s, last epoch {record.dynamics[-1]}", file=sys.stderr, flush=True)
    return data


def weights_of(run: RunSpec, store: Store) -> Path:
    """Return where the weights of a run are kept."""
    return store.folder(run) / "network.pt"


def save_weights(path: Path, network: nn.Module) -> None:
    """Write the weights, whole or not at all."""
    with atomic_path(path) as temporary:
        torch.save(network.state_dict(), temporary)


def layers_of(network: nn.Module, image: np.ndarray) -> list[str]:
    """Return the names of the activations and of the last layer, the logits."""
    modules = dict(network.named_modules())
    found = find_layers(network, image, len(modules))
    return [*(name for name in found if isinstance(modules[name], nn.ReLU)), found[-1]]


def compare_all(study: StudySpec, store: Store, data: Dataset) -> pd.DataFrame:
    """Return the linear CKA, on test images, of each layer of every network with that trained on clean labels."""

    def load(run: RunSpec) -> nn.Module:
        network = build_network(run.network, data.num_channels, data.num_classes)
        network.load_state_dict(torch.load(weights_of(run, store), weights_only=True))
        return network

    images = [zscore(image) for image in data.splits["test"].images]
    reference = load(next(run for run in study.runs() if run.noise == REFERENCE_NOISE))
    others = {CONTROL: control_of(study), **{run.noise: run for run in study.runs() if run.noise != REFERENCE_NOISE}}
    layers = layers_of(reference, images[0])
    found = {name: compare_features(reference, load(run), images, layers=layers) for name, run in others.items()}
    print(f"{next(iter(found.values())).num_places} places", file=sys.stderr)
    return pd.DataFrame({name: one.diagonal() for name, one in found.items()}).rename_axis("layer").round(4)


def keep_records(study: StudySpec, store: Store, kept: Store) -> None:
    """Copy the records, not the weights, to where they are committed."""
    for run in study.runs():
        kept.folder(run).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.folder(run) / "record.json", kept.folder(run) / "record.json")
    shutil.copyfile(store.root / "data.json", kept.root / "data.json")


def draw_features(features: pd.DataFrame, path: Path) -> None:
    """Draw one line a network over the layers."""
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    axes = figure.subplots()
    for (name, values), colour, marker in zip(features.items(), COLOURS, MARKERS, strict=False):
        stroke = "--" if name == CONTROL else "-"
        axes.plot(values.to_numpy(), color=colour, marker=marker, linestyle=stroke, linewidth=1.4, label=name)
    names = [short_name(name) for name in features.index]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("linear CKA with clean labels")
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(features.columns), frameon=False, fontsize=9)
    figure.savefig(path, dpi=DPI)


def short_name(layer: str) -> str:
    """Return the last parts of a module's name."""
    return ".".join(layer.split(".")[-4:])


def make_page(study: StudySpec, records: list[RunRecord], features: pd.DataFrame, path: Path) -> str:
    """Return the page up to its reading."""
    score = "Dice" if records[0].num_classes == 2 else "mIoU"
    table = [["label", "start", "clean: best", "last", "on changed pixels: best", "last", "memory: last",
              f"validation {score}: best", "last"]]  # fmt: skip
    for record in records:
        start = make_learning(record).start
        row = [record.spec.noise, "–" if start is None else str(start)]
        for name in ("clean", "clean_changed"):
            row += [best(record, name), last(record, name)]
        table.append([*row, last(record, "memory"), best(record, "validation"), last(record, "validation")])
    versions = ", ".join(f"{name} {version}" for name, version in records[0].versions.items())
    minutes = sum(record.seconds for record in records) / 60
    layers = [["layer", *features.columns]]
    for layer, values in zip(features.index, features.to_numpy(), strict=True):
        layers.append([f"`{layer}`", *(f"{value:.3f}" for value in values)])
    lines = [
        "# What is learnt when",
        "",
        study.description,
        "",
        "![Agreement of training predictions with noisy and clean labels over the epochs](dynamics.png)",
        "",
        *to_markdown(table),
        "",
        "Shares in %, with the epoch of the best; what they are: [training under noise](../training-under-noise.md). "
        "`start`: the epoch from which the agreement with the clean labels has fallen for good. `memory`: how much "
        "more often the prediction is the noisy label than the clean class explains, 0 to 100.",
        "",
        "## Features",
        "",
        "![Linear CKA of every layer with that of the network trained on clean labels](dynamics-features.png)",
        "",
        "Linear CKA on test images between the layers of the network trained on clean labels "
        f"(seed {study.seeds[0]}) and those of each other network with the same start; `{CONTROL}` has another start "
        "and other batches.",
        "",
        *to_markdown(layers),
        "",
        f"- Command: `.venv/bin/python docs/scripts/dynamics.py {path}`",
        f"- {records[0].spec.network.title} ({records[0].num_parameters:,} parameters); {len(records)} runs in "
        f"{minutes:.0f} min of wall-clock time on {records[0].threads} threads ({records[0].device}); one seed",
        f"- {versions}; finished {max(record.finished for record in records)}",
        f"- Records: `docs/results/records/{study.name}`",
        "",
        "",
    ]
    return "\n".join(lines)


def best(record: RunRecord, name: str) -> str:
    """Return the best of a curve with its epoch."""
    curve = np.array([epoch.get(name, np.nan) for epoch in record.dynamics])
    return "–" if np.isnan(curve).all() else f"{100 * np.nanmax(curve):.1f} ({np.nanargmax(curve) + 1})"


def last(record: RunRecord, name: str) -> str:
    """Return the last value of a curve."""
    value = record.dynamics[-1].get(name)
    return "–" if value is None else f"{100 * value:.1f}"


def to_markdown(table: list[list[str]]) -> list[str]:
    """Return rows as lines of a Markdown table."""
    header, *rows = table
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]


if __name__ == "__main__":
    main()
