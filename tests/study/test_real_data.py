"""The main job on real images, small enough for every test run: marker `realdata`."""

from pathlib import Path

import pytest

from metastructure.contingency import changed_rate, contingency_table
from metastructure.data.folder import load_dataset
from metastructure.data.summary import summarise_folder
from metastructure.noise import parse_noise
from metastructure.study import SerialEngine, Store, StudySpec, make_table, run_study
from metastructure.study.run import corrupt_split
from metastructure.training import Machine

pytestmark = pytest.mark.realdata

SUBSET = {"train": 32, "val": 8, "test": 12}


def _link_subset(source: Path, target: Path) -> Path:
    """Link every n-th image and label of each split, so that the whole range of images is met."""
    for split, number in SUBSET.items():
        images = sorted((source / split / "images").iterdir())
        for image in images[:: len(images) // number][:number]:
            label = next((source / split / "labels").glob(f"{image.stem}.*"))
            for path, kind in ((image, "images"), (label, "labels")):
                (target / split / kind).mkdir(parents=True, exist_ok=True)
                (target / split / kind / path.name).symlink_to(path)
    return target


@pytest.mark.parametrize(("name", "num_classes", "channels"), [("nuc", 2, 1), ("camvid", 11, 3)])
def test_the_real_data_sets_are_read(real_data: Path, name: str, num_classes: int, channels: int) -> None:
    found = summarise_folder(real_data / name)
    assert (found.num_classes, found.num_channels) == (num_classes, channels)
    assert set(found.splits) == {"train", "val", "test"}


def test_noise_on_real_labels_changes_what_it_says(real_data: Path) -> None:
    train = load_dataset(real_data / "nuc", 2, splits=("val",)).splits["val"]
    for spec, expected in (("flip:0.45", 0.45), ("clean", 0.0)):
        noisy = corrupt_split(train, parse_noise(spec), 0, 2)
        table = sum(contingency_table(a, b, 2) for a, b in zip(train.labels, noisy, strict=True))
        # 3.3 million pixels: the standard error of the rate is 3e-4
        assert changed_rate(table) == pytest.approx(expected, abs=1.5e-3)


def test_clean_labels_teach_more_than_moved_boundaries_and_random_ones_nothing(real_data: Path, tmp_path: Path) -> None:
    folder = _link_subset(real_data / "nuc", tmp_path / "nuc")
    study = StudySpec.model_validate(
        {
            "name": "real",
            "data": {"nuc": {"folder": str(folder), "num_classes": 2}},
            "noises": ["clean", "dilate:6", "random:0.5"],
            "networks": [{"name": "residual_unet", "settings": {"width": 8}}],
            "training": {"epochs": 12, "batch_size": 8, "crop_px": 96, "learning_rate": 0.01},
        }
    )
    records = run_study(study, Store(tmp_path / "store"), SerialEngine(Machine(device="cpu", threads=1)))
    score = make_table(records).set_index("noise")["score"]
    assert score["clean"] > 75
    assert score["clean"] > score["dilate:6"] + 5
    assert score["dilate:6"] > score["random:0.5"] + 10
