"""The replay of recorded traces; a probe has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.sparse_attention_decomposition.config import SparseAttentionDecompositionConfig
from zoo_interpret.sparse_attention_decomposition.folding import Terms, fold
from zoo_interpret.sparse_attention_decomposition.interventions import intervening, signal
from zoo_interpret.sparse_attention_decomposition.running import run
from zoo_interpret.sparse_attention_decomposition.tracing import Edge, SparseAttentionDecomposition

# As many firings as were recorded.
RECORDED = 24


def _trace(recorded: Run) -> dict[str, Tensor]:
    """Omega, firings, contributions and edges of a recorded model, and the ablation of one signal."""
    model, ids = recorded_model(recorded.config, recorded.state), recorded.inputs["input_ids"]
    own = {
        "attn_threshold": "attention_threshold",
        "upstream_threshold": "upstream_threshold",
        "term_threshold": "fraction",
    }
    probe = SparseAttentionDecomposition(SparseAttentionDecompositionConfig(**recorded.fields(own), most=RECORDED))
    running = run(model, ids)
    heads = range(running.sites[0].num_heads)
    for site, norm, folded in zip(running.sites, running.norms, running.folded, strict=True):
        for head in heads:
            # The reference decomposes the whole matrix in single precision, which mixes terms of near singular values.
            left, singular, right = torch.linalg.svd(fold(site, norm, model, torch.float32).omega(head))
            rank = folded.query.shape[-1]
            folded.known[head, 0] = Terms(left[:, :rank].double(), right[:rank].T.double(), singular[:rank].double())
    trace = probe.trace(running, type(model).__name__)
    outputs = {
        "omega": torch.stack([torch.stack([each.omega(head) for head in heads]) for each in running.folded]),
        "singular_values": torch.stack(
            [torch.stack([each.terms(head).singular for head in heads]) for each in running.folded]
        ),
        "firings": trace.firings,
        "score": trace.score,
        "term_contribution": trace.terms,
        "terms_used": trace.terms_used,
        "contrib_dst": trace.contributions_destination,
        "contrib_src": trace.contributions_source,
        "kept_dst": trace.kept_destination,
        "kept_src": trace.kept_source,
    }
    prompt, layer, head, destination, source = trace.firings[0].tolist()
    upstream = int(trace.contributions_destination[0, 0].argmax())
    edge = Edge(prompt, (0, upstream), (layer, head), destination, "destination", 0.0, 0)
    found = signal(running, trace, edge)
    with intervening(model, running, found):
        changed = run(model, ids)
        logits = model(input_ids=ids).logits[prompt]
    width = running.sites[0].head_dim ** 0.5
    scores = [each.scores[layer][prompt, head, destination, source] / width for each in (running, changed)]
    return outputs | {
        "upstream_head": torch.tensor([upstream]),
        "delta": found.delta,
        "clean_score": scores[0][None],
        "ablated_score": scores[1][None],
        "ablated_logits": logits,
    }


replay = replay_of({"trace": _trace})
