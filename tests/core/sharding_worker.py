"""One rank of the sharding tests. What it finds goes into ``<folder>/<scene>.<rank>.json``; the tests compare."""

from __future__ import annotations

import gc
import json
import os
import traceback
import weakref
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

import zoo
from zoo.bridges.sharding import fill_sharded
from zoo.building import build_on_meta

IDS = torch.arange(26).view(2, 13) % 50


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


def error_of(action) -> str:
    try:
        action()
    except zoo.ZooError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


class Gathered:
    """Counts the bytes of gathered tensors that are alive at once, on this rank."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def __enter__(self) -> Gathered:
        self.full = DTensor.full_tensor

        def counted(tensor: DTensor, **options) -> torch.Tensor:
            whole = self.full(tensor, **options)
            size = whole.nbytes
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(whole.untyped_storage(), self.free, size)
            return whole

        DTensor.full_tensor = counted
        return self

    def free(self, size: int) -> None:
        self.now -= size

    def __exit__(self, *exception: object) -> None:
        DTensor.full_tensor = self.full


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(IDS).backward()
        optimizer.step()


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2)


def on_two(folder: Path, source: Path) -> dict:
    """Load slices only; save in numbered files, whole and tied; train and leave a distributed checkpoint."""
    mesh = init_device_mesh("cpu", (2,))
    facts = {}
    for tied in (False, True):
        place = source / ("tied" if tied else "untied")
        model = zoo.load(place, mesh=mesh)
        touched = resident_bytes((place / "model.safetensors").resolve())
        parameters = list(model.parameters())
        local = sum(p.to_local().numel() if isinstance(p, DTensor) else p.numel() for p in parameters)
        with torch.no_grad():
            logits = model(IDS)
        with Gathered() as gathered:
            zoo.save(model, folder / place.name, max_shard_size="3MB")
        facts[place.name] = {"touched": touched, "local": local, "gathered": gathered.most}
        facts[place.name]["logits"] = logits[0, -1].tolist()
    facts["nested"] = nested_difference(mesh)
    odd = (3, init_device_mesh("cpu", (1, 2)), init_device_mesh("cpu", (2, 1, 1)))
    facts["refused"] = [error_of(lambda mesh=mesh: zoo.load(source / "untied", mesh=mesh)) for mesh in odd]
    model = zoo.load(source / "untied", mesh=mesh)
    with torch.no_grad():
        # Whoever looks at the model first, and then makes an optimizer, trains it all the same.
        model(IDS)
    optimizer = optimizer_of(model)
    train(model, optimizer, 2)
    weights, moments = get_state_dict(model, optimizer)
    dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=folder / "checkpoint")
    facts["uri"] = zoo.push(model, "someone/sharded", max_shard_size="3MB", license="mit")
    return facts


def on_four(folder: Path, source: Path) -> dict:
    """Resume on two dimensions what two ranks began; and every way to fail, which must fail on every rank."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard"))
    model = zoo.load(source / "untied", mesh=mesh)
    optimizer = optimizer_of(model)
    weights, moments = get_state_dict(model, optimizer)
    dcp.load({"model": weights, "optimizer": moments}, checkpoint_id=folder / "checkpoint")
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=moments)
    train(model, optimizer, 2)
    zoo.save(model, folder / "resumed")
    errors = {"file": error_of(lambda: zoo.save(model, source / "untied" / "config.json"))}
    errors["size"] = error_of(lambda: zoo.save(model, folder / "no", max_shard_size="huge"))
    if dist.get_rank() == 0:
        (folder / "full").mkdir()
        (folder / "full" / "README.md").write_text("not ours")
    dist.barrier()
    errors["foreign"] = error_of(lambda: zoo.save(model, folder / "full"))
    if dist.get_rank() == 3:
        model.attention_layers()[0].mode = "full"
    errors["switch"] = error_of(lambda: zoo.save(model, folder / "no"))
    if dist.get_rank() == 3:
        model.lm_head.add_module("extra", nn.Linear(2, 2))
    errors["part"] = error_of(lambda: zoo.save(model, folder / "no"))
    return errors


SCENES = {"on_two": on_two, "on_four": on_four}


def play(scene: str, rank: int, ranks: int, folder: Path, source: Path, environment: dict[str, str]) -> None:
    """One rank of a scene."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    report = folder / f"{scene}.{rank}.json"
    dist.init_process_group("gloo", init_method=f"file://{folder / scene}", rank=rank, world_size=ranks)
    try:
        report.write_text(json.dumps(SCENES[scene](folder, source)))
    except BaseException:
        report.with_suffix(".error").write_text(traceback.format_exc())
        raise
    dist.barrier()  # a rank that leaves while another still works takes it down
    gc.collect()  # what holds the group beyond its end can abort the process
    dist.destroy_process_group()
