"""Time and memory of `Segmenter.predict` on large images against the network's own on the same tiles.

Run:  OMP_NUM_THREADS=1 .venv/bin/python benchmarks/predict.py [--device cuda]
Both sides take turns in one process, on the CPU with one thread timed in processor seconds, which other work on the
machine disturbs least (of two threads the idle one spins, and that counts): ours reads a 16-bit image and gives a
label, the bare side holds its normalised tiles ready and throws the logits away. The bar on 4096 x 4096 is 1.20. Each
peak of memory is that of a process of its own, above what it held before it predicted.
"""

import argparse
import datetime
import platform
import resource
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

from metastructure.training.predict import TILE_PX, zscore_reader
from metastructure.training.segmenter import Segmenter
from metastructure.training.tiling import plan_spans

CLOCKS = {"cpu": time.process_time, "cuda": time.perf_counter}
SIDES = (1024, 2048, 4096)
ROUNDS = 5
OUT = Path(__file__).parent / "results" / "predict.md"


def make_segmenter(device: str) -> Segmenter:
    """Return a residual U-Net of default width, fitted for one epoch to nothing in particular."""
    image = np.eye(64) * 900
    return Segmenter("residual_unet", epochs=1, crop_px=32, device=device, threads=1).fit(
        [image], [np.eye(64, dtype=np.uint8)]
    )


def make_image(side: int) -> np.ndarray:
    """Return noise of 16 bits."""
    return np.random.default_rng(0).integers(0, 60000, (side, side), dtype=np.uint16)


@torch.no_grad()
def time_bare(network: torch.nn.Module, tiles: list[torch.Tensor], device: str) -> float:
    """Return the seconds of the network alone."""
    clock = CLOCKS[device]
    started = clock()
    for tile in tiles:
        network(tile)
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def time_ours(segmenter: Segmenter, image: np.ndarray, device: str) -> float:
    """Return the seconds from image to label."""
    clock = CLOCKS[device]
    started = clock()
    segmenter.predict(image)
    return clock() - started


def compare(side: int, rounds: int, device: str) -> tuple[list[float], list[float]]:
    """Return the seconds of ours and of the bare network in turn."""
    segmenter, image = make_segmenter(device), make_image(side)
    read, spans = zscore_reader(image), plan_spans(side, TILE_PX)
    tiles = [
        torch.from_numpy(read(slice(*row[:2]), slice(*column[:2])))[None].to(device, memory_format=torch.channels_last)
        for row in spans
        for column in spans
    ]
    network = segmenter.model.network.to(device)
    time_bare(network, tiles[:1], device), time_ours(segmenter, image[:TILE_PX, :TILE_PX], device)  # warm up
    pairs = [(time_ours(segmenter, image, device), time_bare(network, tiles, device)) for _ in range(rounds)]
    return [ours for ours, _ in pairs], [bare for _, bare in pairs]


def measure_memory(side: int) -> None:
    """Print the peak of resident memory in MiB that predicting adds to what the process and the image hold."""
    segmenter, image = make_segmenter("cpu"), make_image(side)
    segmenter.predict(image[:TILE_PX, :TILE_PX])  # what one tile needs is not the image's
    page, peak, done = resource.getpagesize(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], int(Path("/proc/self/statm").read_text().split()[1]) * page)

    before = int(Path("/proc/self/statm").read_text().split()[1]) * page
    watcher = threading.Thread(target=watch)
    watcher.start()
    segmenter.predict(image)
    done.set()
    watcher.join()
    print((peak[0] - before) / 2**20)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--memory", type=int)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if arguments.memory:
        measure_memory(arguments.memory)
        return
    torch.set_num_threads(1)
    ours, bare = compare(SIDES[-1], arguments.rounds, arguments.device)
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else platform.machine()
    lines = [
        "# Prediction of large images",
        "",
        f"`benchmarks/predict.py`, {datetime.date.today()}, {name}, {torch.get_num_threads()} CPU threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}.",
        f"residual_unet, one channel of 16 bits, {SIDES[-1]} x {SIDES[-1]} in tiles of {TILE_PX}; "
        f"{len(ratios)} round(s) in turn; "
        f"{'processor' if arguments.device == 'cpu' else 'wall-clock'} seconds.",
        "",
        "| | s, median | range |",
        "| --- | --- | --- |",
        f"| `Segmenter.predict`, image to label | {statistics.median(ours):.2f} | {min(ours):.2f} to {max(ours):.2f} |",
        f"| the network alone, same tiles | {statistics.median(bare):.2f} | {min(bare):.2f} to {max(bare):.2f} |",
        f"| ratio, median over rounds (bar: 1.20) | **{statistics.median(ratios):.3f}** | "
        f"{min(ratios):.3f} to {max(ratios):.3f} |",
    ]
    if arguments.device == "cpu":
        lines += [
            "",
            "Peak of resident memory added by `predict`, after one tile was predicted, CPU:",
            "",
            "| image | its own 16-bit pixels, MiB | added at peak, MiB |",
            "| --- | --- | --- |",
        ]
        for side in SIDES:
            call = [sys.executable, __file__, "--memory", str(side)]
            added = float(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
            lines.append(f"| {side} x {side} | {2 * side**2 / 2**20:.0f} | {added:.0f} |")
        OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
