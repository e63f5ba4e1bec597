"""Topic-aware replies: what is particular to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from zoo_seq2seq.search import greedy_search
from zoo_seq2seq.ta_seq2seq import conversations
from zoo_seq2seq.ta_seq2seq.chat import FILLERS, FIRST, WORDS, draw
from zoo_seq2seq.ta_seq2seq.config import BiasedLawConfig, TopicAwareConfig
from zoo_seq2seq.ta_seq2seq.law import BiasedLaw
from zoo_seq2seq.ta_seq2seq.law import example as law_example
from zoo_seq2seq.ta_seq2seq.network import TopicAware, example
from zoo_seq2seq.ta_seq2seq.replies import predict
from zoo_seq2seq.ta_seq2seq.topics import TopicModel, learn_topics
from zoo_seq2seq.ta_seq2seq.training import distinct

LAW = BiasedLawConfig(9, 4, 3, 5)


def network(**options) -> TopicAware:
    torch.manual_seed(0)
    model = TopicAware(TopicAwareConfig(**{**SMALL, **options})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30)
    return model


SMALL = {"source_vocab_size": 20, "target_vocab_size": 15, "embedding_dim": 6, "dim": 8, "topic_dim": 4}


def test_parameter_counts():
    v, e, d, z = 30_000, 620, 1000, 200
    encoder = 2 * 3 * d * (e + d + 2)
    attentions = (d * d + 2 * d * d + d) + (d * d + z * d + d) + 2 * d * d
    decoder = 3 * d * (e + 2 * d + z + d + 2)
    law = (d + 1 + e) * v + (d + 1 + e + 2 * d) * v
    assert (
        zoo.info("ta-seq2seq/ta-seq2seq").parameters == 2 * v * e + encoder + (d + 1) * d + attentions + decoder + law
    )
    plain = zoo.info("ta-seq2seq/s2sa").parameters
    assert plain == 2 * v * e + encoder + (d + 1) * d + 3 * d * d + d + decoder - 3 * d * z + (d + 1 + e) * v


@pytest.mark.parametrize("activation", ["none", "tanh"])
def test_the_law_is_the_equation(activation):
    torch.manual_seed(0)
    law = BiasedLaw(BiasedLawConfig(9, 4, 3, 5, activation))
    inputs = law_example(LAW)
    found = law(**inputs).exp()
    language = law.language(inputs["state"], inputs["embedding"], inputs["context"])
    topic = law.topic(inputs["state"], inputs["embedding"], inputs["context"])
    if activation == "tanh":
        language, topic = language.tanh(), topic.tanh()
    terms = language.exp() + topic.exp() * inputs["is_topic"]
    torch.testing.assert_close(found, terms / terms.sum(-1, keepdim=True))


def test_a_law_without_bias_takes_no_notice_of_topics():
    torch.manual_seed(0)
    law = BiasedLaw(BiasedLawConfig(9, 4, 3, 5, biased=False))
    inputs = law_example(LAW)
    assert torch.equal(law(**inputs), law(**{**inputs, "is_topic": ~inputs["is_topic"]}))
    with pytest.raises(zoo.InputError, match="is_topic"):
        BiasedLaw(LAW)(**{**inputs, "is_topic": inputs["is_topic"][:, :3]})


@pytest.mark.parametrize(
    "options",
    [{}, {"topic_attention": False}, {"biased_generation": False}, {"readout": "maxout"}, {"logit_activation": "tanh"}],
)
def test_padding_of_messages_and_topics_changes_nothing(options):
    model = network(**options)
    inputs = example(model.config)
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    topics = torch.arange(5) < torch.tensor([5, 2])[:, None]
    whole = model(**inputs, source_mask=mask, topic_mask=topics)
    alone = model(
        inputs["source_ids"][1:, :4],
        inputs["target_ids"][1:],
        inputs["topic_ids"][1:, :2],
        inputs["topic_vectors"][1:, :2],
    )
    torch.testing.assert_close(whole.logits[1:], alone.logits)
    torch.testing.assert_close(whole.logits.exp().sum(-1), torch.ones(2, 4))
    if model.config.topic_attention:
        torch.testing.assert_close(whole.topic_attention[1:, :, :2], alone.topic_attention)
        torch.testing.assert_close(whole.topic_attention.sum(-1), torch.ones(2, 4))
    assert not whole.topic_attention[1, :, 2:].any()


def test_padding_is_no_topic_word():
    model = network()
    inputs = example(model.config)
    ids = torch.tensor([[4, 4, 0], [5, 0, 0]])
    memory, _ = model.encode(inputs["source_ids"], None, ids, torch.rand(2, 3, 4), ids > 0)
    assert memory.is_topic.nonzero().tolist() == [[0, 4], [1, 5]]


def test_topics_are_what_the_replies_look_at():
    model = network()
    inputs = example(model.config)
    other = {**inputs, "topic_vectors": inputs["topic_vectors"] * 4}
    assert not torch.allclose(model(**inputs).logits, model(**other).logits)
    plain = network(topic_attention=False)
    assert torch.equal(plain(**inputs).logits, plain(**other).logits)


def test_replies_can_be_searched_for():
    model = network()
    inputs = example(model.config)
    found = greedy_search(model, inputs["source_ids"], max_lengths=6)
    assert found.tokens.shape == (2, 1, 6)


def test_errors():
    inputs = example(TopicAwareConfig(**SMALL))
    with pytest.raises(zoo.InputError, match="topic_vectors of shape"):
        network()(**{**inputs, "topic_vectors": inputs["topic_vectors"][..., :2]})
    with pytest.raises(zoo.InputError, match="topic_ids holds"):
        network()(**{**inputs, "topic_ids": inputs["topic_ids"] + 15})
    with pytest.raises(zoo.ConfigError, match="odd"):
        TopicAwareConfig(dim=7, readout="maxout")


def test_topics_are_found_again():
    """Messages of planted topics, with words that are everywhere: the given words are those of the message's topic."""
    batch = draw(400, torch.Generator().manual_seed(0), trained=True)
    messages = batch["source_ids"].tolist()
    model = learn_topics(messages, FIRST + FILLERS + 8 * WORDS, 8, sweeps=15, num_common=FILLERS, words=5)
    pure = 0.0
    for message in messages[:50]:
        ids, vectors = model(message)
        torch.testing.assert_close(vectors.sum(-1), torch.ones(len(ids)))
        true = next((word - FIRST - FILLERS) // WORDS for word in message if word >= FIRST + FILLERS)
        pure += sum((word - FIRST - FILLERS) // WORDS == true for word in ids.tolist()) / len(ids)
    assert pure / 50 > 0.75
    with pytest.raises(zoo.InputError, match="0 messages"):
        learn_topics([], 5, 2)


def test_topic_words_can_be_kept_from_being_said():
    counts = np.array([[5.0, 0.0], [4.0, 0.0], [0.0, 6.0], [0.0, 1.0]])
    model = TopicModel(counts, counts.sum(0), np.zeros(4), frozenset(), 3, 0.1, unsaid=frozenset([0]))
    assert model.topic([0, 0]) == 0
    words, vectors = model([0])
    assert words.tolist() == [1]
    assert vectors.tolist() == [[1.0, 0.0]]
    assert model([3])[0].tolist() == [2, 3]


def test_messages_bring_their_topic_words():
    known = {"my printer does not work": "tech_support", "i feel sad": "emotion", "who wrote hamlet": "literature"}
    for message, topic in known.items():
        assert conversations.TOPICS[conversations.topics().topic(conversations.encode(message))] == topic
    batch = conversations.topic_batch(["i feel sad", "who wrote it"])
    assert batch["topic_ids"].shape == batch["topic_mask"].shape
    alone, _ = conversations.topic_words("i feel sad")
    assert batch["topic_ids"][0][batch["topic_mask"][0]].tolist() == alone.tolist()
    with pytest.raises(zoo.InputError, match="no word"):
        conversations.encode("  ")


def test_distinct_words():
    assert distinct([["a", "b", "a"], ["a", "b"]], 1) == pytest.approx(2 / 5)
    assert distinct([["a", "b", "a"], ["a", "b"]], 2) == pytest.approx(2 / 3)


def test_replies_to_a_message():
    model = zoo.load("ta-seq2seq/chatterbot")
    found = predict(model, model.config, "I am as yet incapable of feeling fear.")
    assert found["topic"] == "emotion"
    assert set(found["reply"].strip(".?!").split()) & set(found["topic words"])
    assert found["attention"].size[0] > 600
    with pytest.raises(zoo.InputError, match="no word"):
        predict(model, model.config, "  ")
    small = network()
    with pytest.raises(zoo.InputError, match="preset 'chatterbot'"):
        predict(small, small.config, "hello")
