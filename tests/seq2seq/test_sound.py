"""Sound: recordings of words, how they are read, and the way back from log-mel frames."""

from __future__ import annotations

import os

import pytest
import torch

import zoo
from zoo_seq2seq import recordings
from zoo_seq2seq.griffin_lim import griffin_lim, sound_of, spectrum_of
from zoo_seq2seq.log_mel import Analysis, log_mel

TELEPHONE = Analysis(num_mels=40, sample_rate=8000, window=0.032, hop=0.0125)


def chirp() -> torch.Tensor:
    """A second that rises from 200 to 1200 Hz, with an overtone."""
    time = torch.arange(8000) / 8000
    phase = 2 * torch.pi * (200 * time + 500 * time**2)
    return (phase.sin() + 0.4 * (2 * phase).sin()) / 3


def test_griffin_lim_finds_phases():
    sound = chirp()
    magnitudes = TELEPHONE.spectra(sound).abs()
    found = griffin_lim(magnitudes, TELEPHONE)
    again = TELEPHONE.spectra(found).abs()
    assert len(again) == len(magnitudes)
    error = float((again - magnitudes).norm() / magnitudes.norm())
    first = TELEPHONE.spectra(griffin_lim(magnitudes, TELEPHONE, iterations=1)).abs()
    assert error < 0.1
    assert error < float((first - magnitudes).norm() / magnitudes.norm()) / 2


def test_spectra_have_the_energies_of_the_mels():
    mels = log_mel(chirp(), TELEPHONE).clamp(min=-4)
    found = (spectrum_of(mels, TELEPHONE).square() @ TELEPHONE.filters().T).clamp(min=1e-10).log()
    loud = mels > mels.amax() - 5
    assert float((found - mels)[loud].abs().mean()) < 0.2
    assert float((log_mel(sound_of(mels, TELEPHONE), TELEPHONE) - mels)[loud].abs().mean()) < 0.5


def test_wav_files_come_back(tmp_path):
    path = tmp_path / "chirp.wav"
    path.write_bytes(recordings.wav_bytes(chirp(), 8000))
    torch.testing.assert_close(recordings.read_wav(path, 8000), chirp(), atol=1e-4, rtol=0)
    double = recordings.read_wav(path, 16_000)
    assert len(double) == 16_000
    torch.testing.assert_close(double[1000:-1000:2], chirp()[500:-500], atol=0.02, rtol=0)
    path.write_bytes(b"no sound")
    with pytest.raises(zoo.InputError, match="no WAV file"):
        recordings.read_wav(path, 8000)
    with pytest.raises(zoo.InputError, match="no WAV file"):
        recordings.read_wav(tmp_path / "missing.wav", 8000)
    for rate in (1, 2**31 - 1):
        path.write_bytes(recordings.wav_bytes(chirp(), rate))
        with pytest.raises(zoo.InputError, match=f"has {rate:,} samples a second; expected 1,000 to 768,000"):
            recordings.read_wav(path, 8000)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(zoo.InputError, match="is a named pipe; expected a file"):
        recordings.read_wav(tmp_path / "pipe.wav", 8000)


def test_no_network_is_asked_for_what_nobody_says_at_once():
    from zoo_seq2seq.dila import icd
    from zoo_seq2seq.location_relative_attention.speaking import symbols
    from zoo_seq2seq.ta_seq2seq import conversations

    for action in (icd.embed, symbols, conversations.encode):
        with pytest.raises(zoo.InputError, match="; give at most "):
            action("word " * 10_000)


def test_silence_is_cut_off():
    sound = torch.cat((torch.zeros(3000), chirp(), 1e-3 * torch.randn(2000)))
    found = recordings.trimmed(sound)
    assert abs(len(found) - 8000) < 400
    assert float(found.abs().max()) == pytest.approx(0.5)
    with pytest.raises(zoo.InputError, match="zeros"):
        recordings.trimmed(torch.zeros(4000))


def test_words_are_known_without_recordings():
    for language, count in (("en", 64), ("es", 40), ("fr", 36), ("it", 40)):
        words = recordings.words_of(language)
        assert len(words) == len(set(words)) == count
    with pytest.raises(zoo.InputError, match="'de'"):
        recordings.words_of("de")
    with pytest.raises(zoo.InputError, match="reader"):
        recordings.prompts("nobody")


@pytest.mark.parametrize("reader", list(recordings.READERS))
def test_readers_say_every_word(reader):
    try:
        found = recordings.prompts(reader)
    except zoo.MissingDependency as error:
        pytest.skip(str(error))
    assert list(found) == recordings.words_of(recordings.READERS[reader].language)
    assert all(1000 < len(sound) < 16_000 for sound in found.values())
