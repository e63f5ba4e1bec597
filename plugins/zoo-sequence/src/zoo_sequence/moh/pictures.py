"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import torch
from torch import Tensor
from torch.nn import functional

from zoo.bridges.transformers.maps import queries_keys_values
from zoo.bridges.transformers.packaged import packaged_model
from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.config import MoHDiTConfig, MoHViTConfig
from zoo_sequence.moh.dit import MoHDiT
from zoo_sequence.moh.llama import head_counts, query_norm_routing
from zoo_sequence.moh.routing import Routing, balance_loss
from zoo_sequence.moh.vit import MoHViT

TEXT = "The capital of France is Paris, and the capital of Italy is Rome."


def llama(path: Path) -> None:
    """Which heads each token of a sentence would read in SmolLM2-135M under this routing, three of nine shared, three
    of the other six chosen by the norm of their queries: some are chosen by nearly all tokens, some by few."""
    model, tokenizer = packaged_model("smollm2")
    layers = (5, 15, 25)
    found = queries_keys_values(model, TEXT, tokenizer)
    tokens = [tokenizer.decode([index]) for index in tokenizer(TEXT)["input_ids"]]
    figure = new_figure(figsize=(9, 5.2))
    shared, routed = head_counts(found[0][0].shape[1], 1 / 3, 2 / 3)
    for axis, layer in zip(figure.subplots(1, len(layers), sharey=True), layers, strict=True):
        gates = query_norm_routing(found[layer][0], shared, routed).gates[0]
        shown = gates.clone()
        shown[:, :shared] = 0.45
        axis.imshow(shown.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axis.set(title=f"layer {layer}", xlabel="head (pale: shared)")
        axis.set_xticks(range(gates.shape[1]))
        axis.set_yticks(range(len(tokens)), [token.strip() or token for token in tokens], fontsize=8)
    saved(figure, path)


@torch.no_grad()
def dit(path: Path) -> None:
    """Time of one forward pass of an untrained network on 1,024 tokens, on one CPU thread, against the share of heads
    that every token reads: leaving out what a token did not choose pays where it chooses few."""
    threads, times = torch.get_num_threads(), {}
    torch.set_num_threads(1)
    try:
        for routed in (1, 2, 4, 6):
            torch.manual_seed(0)
            config = MoHDiTConfig(
                input_size=64, dim=128, num_layers=1, num_heads=[8], shared_heads=[2], routed_heads=[routed]
            )
            model = MoHDiT(config).eval()
            inputs = torch.randn(1, 4, 64, 64), torch.tensor([10]), torch.tensor([3])
            for skip in (True, False):
                for layer in model.modules():
                    if isinstance(layer, MoHAttention):
                        layer.skip = skip
                runs = []
                for _ in range(3):
                    start = process_time()
                    model(*inputs)
                    runs.append(process_time() - start)
                times[2 + routed, skip] = 1000 * min(runs)
    finally:
        torch.set_num_threads(threads)
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for skip, label in ((True, "unchosen heads left out"), (False, "all computed")):
        counts = [count for count, each in times if each == skip]
        axis.plot([count / 8 for count in counts], [times[count, skip] for count in counts], "o-", label=label)
    axis.set(
        xlabel="share of heads per token", ylabel="milliseconds", title="1 layer, 8 heads, 1,024 tokens", ylim=(0, None)
    )
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def vit(path: Path) -> None:
    """How often each routed head of the last two stages was chosen, digit by digit, after a small network learned
    handwritten digits for some seconds without and with its balance loss: in the last stage, where an image is one
    token, digits choose heads of their own."""
    images, labels, held, truth = handwritten_digits()
    figure = new_figure(figsize=(8.6, 4.4))
    for axis, weight in zip(figure.subplots(1, 2, sharey=True), (0.0, 1.0), strict=True):
        torch.manual_seed(0)
        model = MoHViT(_small())
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        generator = torch.Generator().manual_seed(0)
        for _ in range(60):
            batch = torch.randint(len(images), (32,), generator=generator)
            routings: list[Routing] = []
            loss = functional.cross_entropy(model(_view(images[batch]), routings=routings), labels[batch])
            loss = loss + balance_loss(routings, coefficient=weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        shares, right = _chosen(model.eval(), held, truth)
        drawn = axis.imshow(shares.T.numpy(), cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axis.set(title=f"balance loss x {weight:g}: {right:.0%} right", xlabel="digit")
        axis.set_xticks(range(10))
        axis.set_yticks(range(shares.shape[1]))
        axis.set_ylabel("routed head, stage 3 then 4")
    figure.colorbar(drawn, ax=figure.axes, label="share of tokens that chose it")
    saved(figure, path)


def _small() -> MoHViTConfig:
    return MoHViTConfig(
        image_size=32,
        in_channels=1,
        dims=[8, 16, 36, 36],
        num_heads=[2, 2, 6, 6],
        shared_heads=[2, 2, 2, 2],
        routed_heads=[0, 0, 2, 2],
        mlp_ratios=[2, 2, 2, 2],
        depths=[1, 1, 1, 1],
        num_classes=10,
    )


def _view(images: Tensor) -> Tensor:
    """Digits (n, 8, 8) as images (n, 1, 32, 32)."""
    return functional.interpolate(images[:, None], scale_factor=4)


@torch.no_grad()
def _chosen(model: MoHViT, images: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """By digit, (10, heads): how often each routed head was chosen; and the share of digits classified rightly."""
    routings: list[Routing] = []
    right = model(_view(images), routings=routings).argmax(-1) == labels
    chosen = torch.cat([each.chosen.float().mean(1) for each in routings if each.chosen is not None], 1)
    return torch.stack([chosen[labels == digit].mean(0) for digit in range(10)]), float(right.float().mean())
