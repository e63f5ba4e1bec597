"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import torch
from torch import Tensor, nn

from zoo.datasets import handwritten_digits
from zoo.evidence.attention_plots import attention_over_images
from zoo.evidence.plots import new_figure, saved
from zoo.nn import digits
from zoo_sequence.fast_attention.attention import Fastmax, fastmax
from zoo_sequence.fast_attention.config import FastmaxEncoderConfig, FastmaxGPTConfig, FastmaxViTConfig
from zoo_sequence.fast_attention.networks import FastmaxEncoder, FastmaxGPT, FastmaxViT


def _seconds(model: nn.Module, ids: Tensor) -> float:
    """The quicker of two forward passes."""
    found = []
    for _ in range(2):
        start = process_time()
        model(ids)
        found.append(process_time() - start)
    return min(found)


@torch.no_grad()
def encoder(path: Path) -> None:
    """Time of an untrained encoder of two layers on one CPU thread against the length of the text: fastmax grows with
    the length, with linear (p = 1) and quadratic (p = 2) polynomials alike, softmax attention with its square."""
    lengths = (256, 512, 1024, 2048, 4096)
    figure = new_figure(figsize=(7.5, 4.4))
    axis = figure.subplots()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for label, attention, power in (
            ("softmax", "full", 2),
            ("fastmax, p = 2", "fastmax", 2),
            ("fastmax, p = 1", "fastmax", 1),
        ):
            torch.manual_seed(0)
            config = FastmaxEncoderConfig(
                dim=64, num_layers=2, num_heads=4, max_length=max(lengths), attention=attention, p=power
            )
            model = FastmaxEncoder(config).eval()
            times = [_seconds(model, torch.randint(257, (1, length))) for length in lengths]
            axis.loglog(lengths, [1e3 * time for time in times], "o-", label=label)
    finally:
        torch.set_num_threads(threads)
    axis.set_xticks(lengths, [str(length) for length in lengths], minor=False)
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set(xlabel="tokens", ylabel="milliseconds", title="one forward pass, 4 heads of 16 features")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


@torch.no_grad()
def gpt(path: Path) -> None:
    """What an untrained model remembers while it generates, against the tokens so far: fastmax a state of one size per
    layer, softmax attention keys and values of every token."""
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for label, attention in (("softmax: keys and values", "full"), ("fastmax: moments", "fastmax")):
        torch.manual_seed(0)
        model = FastmaxGPT(
            FastmaxGPTConfig(dim=64, num_layers=2, num_heads=4, max_length=1024, attention=attention)
        ).eval()
        caches, sizes = model.new_caches(), {}
        for stop in range(32, 1025, 32):
            model(torch.randint(65, (1, 32)), caches=caches)
            held = [each for cache in caches for each in vars(cache).values() if isinstance(each, Tensor)]
            sizes[stop] = sum(each.numel() for each in held)
        axis.plot(list(sizes), list(sizes.values()), label=label)
    axis.set(xlabel="tokens so far", ylabel="numbers kept", title="2 layers, 4 heads of 16 features", ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def vit(path: Path) -> None:
    """Four held-out digits under a small network that learned digits pixel by pixel for some seconds: the weights,
    linear in the scores, with which the four heads of its last layer read the image, as means over queries."""
    torch.manual_seed(0)
    config = FastmaxViTConfig(image_size=8, patch_size=1, num_layers=2, dim=32, num_heads=4, p=1)
    model = FastmaxViT(config)
    digits.fit(model, epochs=8, seed=0, learning_rate=2e-3)
    _, _, images, _ = handwritten_digits()
    layer = [each for each in model.modules() if isinstance(each, Fastmax)][-1]
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    with torch.no_grad():
        model(images[:4, None])
        query, key, _ = layer.qkv(seen[0]).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        # Values that are the identity: the output is the weights.
        values = torch.eye(64).expand(*key.shape[:2], 64, 64)
        weights = fastmax(query, key, values, layer.config).mean(2)
    handle.remove()
    titles = ("image", *(f"head {head}" for head in range(4)))
    attention_over_images(images[:4, None], weights.unflatten(-1, (8, 8)), titles=titles, path=path)
