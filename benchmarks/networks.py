"""Parameters, time and memory of one training step of each network.

Run:  OMP_NUM_THREADS=1 .venv/bin/python benchmarks/networks.py
A step is forward and backward, without an optimizer, on a batch of BATCH one-channel crops of SIDE x SIDE with one
logit, channels last. It is measured as CPU time, since the machine may be busy, so run it with one thread. The
networks take turns and the least of ROUNDS times counts, after one pass to warm up. Memory is what autograd keeps of
the forward pass for the backward pass.
"""

import datetime
import os
import platform
import time
from pathlib import Path

import torch
from torch import nn

from metastructure.networks import NETWORKS, NetworkSpec, build_network

BATCH = 8
SIDE = 128
ROUNDS = 2
OUT = Path(__file__).parent / "results" / "networks.md"
SPECS = [
    NetworkSpec(name="residual_unet"),
    NetworkSpec(name="residual_unet", settings={"width": 32}),
    NetworkSpec(name="unet", settings={"width": 16}),
    NetworkSpec(name="unet"),
    NetworkSpec(name="deeplab", settings={"encoder": "resnet18", "width": 16}),
    NetworkSpec(name="deeplab", settings={"encoder": "resnet18"}),
    NetworkSpec(name="deeplab"),
    NetworkSpec(name="hrnet", settings={"variant": "w18_small_v1"}),
    NetworkSpec(name="hrnet", settings={"variant": "w18_small_v2"}),
    NetworkSpec(name="hrnet", settings={"variant": "w48"}),
]


def time_step(network: nn.Module, images: torch.Tensor) -> float:
    """Return the CPU seconds of one forward and backward pass."""
    network.zero_grad()
    started = time.process_time()
    network(images).square().mean().backward()
    return time.process_time() - started


def measure_memory(network: nn.Module, images: torch.Tensor) -> int:
    """Return the bytes of all distinct tensors that the backward pass needs, the parameters left out."""
    kept = {parameter.data_ptr(): 0 for parameter in network.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = network(images)
    del logits
    return sum(kept.values())


def main() -> None:
    """Measure in turn and write the table."""
    assert {spec.name for spec in SPECS} == set(NETWORKS)
    torch.manual_seed(0)
    images = torch.randn(BATCH, 1, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    networks = [build_network(spec, 1, 2).to(memory_format=torch.channels_last) for spec in SPECS]
    memory = [measure_memory(network, images) for network in networks]  # warms up too
    rounds = [[time_step(network, images) for network in networks] for _ in range(ROUNDS)]
    load = os.getloadavg()[0]
    lines = [
        "# Networks",
        "",
        f"`benchmarks/networks.py`, {datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores at load "
        f"{load:.1f}, {torch.get_num_threads()} thread(s), torch {torch.__version__}, Python "
        f"{platform.python_version()}.",
        f"Forward and backward of {BATCH} crops of {SIDE} x {SIDE}, one channel, one logit. CPU time, the least and "
        f"the most of {ROUNDS} rounds.",
        "",
        "| network | parameters, M | least s | most s | times the first | kept for backward, MiB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    first = min(times[0] for times in rounds)
    for number, (spec, network) in enumerate(zip(SPECS, networks, strict=True)):
        seconds = [times[number] for times in rounds]
        least, most = min(seconds), max(seconds)
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        lines.append(
            f"| {spec.title} | {parameters:.2f} | {least:.2f} | {most:.2f} | {least / first:.1f} | "
            f"{memory[number] / 2**20:.0f} |"
        )
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
