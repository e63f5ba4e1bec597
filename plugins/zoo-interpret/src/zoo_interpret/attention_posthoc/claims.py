"""What the paper promises and a machine can check."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier, random_documents
from zoo_interpret.attention_posthoc.closed_forms import autograd_gradient, gradient, lime_positions, lime_tokens
from zoo_interpret.attention_posthoc.config import ClassifierConfig, PosthocConfig
from zoo_interpret.attention_posthoc.lime import lime
from zoo_interpret.attention_posthoc.planted import planted_classifier
from zoo_interpret.attention_posthoc.probe import EXPLANATIONS, AttentionPosthoc

TINY = ClassifierConfig(40, 16, 8, 8, 3, 2, 24)


def _tiny(seed: int) -> MultiHeadClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MultiHeadClassifier(TINY).eval()


def check_parameters() -> Measurement:
    """Parameters of the IMDB classifier beside its embedding."""
    with torch.device("meta"):
        model = MultiHeadClassifier(ClassifierConfig())
    count = sum(parameter.numel() for parameter in model.heads.parameters())
    return Measurement(f"{count} parameters", count == 148224)


def check_gradient_formula() -> Measurement:
    """Formula against autograd: with the query constant everywhere, and in full beyond the first position."""
    constant, full = 0.0, 0.0
    for seed in range(10):
        model, ids = _tiny(seed), random_documents(TINY, 4, 24, seed)
        # Sharper attention than at initialisation, so that both terms of the formula count.
        for head in model.heads:
            head.key.weight.data.mul_(20)  # type: ignore[union-attr, operator]
        found = gradient(model, ids, 1)
        constant = max(constant, float((found - autograd_gradient(model, ids, 1, constant_query=True)).abs().max()))
        full = max(full, float((found - autograd_gradient(model, ids, 1))[:, 1:].abs().max()))
    return Measurement(
        f"{constant:.1e} with the query constant, {full:.1e} in full beyond [CLS]", max(constant, full) < 1e-8
    )


def check_lime_formula() -> Measurement:
    """Correlation of sampled LIME with the formula, and its slope, on random models and documents."""
    correlations, slopes = [], []
    for seed in range(8):
        model = _tiny(seed)
        ids = random_documents(TINY, 1, 20 + seed % 5, seed)
        removable = torch.arange(ids.shape[1]) > 0

        def score(documents: Tensor, model: MultiHeadClassifier = model) -> Tensor:
            return model(documents)[:, 1]

        sampled = lime(score, ids[0], removable, 1, samples=4000)
        formula = lime_tokens(lime_positions(model, ids, 1), ids, TINY.vocab_size)[0, sampled.tokens].double()
        correlations.append(float(np.corrcoef(sampled.coefficients, formula)[0, 1]))
        slopes.append(float((sampled.coefficients @ formula) / (formula @ formula)))
    return Measurement(
        f"Pearson {min(correlations):.3f} to {max(correlations):.3f} on {len(correlations)} models",
        min(correlations) > 0.96,
        note=f"LIME is {min(slopes):.2f} to {max(slopes):.2f} of the formula with its factor 3/2: attention is almost "
        "uniform here, where the plain difference holds",
    )


def check_signs() -> Measurement:
    """Explanations before and after every classifier weight changed its sign."""
    model, ids = _tiny(0), random_documents(TINY, 3, 14)
    probe = AttentionPosthoc(PosthocConfig(samples=200))
    before = probe(model, {"input_ids": ids})
    with torch.no_grad():
        for head in model.heads:
            head.classifier.weight.neg_()  # type: ignore[union-attr, operator]
    after = probe(model, {"input_ids": ids})
    same = torch.equal(before.attention, after.attention) and bool((before.attention >= 0).all())
    names = ("gradient_mean", "gradient_x_input", "lime")
    worst = max(float((getattr(before, name) + getattr(after, name)).abs().max()) for name in names)
    # Where attention is almost uniform the mean of gradients hardly depends on the word; the other two must be signed.
    both = all(bool((getattr(before, name) > 0).any() and (getattr(before, name) < 0).any()) for name in names[1:])
    return Measurement(
        f"attention the same, at least {float(before.attention.min()):.1g}; gradient and LIME negated to {worst:.1e}",
        same and both and worst < 1e-6,
    )


def check_planted_words() -> Measurement:
    """The share of pairs (a word for the class, a word against it) that each explanation puts in the right order.

    Measured with the planted signs and with the opposite ones: what is blind to them is right in one half of all.
    """
    shares = dict.fromkeys(EXPLANATIONS, 0.0)
    for flip in (1, -1):
        model, signs = planted_classifier(flip=flip)
        ids = random_documents(model.config, 12, 24)
        found = AttentionPosthoc(PosthocConfig(samples=400))(model, {"input_ids": ids})
        for name in shares:
            shares[name] += _ordered(getattr(found, name), signs[ids]) / 2
    signed = min(shares["lime"], shares["gradient_x_input"])
    blind = max(abs(shares[name] - 0.5) for name in ("attention_mean", "attention_max"))
    return Measurement(
        ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + " of pairs in the right order",
        signed == 1.0 and blind < 1e-6,
    )


def _ordered(values: Tensor, truth: Tensor) -> float:
    """How often a word of sign 1 has more than one of sign -1 of the same document."""
    wins = [row[sign > 0][:, None] > row[sign < 0] for row, sign in zip(values, truth, strict=True)]
    return float(torch.cat([each.flatten() for each in wins]).float().mean())


SENTENCES = (
    "The film was slow at first, but the ending surprised everyone in the room.",
    "A small boat crossed the grey river while the children waved from the bridge.",
    "Rain fell on the market, and the farmers covered their apples with old coats.",
    "The committee refused the plan because nobody could explain what it would cost.",
)
ABOUT = "The weather was bad for the farmers."


def check_disagreement_in_a_trained_encoder() -> Measurement:
    """Rank correlations between explanations of similarity to one sentence, by all-MiniLM-L6-v2."""
    model, tokenizer = packaged_model("minilm")
    with torch.no_grad():
        about = model(**tokenizer(ABOUT, return_tensors="pt")).last_hidden_state.mean(1)

    def similarity(output: object) -> Tensor:
        return torch.cosine_similarity(output.last_hidden_state.mean(1), about)  # type: ignore[attr-defined]

    found = AttentionPosthoc(PosthocConfig(samples=300))(
        model, list(SENTENCES), tokenizer, target=similarity, batch_size=1
    )
    pairs = [("attention_mean", other) for other in ("attention_max", "gradient_l2", "lime")]
    pairs.append(("gradient_x_input", "lime"))
    ranks = {pair: _rank_correlation(getattr(found, pair[0]), getattr(found, pair[1]), found.real) for pair in pairs}
    signed = bool((found.lime < 0).any() and (found.lime > 0).any() and (found.attention >= 0).all())
    return Measurement(
        "; ".join(f"{a} and {b} {value:.2f}" for (a, b), value in ranks.items()) + " (Spearman, mean of 4 sentences)",
        signed and all(value < 0.95 for value in ranks.values()),
        note="another encoder, task and text than the paper's",
    )


def _rank_correlation(left: Tensor, right: Tensor, real: Tensor) -> float:
    """Mean over documents, without the first and the last token, which LIME leaves alone."""
    found = []
    for a, b, kept in zip(left, right, real, strict=True):
        inner = kept.nonzero().flatten()[1:-1]
        ranks = [values[inner].argsort().argsort().double().numpy() for values in (a, b)]
        found.append(np.corrcoef(*ranks)[0, 1])
    return float(np.mean(found))
