"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import Measurement
from zoo.bridges.transformers.heads import at_heads
from zoo.bridges.transformers.inputs import as_inputs
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.sites import find_sites
from zoo.nn.descent import descend
from zoo_interpret.alice import SENTENCES
from zoo_interpret.planted import INDUCTION, PREVIOUS, planted_model, repeated_tokens
from zoo_interpret.sixteen_heads.config import SixteenHeadsConfig
from zoo_interpret.sixteen_heads.method import SixteenHeads, example, gate, tiny_classifier
from zoo_interpret.sixteen_heads.results import Importance


def check_masking_equals_removal() -> Measurement:
    """Logits of a gated and of a structurally pruned tiny BERT."""
    import copy

    method = SixteenHeads(SixteenHeadsConfig())
    case = example(SixteenHeadsConfig(), 4)
    model, arguments = case["model"], case["inputs"]
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).float()
    cut = copy.deepcopy(model)
    removed = method.remove(cut, mask)
    with torch.no_grad():
        with method.attach(model, mask):
            gated = model(**arguments).logits
        difference = float((cut(**arguments).logits - gated).abs().max())
    return Measurement(f"difference {difference:.1e} with {removed} parameters removed", difference < 1e-5)


def check_gate_gradients() -> Measurement:
    """Importance from the gradients of real gates, one per token or one per example, and from the heads' outputs."""
    case = example(SixteenHeadsConfig(), 4)
    model, batch = case["model"], {**case["inputs"], "labels": torch.tensor([0, 1, 2, 0])}
    sites, tokens = find_sites(model), batch["input_ids"].shape[1]
    errors = {}
    for per, places in (("token", tokens), ("example", 1)):
        from_outputs = SixteenHeads(SixteenHeadsConfig(per=per)).importance(model, [batch]).raw
        gates = torch.ones(len(sites), 4, places, sites[0].num_heads, requires_grad=True)
        with at_heads(model, gate(gates, sites), sites=sites):
            (gradient,) = torch.autograd.grad(model(**batch).loss, gates)
        from_gates = gradient.abs().sum((1, 2))
        errors[per] = float((from_outputs - from_gates).abs().max() / from_gates.max())
    return Measurement(
        f"largest relative difference {errors['token']:.1e} per token, {errors['example']:.1e} per example",
        max(errors.values()) < 1e-5,
    )


def check_planted_heads() -> Measurement:
    """The order of importance and that of exact ablation, on a model in which three of eight heads do something."""
    model, ids = planted_model(), repeated_tokens(8)
    with torch.no_grad():
        # Where the answers are all but certain, a small change of a gate changes nothing.
        model.get_output_embeddings().weight.mul_(0.05)  # type: ignore[operator]
    repeats = (ids.shape[1] - 1) // 2 + 1

    def loss(output: Any, batch: object = None) -> Tensor:
        return functional.cross_entropy(output.logits[:, repeats:-1].flatten(0, 1), ids[:, repeats + 1 :].flatten())

    def evaluate(gated: nn.Module) -> float:
        with torch.no_grad():
            return float(loss(gated(ids)))

    method = SixteenHeads(SixteenHeadsConfig(percents=[62.5, 75, 100]))
    importance = method.importance(model, [{"input_ids": ids}], loss=loss)
    found = method.ablation(model, evaluate)
    exact = found.without.abs().flatten().argsort(stable=True).tolist()
    order = [layer * 4 + head for layer, head in importance.order]
    curve = method.prune_curve(model, [{"input_ids": ids}], evaluate, loss=loss)
    losses = curve.score.tolist()
    return Measurement(
        f"most important {', '.join(f'{layer}.{head}' for layer, head in importance.order[::-1][:3])}; same order as "
        f"exact ablation: {order == exact}; loss {found.base:.3f}, {losses[0]:.3f} without the five least important of "
        f"eight, {losses[1]:.3f} without six, {losses[2]:.3f} without all",
        order == exact and set(importance.order[-2:]) == {PREVIOUS, INDUCTION} and losses[0] == found.base < losses[2],
    )


def majority_task(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Sequences of 11 ids after a [CLS]: which of three symbols is the most frequent?"""
    symbols = torch.randint(3, (count, 11), generator=generator)
    votes = functional.one_hot(symbols, 3).sum(1) + torch.rand(count, 3, generator=generator) * 0.01
    ids = torch.cat((torch.ones(count, 1, dtype=torch.long), symbols + 3), 1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": votes.argmax(-1)}


def train_tiny_classifier(steps: int = 400, seed: int = 0) -> nn.Module:
    """A tiny BERT trained on ``majority_task``, in eval mode."""
    model = tiny_classifier(seed, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    generator = torch.Generator().manual_seed(seed)
    batches = (majority_task(64, generator) for _ in range(steps))
    descend(model, batches, lambda batch: model(**batch).loss, torch.optim.AdamW(model.parameters(), lr=2e-3))
    return model


def check_ordering() -> Measurement:
    """Accuracy of a trained tiny BERT while heads go in ascending and in descending order."""
    model = train_tiny_classifier()
    generator = torch.Generator().manual_seed(1)
    test = majority_task(1000, generator)
    batches = [majority_task(50, generator) for _ in range(10)]
    method = SixteenHeads(SixteenHeadsConfig(percents=[25, 50, 75]))
    importance = method.importance(model, batches)

    def accuracy(gated: nn.Module) -> float:
        with torch.no_grad():
            logits = gated(input_ids=test["input_ids"], attention_mask=test["attention_mask"]).logits
        return float((logits.argmax(-1) == test["labels"]).float().mean())

    curves = {}
    for name, order in (("ascending", importance.order), ("descending", importance.order[::-1])):
        ordered = Importance(importance.raw, importance.scores, importance.normalised, order, importance.labels)
        scores = []
        for mask in method.masks(ordered):
            with method.attach(model, mask):
                scores.append(accuracy(model))
        curves[name] = scores
    text = "; ".join(f"{name} {', '.join(f'{score:.2f}' for score in scores)}" for name, scores in curves.items())
    better = sum(curves["ascending"]) > sum(curves["descending"])
    return Measurement(f"{accuracy(model):.2f} unpruned; {text} at 25, 50, 75% pruned", better)


def check_smollm2() -> Measurement:
    """SmolLM2's loss on two sentences while heads go in the order of importance on four others, and in the reverse."""
    model, tokenizer = packaged_model("smollm2")
    texts = [as_inputs(model, text, tokenizer) for text in SENTENCES]
    batches = [{**each, "labels": each["input_ids"]} for each in texts]
    method = SixteenHeads(SixteenHeadsConfig(percents=[10.0, 20.0, 40.0], groups=["D"]))
    found = method.importance(model, batches[:4])

    def loss() -> float:
        with torch.no_grad():
            return sum(float(model(**batch).loss) for batch in batches[4:]) / len(batches[4:])

    whole, losses = loss(), []
    for order in (found.order, found.order[::-1]):
        ordered = Importance(found.raw, found.scores, found.normalised, order, found.labels)
        for mask in method.masks(ordered)[: 3 if order is found.order else 2]:
            with method.attach(model, mask):
                losses.append(loss())
    kept, reverse = losses[:3], losses[3:]
    return Measurement(
        f"SmolLM2-135M: {whole:.2f} nats a token, {kept[0]:.2f}, {kept[1]:.2f} and {kept[2]:.2f} without the 10, 20 "
        f"and 40% least important heads; {reverse[0]:.2f} and {reverse[1]:.2f} without the 10 and 20% most important",
        kept[1] < whole + 0.1 < reverse[1],
        "importance from four sentences of Alice in Wonderland, loss on two; little: less than 0.1 nats at 20%",
    )
