"""Checks of the paper's claims."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo_seq2seq.camel_asr.config import FIRST, MIXES, CamelConfig, ExpertsConfig
from zoo_seq2seq.camel_asr.experts import LanguageExperts, example
from zoo_seq2seq.camel_asr.losses import losses
from zoo_seq2seq.camel_asr.network import Camel, CamelEncoder
from zoo_seq2seq.camel_asr.task import error_rate, forced_error_rate, learn
from zoo_seq2seq.edits import error_rate as edits_per_token
from zoo_seq2seq.recognising import deaf_word_error, heard_and_said, held_out
from zoo_seq2seq.teaching import previous

_TINY = CamelConfig(
    vocab_size=20,
    num_english=8,
    num_language_classes=3,
    num_mels=10,
    dim=16,
    num_layers=1,
    num_moe_layers=1,
    num_heads=2,
    hidden_dim=32,
    cgmlp_dim=32,
    adapter_dim=8,
    decoder_layers=1,
    decoder_hidden_dim=32,
)


def _experts(mix: str = "linear", gate: float = 0.0) -> LanguageExperts:
    """Random experts in double precision, with gates of this size."""
    torch.manual_seed(0)
    layer = LanguageExperts(ExpertsConfig(16, 2, 8, mix)).double().eval()
    _open(layer, gate)
    return layer


def _open(module: nn.Module, gate: float) -> None:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("_gate"):
                parameter.fill_(gate)


def _inputs(layer: LanguageExperts) -> dict[str, Tensor]:
    inputs = example(layer.config)
    return {**inputs, "x": inputs["x"].double()}


def check_zero_adapters() -> Measurement:
    """Streams of an encoder's layer whose adapters give nothing, beside the E-Branchformer layer's output."""
    torch.manual_seed(0)
    encoder = CamelEncoder(_TINY).double().eval()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 60, 10, generator=generator, dtype=torch.float64)
    moe = encoder.moe[0]
    assert isinstance(moe, LanguageExperts)
    with torch.no_grad():
        mask = torch.ones(2, 14, dtype=torch.bool)
        plain = encoder.layers[1](encoder.layers[0](encoder.subsample(features), mask), mask)
        apart = float((moe.adapted(plain)[0] - moe.adapted(plain)[1]).abs().max())
        for expert in moe.experts:
            nn.init.zeros_(expert.down.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(expert.down.bias)  # type: ignore[union-attr, arg-type]
        found = encoder(features)
        same = torch.equal(found.english, plain) and torch.equal(found.mandarin, plain)
        fused = torch.equal(found.states, moe.mixed(plain, plain))
    return Measurement(
        f"both streams are {'' if same else 'not '}the plain layer's output, and the layer gives "
        f"{'' if fused else 'not '}their fusion; before, they differed by up to {apart:.2f}",
        same and fused and apart > 0.1,
    )


def check_closed_gates() -> Measurement:
    """The mix of both adapters' outputs, and the layer's output with gates closed and open."""
    equal, moved = [], []
    for mix in MIXES:
        for gate in (0.0, 0.5):
            layer = _experts(mix, gate)
            inputs = _inputs(layer)
            with torch.no_grad():
                found, expected = layer(**inputs).states, layer.mixed(*layer.adapted(inputs["x"]))
            if gate:
                moved.append(float((found - expected).abs().max()))
            else:
                equal.append(torch.equal(found, expected))
    return Measurement(
        f"closed: {'bit for bit equal' if all(equal) else 'different'} with either mix; gates of 0.5 move it by up to "
        f"{min(moved):.2f}",
        all(equal) and min(moved) > 0.01,
    )


def check_symmetry() -> Measurement:
    """Streams and mix after both experts, and both halves of the mix, changed places."""
    layer, swapped = _experts(gate=0.7), _experts(gate=0.7)
    swapped.experts = nn.ModuleList((layer.experts[1], layer.experts[0]))
    with torch.no_grad():
        swapped.mix.weight.copy_(layer.mix.weight.roll(16, 1))
        swapped.mix.bias.copy_(layer.mix.bias)
        one, other = layer(**_inputs(layer)), swapped(**_inputs(layer))
    exchanged = torch.equal(one.english, other.mandarin) and torch.equal(one.mandarin, other.english)
    mixed = float((one.states - other.states).abs().max())
    apart = float((one.english - one.mandarin).abs().max())
    return Measurement(
        f"streams {'exchanged bit for bit' if exchanged else 'differ'}, though up to {apart:.2f} apart; the mix moves "
        f"by {mixed:.0e}",
        exchanged and mixed < 1e-12 and apart > 0.1,
    )


def check_foreign_tokens() -> Measurement:
    """Losses of a sentence in two languages before and after its Mandarin tokens became others."""
    torch.manual_seed(0)
    model = Camel(_TINY).eval()
    features = torch.randn(1, 60, 10, generator=torch.Generator().manual_seed(0))
    first = FIRST + _TINY.num_english
    labels = torch.tensor([[4, first, first + 1, 7, first + 2]])
    others = torch.where(labels >= first, labels + 3, labels)
    with torch.no_grad():
        output = model(features, previous(labels))
        one, other = losses(output, labels, _TINY), losses(output, others, _TINY)
    english, mandarin, both = (
        float((getattr(one, name) - getattr(other, name)).abs()) for name in ("english", "mandarin", "ctc")
    )
    return Measurement(
        f"English CTC moves by {english:g}, Mandarin by {mandarin:.2f}, that of both languages by {both:.2f}",
        english == 0 and mandarin > 1e-3 and both > 1e-3,
    )


def check_language_bias() -> Measurement:
    """Errors per token of new utterances, with the language decoder and without, two seeds each."""
    free: dict[int, list[float]] = {1: [], 0: []}
    forced: dict[int, list[float]] = {1: [], 0: []}
    for layers in free:
        for seed in range(2):
            model = learn(layers, seed=seed)
            free[layers].append(error_rate(model))
            forced[layers].append(forced_error_rate(model))
    ours, plain = (" and ".join(f"{error:.1%}" for error in free[layers]) for layers in free)
    return Measurement(
        f"{ours} with, {plain} without (two seeds); {sum(forced[1]) / 2:.1%} and {sum(forced[0]) / 2:.1%} of next "
        "tokens are wrong where the true tokens and languages before them are given",
        sum(free[1]) < sum(free[0]),
    )


def check_words_of_others() -> Measurement:
    """The bundled network on French and Italian numbers in turn, by two real readers of whom nothing was taught."""
    from zoo_seq2seq.camel_asr.training import languages, recognise, task_of

    model = zoo.load("camel-asr/words")
    task = task_of(model.config)
    batches = held_out(task, task.held_out())
    words = heard_and_said(partial(recognise, model), batches)
    config = model.config
    spoken = [(languages(found, config), languages(true, config)) for found, true in words]
    errors, deaf = edits_per_token(words), deaf_word_error(batches)
    return Measurement(
        f"{errors:.1%} of words wrong, {edits_per_token(spoken):.1%} of their languages; saying one word to "
        f"everything {deaf:.1%}",
        errors < 0.6 < deaf,
        f"{len(words)} utterances of one or two numbers; synthetic voices and one other reader of each were taught",
    )
