"""What the paper promises and a machine can check."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from zoo import Measurement
from zoo.counting import flops
from zoo.evidence.measuring import count_parameters, growth_exponent, quickest
from zoo.nn.attention import MultiHeadAttention
from zoo_vision.ddst import training
from zoo_vision.ddst.config import DDSTConfig, RelationsConfig
from zoo_vision.ddst.tower import Tower

# The hidden width that gives the attention network the tower's number of parameters within one in a hundred.
_MATCHED = RelationsConfig(block="attention", hidden_dim=344)


def check_linear_cost() -> Measurement:
    """Time and counted operations of a block from 1024 to 4096 tokens, beside those of softmax attention's products.

    The attention is evaluated as scores, softmax and sum, as the comparison is about its arithmetic.
    """
    config = DDSTConfig(dim=32, num_layers=1, num_groups=16, question_dim=32)
    tower, sizes = Tower(config).eval(), (1024, 4096)

    def attend(x: Tensor) -> Tensor:
        return (x @ x.mT).softmax(-1) @ x

    times: dict[str, list[float]] = {"tower": [], "attention": []}
    with torch.no_grad():
        for size in sizes:
            x = torch.randn(1, size, config.dim)
            times["tower"].append(quickest(lambda x=x: tower(x), repeat=7))  # type: ignore[misc]
            times["attention"].append(quickest(lambda x=x: attend(x), repeat=7))  # type: ignore[misc]
    # After the timings, which the counting slows down.
    counts = [flops(tower, torch.empty(1, size, config.dim)) // 2 for size in sizes]
    ours, theirs = (found[1] / found[0] for found in times.values())
    width, groups = config.dim, config.num_groups
    formula = sizes[0] * width * (9 + 25 + 49 + 2 * groups + 9 * groups / width + 16 + 6 * width)
    return Measurement(
        f"{ours:.1f} times the time and {counts[1] / counts[0]:.3f} times the counted multiply-adds; attention's "
        f"products {theirs:.1f} times the time",
        2.5 < ours < 6 and theirs > 1.5 * ours and growth_exponent(sizes, counts) < 1.01,
        f"{counts[0] / 1e6:.1f}e6 multiply-adds of convolutions and products at 1024 tokens; the specification's "
        f"formula for one pass without feed-forward network gives {formula / 1e6:.1f}e6",
    )


def check_drops_in() -> Measurement:
    """A tower in the place of a transformer layer's attention: shapes in and out, gradients through both passes."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, dropout=0.0)
    tower = Tower(DDSTConfig(dim=32, num_layers=1, num_groups=4, question_dim=32))
    attention = MultiHeadAttention(32, 4)
    x = torch.randn(2, 16, 32, requires_grad=True)
    shapes = [list(attention(x).shape), list(tower(x).tokens.shape)]
    layer._sa_block = lambda x, *args, **kwargs: tower(x).tokens  # type: ignore[method-assign]
    answer = layer(x)
    answer.square().mean().backward()
    reached = sum(p.grad is not None and bool(p.grad.any()) for p in tower.parameters())
    total = len(list(tower.parameters()))
    # Of a question of zeros the question's own weights get no gradient, only their biases do.
    idle = sum(
        name.endswith(("expect.weight", "shares.weight")) and "layers.3" not in name
        for name, _ in tower.named_parameters()
    )
    return Measurement(
        f"{shapes[0]} and {shapes[1]}; {reached} of {total} parameters get a gradient, {idle} weigh the "
        "absent question",
        shapes[0] == shapes[1] == list(answer.shape) and reached >= total - idle,
    )


def check_relations() -> Measurement:
    """Right answers on 512 fresh scenes of coloured squares after 700 steps, tower and attention of equal size."""
    found, sizes = [], []
    for config in (RelationsConfig(), _MATCHED):
        model = training.trained(config, training.STEPS, seed=0)
        found.append(training.accuracy(model))
        sizes.append(count_parameters(model))
    return Measurement(
        f"{found[0]:.1%} ({sizes[0]:,} parameters), attention {found[1]:.1%} ({sizes[1]:,})",
        found[0] > found[1] and abs(sizes[0] / sizes[1] - 1) < 0.01,
        "one seed, 16 x 16 scenes, 32 a step",
    )


def check_no_pairs() -> Measurement:
    """The most numbers in any tensor that a module of the tower gives, at 1024 tokens."""
    config = replace(DDSTConfig(), dim=16, num_layers=1, num_groups=4, question_dim=16)
    model, largest = Tower(config).eval(), 0

    def look(module: nn.Module, args: object, output: object) -> None:
        nonlocal largest
        found = output if isinstance(output, tuple) else (output,)
        largest = max([largest, *(tensor.numel() for tensor in found if isinstance(tensor, Tensor))])

    for module in model.modules():
        module.register_forward_hook(look)
    with torch.no_grad():
        model(torch.randn(1, 1024, 16))
    return Measurement(f"{largest:,} numbers; 1024 x 1024 are {1024**2:,}", 0 < largest < 1024**2 // 8)
