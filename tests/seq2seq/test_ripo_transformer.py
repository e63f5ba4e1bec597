"""RIPO attention and music embeddings: what is particular to them."""

from __future__ import annotations

import zipfile

import pytest
import torch

import zoo
from zoo_seq2seq.ripo_transformer import chorales
from zoo_seq2seq.ripo_transformer.attention import LinearAttention, RipoAttention
from zoo_seq2seq.ripo_transformer.attention import example as attention_example
from zoo_seq2seq.ripo_transformer.config import FMEConfig, RipoAttentionConfig, RipoConfig
from zoo_seq2seq.ripo_transformer.conversion import config_of, convert
from zoo_seq2seq.ripo_transformer.embedding import FundamentalMusicEmbedding
from zoo_seq2seq.ripo_transformer.intervals import Note, intervals
from zoo_seq2seq.ripo_transformer.melody import _window, continued, pitch_name, predict
from zoo_seq2seq.ripo_transformer.midi import read_midi, write_midi
from zoo_seq2seq.ripo_transformer.network import RipoTransformer, example
from zoo_seq2seq.ripo_transformer.notes import decoded, encoded, notes_of


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
    assert len(continued(model, [60], steps=100, temperature=0)) > 1


def test_long_melodies_go_on_from_a_bar():
    model = network()
    long = [Note(60 + place % 7, 0.5 + 0.5 * (place % 2)) for place in range(60)]
    found = continued(model, long, steps=6, temperature=0)
    assert found[:59] == long[:59]
    assert len(found) > 60
    # Sixteen quarters of a beat are a bar.
    assert _window(torch.tensor([8, 4, 12, 8, 4, 4]), 4) == 4
    assert _window(torch.tensor([8, 8, 16, 4]), 9) == 0
    assert _window(torch.tensor([3, 3, 3]), 2) == 1


def test_predicted_melodies():
    model = network()
    assert predict(model, model.config, "60 62")["melody"].startswith("60:1 62:")


@pytest.mark.parametrize(
    "source", ["60:x", "hm", "1" * 5000, "60:" + "9" * 20, [(60, 1e12)], [(60, 0.1)], [200], [], ["60"], [(60, 0)]]
)
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


def test_few_values_are_embedded_once_to_the_same_end():
    model = network()
    inputs = example(model.config)
    inputs["pitch_ids"][0, 2] = 1
    inputs["pitch_ids"][1, 5:] = 0
    inputs["duration_ids"][1, 5:] = 0
    dense = model(**inputs, relative=intervals(**inputs))
    torch.testing.assert_close(model(**inputs).pitch_logits, dense.pitch_logits)
    torch.testing.assert_close(model(**inputs).duration_logits, dense.duration_logits)


def test_linear_attention_is_the_equation():
    torch.manual_seed(0)
    layer = LinearAttention(8, 2, 0.0)
    x, real = torch.randn(1, 5, 8), torch.tensor([[True, True, False, True, True]])
    query, key, value = (each(x)[0].view(5, 2, 4) for each in (layer.q_proj, layer.k_proj, layer.v_proj))
    query, key = torch.nn.functional.elu(query) + 1, torch.nn.functional.elu(key) + 1
    rows = []
    for i in range(5):
        seen = [j for j in range(i + 1) if real[0, j]]
        heads = []
        for h in range(2):
            weights = torch.stack([query[i, h] @ key[j, h] for j in seen])
            heads.append(weights / weights.sum() @ value[seen, h])
        rows.append(layer.o_proj(torch.cat(heads)))
    torch.testing.assert_close(layer(x, real)[0], torch.stack(rows), atol=1e-5, rtol=1e-4)


BASELINES = [
    {"embedding": "learned"},
    {"embedding": "one-hot"},
    {"embedding": "learned", "attention": "linear"},
    {"attention": "linear"},
]


@pytest.mark.parametrize("options", BASELINES)
def test_baselines_see_no_later_notes_and_no_padding(options):
    model = network(relative_pitch=False, relative_onset=False, relative_index=False, **options)
    inputs = example(model.config)
    whole = model(**inputs)
    first = model(**{name: value[:, :4] for name, value in inputs.items()})
    torch.testing.assert_close(whole.pitch_logits[:, :4], first.pitch_logits)
    padded = model(**{name: torch.nn.functional.pad(value, (0, 3)) for name, value in inputs.items()})
    torch.testing.assert_close(padded.duration_logits[:, :7], whole.duration_logits)
    moved = inputs["pitch_ids"].clone()
    moved[:, 1] += 1
    assert not torch.equal(model(moved, inputs["duration_ids"]).pitch_logits[:, 3], whole.pitch_logits[:, 3])


def test_baselines_know_no_intervals():
    with pytest.raises(zoo.ConfigError, match="knows no intervals"):
        RipoConfig(embedding="learned")
    with pytest.raises(zoo.ConfigError, match="no logits"):
        RipoConfig(attention="linear", relative_pitch=False, relative_onset=False)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("rgl_rel_pitch_dur", {}),
        ("rgl_vanilla", {"relative_pitch": False, "relative_onset": False}),
        ("mha", {"relative_pitch": False, "relative_onset": False, "relative_index": False}),
        (
            "linear",
            {"relative_pitch": False, "relative_onset": False, "relative_index": False, "attention": "linear"},
        ),
    ],
)
def test_every_kind_of_attention_is_replayed(kind, options):
    """A recording of each kind, made of a network that has the parameters of all of them."""
    model = network(**options, num_pitches=128)
    inputs = example(model.config)
    flags = {"if_add_relative_pitch": True, "if_add_relative_duration": True, "if_add_relative_idx": True}
    embedding = {"type": "se", "if_trainable": True, "translation_bias_type": "nd", "emb_nn": True}
    config = {
        "pitch_dim": 128,
        "dur_dim": 17,
        "d_model": 16,
        "nhead": 2,
        "dim_feedforward": 24,
        "nlayers": 2,
        "attention_conf": {"attention_type": kind, **(flags if kind == "rgl_rel_pitch_dur" else {})},
        "position_encoding_conf": {"if_index": True, "if_global_timing": True, "if_modulo_timing": True},
        "pitch_embedding_conf": {**embedding, "base": 9919},
        "dur_embedding_conf": {**embedding, "base": 7920},
    }
    read = config_of(config)
    for name, value in options.items():
        assert getattr(read, name) == value
    theirs = {}
    for name, tensor in (dict(network().state_dict()) | dict(model.state_dict())).items():
        for ours, old in (("q_proj", "Wq"), ("k_proj", "Wk"), ("v_proj", "Wv"), ("o_proj", "fc"), ("index", "E")):
            name = name.replace(f"self_attn.{ours}", f"self_attn.{old}")
        name = name.replace("pitch_proj", "pitch_relnn").replace("onset_proj", "dur_relnn")
        name = name.replace("fusion.", "fusion_layer.fusion.", 1) if name.startswith("fusion") else name
        theirs[name.replace("layers.", "transformer_encoder.layers.", 1)] = tensor
    again = RipoTransformer(RipoConfig(**{**vars(read), "max_length": 32})).eval()
    zoo.fill(again, convert(theirs, again.config))
    torch.testing.assert_close(again(**inputs).pitch_logits, model(**inputs).pitch_logits)
    with pytest.raises(zoo.ConfigError, match="attention_type"):
        config_of({**config, "attention_conf": {"attention_type": "other"}})


def test_names_of_notes():
    assert notes_of("C4 F#5:2 Bb3:0.5 c-1") == [Note(60), Note(78, 2), Note(58, 0.5), Note(0)]
    assert pitch_name(61) == "C#4"


MELODY = [Note(60, 1), Note(62, 0.5), Note(62, 0.25), Note(None, 0.75), Note(67, 6)]


def test_midi_files_come_back():
    content = write_midi(MELODY)
    assert read_midi(content) == MELODY
    assert notes_of(content) == MELODY


def test_midi_files_of_others(tmp_path):
    """Two tracks, running status, chords, drums, a note that begins late, and no event that says where it ends."""
    upper = bytes([0, 0xFF, 3, 1, 65, 96, 0x90, 72, 64, 96, 72, 0, 0, 76, 64, 48, 76, 0])
    lower = bytes([96, 0x91, 48, 64, 0, 0x99, 35, 64, 0x81, 0x10, 0x81, 48, 0, 0, 0xF0, 2, 1, 0xF7])
    tracks = b"".join(b"MTrk" + len(each).to_bytes(4, "big") + each for each in (upper, lower))
    file = tmp_path / "song.mid"
    file.write_bytes(b"MThd" + (6).to_bytes(4, "big") + bytes([0, 1, 0, 2, 0, 96]) + tracks)
    assert notes_of(str(file)) == [Note(72, 1), Note(76, 0.5)]
    assert notes_of(file) == notes_of(file.read_bytes())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF", "no MIDI file"),
        (b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 0xE7, 40]), "frames"),
        (b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 0, 96]) + b"MTrk" + bytes([0, 0, 0, 3, 0, 0x90, 60]), "cut off"),
        (write_midi([]), "no note"),
    ],
)
def test_what_is_no_midi_file(content, message):
    with pytest.raises(zoo.InputError, match=message):
        read_midi(content)


def test_no_such_file():
    with pytest.raises(zoo.InputError, match="cannot be read"):
        notes_of("nowhere.mid")


def test_prediction_is_a_midi_file_and_a_roll():
    model = network()
    found = predict(model, model.config, "60:1 62:1 64:2")
    suffix, content = found["midi"]
    assert suffix == ".mid"
    assert " ".join(map(str, read_midi(content))).startswith("60:1 62:1 64:2")
    assert found["roll"].size[0] > 600
    assert found["added"] > 0


SCORE = """<score-partwise><part-list><score-part id="P1"><part-name>Soprano</part-name></score-part></part-list>
<part id="P1"><measure><attributes><divisions>2</divisions></attributes>
<note><pitch><step>C</step><alter>1</alter><octave>5</octave></pitch><duration>2</duration></note>
<note><rest/><duration>1</duration></note>
<note><pitch><step>D</step><octave>5</octave></pitch><duration>4</duration><tie type="start"/></note></measure>
<measure><note><pitch><step>D</step><octave>5</octave></pitch><duration>2</duration><tie type="stop"/></note>
<note><grace/><pitch><step>E</step><octave>5</octave></pitch></note>
<note><chord/><pitch><step>A</step><octave>4</octave></pitch><duration>2</duration></note>
<note><pitch><step>B</step><octave>4</octave></pitch><duration>2</duration></note></measure></part></score-partwise>"""


def test_upper_voices(tmp_path):
    path = tmp_path / "bwv1.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("bwv1.musicxml", SCORE)
    assert list(chorales._upper_voice(path)) == [Note(73, 1), Note(None, 0.5), Note(74, 3), Note(71, 1)]


def test_settings_of_one_tune_stay_together():
    def melody(seed: int) -> tuple[Note, ...]:
        drawn = torch.randint(60, 72, (30,), generator=torch.Generator().manual_seed(seed))
        return tuple(Note(int(each)) for each in drawn)

    one, other = melody(1), melody(2)
    higher = tuple(Note(note.pitch + 5, 0.5) for note in one)
    varied = (*one[:15], Note(50), *one[15:])
    found = chorales._tunes({"one": one, "other": other, "higher": higher, "varied": varied})
    assert found == {"one": "one", "other": "other", "higher": "one", "varied": "one"}
