"""A study of short runs with the Ray engine on two workers of one core, against the serial engine on one.

Run:  .venv/bin/python benchmarks/study_ray.py [--rounds 5] [--runs 24]
Needs two idle cores and the extra `ray`. The sides take turns, each round in a new store; Ray is started and has
imported torch in its workers before the clock starts. The bars are 0.56 of the serial time and 0.5 s of overhead a run.
Two bare processes that share the runs are the third side: what two cores can do at all, which is less than twice one
where they share caches or are two threads of a core. The CPU time of this process and all that it started tells of the
overhead even where other work slows the clock.
"""

import argparse
import datetime
import multiprocessing
import os
import pickle
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from metastructure.study import Engine, Progress, RunRecord, SerialEngine, Store, StudySpec, run_study
from metastructure.study.ray_cluster import import_ray
from metastructure.study.ray_engine import RayEngine
from metastructure.study.ray_mailbox import News
from metastructure.study.ray_worker import Ended
from metastructure.study.run import load_data
from metastructure.study.spec import Resources
from metastructure.training import Machine

OUT = Path(__file__).parent / "results" / "study_ray.md"
WORKERS = 2
EMPTY_RUNS = 200
MACHINE = Machine(device="cpu", threads=1)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a study took; `in_runs` is the sum of its records' seconds."""

    wall_s: float
    cpu_s: float
    in_runs: float = 0.0


def make_study(runs: int) -> StudySpec:
    """Return a study of short runs that differ in their seed."""
    generate = {"kind": "nuc", "train": 16, "val": 4, "test": 8, "height": 64, "width": 64}
    return StudySpec.model_validate(
        {
            "name": "short",
            "data": {"blobs": {"generate": generate}},
            "noises": ["flip:0.3"],
            "networks": [{"name": "residual_unet", "settings": {"width": 8}}],
            "training": {"epochs": 20, "batch_size": 4, "crop_px": 64},
            "seeds": list(range(runs)),
        }
    )


def measure(study: StudySpec, engine: Engine, root: Path) -> tuple[Cost, list[RunRecord]]:
    """Return what a study costs in a new store; its data are made before the clock starts."""
    store = Store(root)
    load_data("blobs", study.data["blobs"], store.root / "data")
    wall, cpu = time.perf_counter(), cpu_seconds()
    records = run_study(study, store, engine)
    cost = Cost(time.perf_counter() - wall, cpu_seconds() - cpu, sum(record.seconds for record in records))
    return cost, records


def measure_pair(study: StudySpec, pool: ProcessPoolExecutor, root: Path) -> Cost:
    """Return what the study costs when two processes do every other run each."""
    halves = [study.model_copy(update={"seeds": study.seeds[start::WORKERS]}) for start in range(WORKERS)]
    roots = [root / str(start) for start in range(WORKERS)]
    for half, place in zip(halves, roots, strict=True):
        load_data("blobs", half.data["blobs"], place / "data")
    wall, cpu = time.perf_counter(), cpu_seconds()
    in_runs = sum(pool.map(_do_half, halves, roots))
    return Cost(time.perf_counter() - wall, cpu_seconds() - cpu, in_runs)


def _do_half(study: StudySpec, root: Path) -> float:
    torch.set_num_threads(1)
    return sum(record.seconds for record in run_study(study, Store(root), SerialEngine(MACHINE)))


def measure_empty(study: StudySpec, engine: Engine, root: Path) -> Cost:
    """Return what runs cost that are done already: all that the engine does for a run but the run."""
    store, first = Store(root), next(study.runs())
    record, samples = store.load(first), store.load_samples(first)
    many = list(study.model_copy(update={"seeds": tuple(range(1000, 1000 + EMPTY_RUNS))}).runs())
    for run in many:
        store.save(record.model_copy(update={"spec": run, "identity": run.identity}), samples)
    data = {"blobs": load_data("blobs", study.data["blobs"], store.root / "data")}
    wall, cpu = time.perf_counter(), cpu_seconds()
    engine.execute(many, data, store, Progress())
    return Cost(time.perf_counter() - wall, cpu_seconds() - cpu)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of all below it."""
    stats = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        stats[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15])) / TICKS  # see proc(5)
    ours = {os.getpid()}
    for _ in range(5):  # this process, raylet, workers, and what they start
        ours |= {process for process, (parent, _) in stats.items() if parent in ours}
    return sum(seconds for process, (_, seconds) in stats.items() if process in ours)


def measure_traffic(study: StudySpec, root: Path) -> dict[str, str]:
    """Return the bytes that go over the network for a run, and for a node."""
    store = Store(root)
    run = next(study.runs())
    data = load_data("blobs", study.data["blobs"], store.root / "data")
    buffers: list[pickle.PickleBuffer] = []
    frame = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    copy = len(frame) + sum(buffer.raw().nbytes for buffer in buffers)
    pixels = sum(array.nbytes for split in data.splits.values() for array in (*split.images, *split.labels))
    files = [path.stat().st_size for path in store.folder(run).iterdir()]
    return {
        "data set, once a node": f"{copy:,} bytes, {copy - pixels:,} beyond its pixels",
        "task to a worker": f"{len(pickle.dumps((run, store, MACHINE), protocol=5)):,} bytes",
        "record back": f"{len(pickle.dumps(Ended(store.load(run)), protocol=5)):,} bytes",
        "one piece of news": f"{len(pickle.dumps(News(run.identity, 1, 0.5), protocol=5)):,} bytes",
        "files of a finished run": f"{len(files)} of {sum(files):,} bytes together",
    }


def main() -> None:
    """Measure in turn and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    study = make_study(options.runs)
    torch.set_num_threads(1)
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's switch for 127.0.0.1
    started = time.perf_counter()
    ray = import_ray()
    ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="error")
    engines = {"serial": SerialEngine(MACHINE), "ray": RayEngine(Resources())}
    costs: dict[str, list[Cost]] = {name: [] for name in ("serial", "pair", "ray")}
    kept: dict[str, list[RunRecord]] = {}
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
        warm = make_study(2 * WORKERS)
        measure(warm, engines["ray"], Path(folder) / "warm ray")
        start_up = time.perf_counter() - started
        measure(warm, engines["serial"], Path(folder) / "warm serial")
        measure_pair(warm, pool, Path(folder) / "warm pair")
        for round_ in range(options.rounds):
            turn = round_ % len(costs)
            for name in [*costs][turn:] + [*costs][:turn]:  # nobody always comes first
                root = Path(folder) / f"{name} {round_}"
                if name == "pair":
                    cost = measure_pair(study, pool, root)
                else:
                    cost, kept[name] = measure(study, engines[name], root)
                costs[name].append(cost)
        assert [record.test for record in kept["ray"]] == [record.test for record in kept["serial"]]
        empty = measure_empty(study, engines["ray"], Path(folder) / "ray 0")
        traffic = measure_traffic(study, Path(folder) / "ray 0")
    ray.shutdown()

    def tell(values: list[float], digits: int = 2) -> str:
        return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"

    def ratio(one: str, other: str, what: str) -> str:
        both = zip(costs[one], costs[other], strict=True)
        return tell([getattr(first, what) / getattr(second, what) for first, second in both])

    num = options.runs
    rows = [
        ("serial, wall", f"{tell([cost.wall_s for cost in costs['serial']])} s", ""),
        ("Ray, wall", f"{tell([cost.wall_s for cost in costs['ray']])} s", ""),
        ("**Ray / serial, wall**", ratio("ray", "serial", "wall_s"), "≤ 0.56"),
        ("two bare processes / serial, wall", ratio("pair", "serial", "wall_s"), ""),
        ("Ray / two bare processes, wall", ratio("ray", "pair", "wall_s"), ""),
        ("Ray / serial, CPU time", ratio("ray", "serial", "cpu_s"), ""),
        ("Ray / two bare processes, CPU time", ratio("ray", "pair", "cpu_s"), ""),
        (
            f"Ray, time of a worker a run that is not in the run ({WORKERS} · wall / runs − seconds of a record)",
            f"{tell([(WORKERS * cost.wall_s - cost.in_runs) / num for cost in costs['ray']])} s",
            "≤ 0.5 s",
        ),
        (
            f"Ray, a run that is done already (lease, look, record back; {EMPTY_RUNS} runs)",
            f"{1000 * empty.wall_s / EMPTY_RUNS:.0f} ms wall, {1000 * empty.cpu_s / EMPTY_RUNS:.0f} ms CPU",
            "",
        ),
        ("Ray, start-up until both workers have done two runs", f"{start_up:.0f} s", ""),
    ]
    lines = [
        "# A study on two workers",
        "",
        f"`benchmarks/study_ray.py --rounds {options.rounds} --runs {num}`, {datetime.date.today()}, "
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Ray {ray.__version__}, "
        f"torch {torch.__version__}, Python {platform.python_version()}.",
        f"Load average over 5 minutes at the end: {os.getloadavg()[1]:.1f}. Above {WORKERS + 1} other work ran: then "
        "wall times say nothing, CPU times something; measure again.",
        f"{num} runs of {costs['serial'][0].in_runs / num:.1f} s each; "
        f"{options.rounds} rounds in turn, median [range]. Records of both sides are the same.",
        "",
        "| | figure | bar |",
        "| --- | --- | --- |",
        *(f"| {name} | {value} | {bar} |" for name, value, bar in rows),
        "",
        "| traffic | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in traffic.items()),
    ]
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
