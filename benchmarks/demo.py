"""The main job on real input: list, load, classify, continue a text, look inside, swap, and say how long it took.

Handwritten digits come with scikit-learn, text with Python itself; the weights travel with the plugins.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import zoo


class Log:
    """Prints sections and remembers how long each took."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        print(f"\n== {title}", flush=True)
        start = time.perf_counter()
        yield
        self.times.append((title, time.perf_counter() - start))

    def summary(self) -> None:
        print("\n== What ran")
        for title, seconds in self.times:
            print(f"{seconds:6.1f} s  {title}")
        print(f"{sum(seconds for _, seconds in self.times):6.1f} s  in all")


def list_catalogue() -> None:
    print(zoo.entries())


def classify_digits(folder: Path) -> None:
    from PIL import Image

    from zoo.datasets import handwritten_digits
    from zoo.nn import digits
    from zoo_vision.images import upsample_digits
    from zoo_vision.shiftvit.network import predict

    _, _, images, labels = handwritten_digits()
    for name in ("shiftvit/digits", "triplet-attention-resnet/digits"):
        model = zoo.load(name)
        count = sum(parameter.numel() for parameter in model.parameters())
        accuracy = digits.measure(model, view=upsample_digits).accuracy
        print(f"{name}: {count:,} parameters, {accuracy:.2%} of {len(labels)} held-out handwritten digits")
    path = folder / "digit.png"
    Image.fromarray((images[0] * 255).byte().numpy()).resize((160, 160), Image.Resampling.NEAREST).save(path)
    model = zoo.load("shiftvit/digits")
    guess = predict(model, model.config, path)["classes"][0]
    print(f"{path}: {guess} (it is a {int(labels[0])})")
    with torch.no_grad():
        first = model(upsample_digits(images[:12])).argmax(-1).tolist()
    print(f"first twelve: {first}\n       truth: {labels[:12].tolist()}")


def draw_maps(folder: Path) -> None:
    from zoo.datasets import handwritten_digits
    from zoo.evidence.attention_plots import attention_over_images
    from zoo_vision.images import upsample_digits
    from zoo_vision.triplet_attention.gates import attention_maps

    _, _, images, _ = handwritten_digits()
    inputs = upsample_digits(images[:8])
    model = zoo.load("triplet-attention-resnet/digits")
    path = folder / "triplet-attention.png"
    maps = attention_maps(model, inputs, block=1)
    attention_over_images(inputs, maps, titles=("image", "gate"), label="gate of block 1", path=path)
    print(f"where the spatial gates of triplet attention look: {path}")


def continue_text() -> None:
    from zoo import catalogue
    from zoo.targets import resolve

    model = zoo.load("moba-lm/char")
    entry = catalogue.current().find("moba-lm").offer.entry
    print(f"bundled weights: {entry.weights['char'].metric}")
    instance = zoo.info("moba-lm/char").instance
    answer = resolve(entry.predict or "")(model, instance, "def __init__(self, ")
    print(f"given {answer['text']!r}, it goes on:\n{answer['continuation'].rstrip()}")


def look_inside(folder: Path) -> None:
    from zoo.bridges.transformers.maps import attention_maps
    from zoo.evidence.attention_plots import attention_over_tokens
    from zoo.evidence.attention_view import write_view
    from zoo_sequence.moba.characters import encode

    model, text = zoo.load("moba-lm/char"), "for name in names:\n    print(name)\n"
    maps = [weights[0] for weights in attention_maps(model, encode(text)[None])]
    picture, page = folder / "moba-layer-0.png", folder / "moba-heads.html"
    attention_over_tokens(maps[0], list(text), title="MoBA, layer 0", path=picture)
    write_view(maps, list(text), page, title="All heads of a small MoBA language model")
    print(f"where MoBA's heads look in {text!r}: {picture}\nall of them, to walk through in a browser: {page}")


def swap_into_transformers() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    print("registered:", ", ".join(zoo.register_transformers({"moba": {"block_size": 128, "topk": 3}})))
    shape = LlamaConfig(
        vocab_size=1000,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=16384,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM._from_config(shape).eval()
    ids = torch.randint(1000, (1, 12_000), generator=torch.Generator().manual_seed(0))

    def timed(run: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
        with torch.no_grad():
            start = time.perf_counter()
            output = run()
        return time.perf_counter() - start, output

    results = {}
    for implementation in ("sdpa", "zoo-moba"):
        model.set_attn_implementation(implementation)
        results[implementation] = timed(lambda: model.model(ids).last_hidden_state)
    ratio = results["sdpa"][0] / results["zoo-moba"][0]
    print(f"a transformers Llama on 12,000 tokens: {ratio:.1f} times faster with zoo-moba than with sdpa")
    zoo.register_transformers({"moba": {"block_size": 128, "topk": 1000}})
    short = ids[:, :300]
    exact = model.model(short).last_hidden_state
    model.set_attn_implementation("sdpa")
    difference = float((exact - model.model(short).last_hidden_state).abs().max().detach())
    print(f"with every block chosen MoBA is full attention: difference {difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="where pictures are written")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    log = Log()
    with log.section("The catalogue"):
        list_catalogue()
    with log.section("Classify real handwritten digits"):
        classify_digits(folder)
    with log.section("Draw attention over the images"):
        draw_maps(folder)
    with log.section("Continue a real text"):
        continue_text()
    with log.section("Look inside a language model"):
        look_inside(folder)
    with log.section("Swap MoBA into a transformers model"):
        swap_into_transformers()
    log.summary()


if __name__ == "__main__":
    main()
