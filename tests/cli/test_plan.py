"""The subcommand `plan`: what it tells and writes, JSON, going on, and wrong use."""

import json
import re

import pytest
from PIL import Image

from metastructure.data.synthetic.folder import write_dataset

FAST = (
    *("--network", "residual_unet(width=4)", "--epochs", 1, "--threads", 1, "--device", "cpu"),
    *("--set", "batch_size=4", "--set", "crop_px=32", "--set", "loss=cross_entropy", "--set", "transition=none"),
)
FEW = ("--images", "0.25,0.5", "--pixels", "0.1", "--sloppy", "dilate:1")


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pilot") / "data"
    write_dataset("nuc", folder, counts={"train": 8, "test": 2}, height=32, width=36, seed=0)
    return folder


def test_the_verdict_comes_first_and_all_files_are_written(run, pilot, tmp_path):
    out = tmp_path / "out"
    answer = run("plan", pilot, out, *FEW, *FAST)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert re.match(r"Dice with all labels: \d+\.\d \[.*\] points \(8 training images", lines[0])
    assert [line.partition(":")[0] for line in lines[1:3]] == ["Images", "Pixels"]
    assert lines[3].startswith("All images labelled as dilate:1: ")
    assert any("taken for true" in line for line in lines)
    assert lines[-1] == f"page: {out / 'plan.html'}"
    with Image.open(out / "plan.png") as picture:
        assert picture.width > picture.height > 400
    assert "0/5 epochs done; next: clean" in answer.err
    assert re.search(r"4/5 epochs done, \d+ s left; next: dilate:1", answer.err)

    page = (out / "plan.html").read_text()
    assert page.index('class="verdict"') < page.index("<svg") < page.index("What this rests on")
    for line in lines[:4]:
        assert line.partition(":")[0] in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # nothing outside the page
    assert "metastructure plan" in page


def test_json_is_the_file_and_a_second_call_trains_nothing(run, pilot, tmp_path):
    out = tmp_path / "out"
    answer = run("plan", pilot, out, "--images", "0.5", "--pixels", "none", "--sloppy", "none", *FAST, "--json")
    found = json.loads(answer.out)
    assert found == json.loads((out / "plan.json").read_text())
    assert [curve["unit"] for curve in found["curves"]] == ["images"]
    assert found["sloppy"] == []
    assert found["training"]["epochs"] == 1
    again = run("plan", pilot, out, "--images", "0.5", "--pixels", "none", "--sloppy", "none", *FAST, "--json")
    assert again.err == ""
    assert json.loads(again.out) == found


def test_a_first_look_has_four_points_a_curve_and_more_seeds_more_trainings(run, pilot, tmp_path):
    out = tmp_path / "out"
    words = ("plan", pilot, out, "--quick", "--sloppy", "none", "--pixels", "none", "--seeds", 2, *FAST)
    answer = run(*words, "--json")
    found = json.loads(answer.out)
    assert [point["share"] for point in found["curves"][0]["points"]] == [0.125, 0.25, 0.625, 1.0]
    assert found["seeds"] == [0, 1]
    assert len(list(out.glob("runs/*/record.json"))) == 8
    assert "one seed" not in run(*words).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "OUT"),
        (("--images", "0.1;0.2"), "--images 0.1;0.2: write shares with commas between"),
        (("--images", "0,0.5"), "shares of the images lie above 0"),
        (("--pixels", "30"), "Write 0.1 for 10 %"),
        (("--images", "0.01"), "less than one image"),
        (("--images", "none", "--pixels", "none"), "nothing to compare"),
        (("--sloppy", "dilatee:2"), "did you mean 'dilate'"),
        (("--loss", 0), "positive number of points"),
        (("--set", "epoch=3"), "unknown key 'epoch'"),
        (("--network", "unett"), "unknown network 'unett'"),
        (("--seeds", 0), "--seeds"),
    ],
)
def test_wrong_use_is_told_in_one_line(run, pilot, tmp_path, words, says):
    out = tmp_path / "out"
    answer = run("plan", pilot, *([out] if words else []), *words)
    assert answer.code == 2
    assert says in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not out.exists()


def test_a_folder_without_training_images(run, tmp_path):
    answer = run("plan", tmp_path, tmp_path.parent / "out", *FAST)
    assert answer.code == 2
    assert "train: this split is missing" in answer.err


def test_the_help_has_an_example_and_fits_80_columns(run):
    answer = run("plan", "--help")
    assert answer.code == 0
    assert "Example: metastructure plan pilot out --images" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80
