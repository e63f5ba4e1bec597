"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zoo import Measurement
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.attention_pattern_injection.config import EncoderConfig, InjectionConfig, RelevanceConfig
from zoo_interpret.attention_pattern_injection.encoder import PatternEncoder
from zoo_interpret.attention_pattern_injection.injection import PatternInjection
from zoo_interpret.attention_pattern_injection.injection import example as injection_example
from zoo_interpret.attention_pattern_injection.networks import SegmentationNetwork, SummaryNetwork, summary_example
from zoo_interpret.attention_pattern_injection.patterns import all_patterns
from zoo_interpret.attention_pattern_injection.relevance import NAMES, PatternRelevance
from zoo_interpret.attention_pattern_injection.relevance import example as relevance_example
from zoo_interpret.attention_pattern_injection.synthetic import shared_word, tiny_config
from zoo_interpret.attention_pattern_injection.training import fit

TINY = {"vocab_size": 67, "dim": 32, "num_layers": 2, "num_heads": 8, "hidden_dim": 64, "max_length": 40}


def _encoder(task: str) -> tuple[PatternEncoder, torch.Tensor]:
    config = EncoderConfig(**TINY, cls_id=1, sep_id=2, dropout=0.0)  # type: ignore[arg-type]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = PatternEncoder(config, task).eval()
    ids = summary_example(config, 4)["input_ids"] % 12 + 3
    ids[:, [0, 7]], ids[:, [6, 13]] = 1, 2
    return encoder, ids


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def check_injected_heads() -> Measurement:
    """Weights of a tiny BERT's heads with patterns injected, in both tasks, padding among the keys."""
    outside, neighbours, others, changed = 0.0, 1.0, 0.0, 0.0
    for task in ("summary", "segmentation"):
        config = InjectionConfig(task=task, cls_id=1, sep_id=2)
        case = injection_example(config)
        model = tiny_model("bert", vocab_size=67, num_attention_heads=8, hidden_size=64)
        ids = case["inputs"]["input_ids"]
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        inputs["attention_mask"][0, -2:] = 0
        before = attention_maps(model, inputs)
        with PatternInjection(config).attach(model):
            after = attention_maps(model, inputs)
        patterns = all_patterns(ids, task=task, cls_id=1, sep_id=2) & inputs["attention_mask"].bool()[:, None, None]
        seeing = patterns.any(-1)
        for maps in after:
            hidden = maps[:, :4].masked_fill(patterns, 0.0).amax(-1)
            outside = max(outside, float(hidden[seeing].max()))
            for head in (2, 3):
                rows = seeing[:, head]
                neighbours = min(neighbours, float(maps[:, head].amax(-1)[rows].min()))
        # What the layers above read has changed; in the first the heads without a pattern read the same.
        others = max(others, float((after[0][:, 4:] - before[0][:, 4:]).abs().max()))
        changed = max(changed, float((after[0][:, :4] - before[0][:, :4]).abs().max()))
    return Measurement(
        f"at most {outside:.0e} outside of the patterns, at least {neighbours:.4f} on the neighbour, heads without a "
        f"pattern differ by {others:.0e} in the first layer, those with one by up to {changed:.2f}",
        outside == others == 0.0 and neighbours > 1 - 1e-6 and changed > 0.5,
    )


def check_encoder_parameters() -> Measurement:
    """Parameters of the encoder of 6 layers and 12 heads."""
    with torch.device("meta"):
        count = _count(PatternEncoder(EncoderConfig(), "summary"))
    return Measurement(f"{count} parameters", count == 66364416)


def check_pal_parameters() -> Measurement:
    """Parameters of the branches beside BERT-base."""
    with torch.device("meta"):
        count = _count(PatternEncoder(EncoderConfig(num_layers=12, pals=True), "summary").pals)
    return Measurement(f"{count} parameters", count == 7099392)


def check_attention_within_patterns() -> Measurement:
    """Attention outside of patterns, in rows that may see something, of both tasks."""
    worst = 0.0
    for task in ("summary", "segmentation"):
        encoder, ids = _encoder(task)
        with torch.no_grad():
            attention = encoder(ids, need_weights=True).attention
        patterns = encoder.patterns(ids)
        some = patterns.any(-1, keepdim=True)
        outside = attention * (~patterns & some)[:, None]
        worst = max(worst, float(outside.max()))
    return Measurement(f"largest probability outside {worst:.1e}", worst < 1e-4)


def check_positional_heads() -> Measurement:
    """Weight of positional heads on their neighbour, where there is one."""
    least = 1.0
    for task, steps in (("summary", (1, -1)), ("segmentation", (-1, 1))):
        encoder, ids = _encoder(task)
        with torch.no_grad():
            attention = encoder(ids, need_weights=True).attention
        for head, step in zip((2, 3), steps, strict=True):
            diagonal = attention[:, :, head].diagonal(step, -2, -1)
            least = min(least, float(diagonal.min()))
    return Measurement(f"least weight on the neighbour {least:.7f}", least == 1.0)


def check_sparsity() -> Measurement:
    """The share of pairs that patterns leave, by head, on two sentences."""
    encoder, ids = _encoder("summary")
    patterns = encoder.patterns(ids).double().mean((0, 2, 3))[:5]
    names = (*NAMES["summary"], "free")
    shown = ", ".join(f"{name} {float(share):.1%}" for name, share in zip(names, patterns, strict=True))
    return Measurement(shown, bool((patterns[:4] < 0.6).all()) and float(patterns[4]) == 1.0)


def _accuracy_after(steps: int, heads_per_pattern: int, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SegmentationNetwork(tiny_config(heads_per_pattern=heads_per_pattern))
    fit(network, (shared_word(64, generator) for _ in range(steps)), learning_rate=2e-3)
    test = shared_word(500, generator)
    with torch.no_grad():
        found = network(test["input_ids"], token_type_ids=test["token_type_ids"]) > 0
    return float((found == test["labels"].bool()).float().mean())


def check_learning() -> Measurement:
    """Accuracy after some training on contexts that share a word or none, with the four patterns and with none."""
    steps = 250
    found = {count: [_accuracy_after(steps, count, seed) for seed in (0, 1)] for count in (1, 0)}
    shown = {count: " and ".join(f"{value:.1%}" for value in values) for count, values in found.items()}
    return Measurement(
        f"{shown[1]} with patterns, {shown[0]} without, after {steps} steps (two seeds)",
        min(found[1]) > max(found[0]) + 0.1,
        note="synthetic contexts and encoders of two layers of width 32; the paper: CNN/DM and WikiSection",
    )


def check_branches_begin_with_the_encoder() -> Measurement:
    """An encoder with branches, untrained, against the same one without."""
    config = EncoderConfig(**TINY, cls_id=1, sep_id=2, dropout=0.0, heads_per_pattern=0)  # type: ignore[arg-type]
    plain = SummaryNetwork(config).eval()
    branched = SummaryNetwork(EncoderConfig(**{**vars(config), "pals": True, "pal_dim": 16})).eval()
    missing = branched.load_state_dict(plain.state_dict(), strict=False).missing_keys
    inputs = summary_example(config, 3)
    with torch.no_grad():
        difference = float((plain(**inputs) - branched(**inputs)).abs().max())
        for pal in branched.bert.pals:
            nn.init.normal_(pal.aug_dense2.weight)  # type: ignore[union-attr, arg-type]
        changed = float((plain(**inputs) - branched(**inputs)).abs().max())
    own = all(name.startswith("bert.pals.") for name in missing)
    return Measurement(
        f"scores differ by {difference:.0e} before training, by {changed:.1e} once branches write",
        own and difference == 0 and changed > 1e-3,
    )


def check_planted_patterns() -> Measurement:
    """Patterns injected into chosen heads of a tiny BERT, and the heads that the probe finds significant for each."""
    case = relevance_example(RelevanceConfig(cls_id=1, sep_id=2), 12)
    model, inputs = case["model"], case["inputs"]
    with PatternInjection(InjectionConfig(cls_id=1, sep_id=2, positional="mask")).attach(model):
        found = PatternRelevance(RelevanceConfig(cls_id=1, sep_id=2))(model, inputs)
    first = [int(table.flatten().argmax()) % 4 for table in found.relevance]
    shares = [float(found.relevance[index, :, index].min()) for index in range(4)]
    right = all(bool(found.significant[index, :, index].all()) for index in range(4))
    return Measurement(
        f"heads {first} are first for patterns 0 to 3, with shares of at least "
        f"{', '.join(f'{share:.2f}' for share in shares)}; all significant: {right}",
        first == [0, 1, 2, 3] and right,
        note="the last and the first token have no neighbour, so that shares of positional heads stay below 1",
    )


TEXTS = (
    "The harbour was quiet. The old boats lay in the harbour, and the boats did not move.",
    "She bought bread and milk. The bread was warm, but the milk was cold.",
    "A storm came from the west. The storm took the roof of the barn, and the barn stood open.",
    "The judge read the letter. Then the judge put the letter away and asked for another witness.",
    "Snow fell on the pass. By noon the pass was closed, and more snow was to come.",
    "He painted the door green. The green door was the first in the street to be painted.",
    "The train was late. When the train arrived, the passengers ran for the last bus.",
    "They planted beans and corn. The corn grew fast, while the beans stayed small.",
)


def sentence_by_sentence(text: str, tokenizer: Any) -> dict[str, torch.Tensor]:
    """Ids with [CLS] and [SEP] around every sentence, as summaries are made of."""
    ids = [index for sentence in text.split(". ") for index in tokenizer(sentence)["input_ids"]]
    return {"input_ids": torch.tensor([ids])}


def check_patterns_in_a_trained_encoder() -> Measurement:
    """Heads of all-MiniLM-L6-v2 whose attention lies on a pattern more than that of all other heads."""
    model, tokenizer = packaged_model("minilm")
    inputs = [sentence_by_sentence(text, tokenizer) for text in TEXTS]
    found = PatternRelevance(RelevanceConfig())(model, inputs)
    parts = []
    for index, name in enumerate(found.names):
        best = int(found.relevance[index].argmax())
        heads = found.relevance.shape[-1]
        place = (best // heads, best % heads)
        parts.append(
            f"{name}: {int(found.significant[index].sum())} heads, most in layer {place[0]} head {place[1]} "
            f"({float(found.relevance[index].max()):.2f})"
        )
    with torch.no_grad(), PatternInjection(InjectionConfig()).attach(model):
        maps = attention_maps(model, inputs[0])
    ahead = min(float(layer[0, 2].diagonal(1).min()) for layer in maps)
    return Measurement(
        f"{'; '.join(parts)}; with injection head 2 puts at least {ahead:.2f} on the next token",
        all(bool(each.any()) for each in found.significant) and ahead > 0.999,
        note="all-MiniLM-L6-v2 and eight texts of two sentences, with [CLS] and [SEP] around each",
    )
