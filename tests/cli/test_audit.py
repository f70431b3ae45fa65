"""``metastructure audit``: one call with and without images, JSON, and wrong use."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import save_image
from metastructure.data.synthetic import generate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of nuclei with their labels."""
    for index in range(6):
        image, label = generate("nuc", seed=1, index=index, height=64, width=64)
        save_image(tmp_path / f"data/images/{index}.png", image)
        save_image(tmp_path / f"data/labels/{index}.tif", label)
    return tmp_path / "data"


def test_the_command_writes_tells_and_refuses(
    run: Callable[..., tuple[int, str, str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("audit", folder / "images", folder / "labels", "-o", "told")
    assert (code, err) == (0, "")
    assert out.startswith("6 labels of 2 classes, beside ")
    assert out.splitlines()[-1] == "page: told/index.html"
    before = sorted(path for path in folder.rglob("*"))
    code, out, err = run("audit", folder / "labels", "--json")
    assert (code, json.loads(out)["audit"]["images_folder"]) == (0, None)
    assert sorted(path for path in folder.rglob("*")) == before  # nothing is written beside the data
    code, _, err = run("audit", folder / "images", folder / "labels", "-o", "told")
    assert code == 2
    assert "holds files already" in err
    code, _, err = run("audit", folder / "images", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in err


def test_wrong_use_is_told_before_anything_heavy_is_imported(folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    (told / "mine").mkdir(parents=True)
    for words in (
        [folder / "images", tmp_path / "nowhere"],
        [tmp_path / "nowhere"],
        [folder / "images", folder / "labels", "-o", told],
        [folder / "images", folder / "labels", "--out-of-fold"],
        [folder / "labels", "--out-of-fold", "-o", tmp_path / "new"],
        [folder / "labels", "--folds", "3"],
    ):
        command = ["metastructure", "audit", *map(str, words)]
        code = f"import sys; sys.argv = {command!r}\nfrom metastructure.cli.app import main\n"
        code += (
            "try:\n    main()\nexcept SystemExit as end:\n    heavy = {'torch', 'metastructure.audit'} & {*sys.modules}"
        )
        code += "\n    print(end.code, heavy)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "2 set()\n", done.stderr
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_what_no_image_can_tell_is_one_line_and_a_bad_file_a_finding(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    (folder / "labels/6.png").write_bytes(b"no picture")
    code, out, err = run("audit", folder / "labels")
    assert (code, err) == (0, "")
    assert out.startswith("6 labels of 2 classes")
    told = " ".join(out.split())
    assert told.count("there are no images to compare with") == 1
    assert "1 of 7 files cannot be used and were left out: " in told
    assert "6.png: the file cannot be read" in told
    (folder / "only").mkdir()
    (folder / "only/a.png").write_bytes(b"no picture")
    code, _, err = run("audit", folder / "only")
    assert code == 2
    assert "only/a.png: the file cannot be read" in err


def test_networks_are_trained_kept_and_reused(
    run: Callable[..., tuple[int, str, str]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metastructure.training import Segmenter

    (folder / "labels/6.png").write_bytes(b"no picture")
    save_image(folder / "images/5.png", np.zeros((9, 9), np.uint8))
    words = ["audit", folder / "images", folder / "labels", "-o", tmp_path / "out", "--out-of-fold", "--folds", 2]
    words += ["--epochs", 1, "--threads", 1, "--device", "cpu"]
    fit, fits = Segmenter.fit, []

    def stopping(self, images, *rest, **options):  # type: ignore[no-untyped-def]
        fits.append(len(images))
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit(self, images, *rest, **options)

    monkeypatch.setattr(Segmenter, "fit", stopping)
    code, _, err = run(*words)
    assert code == 130
    assert "the same command goes on where it stopped" in err
    code, out, err = run(*words)
    assert code == 0
    assert fits == [3, 2, 2] or fits == [2, 3, 3]  # five usable pairs; the first network is not trained again
    assert "training: 100 % done" in err
    assert "Images are ranked by what 2 networks" in out
    kept = tmp_path / "out/out-of-fold"
    assert sorted(path.stem for path in (kept / "probabilities").iterdir()) == ["0", "1", "2", "3", "4"]
    assert len(list((tmp_path / "out/pixels").iterdir())) == 5
    (folder / "labels/6.png").unlink()
    code, out, _ = run("repair", folder / "labels", tmp_path / "mended", "--method", "relabel:all",
                       "--predictions", tmp_path / "out")  # fmt: skip
    assert code == 0
    assert (tmp_path / "mended/repair.csv").read_text().count("\n") == 7
    code, _, err = run(*words)
    assert code == 2
    assert "holds files already" in err
