"""CAMEL: what is particular to it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo.nn.descent import descend, one_cycle
from zoo.nn.positions import sinusoids
from zoo_seq2seq.camel_asr import training
from zoo_seq2seq.camel_asr.branchformer import Subsampling
from zoo_seq2seq.camel_asr.config import CamelConfig, ExpertsConfig
from zoo_seq2seq.camel_asr.decoders import LanguageBias
from zoo_seq2seq.camel_asr.experts import LanguageExperts
from zoo_seq2seq.camel_asr.experts import example as experts_example
from zoo_seq2seq.camel_asr.losses import language_labels, losses
from zoo_seq2seq.camel_asr.network import Camel, example, languages_of, paper_input, preprocess
from zoo_seq2seq.camel_asr.rescoring import ctc_prefix_beam, transcribe
from zoo_seq2seq.camel_asr.task import TOKENS, WORDS, utterances
from zoo_seq2seq.edits import edit_distance, error_rate
from zoo_seq2seq.recordings import prompts, wav_bytes
from zoo_seq2seq.relative_attention import RelativeAttention
from zoo_seq2seq.search import SearchOptions, beam_search
from zoo_seq2seq.teaching import following, previous

TINY = {
    "vocab_size": 20,
    "num_english": 8,
    "num_mels": 10,
    "dim": 16,
    "num_layers": 1,
    "num_moe_layers": 1,
    "num_heads": 2,
    "hidden_dim": 32,
    "cgmlp_dim": 32,
    "adapter_dim": 8,
    "decoder_layers": 1,
    "decoder_hidden_dim": 32,
    "ld_layers": 1,
}


def network(**options) -> Camel:
    torch.manual_seed(0)
    return opened(Camel(CamelConfig(**{**TINY, **options})).eval())


def opened(module, gate=0.8):
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("_gate"):
                parameter.fill_(gate)
    return module


def linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def test_parameter_counts():
    d, ff, c, b, vocab, hidden = 256, 1024, 1536, 256, 6000, 2048
    norm, attention = 2 * d, 4 * linear(d, d)
    feed = norm + linear(d, ff) + linear(ff, d)
    gating = linear(d, c) + c + 32 * c // 2 + linear(c // 2, d)
    layer = 2 * feed + 3 * norm + attention + d * d + 2 * d + gating + 32 * 2 * d + linear(2 * d, d)
    expert = 4 * norm + linear(d, b) + linear(b, d) + 2 * attention + 2
    experts = 2 * expert + linear(2 * d, d)
    subsampling = 10 * d + linear(9 * d, d) + linear(19 * d, d)
    decoder_layer = 3 * norm + 2 * attention + linear(d, hidden) + linear(hidden, d)

    def decoder(classes: int, layers: int) -> int:
        return classes * d + layers * decoder_layer + norm + linear(d, classes)

    whole = subsampling + 12 * layer + 3 * experts + 3 * linear(d, vocab) + decoder(vocab, 6) + decoder(3, 3)
    assert zoo.info("camel-asr/camel").parameters == whole + norm + attention
    assert zoo.info("camel-asr-experts/camel").parameters == experts
    assert zoo.info("camel-asr-experts/weighted").parameters == 2 * expert + 2
    assert zoo.info("gated-cross-attention-moe").parameters == experts


@pytest.mark.parametrize("mix", ["linear", "weighted"])
def test_the_experts_are_the_equations(mix):
    torch.manual_seed(0)
    layer = opened(LanguageExperts(ExpertsConfig(12, 3, 5, mix))).eval()
    x = torch.randn(1, 6, 12)

    def attend(attention, queries, others):
        split = [each.view(6, 3, 4) for each in (attention.q_proj(queries), attention.k_proj(others))]
        values = attention.v_proj(others).view(6, 3, 4)
        weights = (torch.einsum("qhc,khc->hqk", *split) / 2).softmax(-1)
        return attention.out_proj(torch.einsum("hqk,khc->qhc", weights, values).flatten(1))

    adapted = [x[0] + each.down(each.up(each.adapter_norm(x[0])).relu()) for each in layer.experts]
    streams = []
    for expert, own, other in zip(layer.experts, adapted, reversed(adapted), strict=True):
        normed = expert.intra_norm(own)
        inside = own + math.tanh(0.8) * attend(expert.intra, normed, normed)
        crossed = attend(expert.inter, expert.query_norm(inside), expert.other_norm(other))
        streams.append(inside + math.tanh(0.8) * crossed)
    found = layer(x)
    torch.testing.assert_close(found.english[0], streams[0])
    torch.testing.assert_close(found.mandarin[0], streams[1])
    expected = layer.mix(torch.cat(streams, -1)) if mix == "linear" else 0.5 * streams[0] + 0.5 * streams[1]
    torch.testing.assert_close(found.states[0], expected)


def test_a_relative_attention_depends_on_distances():
    torch.manual_seed(0)
    layer, x = RelativeAttention(8, 2), torch.randn(1, 5, 8)
    query, key, value = (f(x).view(5, 2, 4) for f in (layer.query_proj, layer.key_proj, layer.value_proj))
    logits = torch.zeros(2, 5, 5)
    for head, i, j in itertools.product(range(2), range(5), range(5)):
        place = layer.pos_proj(sinusoids(torch.tensor([i - j]), 8)).view(2, 4)[head]
        own = query[i, head]
        logits[head, i, j] = (own + layer.u_bias[head]) @ key[j, head] + (own + layer.v_bias[head]) @ place
    expected = torch.einsum("hqk,khc->qhc", (logits / 2).softmax(-1), value).flatten(1)
    found = layer(x, torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(found[0], layer.out_proj(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"mix": "weighted", "num_moe_layers": 2}, {"ld_layers": 0}, {"num_layers": 0}])
@pytest.mark.parametrize("length", [7, 23, 40])
def test_padding_changes_nothing(options, length):
    model = network(**options)
    inputs = {**example(model.config), "lengths": torch.tensor([40, length])}
    inputs["features"][1, length:] = 1e4
    both, alone = model(**inputs), model(inputs["features"][1:, :length], inputs["input_ids"][1:])
    for name in both.keys():  # noqa: SIM118
        row, own = both[name][1:], alone[name]
        if row.ndim == 3:
            row = row[:, : own.shape[1]]
        torch.testing.assert_close(row, own, atol=1e-4, rtol=1e-4)
    assert both.ctc_lengths.tolist() == [9, ((length - 1) // 2 - 1) // 2]


@pytest.mark.parametrize("num_mels", [7, 9, 10, 14, 15, 40])
@pytest.mark.parametrize("frames", [7, 40, 200])
def test_frames_are_halved_twice_in_mixed_precision_too(num_mels, frames):
    torch.manual_seed(0)
    subsample = Subsampling(num_mels, 16, 0.0)
    features = torch.randn(2, frames, num_mels)
    x = features[:, None]
    for conv in subsample.convs:
        x = torch.nn.functional.conv2d(x, conv.weight, conv.bias, 2).relu()
    expected = subsample.out(x.transpose(1, 2).flatten(2)) * 4
    torch.testing.assert_close(subsample(features), expected, atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        rough = subsample(features)
    assert (rough - expected).norm() <= 8 * torch.finfo(torch.bfloat16).eps * expected.norm()


def test_no_token_sees_a_later_one_or_its_language():
    model = network().requires_grad_(False)
    inputs = example(model.config)
    other = {**inputs, "input_ids": inputs["input_ids"].clone()}
    other["input_ids"][:, 3] = torch.where(inputs["input_ids"][:, 3] < 12, 15, 5)
    one, two = model(**inputs), model(**other)
    for name in ("logits", "language_logits"):
        torch.testing.assert_close(one[name][:, :3], two[name][:, :3])
        assert float((one[name][:, 3:] - two[name][:, 3:]).abs().max()) > 1e-3


def test_languages_reach_tokens_through_the_bias_alone():
    model = network().requires_grad_(False)
    inputs = example(model.config)
    languages = languages_of(inputs["input_ids"], model.config)
    torch.testing.assert_close(model(**inputs).logits, model(**inputs, language_ids=languages).logits)
    plain, changed = model(**inputs), model(**inputs, language_ids=(languages + 1) % 3)
    assert float((plain.logits - changed.logits).abs().max()) > 1e-4
    torch.testing.assert_close(plain.ctc_logits, changed.ctc_logits)
    with torch.no_grad():
        model.bias.attn.out_proj.weight.zero_()
        model.bias.attn.out_proj.bias.zero_()
    without = network(ld_layers=0)
    without.load_state_dict(
        {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(("ld_decoder", "bias"))}
    )
    torch.testing.assert_close(model(**inputs).logits, without(**inputs).logits)
    assert without(**inputs).language_logits.shape == (2, 5, 0)


def test_the_bias_is_causal():
    torch.manual_seed(0)
    bias, embedded, states = LanguageBias(8, 2, 0.0), torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    later = states.clone()
    later[:, 3] += 1
    torch.testing.assert_close(bias(embedded, states)[:, :3], bias(embedded, later)[:, :3])
    first = bias.attn.out_proj(bias.attn.v_proj(states[:, 0]))
    torch.testing.assert_close(bias(embedded, states)[:, 0], embedded[:, 0] + first)


def test_labels():
    config = CamelConfig(**TINY)
    labels = torch.tensor([[4, 12, 11, 1, 19], [12, 5, 0, 0, 0]])
    assert languages_of(labels, config).tolist() == [[1, 2, 1, 0, 2], [2, 1, 0, 0, 0]]
    assert language_labels(labels, 1, config).tolist() == [[4, 1, 11, 1, 1], [1, 5, 0, 0, 0]]
    assert language_labels(labels, 2, config).tolist() == [[1, 12, 1, 1, 19], [12, 1, 0, 0, 0]]
    assert previous(labels).tolist() == [[2, 4, 12, 11, 1, 19], [2, 12, 5, 0, 0, 0]]
    assert following(labels).tolist() == [[4, 12, 11, 1, 19, 3], [12, 5, 3, 0, 0, 0]]


@pytest.mark.parametrize("inside", [False, True])
def test_the_loss_is_the_sum_of_its_parts_and_padding_counts_nothing(inside):
    model = network(language_in_ctc=inside, ctc_weight=0.4, language_weight=0.5, ld_weight=0.2)
    labels = torch.tensor([[4, 12, 5]])
    features = example(model.config)["features"][:1]
    found = losses(model(features, previous(labels)), labels, model.config)
    padded = torch.nn.functional.pad(labels, (0, 2))
    torch.testing.assert_close(losses(model(features, previous(padded)), padded, model.config).total, found.total)
    beta = 0.2 if inside else 0.5
    expected = 0.4 * found.ctc + 0.6 * found.tokens + beta * (found.english + found.mandarin) / 2
    torch.testing.assert_close(found.total, expected + 0.2 * found.languages)
    found.total.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(zoo.InputError, match="one more than labels"):
        losses(model(features, labels), labels, model.config)


def test_ctc_beam_sums_all_alignments():
    torch.manual_seed(0)
    log_p = torch.randn(4, 3).log_softmax(-1)
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(3), repeat=4):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token)
        sums[tokens] = sums.get(tokens, 0.0) + math.exp(sum(float(log_p[t, token]) for t, token in enumerate(path)))
    found = ctc_prefix_beam(log_p, 100)
    assert {tokens for tokens, _ in found} == set(sums)
    assert all(math.isclose(math.exp(value), sums[tokens], rel_tol=1e-5) for tokens, value in found)
    assert found[0][0] == max(sums, key=sums.__getitem__)


def test_transcripts_are_rescored_with_predicted_languages():
    model = network().requires_grad_(False)
    inputs = example(model.config)
    transcripts = transcribe(model, inputs["features"], inputs["lengths"], beam_size=4)
    alone = transcribe(model, inputs["features"][1:, :31], beam_size=4)[0]
    assert [each.tokens for each in alone] == [each.tokens for each in transcripts[1]]
    for best in (transcripts[0][0], alone[-1]):
        memory, state = model.encode(
            inputs["features"][:1] if best is transcripts[0][0] else inputs["features"][1:, :31]
        )
        score = 0.0
        for token, wanted in zip((2, *best.tokens), (*best.tokens, 3), strict=True):
            step = model.step(torch.tensor([token]), memory, state)
            state, score = step.state, score + float(step.logits[0].log_softmax(-1)[wanted])
        assert math.isclose(best.attention, score, abs_tol=1e-3)
        assert math.isclose(best.score, 0.3 * best.ctc + 0.7 * best.attention, abs_tol=1e-4)
    scores = [each.score for each in transcripts[0]]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(zoo.InputError, match="beam_size"):
        transcribe(model, inputs["features"], beam_size=0)


@pytest.mark.parametrize("ld_layers", [0, 1])
def test_every_hypothesis_has_languages_of_its_own(ld_layers):
    model = network(ld_layers=ld_layers)
    inputs = example(model.config)
    mask = torch.arange(40) < inputs["lengths"][:, None]
    found = beam_search(model, inputs["features"], mask, max_lengths=5, options=SearchOptions(beam_size=3, num_best=2))
    alone = beam_search(
        model, inputs["features"][1:, :31], max_lengths=5, options=SearchOptions(beam_size=3, num_best=2)
    )
    assert found.tokens[1].tolist() == alone.tokens[0].tolist()
    memory, state = model.encode(inputs["features"][1:, :31])
    predicted = model.own_languages(memory.states, None, 4)
    assert predicted[:, 0].tolist() == [0]
    for token in (2, 5, 14):
        state = model.step(torch.tensor([token]), memory, state).state
    assert torch.equal(state.languages, predicted)


def test_waveforms():
    config = CamelConfig(**{**TINY, "num_mels": 80})
    torch.manual_seed(0)
    inputs = preprocess(config)(torch.randn(8000))
    assert inputs["features"].shape == (1, 48, 80)
    assert Camel(config).eval()(**inputs).ctc_logits.shape == (1, 11, 20)


def test_the_task():
    features, labels = utterances(200, torch.Generator().manual_seed(0))
    assert features.shape == (200, 60, 8)
    assert labels.shape == (200, TOKENS)
    mandarin = labels >= 4 + WORDS
    switches = (mandarin[:, 1:] != mandarin[:, :-1]).float().mean()
    assert 0.25 < float(switches) < 0.35
    assert 0.4 < float(mandarin.float().mean()) < 0.6
    assert edit_distance([1, 2, 3], [1, 3, 4]) == 2
    assert edit_distance([], [1]) == 1
    assert error_rate([([1, 2, 3], [1, 3, 4]), ([], [1])]) == 3 / 4


def test_operations_are_counted_as_a_call_does_them():
    model = network()
    inputs = paper_input(model.config)
    # Fused attention on CPUs is not in torch's table of what is counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**inputs)
    counted = zoo.info("camel-asr/tiny", num_mels=10).flops
    assert counted.problem == ""
    assert counted.total == counter.get_total_flops() > 1e6


def test_errors():
    model = network()
    inputs = example(model.config)
    with pytest.raises(zoo.InputError, match="7 frames or more"):
        model(inputs["features"][:, :6], inputs["input_ids"])
    with pytest.raises(zoo.InputError, match="expected 7 to 40"):
        model(inputs["features"], inputs["input_ids"], torch.tensor([40, 6]))
    with pytest.raises(zoo.InputError, match="lengths of shape"):
        model(inputs["features"], inputs["input_ids"], torch.tensor([40]))
    with pytest.raises(zoo.InputError, match="language_ids"):
        model(**inputs, language_ids=torch.full((2, 5), 3))
    with pytest.raises(zoo.InputError, match="language_ids"):
        model(**inputs, language_ids=torch.zeros(2, 4, dtype=torch.long))
    with pytest.raises(zoo.InputError, match="input_ids holds"):
        model(inputs["features"], torch.full((2, 5), 20))
    for field, value in (("num_english", 16), ("cgmlp_dim", 33), ("cgmlp_kernel", 4), ("merge_kernel", 2)):
        with pytest.raises(zoo.ConfigError, match=field):
            CamelConfig(**{**TINY, field: value})
    layer = LanguageExperts(ExpertsConfig(12, 3, 5))
    given = experts_example(layer.config)
    with pytest.raises(zoo.MaskError):
        layer(given["x"], given["attn_mask"][:, :3])
    with pytest.raises(zoo.InputError, match="expected"):
        layer(given["x"][..., :5])


def test_frames_that_are_all_padding_stay_finite():
    layer = opened(LanguageExperts(ExpertsConfig(12, 3, 5))).eval()
    x = torch.randn(2, 4, 12)
    found = layer(x, torch.tensor([[True] * 4, [False] * 4]))
    assert bool(found.states.isfinite().all())
    assert layer(x[:, :1]).states.shape == (2, 1, 12)


def test_training_learns_what_is_said():
    config = CamelConfig(**{**zoo.config("camel-asr/words"), "dim": 16, "dropout": 0.0})
    task = training.task_of(config)
    assert task.words[:2] == ["zéro", "un"]
    assert task.words[11:13] == ["zero", "uno"]
    time = torch.arange(2400) / 8000
    voices = {
        language: [
            {
                word: [task.frames((2 * math.pi * (start + 90 * place) * time).sin())]
                for place, word in enumerate(task.ids[language])
            }
        ]
        for language, start in (("fr", 300), ("it", 1800))
    }
    torch.manual_seed(0)
    model = Camel(config)
    batch = task.utterances(4, voices, torch.Generator().manual_seed(0), most=2)

    def loss_of(step: int) -> torch.Tensor:
        output = model(batch.features, previous(batch.labels), batch.lengths)
        return losses(output, batch.labels, config).total

    before = float(loss_of(0).detach())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    descend(model, range(60), loss_of, optimizer, rates=one_cycle(optimizer, 60), clip=1.0)
    assert float(loss_of(0).detach()) < before / 2
    assert len(training.recognise(model, batch.features, batch.lengths)) == 4
    with pytest.raises(zoo.InputError, match="preset 'words'"):
        training.task_of(CamelConfig(**{**TINY, "sample_rate": 8000}))


def test_bundled_weights_recognise_the_readers_that_were_taught(tmp_path):
    try:
        said = {"fr": prompts("june"), "it": prompts("carlo")}
    except zoo.MissingDependency as error:
        pytest.skip(str(error))
    model = zoo.load("camel-asr/words")
    path, right = tmp_path / "words.wav", 0
    turns = (("sept", "tre"), ("deux", "nove"), ("quatre", "sei"), ("cinq", "otto"), ("huit", "quattro"))
    for french, italian in turns:
        sound = torch.cat((said["fr"][french], torch.zeros(800), said["it"][italian]))
        path.write_bytes(wav_bytes(sound, 8000))
        found = training.predict(model, model.config, str(path))
        right += found["text"] == f"{french} {italian}" and found["languages"] == "fr it"
    assert right >= 4
