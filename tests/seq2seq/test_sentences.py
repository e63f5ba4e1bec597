"""Attention classifiers on labelled sentences: padding changes no figure, and texts are read as the articles were."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo_seq2seq import newsgroups
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.sentences import Sentences, accuracy, agreement, fit, gradient_importance

CONFIG = AttentionClassifierConfig(30, 8, 4)


def model() -> AttentionClassifier:
    torch.manual_seed(0)
    built = AttentionClassifier(CONFIG).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)
    return built


def sentences(count: int = 60) -> Sentences:
    """Sentences of 3 to 9 words; the label is whether word 5 occurs."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(6, 30, (count, 9), generator=generator)
    mask = torch.arange(9) < torch.randint(3, 10, (count, 1), generator=generator)
    labels = torch.randint(2, (count,), generator=generator)
    ids[labels == 1, 1] = 5
    return Sentences(ids.masked_fill(~mask, 0), labels, mask)


def test_parts_are_no_longer_than_they_must_be():
    data = sentences()
    short = data.mask.sum(1) <= 5
    part = data.part(short.nonzero()[:, 0])
    assert part.ids.shape[1] == int(data.mask.sum(1)[short].max())
    assert sum(len(each.ids) for each in data.parts()) == 60


def test_agreement_of_padded_sentences_is_that_of_each_alone():
    data, built = sentences(), model()
    together = agreement(built, data)
    alone = []
    for row in range(len(data.ids)):
        length = int(data.mask[row].sum())
        found = agreement(built, Sentences(data.ids[row : row + 1, :length], data.labels[row : row + 1]))
        alone.append((found.kendall, found.pearson))
    expected = torch.tensor(alone).mean(0)
    torch.testing.assert_close(torch.tensor([together.kendall, together.pearson]), expected, atol=1e-4, rtol=1e-4)
    importance = gradient_importance(built, data.ids, data.labels, data.mask)
    assert not importance[~data.mask].any()


def test_kendall_of_equal_orders_is_one(monkeypatch):
    data, built = sentences(5), model()
    monkeypatch.setattr(
        "zoo_seq2seq.sentences.gradient_importance", lambda model, ids, labels, mask: 2 * model(ids, mask).attention
    )
    found = agreement(built, data)
    assert found.kendall == pytest.approx(1)
    assert found.pearson == pytest.approx(1)


def test_fitting_learns_the_word():
    data = sentences(300)
    built = fit(CONFIG, data, epochs=12, learning_rate=1e-2)
    assert accuracy(built, data) > 0.95


def test_texts_are_read_as_articles():
    assert newsgroups.words_of("The Leafs' 3rd goal!  (power-play)") == ["the", "leafs", "rd", "goal", "power", "play"]
    assert len(newsgroups.encode("goal " * 500)) == newsgroups.LONGEST
    with pytest.raises(zoo.InputError, match="no word"):
        newsgroups.encode("3 : 2")
    with pytest.raises(zoo.InputError, match="newsgroups"):
        newsgroups.preprocess(CONFIG)


def test_predicting():
    loaded = zoo.load("attention-at-classifier/newsgroups")
    found = newsgroups.predict(loaded, loaded.config, "The goalie made a save in overtime and the NHL playoffs go on.")
    other = newsgroups.predict(loaded, loaded.config, "The pitcher threw a fastball and the batter hit a home run.")
    assert found["hockey"] > 0.5 > other["hockey"]
    assert sum(found["attention"].values()) <= 1.01
    assert found["picture"].size[0] > 600
