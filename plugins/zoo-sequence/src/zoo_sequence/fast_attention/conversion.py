"""Recorded runs of the authors' functions; no checkpoint of theirs is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_sequence.fast_attention.attention import fastmax, within_norm
from zoo_sequence.fast_attention.config import FastmaxKernelConfig


def _scaled(run: Run) -> dict[str, Tensor]:
    """Scores divided by each of the recorded terms."""
    terms = run.config["normalize_term"]
    return _every_form(run, {f"_nt{term}": partial(FastmaxKernelConfig, normalize_term=float(term)) for term in terms})


def _within_norm(run: Run) -> dict[str, Tensor]:
    """Queries and keys divided by their largest norms."""
    names = ("normalize", "a0", "a1", "a2", "lim")
    return _every_form(run, {"": partial(FastmaxKernelConfig, **{name: run.config[name] for name in names})})


def _every_form(run: Run, kernels: Mapping[str, Callable[..., FastmaxKernelConfig]]) -> dict[str, Tensor]:
    """Both degrees, causal and not, of every kernel; with gradients where one of the output is recorded."""
    outputs: dict[str, Tensor] = {}
    for suffix, kernel in kernels.items():
        for degree in run.config.get("p", (1, 2)):
            for causal in run.config.get("mask", (False, True)):
                name = f"p{degree}_{'causal' if causal else 'full'}{suffix}"
                outputs |= _one_form(name, kernel(p=degree), causal, run.inputs)
    return outputs


def _one_form(name: str, config: FastmaxKernelConfig, causal: bool, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.enable_grad():
        query, key, value = sources = [inputs[letter].clone().requires_grad_() for letter in "qkv"]
        if causal and config.normalize == "maxnorm":
            # The authors' largest norm is that of later tokens as well: divided before, as they do.
            query, key = within_norm(query, config.lim), within_norm(key, config.lim)
            config = replace(config, normalize="scale", lim=1.0, normalize_term=1.0)
            output = fastmax(query, key, value, config, causal=True, scale=1.0)
        else:
            output = fastmax(query, key, value, config, causal=causal)
        if "grad_out" not in inputs:
            return {name: output}
        grads = torch.autograd.grad((output * inputs["grad_out"]).sum(), sources)
    return {name: output} | {f"grad_{letter}_{name}": grad for letter, grad in zip("qkv", grads, strict=True)}


replay = replay_of({"fastmax": _scaled, "fastmax-maxnorm": _within_norm})
