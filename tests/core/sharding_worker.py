"""One rank of the sharded-loading test; started by torchrun with a folder and a file to report to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

import zoo


def resident_bytes(path: Path) -> int:
    """Bytes of a mapped file that this process has touched."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split(maxsplit=1)[0]
        if not first.endswith(":"):
            inside = line.endswith(str(path))
        elif inside and first == "Rss:":
            total += int(line.split()[1]) * 1024
    return total


def main() -> None:
    folder, report = Path(sys.argv[1]), Path(sys.argv[2])
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    model = zoo.load(folder, mesh=mesh)
    touched = resident_bytes((folder / "model.safetensors").resolve())
    local = sum(
        parameter.to_local().numel() if isinstance(parameter, DTensor) else parameter.numel()
        for parameter in model.parameters()
    )
    full = {name: parameter.full_tensor() for name, parameter in model.named_parameters()}
    ids = torch.arange(24).view(2, 12) % 50
    with torch.no_grad():
        logits = model(ids)
    if dist.get_rank() == 0:
        torch.save({"logits": logits, "state": full}, report.with_suffix(".pt"))
    report.with_suffix(f".{dist.get_rank()}.json").write_text(json.dumps({"touched": touched, "local": local}))
    dist.destroy_process_group()


main()
