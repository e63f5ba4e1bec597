"""flax names to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo_sequence.transformer_wave_function.config import WaveFunctionConfig
from zoo_sequence.transformer_wave_function.hamiltonian import Hamiltonian, exact_energies, exact_expectation, jastrow
from zoo_sequence.transformer_wave_function.network import WaveFunction

_RENAMED = (
    ("Embed_0.embed", "embed"),
    ("Encoder_0.layers_", "layers."),
    ("OuputHead_0", "head"),
    ("OutputHead_0", "head"),
    (".ff.layers_", ".ff."),
    (".kernel", ".weight"),
    (".scale", ".weight"),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """flax names to ours; kernels (in, out) are transposed."""
    renamed = {}
    for name, tensor in state.items():
        new = name
        for old, ours in _RENAMED:
            new = new.replace(old, ours)
        renamed[new] = tensor.T if name.endswith(".kernel") else tensor
    return renamed


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """``vit-factored``: the network; ``exact-4x4``: exact diagonalisation with a Jastrow trial state."""
    if component == "vit-factored":
        own = WaveFunctionConfig(
            lattice_size=config["L"],
            patch_size=config["patch_size"],
            num_layers=config["num_layers"],
            dim=config["d_model"],
            num_heads=config["n_heads"],
            translation_invariant=config["transl_invariant"],
        )
        model = WaveFunction(own).eval()
        zoo.fill(model, convert(state, own), dtype=torch.float64)
        log_psi = model(inputs["spins"])
        return {"log_psi_real": log_psi.real, "log_psi_imag": log_psi.imag}
    if component != "exact-4x4":
        raise InputError(f"no component {component!r}; there are: vit-factored, exact-4x4")
    model_of = partial(Hamiltonian, config["L"], config["J1"], total_sz=config.get("total_sz", 0))
    energies = [exact_energies(model_of(float(j2)), 2) for j2 in inputs["J2"]]
    trial = jastrow(config["L"], config["jastrow_coefficient"])
    hamiltonian = model_of(config["jastrow_J2"])
    return {
        "ground_energy": torch.tensor([low for low, _ in energies], dtype=torch.float64),
        "gap": torch.tensor([high - low for low, high in energies], dtype=torch.float64),
        "jastrow_energy": torch.tensor(exact_expectation(trial, hamiltonian).mean, dtype=torch.float64),
        "jastrow_local_energy": hamiltonian.local_energy(trial, inputs["spins"]).real,
    }
