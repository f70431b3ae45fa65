"""`train`, `predict` and `evaluate`, one after the other on a tiny folder, and how wrong use is told."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metastructure.cli.train import parse_network, parse_settings
from metastructure.data.files import load_label, save_image
from metastructure.data.synthetic.folder import write_dataset
from metastructure.errors import ConfigError
from metastructure.training import loop

Run = Callable[..., tuple[int, str, str]]

TINY = ("--network", "residual_unet(width=4)", "--epochs", 2, "--batch-size", 2, "--crop", 32, "--threads", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "nuc"
    write_dataset("nuc", root, counts={"train": 4, "val": 2, "test": 2}, height=48, width=40, bit_depth=16, seed=0)
    return root


@pytest.mark.parametrize("command", ["train", "predict", "evaluate"])
def test_help_fits_80_columns_and_shows_an_example(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(command, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert f"Example: metastructure {command}" in out


def test_from_training_to_scores(run: Run, data: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model.pt", tmp_path / "labels"
    words = ("train", data, "-o", model, *TINY, "--set", "average=ema", "--names", "background,nucleus")
    code, told, err = run(*words, "--json")
    assert (code, err) == (0, "")
    header = json.loads(told)
    assert (header["training"]["average"], header["training"]["crop_px"], len(header["loss"])) == ("ema", 32, 2)
    code, told, _ = run(*words)
    assert (code, "was trained before" in told) == (0, True)

    words = ("predict", model, data / "test" / "images", out, "--threads", 1)
    assert run(*words)[1] == f"{out}: 2 predicted\n"
    assert run(*words)[1] == f"{out}: 0 predicted, 2 were done before\n"
    single = next((data / "test" / "images").iterdir())
    assert run("predict", model, single, tmp_path / "one.tif", "--probabilities", "--json")[0] == 0
    assert load_label(tmp_path / "one.tif", 2).shape == (48, 40)

    code, told, _ = run("evaluate", out, data / "test" / "labels", "--csv", tmp_path / "rows.csv")
    assert code == 0
    assert max(map(len, told.splitlines())) <= 80
    assert told.splitlines()[0].split()[:2] == ["class", "pixels"]
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    assert rows[0] == "image,class,label_pixels,predicted_pixels,dice,iou,image_accuracy"
    assert len(rows) == 1 + 2 * 2
    folders = json.loads(run("evaluate", out, data / "test" / "labels", "--json")[1])
    direct = json.loads(run("evaluate", "--model", model, data / "test", "--json", "--threads", 1)[1])
    assert direct["classes"][1].pop("name") == "nucleus"
    assert direct["classes"][1] == folders["classes"][1]
    assert direct["miou"] == folders["miou"]


def test_ctrl_c_is_130_and_the_same_command_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    words = ("train", data, "-o", tmp_path / "model.pt", *TINY)
    save = loop.save_checkpoint

    def save_and_interrupt(*content: object) -> None:
        save(*content)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", save_and_interrupt)
        code, _, err = run(*words)
    assert code == 130
    assert err.splitlines()[-1] == "error: interrupted; the same command goes on where it stopped."
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt.checkpoint"]
    assert run(*words)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_ctrl_c_before_a_state_was_kept_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    def interrupt(*content: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metastructure.training.distributed.train", interrupt)
    code, out, err = run("train", data, "-o", tmp_path / "model.pt", *TINY)
    assert (code, out) == (130, "")
    assert err == "error: interrupted before any state was kept; the same command starts afresh.\n"
    assert list(tmp_path.iterdir()) == []


def test_one_epoch_is_no_plural(run: Run, data: Path, tmp_path: Path) -> None:
    told = run("train", data, "-o", tmp_path / "m.pt", *TINY, "--epochs", 1)[1]
    assert ", 1 epoch, loss 0." in told


def test_a_bad_image_is_exit_code_1_after_the_others(run: Run, data: Path, tmp_path: Path) -> None:
    run("train", data, "-o", tmp_path / "m.pt", *TINY)
    for path in (data / "test" / "images").iterdir():
        (tmp_path / "images" / path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "images" / "bad.png").write_bytes(b"no image")
    code, out, err = run("predict", tmp_path / "m.pt", tmp_path / "images", tmp_path / "out", "--threads", 1)
    assert (code, out) == (1, "")
    assert err.startswith("error: 1 of 3 images could not be predicted, the labels of the others are in ")
    assert len(err.splitlines()) == 1
    assert len(list((tmp_path / "out").iterdir())) == 3  # two labels and the journal


def test_a_class_without_labels_is_a_line_of_warning(run: Run, data: Path, tmp_path: Path) -> None:
    code, _, err = run("train", data, "-o", tmp_path / "m.pt", *TINY, "--classes", 3)
    assert (code, err) == (0, "warning: no training label holds class 2; it will never be predicted rightly.\n")
    told = run("evaluate", "--model", tmp_path / "m.pt", data / "test", "--threads", 1)[1]
    assert told.splitlines()[-1] == "Class 2 was in no training label, so it has no score."


def test_a_table_of_many_classes_fits_80_columns(run: Run, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for index in range(3):
        for kind in ("labels", "predictions"):
            save_image(tmp_path / kind / f"{index}.png", draw.integers(0, 12, (30, 30)).astype(np.uint8))
    code, told, _ = run("evaluate", tmp_path / "predictions", tmp_path / "labels")
    assert code == 0
    assert max(map(len, told.splitlines())) <= 80
    assert "mean of 1..11" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("train", "nowhere", "-o", "m.pt"), "nowhere: no such folder"),
        (("train", "nowhere"), "--out"),
        (("train", "DATA", "-o", "m.pt", "--network", "resnet"), "unknown network 'resnet'; known: residual_unet"),
        (("train", "DATA", "-o", "m.pt", "--network", "unet(width=[)"), "network 'unet(width=[)': not valid YAML"),
        (("train", "DATA", "-o", "m.pt", "--set", "epoch=3"), "unknown key 'epoch'; known keys: epochs, "),
        (("train", "DATA", "-o", "m.pt", "--set", "epochs"), "--set epochs: write key=value"),
        (("train", "DATA", "-o", "m.pt", "--config", "no.yaml"), "no.yaml: no such file of training settings"),
        (("train", "DATA", "-o", "m.pt", "--noise", "fog:1"), "unknown noise"),
        (("train", "DATA", "-o", "."), "this is a folder; name the model file"),
        (("predict", "no.pt", "images", "out"), "no.pt: no such model file"),
        (("predict", "DATA", "DATA", "out", "--tile", "100"), "multiple of 32, at least 64; got 100"),
        (("evaluate", "predicted"), "LABELS is missing"),
        (("evaluate", "predicted", "labels", "--model", "m.pt"), "--model takes one split"),
        (("evaluate", "predicted", "labels"), "labels: no such folder"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*(data if word == "DATA" else word for word in words))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert complaint in err
    assert list(tmp_path.iterdir()) == []


def test_cheap_wrong_use_does_not_wait_for_torch(data: Path, tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_text("no model")
    wrong = [
        ["train", "nowhere", "-o", "n.pt"],
        ["train", str(data), "-o", "m.pt"],
        ["train", str(data), "-o", "n.pt", "--noise", "fog:1"],
        ["train", str(data), "-o", "n.pt", "--set", "epochs"],
        ["train", str(data), "-o", "n.pt", "--set", "epoch=3"],
        ["train", str(data), "-o", "n.pt", "--epochs", "3", "--set", "optimizer=adam"],
        ["predict", "none.pt", str(data), "out"],
        ["predict", "m.pt", str(data), "out"],
        ["predict", "m.pt", str(data), "out", "--tile", "100"],
    ]
    script = f"""
import sys
from metastructure.cli.app import main
for words in {wrong!r}:
    sys.argv = ["metastructure", *words]
    try:
        main()
    except SystemExit as error:
        print(error.code, "torch" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["2 False"] * len(wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]


def test_settings_come_from_file_then_options_then_pairs(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("{epochs: 3, crop_px: 64, loss: cross_entropy}")
    found = parse_settings(tmp_path / "c.yaml", {"epochs": 4, "batch_size": 2}, ["batch_size=7", "optimizer=sgd"])
    assert (found.epochs, found.crop_px, found.batch_size, found.optimizer) == (4, 64, 7, "sgd")
    (tmp_path / "c.yaml").write_text("[1")
    with pytest.raises(ConfigError, match=r"c\.yaml: not valid YAML"):
        parse_settings(tmp_path / "c.yaml", {}, [])
    (tmp_path / "c.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="are lines of 'key: value'"):
        parse_settings(tmp_path / "c.yaml", {}, [])


def test_a_network_reads_as_it_is_written_in_tables() -> None:
    assert parse_network("unet(width=8)").title == "unet(width=8)"
    assert parse_network("my.module:make(depth=2)").factory == "my.module:make"
    for wrong in ("unet(width)", "unet(width=8", "a b"):
        with pytest.raises(ConfigError, match="network '"):
            parse_network(wrong)
