"""Checks of the paper's claims."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo_seq2seq.edits import error_rate
from zoo_seq2seq.location_relative_attention.alignment import Attention
from zoo_seq2seq.location_relative_attention.config import VERSIONS, DCAConfig, GMMConfig, TacotronConfig
from zoo_seq2seq.location_relative_attention.content import ContentAttention
from zoo_seq2seq.location_relative_attention.convolution import (
    FLOOR,
    DynamicConvolutionAttention,
    beta_binomial,
)
from zoo_seq2seq.location_relative_attention.holding import TRAINED_LENGTH, holding, learn
from zoo_seq2seq.location_relative_attention.mixture import GMMAttention
from zoo_seq2seq.location_relative_attention.speaking import LONGEST, Spoken, random_texts, say, sound
from zoo_seq2seq.recordings import RATE, resampled

_SMALL = TacotronConfig(attention_rnn_dim=16, encoder_rnn_dim=8, attention_hidden=32)


def _louder(layer: nn.Module, factor: float = 3.0) -> nn.Module:
    """Weights away from their start, where what differs is too small to be seen."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(factor)
    return layer.eval()


def _run(attention: Attention, queries: Tensor, memory: Tensor) -> Tensor:
    state, weights = attention.first(memory), []
    with torch.no_grad():
        for query in queries.unbind(1):
            state = attention.step(query, state)
            weights.append(state.weights)
    return torch.stack(weights, 1)


def _moved_by_memory(attention: Attention) -> float:
    """How much weights change where another memory of the same length is read with the same queries."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 12, 16, generator=generator)
    memory, other = torch.randn(2, 3, 25, 16, generator=generator)
    return float((_run(attention, queries, memory) - _run(attention, queries, other)).abs().max())


def _memory_is_not_read(own: Attention) -> Measurement:
    content, hybrid = (_louder(ContentAttention(_SMALL, located=located)) for located in (False, True))
    found = [_moved_by_memory(each) for each in (own, content, hybrid)]  # type: ignore[arg-type]
    return Measurement(
        f"another memory moves its weights by {found[0]:.0e}, those of content-based attention by {found[1]:.2f}, of "
        f"the hybrid by {found[2]:.2f}",
        found[0] == 0 and min(found[1:]) > 1e-3,
    )


def check_memory_is_not_read() -> Measurement:
    """Weights of DCA over two memories, beside those of what the paper compares with."""
    torch.manual_seed(0)
    return _memory_is_not_read(_louder(DynamicConvolutionAttention(_SMALL.dca())))  # type: ignore[arg-type]


def check_memory_is_not_read_by_mixtures() -> Measurement:
    """The same of GMM attention V2b."""
    torch.manual_seed(0)
    return _memory_is_not_read(_louder(GMMAttention(_SMALL.gmm())))  # type: ignore[arg-type]


def check_long_texts() -> Measurement:
    """Networks taught texts of 20 symbols say texts of 20 and of 100 from their own frames."""
    words, distances = [], {}
    for attention in ("dca", "gmm", "content"):
        model = learn(attention)
        short, long = (holding(model, length) for length in (TRAINED_LENGTH, 5 * TRAINED_LENGTH))
        distances[attention] = long.distance
        words.append(
            f"{attention} {short.distance:.1f} and {long.distance:.1f} tokens off, "
            f"{short.said:.0%} and {long.said:.0%} said right"
        )
    # Within two tokens is aligned; a tenth of the text off is not.
    good = max(distances["dca"], distances["gmm"]) < 2 and distances["content"] > TRAINED_LENGTH / 2
    return Measurement(f"at {TRAINED_LENGTH} and {5 * TRAINED_LENGTH} symbols: {'; '.join(words)}", good)


def check_prior_forbids() -> Measurement:
    """The prior's term where all weight lies on token 20 of 50."""
    config = DCAConfig()
    layer = DynamicConvolutionAttention(config)
    weights = torch.zeros(1, 50)
    weights[0, 20] = 1.0
    term = layer.log_prior(weights)[0]
    floor = math.log(FLOOR)
    floored = [place for place in range(50) if abs(float(term[place]) - floor) < 1e-5]
    expected = [place for place in range(50) if not 20 <= place < 20 + config.prior_length]
    lowest = float(term[20:31].min())
    return Measurement(
        f"log(1e-6) at {len(floored)} of 50 tokens, at least {lowest:.2f} at the {config.prior_length} others",
        floored == expected and lowest > -5,
    )


def check_prior_mean() -> Measurement:
    """The mean of the prior that a layer holds."""
    config = DCAConfig()
    steps = DynamicConvolutionAttention(config).prior.flip(0).double()
    mean = float((steps * torch.arange(config.prior_length)).sum())
    total = sum(beta_binomial(config.prior_length - 1, config.prior_alpha, config.prior_beta))
    return Measurement(
        f"mean {mean:.4f}, sum {total:.6f}; P[0] {float(steps[0]):.3f}, P[10] {float(steps[10]):.4f}",
        abs(mean - 1) < 1e-5 and abs(total - 1) < 1e-9,
    )


def check_translation() -> Measurement:
    """Weights of DCA from an alignment, and from the same 17 tokens further; beside the hybrid's over one memory."""
    torch.manual_seed(0)
    layer = _louder(DynamicConvolutionAttention(_SMALL.dca()))
    hybrid = _louder(ContentAttention(_SMALL, located=True))
    weights = torch.zeros(2, 160)
    weights[:, 60:75] = torch.rand(2, 15).softmax(-1)
    query, memory = torch.randn(2, 16), torch.randn(2, 160, 16)
    errors = []
    moves = 0.0
    with torch.no_grad():
        for each in (layer, hybrid):
            start = replace(each.first(memory), weights=weights)  # type: ignore[operator]
            moved = replace(start, weights=weights.roll(17, 1))
            one, two = each.step(query, start).weights, each.step(query, moved).weights  # type: ignore[operator]
            errors.append(float((one.roll(17, 1) - two).abs().max()))
            moves = moves or float((one - weights).abs().max())
    return Measurement(
        f"max error {errors[0]:.1e} of DCA, whose weights move by {moves:.2f}; {errors[1]:.1e} of the hybrid",
        errors[0] < 1e-5 and moves > 1e-2 and errors[1] > 1e-3,
    )


def check_means_increase() -> Measurement:
    """Smallest steps of random layers with random queries."""
    torch.manual_seed(0)
    found = {}
    for version in VERSIONS:
        layer = _louder(GMMAttention(GMMConfig(16, 32, version=version)))
        with torch.no_grad():
            means = layer(torch.randn(20, 30, 16), torch.ones(20, 40, dtype=torch.bool)).means
        found[version] = min(float(means.diff(dim=1).min()), float(means[:, 0].min()))
    return Measurement(
        "smallest step " + ", ".join(f"{value:.3f} ({version})" for version, value in found.items()),
        min(found.values()) > 0,
    )


def check_first_step_and_width() -> Measurement:
    """Steps and widths where all weights are zero and the biases are those that a layer starts with."""
    layer = GMMAttention(GMMConfig(16, 32, initial_delta=1.0, initial_sigma=10.0))
    with torch.no_grad():
        layer.output.weight.zero_()
        _, deltas, sigmas = layer.parameters_of(torch.randn(4, 16))
    delta, sigma = float(deltas.mean()), float(sigmas.mean())
    spread = float(deltas.std() + sigmas.std())
    return Measurement(
        f"delta {delta:.5f}, sigma {sigma:.5f}",
        abs(delta - 1) < 1e-5 and abs(sigma - 10) < 1e-4 and spread < 1e-4,
    )


_SPEAKERS = {
    "dca": "location-relative-attention/words",
    "gmm": "location-relative-attention-gmm/words",
    "content": "location-relative-attention/words-content",
}


def _said(words: int, count: int) -> dict[str, list[Spoken]]:
    """Random texts of so many words, as each bundled network says them from its own frames."""
    texts = random_texts(count, words, words, torch.Generator().manual_seed(99))
    return {name: say(zoo.load(model), [" ".join(text) for text in texts]) for name, model in _SPEAKERS.items()}


def check_speech_alignment() -> Measurement:
    """Words that the attention of networks that learnt real speech rests on, beside those of the text, in order."""
    lengths = (LONGEST, 5 * LONGEST, 10 * LONGEST)
    errors: dict[str, list[float]] = {name: [] for name in _SPEAKERS}
    for words in lengths:
        for name, spoken in _said(words, 12).items():
            errors[name].append(sum(each.attention_error() for each in spoken) / len(spoken))
    found = "; ".join(f"{name} {', '.join(f'{error:.0%}' for error in each)}" for name, each in errors.items())
    good = max(errors["dca"] + errors["gmm"] + errors["content"][:1]) < 0.05 and min(errors["content"][1:]) > 0.3
    return Measurement(
        f"words passed over, repeated or out of order at {', '.join(map(str, lengths))} words: {found}",
        good,
        "taught at 1 to 4 words of one real speaker; GMM attention cannot go back: its figure alone says little",
    )


def check_speech_is_understood() -> Measurement:
    """Word errors of Whisper tiny.en on what the networks say, at the longest length of training and five times it."""
    from zoo.bridges.transformers.packaged import packaged_model

    model: Any
    model, processor = packaged_model("whisper-tiny-en")
    errors: dict[str, list[float]] = {name: [] for name in _SPEAKERS}
    silence = torch.zeros(8_000)
    for words, count in ((LONGEST, 6), (5 * LONGEST, 3)):
        for name, spoken in _said(words, count).items():
            pairs = []
            for each in spoken:
                # Without silence before it, and without a beam, it hears nothing in some real recordings, too.
                wave = torch.cat((silence, resampled(sound(each.mels), RATE, 16_000)))
                given = processor.feature_extractor(wave.numpy(), sampling_rate=16_000, return_tensors="pt")
                ids = model.generate(input_features=given["input_features"], max_new_tokens=200, num_beams=5)
                text = processor.tokenizer.decode(ids[0], skip_special_tokens=True)
                heard = re.sub("[^a-z ]", "", text.lower()).split()
                pairs.append((heard, each.text.removesuffix(".").split()))
            errors[name].append(error_rate(pairs))
    found = "; ".join(f"{name} {one:.0%} and {five:.0%}" for name, (one, five) in errors.items())
    return Measurement(
        f"word error at {LONGEST} and {5 * LONGEST} words: {found}",
        max(errors["dca"][1], errors["gmm"][1]) < 0.3 and errors["content"][1] > 0.5 and errors["content"][0] < 0.5,
        "Griffin-Lim, telephone band, nineteen words of one real speaker; Whisper tiny.en listens",
    )
