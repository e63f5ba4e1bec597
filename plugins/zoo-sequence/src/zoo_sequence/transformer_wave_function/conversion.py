"""flax names to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_sequence.transformer_wave_function.config import WaveFunctionConfig
from zoo_sequence.transformer_wave_function.hamiltonian import Hamiltonian, exact_energies, exact_expectation, jastrow
from zoo_sequence.transformer_wave_function.network import WaveFunction

_RENAMES = (
    (r"^Embed_0\.embed\.", "embed."),
    (r"^Encoder_0\.layers_", "layers."),
    # The authors' spelling is the first.
    (r"^(OuputHead|OutputHead)_0\.", "head."),
    (r"\.ff\.layers_", ".ff."),
    (r"\.(kernel|scale)$", ".weight"),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """flax names to ours; kernels (in, out) are transposed."""
    return renamed({name: tensor.T if name.endswith(".kernel") else tensor for name, tensor in state.items()}, _RENAMES)


def _factored(run: Run) -> dict[str, Tensor]:
    """The network."""
    config = run.config
    own = WaveFunctionConfig(
        lattice_size=config["L"],
        patch_size=config["patch_size"],
        num_layers=config["num_layers"],
        dim=config["d_model"],
        num_heads=config["n_heads"],
        translation_invariant=config["transl_invariant"],
    )
    model = zoo.fill(WaveFunction(own), convert(run.state, own), dtype=torch.float64).eval()
    log_psi = model(run.inputs["spins"])
    return {"log_psi_real": log_psi.real, "log_psi_imag": log_psi.imag}


def _exact(run: Run) -> dict[str, Tensor]:
    """Exact diagonalisation, and a Jastrow trial state."""
    config = run.config
    model_of = partial(Hamiltonian, config["L"], config["J1"], total_sz=config.get("total_sz", 0))
    energies = [exact_energies(model_of(float(j2)), 2) for j2 in run.inputs["J2"]]
    trial = jastrow(config["L"], config["jastrow_coefficient"])
    hamiltonian = model_of(config["jastrow_J2"])
    return {
        "ground_energy": torch.tensor([low for low, _ in energies], dtype=torch.float64),
        "gap": torch.tensor([high - low for low, high in energies], dtype=torch.float64),
        "jastrow_energy": torch.tensor(exact_expectation(trial, hamiltonian).mean, dtype=torch.float64),
        "jastrow_local_energy": hamiltonian.local_energy(trial, run.inputs["spins"]).real,
    }


replay = replay_of({"vit-factored": _factored, "exact-4x4": _exact})
