"""Parameters under the names of the authors' MATLAB code, and recorded runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

import zoo
from zoo.errors import CheckpointMismatch
from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.luong_attention.attention import LuongAttention
from zoo_seq2seq.luong_attention.config import LuongAttentionConfig, LuongNMTConfig

_PLAIN = {
    "W_emb_src": "source_embedding.weight",
    "W_emb_tgt": "target_embedding.weight",
    "W_a": "attention.W_a.weight",
    "W_pos": "attention.W_p.weight",
    "v_pos": "attention.v_p",
    "W_h": "attention.W_c.weight",
    "W_soft": "output.weight",
}
_CELL = re.compile(r"W_(src|tgt)\{?(\d+)\}?")


def convert(state: Mapping[str, Tensor], config: LuongNMTConfig) -> dict[str, Tensor]:
    """Rename the MATLAB arrays, put their gates (i, f, o, candidate) in torch's order, and give cells zero biases.

    An LSTM's array (4 dim, input + dim) holds the weights of its input first. Embeddings are (width, words) there.

    Raises:
        CheckpointMismatch: an array of an LSTM that does not split so.
    """
    if not any(_CELL.fullmatch(name) for name in state):
        return dict(state)
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        cell = _CELL.fullmatch(name)
        if cell is not None:
            found |= _cell(cell[1], int(cell[2]) - 1, tensor, config)
        elif name.startswith("W_emb"):
            found[_PLAIN[name]] = tensor if tensor.shape[1] == config.embedding_dim else tensor.T.contiguous()
        else:
            new = _PLAIN.get(name, name)
            found[new] = tensor.flatten() if new == "attention.v_p" else tensor
    return found


def _cell(side: str, layer: int, tensor: Tensor, config: LuongNMTConfig) -> dict[str, Tensor]:
    dim = config.dim
    if tensor.shape[0] != 4 * dim or tensor.shape[1] <= dim:
        raise CheckpointMismatch(
            f"W_{side}{{{layer + 1}}} has shape {tuple(tensor.shape)}; expected ({4 * dim}, input + {dim})"
        )
    gates = tensor.unflatten(0, (4, dim))[[0, 1, 3, 2]].flatten(0, 1)
    parts = {
        "weight_ih": gates[:, :-dim],
        "weight_hh": gates[:, -dim:],
        "bias_ih": gates.new_zeros(4 * dim),
        "bias_hh": gates.new_zeros(4 * dim),
    }
    if side == "src":
        return {f"encoder.{name}_l{layer}": part.contiguous() for name, part in parts.items()}
    return {f"decoder.cells.{layer}.{name}": part.contiguous() for name, part in parts.items()}


def _attention(run: Run) -> dict[str, Tensor]:
    """Dot and general attention without a mask, both local ones with it, from shared matrices."""
    dim, state = int(run.config["dim"]), run.state
    query, memory = run.inputs["h_t"], run.inputs["h_s"]
    mask = torch.arange(memory.shape[1]) < run.inputs["src_len"][:, None]
    general = {"W_a.weight": state["general.linear_in.weight"], "W_c.weight": state["general.linear_out.weight"]}
    predictive = {**general, "W_p.weight": state["local.W_p"], "v_p": state["local.v_p"].flatten()}
    forms: dict[str, tuple[str, str, dict[str, Tensor]]] = {
        "dot": ("dot", "global", {"W_c.weight": state["dot.linear_out.weight"]}),
        "general": ("general", "global", general),
        "local_m": ("general", "local-m", general),
        "local_p": ("general", "local-p", predictive),
    }
    outputs: dict[str, Tensor] = {}
    for name, (score, window, parameters) in forms.items():
        config = LuongAttentionConfig(
            dim, score, window, half_width=int(run.config["D"]), sigma=float(run.config["sigma"])
        )
        layer = LuongAttention(config).eval()
        zoo.fill(layer, parameters)
        found = layer(query, memory, None if window == "global" else mask)
        outputs |= {f"{name}.align": found.weights, f"{name}.h_tilde": found.attentional}
        if window == "local-p" and found.position is not None:
            outputs["local_p.position"] = found.position
    return outputs


replay = replay_of({"attention": _attention})
