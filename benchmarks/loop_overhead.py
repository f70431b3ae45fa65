"""Epoch time of `metastructure.training.train` against a bare forward/backward/step loop on the same tensors.

Run:  .venv/bin/python benchmarks/loop_overhead.py
Both sides take turns in one process, on batches of the same sizes; the bare side holds its batches ready in memory, so
that cropping, augmenting, schedule, history and checkpoint all count as overhead of ours. The bar is 1.10.
"""

import datetime
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

from metastructure.data.folder import zscore
from metastructure.data.synthetic import generate
from metastructure.networks import NetworkSpec, build_network
from metastructure.training import Machine, PixelStore, TrainingSettings, train

NUM_IMAGES = 96
ROUNDS = 15
OUT = Path(__file__).parent / "results" / "loop_overhead.md"


def time_ours(store: PixelStore, settings: TrainingSettings, folder: Path, round_: int) -> float:
    """Return the seconds of one epoch of our loop, checkpoint included."""
    network = build_network(NetworkSpec(name="residual_unet"), 1, 2)
    started = time.perf_counter()
    train(
        network,
        store,
        settings,
        seed=round_,
        fabric=Machine().fabric(),
        checkpoint=folder / f"{round_}.pt",
    )
    return time.perf_counter() - started


def time_bare(batches: list[tuple[torch.Tensor, torch.Tensor]], settings: TrainingSettings) -> float:
    """Return the seconds of one epoch of the shortest loop that trains the same network."""
    network = build_network(NetworkSpec(name="residual_unet"), 1, 2).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    started = time.perf_counter()
    for images, targets in batches:
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(network(images)[:, 0], targets).backward()
        optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    """Measure in turn and write the table."""
    pairs = [generate("nuc", seed=0, index=index, height=160, width=160) for index in range(NUM_IMAGES)]
    settings = TrainingSettings(epochs=1, batch_size=16, crop_px=128)
    store = PixelStore([zscore(image) for image, _ in pairs], [label for _, label in pairs], settings.crop_px)
    batches = [
        (images.contiguous(memory_format=torch.channels_last), labels.float())
        for images, labels in store.epoch(0, 0, settings.batch_size, 1, "dihedral")
    ]
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        time_ours(store, settings, Path(folder), ROUNDS), time_bare(batches, settings)  # warm up
        for round_ in range(ROUNDS):
            ours.append(time_ours(store, settings, Path(folder), round_))
            bare.append(time_bare(batches, settings))
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    lines = [
        "# Loop overhead",
        "",
        f"`benchmarks/loop_overhead.py`, {datetime.date.today()}, {platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}.",
        f"{NUM_IMAGES} crops of 128 x 128 in batches of 16, residual_unet; {ROUNDS} epochs of each in turn.",
        "",
        "| | median s per epoch | range |",
        "| --- | --- | --- |",
        f"| `train`, everything included | {statistics.median(ours):.3f} | {min(ours):.3f} to {max(ours):.3f} |",
        f"| bare loop, batches ready in memory | {statistics.median(bare):.3f} | {min(bare):.3f} to {max(bare):.3f} |",
        f"| ratio, median over rounds (bar: 1.10) | **{statistics.median(ratios):.3f}** | "
        f"{min(ratios):.3f} to {max(ratios):.3f} |",
    ]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
