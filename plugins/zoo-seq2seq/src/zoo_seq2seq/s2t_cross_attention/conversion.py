"""Recorded runs: scores, accumulation, normalisation, and correlations."""

from __future__ import annotations

from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.s2t_cross_attention import saliency
from zoo_seq2seq.s2t_cross_attention.agreement import correlations, resized


def _all(run: Run) -> dict[str, Tensor]:
    """Scores and token maps have a last axis of one in the recording."""
    attention = run.inputs["cross_attention"]
    scores = saliency.divergences(run.inputs["orig_probs"], run.inputs["perturbed_probs"])
    maps = saliency.relevance(scores, run.inputs["fbank_masks"])
    tokens = saliency.causal(saliency.relevance(scores, run.inputs["token_masks"][..., 0]))
    normal, normal_tokens = saliency.z_scores(maps, tokens)
    scaled, scaled_tokens = saliency.min_max(normal, normal_tokens)
    assert normal_tokens is not None
    assert scaled_tokens is not None
    over_time = maps.amax(-1)
    at_encoder = resized(over_time, attention.shape[-1])
    heads, layers, everything = correlations(attention, at_encoder)
    return {
        "kl": scores[..., None],
        "saliency_fbank": maps,
        "saliency_tokens": tokens[..., None],
        "norm_fbank": normal,
        "norm_tokens": normal_tokens[..., None],
        "minmax_fbank": scaled,
        "minmax_tokens": scaled_tokens[..., None],
        "saliency_time": over_time,
        "saliency_resized": at_encoder,
        "corr_per_head": heads,
        "corr_mean_layer": layers,
        "corr_all": everything,
    }


replay = replay_of({"spes-and-correlation": _all})
