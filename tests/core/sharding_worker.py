"""One rank of the sharded-loading test; started by torchrun with a folder and a file to report to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

import zoo
from zoo.bridges.sharding import fill_sharded
from zoo.building import build_on_meta


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


class Nested(nn.Module):
    """Blocks within stages, a scalar, and a buffer: what a flat language model does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(3, 3)])}) for _ in range(2))
        self.scale = nn.Parameter(torch.ones(()))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            x = stage["blocks"][0](x)
        return self.norm(x) * self.scale


def nested_difference(mesh: DeviceMesh) -> float:
    torch.manual_seed(0)
    plain = Nested().double().eval()
    state = {name: tensor.float() for name, tensor in plain.state_dict().items()}
    state["norm.num_batches_tracked"] = state["norm.num_batches_tracked"].long()
    sharded = fill_sharded(build_on_meta(Nested), state, mesh, dtype=torch.float64).eval()
    x = torch.arange(6.0, dtype=torch.float64).view(2, 3)
    with torch.no_grad():
        return float((sharded(x) - plain(x)).abs().max())


def refusals(folder: Path) -> list[str]:
    found = []
    for mesh in (3, init_device_mesh("cpu", (1, 2)), init_device_mesh("cpu", (2, 1, 1))):
        try:
            zoo.load(folder, mesh=mesh)
        except zoo.InputError as error:
            found.append(str(error))
    return found


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
    facts = {"touched": touched, "local": local, "nested": nested_difference(mesh), "refused": refusals(folder)}
    try:
        zoo.save(model, folder)
    except zoo.InputError as error:
        facts["save"] = str(error)
    report.with_suffix(f".{dist.get_rank()}.json").write_text(json.dumps(facts))
    dist.destroy_process_group()


main()
