"""The picture on a card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.softmax_limits.config import SoftmaxLimitsConfig
from zoo_sequence.softmax_limits.probe import SoftmaxLimits

TEXT = (
    "In the beginning God created the heaven and the earth. And the earth was without form, and void; and darkness was "
    "upon the face of the deep. And the Spirit of God moved upon the face of the waters. And God said, Let there be "
    "light: and there was light. And God saw the light, that it was good: and God divided the light from the darkness."
)
TOP_N = (1, 2, 4, 8, 16, 32)


def separability(path: Path) -> None:
    """Heads of SmolLM2-135M over the first verses of the Bible: the share of the N tokens a head weighs most that can
    be told from the rest by their distance from its output, by layer and N, beside tokens drawn from the sphere under
    the same weights, of which ever fewer can."""
    model, tokenizer = packaged_model("smollm2")
    found = SoftmaxLimits(SoftmaxLimitsConfig(top_n=list(TOP_N)))(model, TEXT, tokenizer)
    figure = new_figure(figsize=(8.6, 4.4))
    left, right = figure.subplots(1, 2)
    table = [found.separable[count].mean(1).tolist() for count in found.top_n]
    drawn = left.imshow(table, aspect="auto", cmap="viridis", vmin=0, vmax=1, origin="lower")
    left.set(xlabel="layer", ylabel="N", title="separable share, mean of a layer's heads")
    left.set_yticks(range(len(found.top_n)), [str(count) for count in found.top_n])
    left.set_xticks(range(0, len(table[0]), 5))
    figure.colorbar(drawn, ax=left)
    for label, kept in (("measured", found.separable), ("tokens on the sphere", found.separable_sphere)):
        right.plot(found.top_n, [float(kept[count].mean()) for count in found.top_n], "o-", label=label)
    right.set_xscale("log", base=2)
    right.set_xticks(found.top_n, [str(count) for count in found.top_n])
    right.set(xlabel="N", ylabel="separable share", ylim=(0, 1.05), title="all heads")
    right.grid(alpha=0.3)
    right.legend()
    saved(figure, path)
