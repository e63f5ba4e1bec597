"""Load onto several devices or hosts, and save from there: FSDP2, no host or device ever holding the whole.

Loading: the module is sharded while its parameters are on meta; then every rank cuts its own rows out of the
memory-mapped file. Saving: every rank takes part in gathering one tensor after the other, and the first rank of the
mesh keeps those of one file until it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from zoo import errors
from zoo.errors import InputError, WeightsError, ZooError, one_line
from zoo.filling import check_names, fill_buffers, move_transient_buffers, tied_names

T = TypeVar("T")
P = TypeVar("P")
_ANOTHER = "another piece"


def shard(module: nn.Module, mesh: DeviceMesh) -> None:
    """Apply FSDP2: one group per repeated block (member of a ModuleList), one for the rest.

    Scalar parameters stay whole on every rank, since FSDP2 cannot cut them; a module without parameters stays as it is.

    Raises:
        InputError: the mesh is not one that FSDP2 takes: one dimension, or two with names for hybrid sharding.
    """
    from torch.distributed.fsdp import fully_shard

    _check(mesh)
    if not any(True for _ in module.parameters()):
        return
    scalars = {parameter for parameter in module.parameters() if parameter.ndim == 0}
    # The outermost group, too, lets go of its whole parameters after a call: by default it keeps them until a backward
    # pass, and an optimizer made in between would update what is then thrown away.
    apply = partial(fully_shard, mesh=mesh, reshard_after_forward=True)
    if scalars:
        apply = partial(apply, ignored_params=scalars)
    shared = {name for names in tied_names(module) if len(names) > 1 for name in names}
    # Inner blocks before outer ones: a group takes the parameters that no group has yet.
    for path, child in reversed(list(module.named_modules())):
        if isinstance(child, nn.ModuleList) and not any(name.startswith(f"{path}.") for name in shared):
            for block in child:
                if _is_only_called(block) and any(True for _ in block.parameters()):
                    apply(block)
    apply(module)


def _is_only_called(block: nn.Module) -> bool:
    """Whether a block is used by calling it and in no other way: the call is what gathers its parameters.

    Containers are never called, and a block with further methods may be used through them.
    """
    own = [kind for kind in type(block).__mro__ if kind.__module__.partition(".")[0] != "torch"]
    methods = {name for kind in own for name, member in vars(kind).items() if isinstance(member, FunctionType)}
    others = {name for name in methods if not name.startswith("_")} - {"forward", "reset_parameters", "extra_repr"}
    return type(block).forward is not nn.Module.forward and not others


def _check(mesh: DeviceMesh) -> None:
    if not isinstance(mesh, DeviceMesh):
        raise InputError(f"mesh={mesh!r} is not a torch.distributed DeviceMesh; make one by init_device_mesh")
    if mesh.ndim > 2:
        raise InputError(f"the mesh has {mesh.ndim} dimensions; FSDP2 takes one, or two for hybrid sharding")
    if mesh.ndim == 2 and mesh.mesh_dim_names is None:
        raise InputError("the mesh has two dimensions without names; give init_device_mesh mesh_dim_names")


def fill_sharded(
    module: nn.Module, state: Mapping[str, Tensor], mesh: DeviceMesh, *, dtype: torch.dtype | None = None
) -> nn.Module:
    """Shard a module built on meta and give every rank its slices of ``state``.

    Args:
        module: parameters on meta.
        state: memory-mapped tensors under the module's names.
        mesh: its device type says where the slices go.
        dtype: converts floating-point tensors, slice by slice.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    groups = list(tied_names(module))
    check_names(module, state, groups)
    shard(module, mesh)
    device = torch.device(mesh.device_type)
    sharded: dict[str, Tensor] = {}
    parameters = dict(module.named_parameters(remove_duplicate=False))
    for names in groups:
        source = state[next(name for name in names if name in state)]
        target = parameters.get(names[0])
        if target is None:
            continue
        if isinstance(target, DTensor):
            # Without a source rank nothing is sent: every rank cuts its part out of its own mapping.
            local: Tensor = distribute_tensor(source, mesh, target.placements, src_data_rank=None)
        else:
            local = source.to(device)
        local = local.to(dtype) if dtype is not None and local.is_floating_point() else local
        sharded |= dict.fromkeys(names, local)
    module.load_state_dict(sharded, strict=False, assign=True)
    fill_buffers(module, state, dtype=dtype, device=device)
    move_transient_buffers(module, device)
    return module


def mesh_of(state: Mapping[str, Tensor]) -> DeviceMesh:
    """The mesh that tensors are spread over; the largest, where some lie on smaller ones."""
    meshes = [tensor.device_mesh for tensor in state.values() if hasattr(tensor, "device_mesh")]
    return max(meshes, key=lambda mesh: mesh.size())


def sharded_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict under the module's own names, each rank holding its shards."""
    from torch.distributed.checkpoint.state_dict import get_model_state_dict

    return {name: value for name, value in get_model_state_dict(module).items() if isinstance(value, Tensor)}


def agreed(mesh: DeviceMesh, work: Callable[[], T], key: Callable[[T], str]) -> T:
    """Do what every rank of a mesh must do alike; a rank that failed alone would leave the others waiting.

    Args:
        mesh: whose ranks all call this.
        work: done on every rank.
        key: what must come out the same.

    Raises:
        ZooError: some rank failed.
        InputError: the ranks disagree.
    """
    try:
        result = work()
        words = [("done", key(result))]
    except Exception as error:
        words = [_word_of(error)]
    for group in mesh.get_all_groups():
        gathered: list[Any] = [None] * dist.get_world_size(group)
        dist.all_gather_object(gathered, words, group)
        words = [word for part in gathered for word in part]
    failed = [word for word in words if word[0] != "done"]
    if failed:
        raise _error_of(failed[0])
    if len(set(words)) > 1:
        raise InputError("the ranks hold different configs: a switch was changed on some of them only")
    return result


def first_rank_puts(
    mesh: DeviceMesh, pieces: Sequence[P], put: Callable[[Iterator[P]], T], assist: Callable[[P], None]
) -> T:
    """Let the first rank of a mesh put pieces somewhere, which all ranks must help it to gather.

    Args:
        mesh: whose ranks all call this.
        pieces: the same on every rank.
        put: called on the first rank alone; gathers each piece as it comes.
        assist: called on the others for each piece that ``put`` takes.

    Returns:
        What ``put`` returned, on every rank.

    Raises:
        ZooError: ``put`` failed.
    """
    if any(mesh.get_coordinate() or [True]):
        waiting = iter(pieces)
        while (ending := _first_rank_says(mesh)) == _ANOTHER:
            assist(next(waiting))
        if isinstance(ending, tuple):
            raise _error_of(ending)
        return ending[0]

    def announced() -> Iterator[P]:
        for piece in pieces:
            _first_rank_says(mesh, _ANOTHER)
            yield piece

    try:
        result = put(announced())
    except Exception as error:
        _first_rank_says(mesh, _word_of(error))
        raise
    _first_rank_says(mesh, [result])
    return result


def _first_rank_says(mesh: DeviceMesh, word: Any = None) -> Any:
    box = [word]
    # Along the last dimension first: then every column starts with a rank that knows.
    for group in reversed(mesh.get_all_groups()):
        dist.broadcast_object_list(box, group=group, group_src=0)
    return box[0]


def _word_of(error: Exception) -> tuple[str, str]:
    kind = type(error) if isinstance(error, ZooError) else WeightsError
    return kind.__name__, str(error) if isinstance(error, ZooError) else one_line(error)


def _error_of(word: tuple[str, str]) -> ZooError:
    kind, text = word
    error: ZooError = getattr(errors, kind, WeightsError)(text)
    return error
