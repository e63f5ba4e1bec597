"""RIPO attention and music embeddings: what is particular to them."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo_seq2seq.ripo_transformer.attention import RipoAttention
from zoo_seq2seq.ripo_transformer.attention import example as attention_example
from zoo_seq2seq.ripo_transformer.config import FMEConfig, RipoAttentionConfig, RipoConfig
from zoo_seq2seq.ripo_transformer.embedding import FundamentalMusicEmbedding
from zoo_seq2seq.ripo_transformer.intervals import intervals
from zoo_seq2seq.ripo_transformer.melody import continued, predict
from zoo_seq2seq.ripo_transformer.network import RipoTransformer, example
from zoo_seq2seq.ripo_transformer.notes import Note, decoded, encoded, notes_of


def network(**options) -> RipoTransformer:
    torch.manual_seed(0)
    tiny = {"dim": 16, "num_heads": 2, "hidden_dim": 24, "max_length": 32}
    return RipoTransformer(RipoConfig(**{**tiny, **options})).eval()


def test_parameter_counts():
    assert zoo.info("ripo-transformer/ripo-transformer").parameters == 3_211_537
    for preset in ("mha", "music-transformer"):
        assert zoo.info(f"ripo-transformer/{preset}").parameters < 3_211_537


@pytest.mark.parametrize("bias", ["nd", "2d", "none"])
@pytest.mark.parametrize("trainable", [True, False])
def test_embedding_is_the_equation(bias, trainable):
    layer = FundamentalMusicEmbedding(FMEConfig(8, 100.0, trainable, bias))
    found = layer(torch.tensor([5.0]))[0].detach()
    for k in range(4):
        angle = torch.tensor(5.0 * 100.0 ** (-2 * k / 8))
        torch.testing.assert_close(found[2 * k] - layer.bias[2 * k], angle.sin())
        torch.testing.assert_close(found[2 * k + 1] - layer.bias[2 * k + 1], angle.cos())
    if bias == "2d":
        assert torch.equal(layer.bias[:2], layer.bias[4:6])
    assert ("angles" in layer.state_dict()) == trainable
    torch.testing.assert_close(
        layer.transposed(layer(torch.tensor([5.0])), torch.tensor([-3.0])), layer(torch.tensor([2.0]))
    )


def test_nearest_is_the_inverse():
    layer = FundamentalMusicEmbedding(FMEConfig(32))
    numbers = torch.tensor([[60.0, 0.0, 127.0]])
    noisy = layer(numbers) + 0.01 * torch.randn(1, 3, 32)
    assert torch.equal(layer.nearest(noisy, torch.arange(128.0)), numbers)


@pytest.mark.parametrize("two_sided", [False, True])
def test_attention_is_the_equation(two_sided):
    torch.manual_seed(0)
    layer = RipoAttention(RipoAttentionConfig(8, 2, 10, two_sided=two_sided))
    inputs = attention_example(layer.config, 1)
    found = layer(**inputs)[0]
    x = inputs["x"][0]
    query, key, value = (each(x).view(6, 2, 4) for each in (layer.q_proj, layer.k_proj, layer.v_proj))
    pitch = layer.pitch_proj(inputs["relative_pitch"][0]).view(6, 6, 2, 4)
    onset = layer.onset_proj(inputs["relative_onset"][0]).view(6, 6, 2, 4)
    rows = []
    for i in range(6):
        heads = []
        for h in range(2):
            seen = range(6) if two_sided else range(i + 1)
            logits = torch.stack(
                [
                    query[i, h] @ (key[j, h] + layer.index[9 - (i - j)] + pitch[i, j, h] + onset[i, j, h]) / 2
                    for j in seen
                ]
            )
            heads.append(logits.softmax(0) @ value[list(seen), h])
        rows.append(layer.o_proj(torch.cat(heads)))
    torch.testing.assert_close(found, torch.stack(rows), atol=1e-5, rtol=1e-4)


def test_relative_inputs_by_hand():
    found = intervals(torch.tensor([[63, 1, 67, 0]]), torch.tensor([[4, 2, 8, 0]]))
    assert found.onsets.tolist() == [[0.0, 1.0, 1.5, 3.5]]
    assert found.pitch[0].tolist() == [[0, 0, -4, 0], [0, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]]
    assert found.no_pitch[0, 0].tolist() == [False, True, False, True]
    assert found.onset[0, 2].tolist() == [1.5, 0.5, 0.0, 0.0]
    assert not found.onset[0, 3].any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"relative_pitch": False},
        {"relative_onset": False, "project_pitch": False},
        {"relative_index": False, "project_duration": False},
        {"trainable_pitch": False, "pitch_bias": "2d", "duration_bias": "none", "trainable_duration": False},
        {"add_index": False, "add_onset": False, "add_beat": False, "duration_in_beats": True},
    ],
)
def test_later_notes_and_padding_behind_change_nothing(options):
    model = network(**options)
    inputs = example(model.config)
    whole = model(**inputs)
    first = model(**{name: value[:, :4] for name, value in inputs.items()})
    torch.testing.assert_close(whole.pitch_logits[:, :4], first.pitch_logits)
    padded = model(**{name: torch.nn.functional.pad(value, (0, 3)) for name, value in inputs.items()})
    torch.testing.assert_close(padded.duration_logits[:, :7], whole.duration_logits)


@torch.no_grad()
def test_every_option_matters():
    inputs = example(network().config)
    plain = network()
    for option in ("relative_pitch", "relative_onset", "relative_index", "add_index", "add_onset", "add_beat"):
        other = network(**{option: False})
        other.load_state_dict(plain.state_dict(), strict=False)
        assert float((other(**inputs).pitch_logits - plain(**inputs).pitch_logits).abs().max()) > 1e-5, option


def test_two_sided_sees_later_notes_and_mask_keys_hides_padding():
    options = {"two_sided": True, "mask_keys": True}
    model = network(**options)
    inputs = example(model.config)
    whole = model(**inputs).pitch_logits
    cut = model(**{name: value[:, :4] for name, value in inputs.items()}).pitch_logits
    assert float((whole[:, :4] - cut).abs().max()) > 1e-4
    padded = model(**{name: torch.nn.functional.pad(value, (0, 3)) for name, value in inputs.items()}).pitch_logits
    torch.testing.assert_close(padded[:, :7], whole)


def test_melodies_come_back():
    notes = notes_of("60:1 62:0.5, rest:0.25 r 64:6")
    assert notes == [Note(60, 1), Note(62, 0.5), Note(None, 0.25), Note(None, 1), Note(64, 6)]
    pitches, durations = encoded(notes)
    assert pitches.tolist() == [[63, 65, 1, 1, 67, 2]]
    assert durations.tolist() == [[4, 2, 1, 4, 16, 8]]
    assert decoded(pitches[0].tolist(), durations[0].tolist()) == notes
    assert notes_of([60, (None, 2), (62, 0.5)]) == [Note(60), Note(None, 2), Note(62, 0.5)]


def test_continuing():
    model = network()
    found = continued(model, "60:1 62:1 64:2", steps=8)
    assert found[:2] == [Note(60), Note(62)]
    assert len(found) > 3
    assert found == continued(model, "60:1 62:1 64:2", steps=8)
    assert found != continued(model, "60:1 62:1 64:2", steps=8, seed=1)
    assert continued(model, [60], steps=100, temperature=0)
    assert predict(model, model.config, "60 62")["melody"].startswith("60:1 62:")


@pytest.mark.parametrize("source", ["60:x", "hm", [(60, 0.1)], [200], [], ["60"], [(60, 0)]])
def test_what_is_no_melody(source):
    with pytest.raises(zoo.InputError):
        continued(network(), source)


def test_errors():
    with pytest.raises(zoo.ConfigError, match="even"):
        FMEConfig(7)
    with pytest.raises(zoo.InputError, match="max_length"):
        network(max_length=4)(**example(network().config))
    with pytest.raises(zoo.InputError, match="durations"):
        network()(torch.ones(1, 3, dtype=torch.long), torch.ones(1, 2, dtype=torch.long))
    with pytest.raises(zoo.InputError, match="relative_pitch is missing"):
        RipoAttention(RipoAttentionConfig(8, 2))(torch.randn(1, 3, 8))
