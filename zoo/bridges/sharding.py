"""Load onto several devices or hosts: FSDP2, each rank reading only its slice of the files.

The module is sharded while its parameters are on meta; then every rank cuts its own rows out of the
memory-mapped file, so that neither the host nor the device ever holds the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from zoo.errors import InputError
from zoo.filling import check_names, fill_buffers, move_transient_buffers, tied_names


def shard(module: nn.Module, mesh: DeviceMesh) -> None:
    """Apply FSDP2: one group per repeated block (member of a ModuleList), one for the rest.

    Scalar parameters stay whole on every rank, since FSDP2 cannot cut them.

    Raises:
        InputError: the mesh is not one that FSDP2 takes: one dimension, or two with names for hybrid sharding.
    """
    from torch.distributed.fsdp import fully_shard

    _check(mesh)
    scalars = {parameter for parameter in module.parameters() if parameter.ndim == 0}
    apply = partial(fully_shard, mesh=mesh)
    if scalars:
        apply = partial(apply, ignored_params=scalars)
    shared = {name for names in tied_names(module) if len(names) > 1 for name in names}
    # Inner blocks before outer ones: a group takes the parameters that no group has yet.
    for path, child in reversed(list(module.named_modules())):
        if isinstance(child, nn.ModuleList) and not any(name.startswith(f"{path}.") for name in shared):
            for block in child:
                # Containers are never called themselves, so nothing would gather their parameters.
                called = not isinstance(block, nn.ModuleList | nn.ModuleDict)
                if called and any(True for _ in block.parameters()):
                    apply(block)
    apply(module)


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
