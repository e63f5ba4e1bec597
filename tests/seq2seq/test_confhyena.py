"""ConfHyena: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo.evidence.measuring import count_parameters
from zoo.nn.descent import descend, one_cycle
from zoo_seq2seq import log_mel as features_of
from zoo_seq2seq.confhyena import spectra, training
from zoo_seq2seq.confhyena.config import ConfHyenaConfig, HyenaConfig
from zoo_seq2seq.confhyena.encoder import compressed
from zoo_seq2seq.confhyena.hyena import HyenaOperator, long_convolution
from zoo_seq2seq.confhyena.network import ConfHyena, example, paper_input
from zoo_seq2seq.confhyena.relative import shifted
from zoo_seq2seq.recordings import prompts, wav_bytes
from zoo_seq2seq.search import SearchOptions, beam_search
from zoo_seq2seq.transformer_decoder import sinusoids

TINY = {
    "vocab_size": 12,
    "ctc_vocab_size": 9,
    "num_mels": 10,
    "dim": 16,
    "num_layers": 3,
    "num_heads": 4,
    "conv_kernel": 7,
    "subsample_dim": 24,
    "ctc_layer": 2,
    "max_length": 80,
    "filter_dim": 8,
    "decoder_layers": 1,
    "decoder_hidden_dim": 32,
}


def network(**options) -> ConfHyena:
    torch.manual_seed(0)
    return ConfHyena(ConfHyenaConfig(**{**TINY, **options})).eval()


@pytest.mark.parametrize(
    ("name", "encoder", "whole"),
    [
        ("confhyena/confhyena", 80_072_512, 113_489_728),
        ("confhyena-hybrid/confhyena-hybrid", 81_053_504, 114_470_720),
        ("confhyena/confhyena-s", None, 35_803_456),
    ],
)
def test_parameter_counts(name, encoder, whole):
    assert zoo.info(name).parameters == whole
    if encoder is not None:
        mixing = "hybrid" if "hybrid" in name else "hyena"
        with torch.device("meta"):
            model = ConfHyena(ConfHyenaConfig(mixing=mixing))
        assert count_parameters(model.encoder) == encoder
        assert count_parameters(model.decoder) == 33_417_216


def test_operator_parameters():
    assert zoo.info("hyena-operator/confhyena").parameters == 1_069_568


def test_long_convolution_by_hand():
    x, taps = torch.randn(1, 1, 1, 7, dtype=torch.float64), torch.randn(1, 7, dtype=torch.float64)
    for causal, shift in ((True, 0), (False, 3)):
        found = long_convolution(x, taps, None, causal=causal)[0, 0, 0]
        for t in range(7):
            expected = sum(taps[0, k] * x[0, 0, 0, t + shift - k] for k in range(7) if 0 <= t + shift - k < 7)
            assert math.isclose(float(found[t]), float(expected), abs_tol=1e-9)


def test_each_utterance_is_convolved_at_its_own_length():
    x, taps = torch.randn(2, 2, 3, 9), torch.randn(3, 9)
    lengths = torch.tensor([9, 4])
    x[1, ..., 4:] = 0
    found = long_convolution(x, taps, lengths, causal=False)
    alone = long_convolution(x[1:, ..., :4], taps[:, :4], None, causal=False)
    torch.testing.assert_close(found[1:, ..., :4], alone)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("order", [2, 3])
def test_heads_share_filters(causal, order):
    """Heads permuted on the way in and out give the same."""
    torch.manual_seed(0)
    layer = HyenaOperator(HyenaConfig(8, 2, causal, 20, order, 6))
    other = HyenaOperator(layer.config)
    swap = torch.arange(8 * (order + 1)).view(2, -1).flip(0).flatten()
    state = layer.state_dict()
    for name in ("in_proj.weight", "in_proj.bias", "short_filter.weight", "short_filter.bias"):
        state[name] = state[name][swap]
    state["out_proj.weight"] = state["out_proj.weight"].unflatten(1, (2, 4)).flip(1).flatten(1)
    other.load_state_dict(state)
    x = torch.randn(2, 11, 8)
    torch.testing.assert_close(layer(x), other(x))


def test_lengths_that_do_not_fit():
    with pytest.raises(zoo.InputError, match="max_length"):
        HyenaOperator(HyenaConfig(8, 2, max_length=10))(torch.randn(1, 11, 8))
    model = network()
    inputs = example(model.config)
    for lengths in (torch.tensor([0, 3]), torch.tensor([41, 3]), torch.tensor([3])):
        with pytest.raises(zoo.InputError, match="lengths"):
            model(**inputs, lengths=lengths)
    with pytest.raises(zoo.InputError, match="features of shape"):
        model(torch.randn(2, 40, 9), inputs["input_ids"])
    with pytest.raises(zoo.ConfigError, match="ctc_layer"):
        ConfHyenaConfig(**{**TINY, "ctc_layer": 4})


def test_shift_is_the_textbooks():
    x = torch.randn(1, 2, 5, 5)
    padded = torch.nn.functional.pad(x, (1, 0)).view(1, 2, 6, 5)[:, :, 1:]
    torch.testing.assert_close(shifted(x, torch.tensor([5])), padded.reshape(1, 2, 5, 5))
    alone = shifted(x[..., :3, :3], torch.tensor([3]))
    torch.testing.assert_close(shifted(x, torch.tensor([3]))[..., :3, :3], alone)
    assert not shifted(x, torch.tensor([3]))[..., 3:].any()


def test_compression_averages_runs():
    x = torch.arange(12.0).view(2, 6, 1)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    labels = torch.tensor([[0, 0, 1, 0, 0, 0], [2, 2, 2, 2, 2, 1]])
    found, real = compressed(x, mask, labels)
    assert found[..., 0].tolist() == [[0.5, 2.0, 4.0], [7.5, 0.0, 0.0]]
    assert real.tolist() == [[True] * 3, [True, False, False]]


@pytest.mark.parametrize("options", [{}, {"mixing": "hybrid"}, {"mixing": "attention"}, {"causal": True, "order": 3}])
def test_padding_changes_nothing(options):
    model = network(**options)
    inputs = example(model.config)
    both = model(**inputs, lengths=torch.tensor([40, 27]))
    alone = model(inputs["features"][1:, :27], inputs["input_ids"][1:])
    torch.testing.assert_close(both.logits[1:], alone.logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both.ctc_logits[1:, :7], alone.ctc_logits, atol=1e-5, rtol=1e-4)
    assert both.ctc_lengths.tolist() == [10, 7]
    short = inputs["input_ids"].clone()
    short[:, 3:] = 1
    torch.testing.assert_close(model(inputs["features"], short).logits[:, :3], model(**inputs).logits[:, :3])


def test_gradients_reach_everything():
    model = network(mixing="hybrid")
    model.train()
    found = model(**example(model.config))
    (found.logits.square().mean() + found.ctc_logits.square().mean()).backward()
    assert all(each.grad is not None and torch.isfinite(each.grad).all() for each in model.parameters())


def test_search_is_forced_decoding():
    model = network()
    inputs = example(model.config)
    mask = torch.arange(40) < torch.tensor([[40], [27]])
    found = beam_search(model, inputs["features"], mask, max_lengths=5, options=SearchOptions(beam_size=3))
    length = int(found.lengths[1, 0])
    tokens = found.tokens[1, 0, :length]
    fed = torch.cat((torch.tensor([2]), tokens[:-1]))[None]
    logs = model(inputs["features"][1:, :27], fed).logits[0].detach().log_softmax(-1)
    expected = float(logs[range(length), tokens].sum())
    assert math.isclose(float(found.log_probabilities[1, 0]), expected, abs_tol=1e-4)


@pytest.mark.parametrize("compress", [False, True])
def test_operations_are_counted_as_if_all_frames_were_kept(compress):
    model = network(compress=False, max_length=400)
    # Fused attention on CPUs is not in torch's table of what is counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**paper_input(model.config))
    counted = zoo.info("confhyena/tiny", compress=compress, max_length=400).flops
    assert counted.problem == ""
    assert counted.total == counter.get_total_flops() > 1e6


def test_positions_are_fairseqs():
    found = sinusoids(torch.tensor([[5, 7, 1]]), 8)[0]
    rates = torch.exp(torch.arange(4) * (-math.log(10_000) / 3))
    torch.testing.assert_close(found[0], torch.cat(((2 * rates).sin(), (2 * rates).cos())))
    torch.testing.assert_close(found[1], torch.cat(((3 * rates).sin(), (3 * rates).cos())))
    assert not found[2].any()


def test_mel_filters_by_hand():
    filters = features_of.mel_filters(2, 8, 8000)
    top = 2595 * math.log10(1 + 4000 / 700)
    edges = [700 * (10 ** (top * step / 3 / 2595) - 1) for step in range(4)]
    for index, left in enumerate(edges[:2]):
        centre, right = edges[index + 1 : index + 3]
        for bin_, hertz in enumerate(range(0, 4001, 1000)):
            expected = max(min((hertz - left) / (centre - left), (right - hertz) / (right - centre)), 0)
            assert math.isclose(float(filters[index, bin_]), expected, abs_tol=1e-6)


def test_mel_filters_are_those_of_others():
    audio = pytest.importorskip("transformers.audio_utils")
    for scale, area in (("htk", False), ("slaney", True)):
        expected = audio.mel_filter_bank(257, 80, 0.0, 8000.0, 16_000, "slaney" if area else None, scale)
        found = features_of.mel_filters(80, 512, scale=scale, equal_area=area)
        torch.testing.assert_close(found, torch.from_numpy(expected).T.float(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_mels": 40, "sample_rate": 8000, "floor": 1e-3},
        {"num_mels": 40, "sample_rate": 8000, "window": 0.032, "hop": 0.0125},
        {"fft_size": 400, "lowest": 0.0, "scale": "slaney", "equal_area": True},
    ],
    ids=["16 kHz", "telephone", "synthesis", "slaney"],
)
def test_log_mel_is_librosas(options):
    """Features as recognisers of speech and of telephone words read them, as speech is synthesised, and Slaney's."""
    librosa = pytest.importorskip("librosa")
    analysis = features_of.Analysis(**options)
    wave = torch.randn(analysis.sample_rate, generator=torch.Generator().manual_seed(0))
    # librosa puts a window in the middle of a longer transform, the zoo at its beginning.
    before = (analysis.fft_size - analysis.window_length) // 2
    behind = analysis.fft_size - analysis.window_length - before
    expected = librosa.feature.melspectrogram(
        y=torch.nn.functional.pad(wave, (before, behind)).numpy(),
        sr=analysis.sample_rate,
        n_fft=analysis.fft_size,
        win_length=analysis.window_length,
        hop_length=analysis.hop_length,
        center=False,
        n_mels=analysis.num_mels,
        htk=analysis.scale == "htk",
        norm="slaney" if analysis.equal_area else None,
        fmin=analysis.lowest,
    )
    found = features_of.log_mel(wave, analysis)
    expected = torch.from_numpy(expected).clamp(min=analysis.floor).log().T
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    # Neighbouring filters hear other things by far: what agrees, agrees filter by filter.
    assert float((found[:, 1:] - expected[:, :-1]).abs().mean()) > 0.1


def test_log_mel_of_a_tone():
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(8000) / 16_000)
    found = features_of.log_mel(tone)
    assert found.shape == (48, 80)
    # The loudest filter is the one with the tone's frequency in its middle.
    edges = features_of.mel_to_hertz(
        torch.linspace(*(float(features_of.hertz_to_mel(torch.tensor(f))) for f in (20.0, 8000.0)), 82)
    )
    assert set(found.argmax(-1).tolist()) == {int((edges[1:-1] - 1000).abs().argmin())}
    # One frame by hand: the discrete Fourier transform as a sum.
    frame = tone[:400] * torch.hann_window(400)
    angles = 2 * math.pi * torch.arange(257)[:, None] * torch.arange(400) / 512
    power = (angles.cos() @ frame).square() + (angles.sin() @ frame).square()
    expected = (features_of.mel_filters(80, 512, lowest=20.0) @ power).clamp(min=1e-10).log()
    torch.testing.assert_close(found[0].exp(), expected.exp(), atol=1e-3, rtol=1e-3)
    with pytest.raises(zoo.InputError, match="400"):
        features_of.log_mel(torch.zeros(399))


def test_speech_to_features_to_logits():
    prepared = zoo.load("confhyena/tiny", weights=None)
    wave = torch.randn(4000)
    from zoo_seq2seq.confhyena.network import preprocess

    inputs = preprocess(prepared.config)(wave)
    assert inputs["features"].shape == (1, 23, 10)
    torch.testing.assert_close(inputs["features"][0].mean(0), torch.zeros(10), atol=1e-4, rtol=0)
    assert prepared(**inputs).logits.shape == (1, 1, 12)


def test_training_learns_what_is_said():
    config = ConfHyenaConfig(**{**zoo.config("confhyena/words"), "dim": 16, "num_layers": 1, "ctc_layer": 1})
    task = training.task_of(config)
    time = torch.arange(2400) / 8000
    voice = {
        word: [task.frames((2 * math.pi * (300 + 80 * place) * time).sin())]
        for place, word in enumerate(task.ids["it"])
    }
    torch.manual_seed(0)
    model = ConfHyena(config)
    batch = task.utterances(4, {"it": [voice]}, torch.Generator().manual_seed(0), most=2)
    before = float(training.loss_of(model.eval(), batch).detach())
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    rates = one_cycle(optimizer, 40)
    descend(model, [batch] * 40, lambda batch: training.loss_of(model, batch), optimizer, rates=rates, clip=1.0)
    assert float(training.loss_of(model, batch).detach()) < before / 2
    found = training.recognise(model, batch.features, batch.lengths)
    assert all(len(ids) <= 8 for ids in found)


def test_bundled_weights_recognise_the_reader_that_was_taught(tmp_path):
    try:
        words = prompts("carlo")
    except zoo.MissingDependency as error:
        pytest.skip(str(error))
    model = zoo.load("confhyena/words")
    path, right = tmp_path / "word.wav", 0
    for word in ("sette", "agosto", "venerdì", "tredici", "marzo"):
        path.write_bytes(wav_bytes(words[word], 8000))
        right += training.predict(model, model.config, str(path))["text"] == word
    assert right >= 4


@pytest.mark.parametrize("own", [1, 2])
def test_convolutions_as_operators_have_all_their_derivatives(own):
    generator = torch.Generator().manual_seed(0)
    x, taps = (
        torch.randn(*shape, dtype=torch.float64, generator=generator, requires_grad=True)
        for shape in ((2, 3, 2, 5), (own, 1, 2, 5))
    )
    torch.library.opcheck(spectra._convolve, (x, taps))
    torch.testing.assert_close(spectra._convolve(x, taps), spectra.convolved(x, taps))
    assert torch.autograd.gradcheck(spectra._convolve, (x, taps))
    assert torch.autograd.gradgradcheck(spectra._convolve, (x, taps))


def test_a_program_convolves_through_the_operator():
    x, taps = torch.randn(2, 3, 2, 5), torch.randn(1, 1, 2, 5)
    seen = []

    def backend(graph, inputs):
        seen.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    found = torch.compile(spectra.convolved, backend=backend, fullgraph=True)(x, taps)
    torch.testing.assert_close(found, spectra.convolved(x, taps))
    assert any("convolve" in name for name in seen)
    assert not any("fft" in name for name in seen)
    torch.compiler.reset()
