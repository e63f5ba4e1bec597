"""Location-relative attention: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo_seq2seq.location_relative_attention.config import DCAConfig, GMMConfig, TacotronConfig
from zoo_seq2seq.location_relative_attention.conversion import convert
from zoo_seq2seq.location_relative_attention.convolution import DynamicConvolutionAttention, beta_binomial
from zoo_seq2seq.location_relative_attention.convolution import example as dca_example
from zoo_seq2seq.location_relative_attention.holding import config_of, holding, texts
from zoo_seq2seq.location_relative_attention.mixture import GMMAttention
from zoo_seq2seq.location_relative_attention.mixture import example as gmm_example
from zoo_seq2seq.location_relative_attention.network import Tacotron, example
from zoo_seq2seq.location_relative_attention.speaking import STOP, Spoken, joined, say, sound, symbols
from zoo_seq2seq.location_relative_attention.training import guide, predict

SMALL = {
    "num_symbols": 20,
    "embedding_dim": 8,
    "encoder_prenet_hidden": 9,
    "encoder_prenet_dim": 10,
    "bank_size": 5,
    "bank_channels": 7,
    "projection_channels": 6,
    "num_highways": 2,
    "highway_dim": 12,
    "encoder_rnn_dim": 5,
    "num_mels": 4,
    "prenet_hidden": 7,
    "prenet_dim": 6,
    "attention_rnn_dim": 11,
    "decoder_rnn_dim": 13,
    "attention_hidden": 8,
    "static_channels": 3,
    "static_kernel_size": 5,
    "dynamic_channels": 2,
    "dynamic_kernel_size": 3,
}
ATTENTIONS = ("dca", "gmm", "content", "location-sensitive")


def network(**options) -> Tacotron:
    torch.manual_seed(0)
    return Tacotron(TacotronConfig(**SMALL | options)).eval()


def test_parameter_counts():
    assert zoo.info("tacotron-dca/ljspeech").parameters == 5_513_512
    assert zoo.info("dynamic-convolution-attention/paper").parameters == 56_872
    gmm = 257 * 128 + 129 * 15
    assert zoo.info("gmm-attention/v2b").parameters == gmm
    assert zoo.info("tacotron-gmm/ljspeech").parameters == 5_513_512 - 56_872 + gmm
    content = 257 * 128 + 256 * 128 + 128
    assert zoo.info("tacotron-dca/content-based").parameters == 5_513_512 - 56_872 + content
    assert zoo.info("tacotron-dca/location-sensitive").parameters == 5_513_512 - 56_872 + content + 8 * 21 + 8 * 128


def test_dynamic_convolution_is_the_equation():
    torch.manual_seed(0)
    layer = DynamicConvolutionAttention(DCAConfig(5, 4, 2, 3, 3, 5, 4))
    query, alpha = torch.randn(5), torch.rand(9).softmax(-1)
    filters = (layer.filters.weight @ (layer.query.weight @ query + layer.query.bias).tanh()).reshape(3, 5)
    prior = beta_binomial(3, 0.1, 0.9)

    def at(place: int) -> torch.Tensor:
        return alpha[place] if 0 <= place < 9 else torch.tensor(0.0)

    energies = []
    for j in range(9):
        f = torch.stack([sum(layer.static.weight[c, 0, k] * at(j + k - 1) for k in range(3)) for c in range(2)])
        g = torch.stack([sum(filters[c, k] * at(j + k - 2) for k in range(5)) for c in range(3)])
        p = max(sum(prior[k] * float(at(j - k)) for k in range(4)), 1e-6)
        inside = layer.from_static.weight @ f + layer.from_dynamic.weight @ g + layer.from_dynamic.bias
        energies.append(layer.v.weight[0] @ inside.tanh() + math.log(p))
    found = layer(query[None, None], alpha[None])
    torch.testing.assert_close(found[0, 0], torch.stack(energies).softmax(-1))


@pytest.mark.parametrize("length", [1, 6, 11])
def test_the_prior_is_the_beta_binomial(length):
    scipy = pytest.importorskip("scipy.stats")
    expected = [scipy.betabinom.pmf(k, length - 1, 0.3, 0.8) for k in range(length)]
    assert beta_binomial(length - 1, 0.3, 0.8) == pytest.approx(expected)


@pytest.mark.parametrize("version", ["v0", "v1", "v2"])
def test_mixtures_are_the_table(version):
    torch.manual_seed(0)
    layer = GMMAttention(GMMConfig(6, 5, 2, version))
    inputs = gmm_example(layer.config)
    start = torch.rand(2, 2) * 5
    found = layer(**inputs, means=start)
    raw = layer.output(layer.hidden(inputs["queries"][1, 0]).tanh()).tolist()
    exps = [math.exp(w) for w in raw[:2]]
    for j in (0, 7):
        total = 0.0
        for k in range(2):
            w, d, s = exps[k], raw[2 + k], raw[4 + k]
            if version == "v0":
                z, d, s = 1.0, math.exp(d), math.sqrt(math.exp(-s) / 2)
            elif version == "v1":
                w, d, s = w / sum(exps), math.exp(d), math.sqrt(math.exp(s))
            else:
                w, d, s = w / sum(exps), math.log1p(math.exp(d)), math.log1p(math.exp(s))
            if version != "v0":
                z = math.sqrt(2 * math.pi * s * s)
            mean = float(start[1, k]) + d
            assert mean == pytest.approx(found.means[1, 0, k].item(), rel=1e-5)
            total += w / z * math.exp(-((j - mean) ** 2) / (2 * s * s))
        assert total == pytest.approx(found.alignments[1, 0, j].item(), rel=1e-4)


@pytest.mark.parametrize("version", ["v0", "v1", "v2"])
def test_biases_set_the_first_step_and_width(version):
    layer = GMMAttention(GMMConfig(6, 5, 2, version, initial_delta=2.0, initial_sigma=3.0))
    with torch.no_grad():
        layer.output.weight.zero_()
    _, deltas, sigmas = layer.parameters_of(torch.randn(1, 6))
    torch.testing.assert_close(deltas, torch.full((1, 2), 2.0))
    torch.testing.assert_close(sigmas, torch.full((1, 2), 3.0))


def test_a_mixture_without_width_is_finite():
    layer = GMMAttention(GMMConfig(6, 5, 2))
    with torch.no_grad():
        layer.output.bias.fill_(-1000.0)
    assert layer(**gmm_example(layer.config)).alignments.isfinite().all()


def test_the_layers_leave_padding_out():
    torch.manual_seed(0)
    mask = torch.arange(14) < torch.tensor([14, 5])[:, None]
    dca = DynamicConvolutionAttention(DCAConfig(6, 5))
    inputs = dca_example(dca.config)
    found = dca(**inputs, mask=mask)
    torch.testing.assert_close(found[1:, :, :5], dca(inputs["queries"][1:], inputs["alignment"][1:, :5]))
    assert not found[1, :, 5:].any()
    gmm = GMMAttention(GMMConfig(6, 5))
    queries = inputs["queries"]
    weights = gmm(queries, mask).alignments
    torch.testing.assert_close(weights[1:, :, :5], gmm(queries[1:], mask[1:, :5]).alignments)
    assert not weights[1, :, 5:].any()
    assert not dca(**inputs, mask=torch.zeros_like(mask)).any()


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_padding_changes_nothing(attention):
    model = network(attention=attention)
    inputs = example(model.config)
    for mask in (torch.arange(11) < torch.tensor([11, 6])[:, None], torch.arange(11) >= torch.tensor([0, 5])[:, None]):
        whole = model(**inputs, mask=mask)
        alone = model(inputs["input_ids"][1:, mask[1]], inputs["mels"][1:])
        torch.testing.assert_close(whole.mels[1:], alone.mels)
        torch.testing.assert_close(whole.alignments[1:, mask[1]], alone.alignments)
        assert not whole.alignments[1, ~mask[1]].any()
    nothing = model(**inputs, mask=torch.arange(11) < torch.tensor([11, 0])[:, None])
    assert nothing.mels.isfinite().all()
    assert not nothing.alignments[1].any()


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("reduction_factor", [1, 2, 3])
def test_generating_is_forced_decoding_of_its_own_frames(attention, reduction_factor):
    model = network(attention=attention, reduction_factor=reduction_factor)
    ids = example(model.config)["input_ids"]
    found = model.generate(ids, max_length=7, stop_threshold=1e9)
    assert found.mels.shape == (2, 4, math.ceil(7 / reduction_factor) * reduction_factor)
    forced = model(ids, found.mels)
    torch.testing.assert_close(forced.mels, found.mels)
    torch.testing.assert_close(forced.alignments, found.alignments)


def test_generation_stops_before_the_frame_that_says_so():
    model = network()
    ids = example(model.config)["input_ids"][:1]
    free = model.generate(ids, max_length=12, stop_threshold=1e9).mels
    lowest = free[0, :, 1::2].min(0).values
    step = int(lowest.argmax())
    threshold = float(lowest[step]) - 1e-6
    first = int((lowest > threshold).int().argmax())
    stopped = model.generate(ids, max_length=12, stop_threshold=threshold)
    assert stopped.mels.shape[-1] == 2 * first
    none = model.generate(ids, stop_threshold=-1e9)
    assert none.mels.shape == (1, 4, 0)
    assert none.alignments.shape == (1, 11, 0)


def test_what_is_random_is_so_in_training_alone_but_for_a_fixed_prenet():
    inputs = example(TacotronConfig(**SMALL))
    model = network()
    assert torch.equal(model(**inputs).mels, model(**inputs).mels)
    fixed = network(prenet_fixed=True)
    assert not torch.equal(fixed(**inputs).mels, fixed(**inputs).mels)
    zoned = network(encoder_prenet_dropout=0.0, prenet_dropout=0.0, zoneout=1.0).train()
    calm = network(encoder_prenet_dropout=0.0, prenet_dropout=0.0, zoneout=0.0).train()
    # All outputs of LSTMs stay at zero, so that nothing but the biased context speaks.
    frame, memory = inputs["mels"][..., 0], torch.randn(2, 11, 10)
    for module, still in ((zoned, True), (calm, False)):
        _, state = module.decoder(frame, memory, module.decoder.first(memory, None))
        assert all(not bool(hidden.any()) for hidden in state.hidden) is still
        assert all(bool(cell.any()) for cell in state.cell)


def test_published_names():
    model = network()
    names = {
        "encoder.cbhg.conv_bank.3.bnorm.running_mean": "encoder.cbhg.bank.3.norm.running_mean",
        "encoder.cbhg.highway.1.linear2.bias": "encoder.cbhg.highways.1.gate.bias",
        "encoder.pre_net.fc1.weight": "encoder.prenet.first.weight",
        "encoder.cbhg.rnn.weight_hh_l0_reverse": "encoder.cbhg.rnn.weight_hh_l0_reverse",
        "encoder.cbhg.pre_highway.weight": "encoder.cbhg.widen.weight",
        "decoder_cell.dca.P": "decoder.attention.prior",
        "decoder_cell.dca.T.bias": "decoder.attention.from_dynamic.bias",
        "decoder_cell.rnn2.weight_ih": "decoder.rnns.1.weight_ih",
    }
    state = model.state_dict()
    assert list(convert({name: torch.zeros(1) for name in names}, model.config)) == list(names.values())
    assert set(names.values()) <= set(state)
    assert set(convert(state, model.config)) == set(state)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"static_kernel_size": 4}, "odd"), ({"prior_alpha": 0.0}, "greater"), ({"initial_sigma": -1.0}, "greater")],
)
def test_configs_that_mean_nothing(options, words):
    with pytest.raises(zoo.ConfigError, match=words):
        TacotronConfig(**options)


def test_inputs_that_mean_nothing():
    model = network()
    inputs = example(model.config)
    with pytest.raises(zoo.InputError, match="mels of shape"):
        model(inputs["input_ids"], inputs["mels"][:, :2])
    with pytest.raises(zoo.InputError, match="vocabulary"):
        model(inputs["input_ids"] + 20, inputs["mels"])
    with pytest.raises(zoo.InputError, match="no symbol"):
        model(inputs["input_ids"][:, :0], inputs["mels"])
    with pytest.raises(zoo.InputError, match="boolean"):
        GMMAttention(GMMConfig(6, 5))(torch.randn(2, 3, 6), torch.ones(2, 4))
    with pytest.raises(zoo.InputError, match="queries of shape"):
        DynamicConvolutionAttention(DCAConfig(6, 5))(torch.randn(2, 3, 5), torch.ones(2, 4))


def test_the_task():
    ids, mels = texts(3, 20, torch.Generator().manual_seed(0))
    assert bool((ids.diff(dim=1) != 0).all())
    assert torch.equal(mels[..., 0], mels[..., 1])
    found = holding(Tacotron(config_of("dca")).eval(), 5, 2)
    assert 0 <= found.said <= 1
    assert found.distance >= 0


def speaker(**options) -> Tacotron:
    torch.manual_seed(0)
    words = zoo.config("location-relative-attention/words")
    return Tacotron(TacotronConfig(**{**words, "attention_rnn_dim": 12, "decoder_rnn_dim": 12, **options})).eval()


def test_texts_are_symbols():
    assert symbols("  May MAY. ") == symbols("may may") == [14, 2, 26, 1, 14, 2, 26, 28]
    for text, match in (("", "no word"), ("mai 7", "has 7"), ("m\u00e4rz", "has \u00e4")):
        with pytest.raises(zoo.InputError, match=match):
            symbols(text)


def test_words_that_attention_rests_on():
    # One row per letter of "may june may.", one column per step: a glance of one step is not rest.
    places = [0, 1, 2, 10, 4, 5, 8, 9, 10, 11, 12]
    weights = torch.nn.functional.one_hot(torch.tensor(places), 13).T.float()
    spoken = Spoken("may june may.", torch.zeros(40, 88), weights, True)
    assert spoken.words_attended() == [0, 1, 2]
    assert spoken.attention_error() == 0
    stuck = Spoken("may june may.", torch.zeros(40, 8), weights[:, :3], True)
    assert stuck.attention_error() == pytest.approx(2 / 3)
    back = Spoken("may june may.", torch.zeros(40, 8), weights[:, [0, 1, 4, 5, 1, 2, 8, 9]], True)
    assert back.words_attended() == [0, 1, 0, 2]
    assert back.attention_error() == pytest.approx(1 / 3)


def test_a_text_is_said_alone_as_in_a_batch():
    model = speaker()
    alone, together = say(model, ["may"])[0], say(model, ["may", "september july"])[0]
    steps = alone.alignment.shape[1]
    torch.testing.assert_close(together.alignment[:, :steps], alone.alignment, atol=1e-5, rtol=0)
    assert alone.text == "may."
    assert len(sound(alone.mels)) > 0
    assert len(sound(alone.mels[:, :0])) > 0
    with pytest.raises(zoo.InputError, match="num_symbols=91"):
        say(Tacotron(TacotronConfig(**SMALL | {"num_symbols": 91})), ["may"])


def test_recorded_texts_and_their_guide():
    try:
        speech = joined([["may", "june"], ["september"]])
    except zoo.MissingDependency as error:
        pytest.skip(str(error))
    steps = (speech.lengths // 8).tolist()
    assert speech.mels.shape == (2, 40, int(speech.lengths.max()))
    # Silence between the words, and the mark of an end, which no speech reaches.
    assert bool((speech.mels[0, :, speech.lengths[0] - 8 : speech.lengths[0]] > STOP).all())
    assert not bool((speech.mels[0, :, : speech.lengths[0] - 8] > STOP).all(0).any())
    path = speech.places[0, : steps[0]]
    assert bool((path.diff() > 0).all())
    assert float(path[-1]) == 8.0
    places = speech.places.round().long().clamp(min=0)
    right = torch.nn.functional.one_hot(places, speech.ids.shape[1]).transpose(1, 2).float()
    assert float(guide(right, speech)) < 0.03
    assert float(guide(right.roll(6, 1), speech)) > 0.5


def test_layers_above_the_attention_take_all_steps_at_once():
    model = speaker()
    inputs = example(model.config)
    torch.manual_seed(1)
    mels = torch.randn(2, 40, 32)
    output = model(inputs["input_ids"], mels)
    memory = model.encoder(inputs["input_ids"])
    state, frames = model.decoder.first(memory, None), []
    for step in range(4):
        frame = mels[..., 8 * step - 1] if step else torch.zeros(2, 40)
        found, state = model.decoder(frame, memory, state)
        frames.append(found)
    torch.testing.assert_close(output.mels, torch.cat(frames, -1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("preset", ["location-relative-attention/words", "location-relative-attention-gmm/words"])
def test_bundled_weights_speak(preset):
    model = zoo.load(preset)
    answer = predict(model, model.config, "Monday June.")
    assert answer["ended"]
    assert 0.8 < answer["seconds"] < 3
    suffix, content = answer["sound"]
    assert suffix == ".wav"
    assert content[:4] == b"RIFF"
    assert answer["alignment"].width > 400
    assert say(model, ["monday june friday may"])[0].words_attended() == [0, 1, 2, 3]
