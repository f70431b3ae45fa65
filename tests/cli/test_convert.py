"""The subcommand `convert`: annotations to labels, what it prints, JSON, wrong use."""

import json
import subprocess
import sys

import numpy as np
import pytest

from metastructure.data.files import load_label, save_image


@pytest.fixture
def annotations(tmp_path):
    """A COCO file with one square, one polygon that is too small, and a box."""
    path = tmp_path / "a.json"
    one = {"image_id": 1, "category_id": 5}
    content = {
        "images": [{"id": 1, "file_name": "x.jpg", "height": 4, "width": 6}],
        "categories": [{"id": 5, "name": "cell"}],
        "annotations": [
            one | {"segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]]},
            one | {"segmentation": [[0, 0, 0.2, 0, 0.2, 0.2]]},
            one | {"bbox": [0, 0, 2, 2]},
        ],
    }
    path.write_text(json.dumps(content))
    return path


def test_annotations_become_labels(run, annotations, tmp_path):
    answer = run("convert", annotations, tmp_path / "out", "--to", "png", "--classes", "nucleus,cell")
    assert (answer.code, answer.err) == (0, "")
    first, skipped, empty = answer.out.splitlines()
    assert first.startswith(f"1 files with 2 objects: {tmp_path / 'out'}; classes ")
    assert "cell = 2" in first
    assert skipped.startswith("1 annotations without an area")
    assert empty.startswith("1 outlines are too small")
    label = load_label(tmp_path / "out" / "x.png")
    assert np.argwhere(label == 2).tolist() == [[row, column] for row in (1, 2) for column in (1, 2, 3)]


def test_json(run, annotations, tmp_path):
    answer = run("convert", annotations, tmp_path / "out", "--to", "tif", "--json")
    found = json.loads(answer.out)
    assert (found["files"], found["num_objects"], found["classes"]["cell"]) == (["x.tif"], 2, 5)


def test_wrong_use_is_one_line(run, annotations, tmp_path):
    for words, complaint in [
        (("--to", "png", "--classes", "a,,b"), "--classes takes different names"),
        (("--to", "png", "--classes", "a"), "class 'cell' is not among"),
        (("--to", "coco"), "name it with .json"),
        ((), "--to"),
    ]:
        answer = run("convert", annotations, tmp_path / "out", *words)
        assert (answer.code, answer.out) == (2, "")
        assert complaint in answer.err
        assert answer.err.count("\n") == 1


def test_all_else_works_on_what_was_converted(run, tmp_path):
    label = np.zeros((40, 40), np.uint8)
    label[8:30, 5:25] = 1
    save_image(tmp_path / "labels" / "a.png", label)
    assert run("convert", tmp_path / "labels", tmp_path / "rois", "--to", "roi").code == 0
    code = run("convert", tmp_path / "rois", tmp_path / "tif", "--to", "tif", "--images", tmp_path / "labels").code
    assert code == 0
    assert run("corrupt", tmp_path / "tif", tmp_path / "noisy", "--noise", "dilate:1").code == 0
    assert load_label(tmp_path / "noisy" / "a.tif").sum() > label.sum()


def test_neither_zarr_nor_nibabel_nor_torch_is_loaded_for_plain_files(tmp_path):
    save_image(tmp_path / "labels" / "a.png", np.eye(4, dtype=np.uint8))
    code = f"""
import sys
sys.argv = ["metastructure", "convert", {str(tmp_path / "labels")!r}, {str(tmp_path / "out")!r}, "--to", "labelme"]
from metastructure.cli.app import main
try:
    main()
except SystemExit as left:
    print(left.code, [name for name in ("zarr", "nibabel", "torch", "pycocotools") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
