"""Utterances of spoken words, and how recognisers of them are judged."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo_seq2seq.log_mel import Analysis
from zoo_seq2seq.recognising import deaf_word_error, require_task, word_error
from zoo_seq2seq.recordings import wav_bytes, words_of
from zoo_seq2seq.spoken_words import SpokenWords, Utterances, synthesised

TELEPHONE = Analysis(num_mels=40, sample_rate=8000, floor=1e-3)


def tones(task: SpokenWords, language: str) -> dict[str, list[torch.Tensor]]:
    """A voice that says every word as a tone of its own."""
    time = torch.arange(3200) / 8000
    return {
        word: [task.frames((2 * torch.pi * (300 + 60 * place) * time).sin())]
        for place, word in enumerate(words_of(language))
    }


def test_utterances_are_what_their_labels_say():
    task = SpokenWords(("fr", "it"), TELEPHONE)
    assert task.vocab_size == 4 + 36 + 40
    voices = {language: [tones(task, language)] for language in ("fr", "it")}
    batch = task.utterances(40, voices, torch.Generator().manual_seed(0))
    counts = (batch.labels > 0).sum(1)
    assert set(counts.tolist()) == {1, 2, 3}
    assert batch.features.shape == (40, int(batch.lengths.max()), 40)
    french = (batch.labels >= 4) & (batch.labels < 40)
    italian = batch.labels >= 40
    assert bool((french.any(1) & italian.any(1)).any())
    for features, length, labels in zip(batch.features, batch.lengths.tolist(), batch.labels.tolist(), strict=True):
        assert float(features[length:].abs().sum()) == 0
        # Of filters that hear anything.
        heard = features[:length].std(0) > 0.5
        assert int(heard.sum()) > 1
        assert float(features[:length].mean(0)[heard].abs().max()) < 1e-2
        # 38 frames of tone per word, and silence of 2 to 11 frames around each.
        words = sum(index > 0 for index in labels)
        assert 38 * words + 2 * (words + 1) <= length <= 38 * words + 11 * (words + 1)
    again = task.utterances(40, voices, torch.Generator().manual_seed(0))
    assert torch.equal(again.features, batch.features)
    varied = task.utterances(40, voices, torch.Generator().manual_seed(0), most=1, varied=True)
    assert varied.labels.shape == (40, 1)
    assert len(set(varied.lengths.tolist())) > 10


def test_ids_are_texts():
    task = SpokenWords(("fr", "it"), TELEPHONE)
    assert task.text([2, task.ids["fr"]["sept"], task.ids["it"]["sette"], 3]) == "sept sette"
    assert task.ids["it"]["zero"] == 40
    with pytest.raises(zoo.InputError, match="16000 Hz"):
        SpokenWords(("it",), Analysis())


def test_a_file_becomes_features_like_those_that_are_taught(tmp_path):
    task = SpokenWords(("it",), TELEPHONE)
    voices = {"it": [tones(task, "it")]}
    tone = (2 * torch.pi * 360 * torch.arange(3200) / 8000).sin() / 3
    path = tmp_path / "tone.wav"
    path.write_bytes(wav_bytes(torch.cat((torch.zeros(2000), tone, torch.zeros(4000))), 8000))
    features = task.features(path)
    assert features.shape[0] == 1
    assert 50 <= features.shape[1] <= 56
    heard = int(task.frames(tone).mean(0).argmax())
    taught = task.utterances(1, voices, torch.Generator().manual_seed(1), most=1).features
    # Silence, then the tone, then silence, in the filter that hears the tone.
    assert features[0, :5, heard].max() < -1 < 0 < features[0, 10:40, heard].min()
    assert features[0, -5:, heard].max() < -1
    assert abs(features.shape[1] - taught.shape[1]) < 20
    path.write_bytes(wav_bytes(torch.zeros(4000), 8000))
    with pytest.raises(zoo.InputError, match="zeros"):
        task.features(path)


def test_errors_of_recognisers():
    labels = torch.tensor([[4, 5, 0], [6, 0, 0], [4, 4, 7]])
    batch = Utterances(torch.zeros(3, 10, 40), torch.tensor([10, 10, 10]), labels)
    assert word_error(lambda features, lengths: [[4, 5], [6], [4, 4, 7]], [batch]) == 0
    assert word_error(lambda features, lengths: [[4], [5], [4, 7]], [batch]) == pytest.approx(3 / 6)
    # Saying 4 to everything is right twice, once each in the first and the last.
    assert deaf_word_error([batch]) == pytest.approx(4 / 6)


def test_networks_of_other_words_are_refused():
    task = SpokenWords(("it",), TELEPHONE)
    with pytest.raises(zoo.InputError, match=r"vocab_size=12.*preset 'words'"):
        require_task(zoo.load("confhyena/tiny", weights=None).config, task, "words")


def test_synthetic_voices():
    try:
        found = synthesised("it", "f1")
    except zoo.MissingDependency as error:
        pytest.skip(str(error))
    assert list(found) == words_of("it")
    assert all(len(sound) > 800 for sound in found.values())
