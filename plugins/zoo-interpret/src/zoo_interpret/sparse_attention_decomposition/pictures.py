"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.indirect_objects import indirect_object_batch
from zoo_interpret.sparse_attention_decomposition.claims import SMOLLM2_MOVERS
from zoo_interpret.sparse_attention_decomposition.config import SparseAttentionDecompositionConfig
from zoo_interpret.sparse_attention_decomposition.tracing import SparseAttentionDecomposition


def terms(path: Path) -> None:
    """How many of 64 singular terms make up the scores where SmolLM2's name movers fire, and which heads wrote them."""
    model, tokenizer = packaged_model("smollm2")
    batch = indirect_object_batch(tokenizer, 4)
    config = SparseAttentionDecompositionConfig(attention_threshold=0.4)
    trace = SparseAttentionDecomposition(config)(model, batch.clean, heads=SMOLLM2_MOVERS)
    used, every = trace.terms_used.sum(1), trace.terms.shape[1]
    figure = new_figure(figsize=(9, 4))
    left, right = figure.subplots(1, 2)
    left.hist(used.tolist(), bins=range(every + 1))
    left.set(
        xlabel=f"terms kept, of {every}", ylabel="firings", title=f"{len(used)} firings of heads 23.0, 23.1, 23.2, 23.7"
    )
    left.yaxis.get_major_locator().set_params(integer=True)
    upstream = (trace.kept_source + trace.kept_destination).sum(0)
    picture = right.imshow(upstream.numpy(), aspect="auto", interpolation="nearest", cmap="viridis")
    figure.colorbar(picture, ax=right, label="edges to the firings")
    right.set(xlabel="head", ylabel="layer", title="who wrote what they found")
    for axis in (right.xaxis, right.yaxis):
        axis.get_major_locator().set_params(integer=True)
    figure.suptitle("SmolLM2-135M, 4 indirect-object sentences")
    saved(figure, path)
