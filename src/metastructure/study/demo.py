"""The demo: a study small enough for two cores and five minutes, on generated images."""

from pathlib import Path

import pandas as pd

from metastructure.networks.spec import NetworkSpec
from metastructure.study.engines import Engine
from metastructure.study.page import write_study_page
from metastructure.study.progress import Progress
from metastructure.study.spec import DataSpec, GenerateSpec, StudySpec
from metastructure.study.store import Store
from metastructure.study.study import run_study
from metastructure.training.settings import TrainingSettings

NOISES = (
    "clean",
    "sample:0.5",
    "sample:0.1",
    "flip:0.3",
    "flip:0.45",
    "dilate:3",
    "erode:3",
    "skeleton",
    "random:0.5",
)


def demo_study(seed: int = 0, quick: bool = False) -> StudySpec:
    """Return the demo as a study: nine kinds of labels of generated nuclei, one small network, one seed.

    With `quick` it is a trial of the machine: too few images and epochs to show anything.
    """
    side, counts = (64, (8, 2, 4)) if quick else (160, (80, 16, 32))
    train, val, test = counts
    generate = GenerateSpec(kind="nuc", train=train, val=val, test=test, height=side, width=side, seed=seed)
    return StudySpec(
        name="demo-quick" if quick else "demo",
        description="Networks do not learn the pixels of their labels but the structure behind them: labels with most "
        "pixels dropped or nearly half of them flipped train almost as well as clean ones, labels with moved "
        "boundaries do not, random ones teach nothing.",
        data={"few-nuclei" if quick else "nuclei": DataSpec(generate=generate)},
        noises=NOISES,
        networks=(NetworkSpec(name="residual_unet"),),
        training=TrainingSettings(epochs=1 if quick else 12, batch_size=8, crop_px=64 if quick else 128),
        seeds=(seed,),
    )


def run_demo(
    study: StudySpec, store: Store, engine: Engine, progress: Progress | None = None
) -> tuple[pd.DataFrame, Path]:
    """Run the demo's missing runs, write its page, and return the table and the page's path."""
    run_study(study, store, engine, progress)
    page = store.root / "demo.html"
    return write_study_page(study, store, page, "metastructure demo"), page
