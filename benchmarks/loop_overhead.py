"""Epoch time of `metastructure.training.train` against a bare forward/backward/step loop on the same tensors.

Run:  OMP_NUM_THREADS=1 .venv/bin/python benchmarks/loop_overhead.py
Both sides take turns in one process, on batches of the same sizes; the bare side holds its batches ready in memory, so
that cropping, augmenting, schedule, history and checkpoint all count as overhead of ours. The bars are 1.05 for plain
targets and 1.15 for density targets with an averaged network; the bare side has neither. One thread and its processor
seconds: of two, the idle one spins, and other work on the machine shows in wall times. The variable is needed, since
what torch is told of threads later does not reach the one that goes backwards.
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
from metastructure.training.plan import make_plan
from metastructure.transition import TransitionMatrix

NUM_IMAGES = 96
EPOCHS = 4
ROUNDS = 12
OUT = Path(__file__).parent / "results" / "loop_overhead.md"


NOISE = TransitionMatrix.symmetric(0.3, 2)
RECIPES = {
    "plain": {},
    "forward": {"loss": "forward", "transition": "known"},
    "density, EMA": {"transition": "known", "target": "density", "half_width_px": 2, "average": "ema"},
}
BARS = {"plain": "1.05", "forward": "–", "density, EMA": "1.15"}


def time_ours(store: PixelStore, settings: TrainingSettings, checkpoint: Path) -> float:
    """Return the seconds of a short training with our loop, set-up included."""
    network = build_network(NetworkSpec(name="residual_unet"), 1, 2)
    plan = make_plan(settings, [], 2, NOISE)
    started = time.process_time()
    train(
        network,
        store,
        settings,
        seed=0,
        fabric=Machine().fabric(),
        checkpoint=checkpoint,
        compute_loss=plan.loss,
        make_target=plan.make_target,
    )
    return time.process_time() - started


def time_bare(batches: list[tuple[torch.Tensor, torch.Tensor]], settings: TrainingSettings) -> float:
    """Return the seconds that the shortest loop takes to train the same network as long."""
    network = build_network(NetworkSpec(name="residual_unet"), 1, 2).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    started = time.process_time()
    for images, targets in batches * settings.epochs:
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(network(images)[:, 0], targets).backward()
        optimizer.step()
    return time.process_time() - started


def main() -> None:
    """Measure in turn and write the table."""
    torch.set_num_threads(1)
    pairs = [generate("nuc", seed=0, index=index, height=160, width=160) for index in range(NUM_IMAGES)]
    settings = TrainingSettings(epochs=EPOCHS, batch_size=16, crop_px=128)
    store = PixelStore([zscore(image) for image, _ in pairs], [label for _, label in pairs], settings.crop_px)
    batches = [
        (images.contiguous(memory_format=torch.channels_last), labels.float())
        for images, labels, _ in store.epoch(0, 0, settings.batch_size, 1, "dihedral")
    ]
    recipes = {
        name: TrainingSettings.model_validate(settings.model_dump() | changes) for name, changes in RECIPES.items()
    }
    ours: dict[str, list[float]] = {name: [] for name in recipes}
    bare = []
    with tempfile.TemporaryDirectory() as folder:
        time_ours(store, settings, Path(folder) / "warm.pt"), time_bare(batches, settings)  # warm up
        for round_ in range(ROUNDS):
            sides = [None, *recipes]
            for name in sides[round_ % len(sides) :] + sides[: round_ % len(sides)]:  # nobody always comes first
                if name is None:
                    bare.append(time_bare(batches, settings))
                else:
                    ours[name].append(time_ours(store, recipes[name], Path(folder) / f"{name} {round_}.pt"))
    lines = [
        "# Loop overhead",
        "",
        f"`benchmarks/loop_overhead.py`, {datetime.date.today()}, {platform.machine()}, "
        f"one thread, processor seconds, torch {torch.__version__}, Python {platform.python_version()}.",
        f"{NUM_IMAGES} crops of 128 x 128 in batches of 16, residual_unet; "
        f"{ROUNDS} trainings of {EPOCHS} epochs of each in turn.",
        "",
        "| | median CPU s per training | over bare, median [middle half] | bar |",
        "| --- | --- | --- | --- |",
        f"| bare loop, batches ready in memory | {statistics.median(bare):.3f} | 1 | |",
    ]
    for name, seconds in ours.items():
        ratios = [one / other for one, other in zip(seconds, bare, strict=True)]
        lower, _, upper = statistics.quantiles(ratios, n=4)
        lines.append(
            f"| `train`, {name} | {statistics.median(seconds):.3f} | **{statistics.median(ratios):.3f}** "
            f"[{lower:.3f}, {upper:.3f}] | {BARS[name]} |"
        )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
