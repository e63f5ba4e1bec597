"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.cat import stg, words
from zoo_interpret.cat.benchmark import SpuriousTokenGame, knows_causes, trusts_spurious
from zoo_interpret.cat.config import FORMS, REDUCTIONS, CatConfig, StgConfig
from zoo_interpret.cat.loss import re_attention_loss
from zoo_interpret.cat.masks import build_causal_mask
from zoo_interpret.cat.planted import influence, planted_model, planted_prompts
from zoo_interpret.cat.tuning import CausalAttentionTuning


def check_zero_loss() -> Measurement:
    """Losses where the marked keys are those that get most attention, several times the others', or the least."""
    scores = torch.randn(4, 12, 12, generator=torch.Generator().manual_seed(0)) * 2
    hidden = ~torch.ones(12, 12, dtype=torch.bool).tril()
    top, least = torch.zeros_like(scores), torch.zeros_like(scores)
    for row in range(4, 12):
        order = scores[:, row, : row + 1].argsort(-1)
        top[:, row].scatter_(-1, order[:, -2:], 1.0)
        least[:, row].scatter_(-1, order[:, :2], 1.0)
    attention = (scores + 2 * top).masked_fill(hidden, -torch.inf).softmax(-1)
    settings = [(form, reduction) for form in FORMS for reduction in REDUCTIONS]
    zero = max(abs(float(re_attention_loss(attention, top, form=f, reduction=r))) for f, r in settings)
    paid = min(abs(float(re_attention_loss(attention, least, form=f, reduction=r))) for f, r in settings)
    return Measurement(
        f"{zero:.0e} for the most attended keys, at least {paid:.1e} in size for the least, in all forms",
        zero == 0 and paid > 0,
    )


def check_gradient_steps() -> Measurement:
    """The mean ratio in 20 steps of gradient descent on the loss of a tiny Llama, for every form."""
    falls, shown = 0, []
    for form in FORMS:
        model = tiny_model("llama")
        ids = torch.randint(3, 97, (3, 12), generator=torch.Generator().manual_seed(1))
        mask = torch.zeros(3, 12, 12)
        mask[:, 6:, 2:4] = 1
        tuning = CausalAttentionTuning(CatConfig(alpha=5.0, form=form))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
        ratios = []
        for _ in range(21):
            with tuning.attach(model) as mean:
                model(input_ids=ids)
            ratios.append(mean.ratio(mask))
            optimizer.zero_grad()
            mean.loss(mask).backward()
            optimizer.step()
        falls += int((np.diff(ratios) <= 0).sum())
        shown.append(f"{form} {ratios[0]:.3f} to {ratios[-1]:.3f}")
    return Measurement(f"{', '.join(shown)}; {falls} falls in 80 steps", falls == 0)


def check_spurious_features() -> Measurement:
    """Correlation of a spurious feature with its cause, and rules that use either, in and out of distribution."""
    correlations = []
    for samples in stg.draw(400, 400, 42):
        table = np.array([sample.values for sample in samples])
        correlations.append(float(np.corrcoef(table[:, 0], table[:, 3])[0, 1]))
    benchmark = SpuriousTokenGame(StgConfig())
    causes, spurious = benchmark.run(knows_causes), benchmark.run(trusts_spurious)
    return Measurement(
        f"correlation {correlations[0]:.3f} in, {correlations[1]:.3f} out of distribution; a rule on causes "
        f"{causes['iid_accuracy']:.0%} and {causes['ood_accuracy']:.0%}, on spurious features "
        f"{spurious['iid_accuracy']:.0%} and {spurious['ood_accuracy']:.0%}",
        correlations[0] > 0.95 and abs(correlations[1]) < 0.15 and spurious["ood_accuracy"] < causes["ood_accuracy"],
    )


def check_planted_spurious_token() -> Measurement:
    """A model ruled by a spurious token, tuned by the loss alone: attention, and what either token changes."""
    model = planted_model()
    ids, mask, (cause, spurious) = planted_prompts()
    tuning = CausalAttentionTuning(CatConfig(alpha=8.0, form="hinge"))
    parameters = [value for name, value in model.named_parameters() if "q_proj" in name or "k_proj" in name]
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    shown: list[tuple[float, float, float, float]] = []
    for step in range(121):
        with tuning.attach(model) as mean:
            model(input_ids=ids)
        if step in (0, 120):
            row = mean.maps().detach()[:, -1].mean(0)
            shown.append((float(row[spurious]), float(row[cause]), *influence(model, ids)[::-1]))
        optimizer.zero_grad()
        mean.loss(mask).backward()
        optimizer.step()
    before, after = shown
    return Measurement(
        f"attention to the spurious token {before[0]:.0%}, then {after[0]:.0%}, to the cause {before[1]:.0%}, then "
        f"{after[1]:.0%}; changing the spurious token moves logits by {before[2]:.2g}, then {after[2]:.2g}, the cause "
        f"by {before[3]:.2g}, then {after[3]:.2g}",
        before[0] > 0.5 and after[0] < 0.05 and after[2] < 0.05 * before[2] and after[3] > before[3],
    )


def _tiny_player(seed: int, gamma: float, *, epochs: int) -> tuple[dict[str, float], float]:
    """Accuracies of a tiny Llama trained on the first game, and its attention's ratio at the end."""
    benchmark = SpuriousTokenGame(StgConfig(train_samples=800, iid_samples=200, ood_samples=200, pool=1000))
    model = tiny_model("llama", seed=seed, vocab_size=len(words.VOCABULARY) + 1, num_key_value_heads=4)
    training: Any = benchmark.training
    drawn = [words.batch(training[start : start + 32]) for start in range(0, len(training), 32)]

    tuning = CausalAttentionTuning(CatConfig(gamma=gamma))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        history = tuning.tune(model, lambda: drawn, epochs=epochs, learning_rate=3e-3)
    answers: dict[str, str] = {}
    cases = list(benchmark.cases())
    for start in range(0, len(cases), 100):
        part = cases[start : start + 100]
        answers |= {case.key: text for case, text in zip(part, _say(model, [c.prompt for c in part]), strict=True)}
    return benchmark.score(answers), float(history.ratio[-10:].mean())


def _say(model: nn.Module, prompts: list[str]) -> list[str]:
    """Greedy continuations of prompts, all of one length in tokens."""
    ids = torch.tensor([words.encode(prompt) for prompt in prompts])
    length = ids.shape[1]
    with torch.no_grad():
        for _ in range(2):
            ids = torch.cat((ids, model(input_ids=ids).logits[:, -1:].argmax(-1)), 1)
    return [words.decode(row.tolist()) for row in ids[:, length:]]


def check_tiny_llama_on_stg() -> Measurement:
    """Accuracy of tiny Llamas trained from nothing on the game with and without the loss; means of two seeds."""
    found = {gamma: [_tiny_player(seed, gamma, epochs=10) for seed in (0, 1)] for gamma in (0.0, 0.1)}
    iid, ood, ratio = (
        {gamma: float(np.mean([pick(run) for run in runs])) for gamma, runs in found.items()}
        for pick in (lambda r: r[0]["iid_accuracy"], lambda r: r[0]["ood_accuracy"], lambda r: r[1])
    )
    return Measurement(
        f"in distribution {iid[0.0]:.0%} without and {iid[0.1]:.0%} with the loss, out of it {ood[0.0]:.0%} and "
        f"{ood[0.1]:.0%}; attention to causes {ratio[0.0]:.1f} and {ratio[0.1]:.1f} times that to others",
        ood[0.1] > ood[0.0],
        note="Llamas of 2 layers and width 32, a token per word, trained from nothing on 800 samples, gamma 0.1; the "
        "paper fine-tunes models of 1 to 8 billion parameters",
    )


def check_trained_model() -> Measurement:
    """Attention of SmolLM2 on the game, before and after five steps of gradient descent on the loss alone."""
    model, tokenizer = packaged_model("smollm2")
    samples = stg.draw(2, 0, 42)[0]
    prompts = [f"{sample.question.strip()} {sample.label}" for sample in samples]
    masks = [
        build_causal_mask(text, sample.adjacency, tokenizer) for text, sample in zip(prompts, samples, strict=True)
    ]
    tuning = CausalAttentionTuning(CatConfig(form="nll", alpha=20.0))
    parameters = [value for name, value in model.named_parameters() if "q_proj" in name]
    for value in model.parameters():
        value.requires_grad_(False)
    for value in parameters:
        value.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=3e-4)
    ratios: list[float] = []
    for step in range(6):
        optimizer.zero_grad()
        found = []
        for text, mask in zip(prompts, masks, strict=True):
            with tuning.attach(model) as mean:
                model(**tokenizer(text, return_tensors="pt"))
            found.append(mean.ratio(mask[None]))
            if step < 5:
                mean.loss(mask[None]).backward()
        optimizer.step()
        ratios.append(float(np.mean(found)))
    return Measurement(
        f"causes get {ratios[0]:.2f} times the attention of other tokens, {ratios[-1]:.2f} times after five steps",
        ratios[-1] > ratios[0] and bool(all(mask.any() for mask in masks)),
        note="SmolLM2-135M, query projections alone; two prompts",
    )
