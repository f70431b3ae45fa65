"""How long `study status` and `study table` take on 10,080 records, first and again, and what a lease costs.

Run:  .venv/bin/python benchmarks/study_store.py
The records are made up: 4 data sets, 3 networks, 20 kinds of labels, 42 seeds, 32 test images of two classes. The first
`status` reads every record and writes the index; what follows reads that. Each command is a process of its own; its CPU
seconds (user and system) tell of the work, its wall seconds also of what else the machine did. The bar is 5 s.
"""

import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from metastructure.study import Store, StudySpec, load_study
from metastructure.study.index import FILE
from metastructure.study.record import Evaluation, NoiseSummary, RunRecord

OUT = Path(__file__).parent / "results" / "study_store.md"
COMMAND = str(Path(sys.executable).parent / "metastructure")
NUM_IMAGES = 32
NUM_LEASES = 500
STUDY = """
name: big
data:
  a: {generate: {kind: nuc}}
  b: {generate: {kind: er}}
  c: {generate: {kind: mito}}
  d: {generate: {kind: nuc, seed: 1}}
noises: [clean, "flip:0.1", "flip:0.2", "flip:0.3", "flip:0.4", "flip:0.45", "sample:0.1", "sample:0.2", "sample:0.3",
  "sample:0.4", "sample:0.5", "sample:0.6", "dilate:1", "dilate:2", "dilate:3", "erode:1", "erode:2", "erode:3",
  skeleton, "random:0.5"]
networks: [residual_unet, unet, hrnet]
seeds: SEEDS
"""


def main() -> None:
    """Make the store, measure, write the table."""
    with tempfile.TemporaryDirectory() as folder:
        path, root = Path(folder, "big.yaml"), Path(folder, "store")
        path.write_text(STUDY.replace("SEEDS", str(list(range(42)))), encoding="utf-8")
        study, store = load_study(path), Store(root)
        _fill(study, store)
        lease_ms = _time_leases(study, Store(Path(folder, "empty")))
        rows = []
        for name, words in (
            ("first `study status`, no index", ["status"]),
            ("`study status` again", ["status"]),
            ("`study status --json`", ["status", "--json"]),
            ("`study table`", ["table"]),
        ):
            rows.append((name, *_measure([COMMAND, "study", *words, str(path), "--store", str(root)])))
        (root / FILE).unlink()
        rows.append(
            ("`study table`, no index", *_measure([COMMAND, "study", "table", str(path), "--store", str(root)]))
        )
        size = (root / FILE).stat().st_size / 2**20
        num_runs = sum(1 for _ in study.runs())
    lines = [
        "# The store with 10,000 records",
        "",
        f"`benchmarks/study_store.py`, {datetime.date.today()}, {platform.machine()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores; load average when it ended {os.getloadavg()[0]:.1f}.",
        "",
        f"{num_runs} records of {NUM_IMAGES} test images; index {size:.0f} MiB. Bar: 5 s each.",
        "",
        "| | CPU s | wall s |",
        "| --- | --- | --- |",
        *(f"| {name} | {cpu:.1f} | {wall:.1f} |" for name, cpu, wall in rows),
        "",
        f"To take and give up the lease of a run: {lease_ms:.1f} ms CPU.",
    ]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _fill(study: StudySpec, store: Store) -> None:
    """Write a record for every run, as the store would, without its leases and samples."""
    store.save_study(study)
    for run, tables in zip(study.runs(), _draw_tables(), strict=False):
        ids = [f"test_{index:04}" for index in range(NUM_IMAGES)]
        evaluation = Evaluation(ids=ids, tables=tables, tables_at_half=tables, auc=0.9)
        record = RunRecord(
            spec=run,
            identity=run.identity,
            data_fingerprint="0" * 64,
            num_classes=2,
            num_parameters=1,
            noise=NoiseSummary(table=[[1, 0], [0, 1]], changed_rate=0.1, ignored_rate=0.0),
            loss=[0.5] * 20,
            epoch_seconds=[1.0] * 20,
            threshold=0.5,
            val=evaluation,
            test=evaluation,
            seconds=20.0,
            device="none",
            threads=1,
            versions={},
            finished="2026-11-22T00:00:00+00:00",
        )
        store.files.write(f"runs/{run.identity}/record.json", record.model_dump_json().encode())


def _draw_tables() -> Iterator[list[list[list[int]]]]:
    draw = np.random.default_rng(0)
    while True:
        yield draw.integers(100, 30_000, (NUM_IMAGES, 2, 2)).tolist()


def _time_leases(study: StudySpec, store: Store) -> float:
    started = time.process_time()
    for run, _ in zip(study.runs(), range(NUM_LEASES), strict=False):
        with store.hold(run):
            pass
    return 1000 * (time.process_time() - started) / NUM_LEASES


def _measure(words: list[str]) -> tuple[float, float]:
    """Return the CPU and wall seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run(words, capture_output=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(words[1:3], json.dumps(answer.stdout.decode().splitlines()[:1]), file=sys.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


if __name__ == "__main__":
    main()
