"""Checks of the paper's claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo_seq2seq.decoding import select
from zoo_seq2seq.ta_seq2seq.config import ACTIVATIONS, BiasedLawConfig, TopicAwareConfig
from zoo_seq2seq.ta_seq2seq.law import BiasedLaw
from zoo_seq2seq.ta_seq2seq.law import example as law_example
from zoo_seq2seq.ta_seq2seq.network import TopicAware
from zoo_seq2seq.ta_seq2seq.network import example as network_example

_LAW = BiasedLawConfig(20, 8, 6, 10)


def _law(**options: Any) -> BiasedLaw:
    torch.manual_seed(0)
    return BiasedLaw(replace(_LAW, **options)).eval()


def check_topic_words_are_likelier() -> Measurement:
    """A topic word and another word with the same row of the language term."""
    ratios = []
    with torch.no_grad():
        for activation in ACTIVATIONS:
            law, inputs = _law(logit_activation=activation), law_example(_LAW, 50)
            for part in law.language.parameters():
                part[4] = part[3]
            inputs["is_topic"] = inputs["is_topic"].clone()
            inputs["is_topic"][:, 3], inputs["is_topic"][:, 4] = True, False
            probability = law(**inputs).exp()
            ratios.append(probability[:, 3] / probability[:, 4])
            without = law(**{**inputs, "is_topic": inputs["is_topic"] & False}).exp()
            equal = torch.allclose(without[:, 3], without[:, 4])
    least = min(float(each.min()) for each in ratios)
    return Measurement(f"ratio at least {least:.2f} where the language term alone gives 1", least > 1 and equal)


def check_empty_topics() -> Measurement:
    """The law without topic words, and the softmax of the language term."""
    law, inputs = _law(), law_example(_LAW, 50)
    inputs["is_topic"] = torch.zeros_like(inputs["is_topic"])
    with torch.no_grad():
        expected = law.language(inputs["state"], inputs["embedding"], inputs["context"]).softmax(-1)
        found = law(**inputs).exp()
        moved = float((law(**{**inputs, "is_topic": ~inputs["is_topic"]}).exp() - expected).abs().max())
    difference = float((found - expected).abs().max())
    return Measurement(
        f"difference {difference:.1e}; with all words as topic words {moved:.2f}", difference < 1e-7 < moved
    )


def check_sums_to_one() -> Measurement:
    """Sums over the vocabulary, for both activations."""
    sums = [
        float((_law(logit_activation=each)(**law_example(_LAW, 50)).exp().sum(-1) - 1).abs().max())
        for each in ACTIVATIONS
    ]
    return Measurement(f"within {max(sums):.1e} of 1", max(sums) < 1e-6)


def check_topic_attention_sees_the_message() -> Measurement:
    """Weights of one step where h_T is another, in what the topic attention is asked with alone."""
    config = TopicAwareConfig(40, 40, 12, 16, 6)
    torch.manual_seed(0)
    model = TopicAware(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(40)
        inputs = network_example(config)
        tokens = inputs.pop("target_ids")[:, 0]

        def weights(change: float) -> tuple[Tensor, Tensor]:
            assert model.whole_message is not None
            handle = model.whole_message.register_forward_pre_hook(lambda module, args: (args[0] + change,))
            memory, state = model.encode(inputs["source_ids"], None, inputs["topic_ids"], inputs["topic_vectors"])
            handle.remove()
            step = model.step(tokens, select(memory, torch.arange(2)), state)
            return step.attention, step.state.topic_weights

        plain, moved = weights(0.0), weights(0.5)
    topic = float((plain[1] - moved[1]).abs().max())
    same = torch.equal(plain[0], moved[0])
    return Measurement(
        f"topic weights move by up to {topic:.3f}; those of the message {'stay' if same else 'move'}",
        topic > 1e-4 and same,
    )


def check_replies_name_topic_words() -> Measurement:
    """Synthetic messages whose words were not trained on: share of replies that name a topic word."""
    from zoo_seq2seq.ta_seq2seq.chat import topic_word_rate

    aware, plain = topic_word_rate(aware=True), topic_word_rate(aware=False)
    return Measurement(f"{aware:.0%} of the replies, without topics {plain:.0%}", aware > plain)


def check_on_conversations() -> Measurement:
    """The bundled networks on held-out messages: perplexity of the true replies, and what their own are like."""
    from zoo_seq2seq.ta_seq2seq.training import judged

    ours, plain = (judged(zoo.load(f"ta-seq2seq/{preset}")) for preset in ("chatterbot", "chatterbot-s2sa"))
    text = "; ".join(
        f"{name} perplexity {each['perplexity']:.1f}, distinct-1 {each['distinct-1']:.2f}, distinct-2 "
        f"{each['distinct-2']:.2f}, {each['replies with a topic word']:.0%} of replies name a topic word"
        for name, each in (("topic-aware", ours), ("S2SA", plain))
    )
    holds = ours["perplexity"] < plain["perplexity"] and ours["distinct-2"] > plain["distinct-2"]
    return Measurement(text, holds, "805 messages of chatterbot-corpus, one seed; not the paper's 5 million")
