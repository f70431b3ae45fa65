"""``metastructure study``: what people are told after a run, before one with a single seed, and of its state."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from metastructure.errors import RunError
from metastructure.study import Store, load_study

Run = Callable[..., tuple[int, str, str]]

STUDY = """
name: claiming
data:
  blobs: {{generate: {{kind: nuc, train: 3, val: 1, test: 2, height: 32, width: 32}}}}
noises: [clean, "flip:0.3"]
networks: [{{name: residual_unet, settings: {{width: 4}}}}]
training: {{epochs: 1, batch_size: 3, crop_px: 32}}
recipes: {{plain: {{}}, fast: {{learning_rate: 0.02}}}}
{more}
"""


def test_the_way_from_run_to_verdicts(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("my study.yaml")
    path.write_text(STUDY.format(more="claims: ['flip:0.3 < clean']"), encoding="utf-8")
    code, out, err = run("study", "run", path, "--store", "kept here", "--threads", 1)
    assert code == 0
    assert "warning: the claims of claiming will be tested on one seed" in err.splitlines()[0]
    assert "1/4 blobs · clean · residual_unet(width=4) · plain · seed 0" in err
    hint = out.splitlines()[-1]
    assert hint.startswith("verdicts on 1 claim: metastructure study table ")
    code, out, _ = run(*shlex.split(hint.partition(": metastructure ")[2]))
    assert code == 0
    assert "flip:0.3 < clean  (fast)" in out
    assert "this one seed only" in " ".join(out.split())


def test_nothing_is_said_of_claims_that_are_not_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(STUDY.format(more=""), encoding="utf-8")
    code, out, err = run("study", "run", "s.yaml", "--threads", 1)
    assert code == 0
    assert "warning" not in err
    assert "study table" not in out
    assert "metastructure study report s.yaml" in out


def test_status_counts_and_lists_all_on_demand(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(STUDY.format(more="seeds: [0, 1, 2]"), encoding="utf-8")
    runs = list(load_study("s.yaml").runs())
    Store("runs/claiming").note_failure(runs[0], RunError(f"{runs[0].title}: no luck."))
    code, out, _ = run("study", "status", "s.yaml")
    assert code == 0
    assert out.splitlines() == [
        "claiming: 0 done, 1 failed, 0 interrupted, 11 missing of 12 runs",
        "  failed: blobs · clean · residual_unet(width=4) · plain · seed 0",
        "      no luck.",
        "  blobs · residual_unet(width=4) · plain: 0 of 6 runs done",
        "  blobs · residual_unet(width=4) · fast: 0 of 6 runs done",
    ]
    _, out, _ = run("study", "status", "s.yaml", "--all")
    assert all(run.identity in out for run in runs)
    _, out, _ = run("study", "status", "s.yaml", "--json")
    assert json.loads(out)["failed"] == [{"run": runs[0].title, "identity": runs[0].identity, "error": "no luck."}]
    assert len(json.loads(out)["missing"]) == 11
