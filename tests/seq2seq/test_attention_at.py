"""Adversarial training of attention: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model
from zoo_seq2seq.attention_at.config import AttentionATConfig
from zoo_seq2seq.attention_at.method import AttentionAT, example
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.exposed import expose
from zoo_seq2seq.keywords import KEYWORDS, SMALL, draw
from zoo_seq2seq.perturbing import differences, losses, of_length
from zoo_seq2seq.sentences import accuracy, agreement, clean_loss, fit, gradient_importance

IDS = torch.tensor([[3, 4, 5, 6, 7], [8, 9, 3, 0, 0]])
MASK = IDS > 0
LABELS = torch.tensor([1, 0])


def model(**options) -> AttentionClassifier:
    torch.manual_seed(0)
    built = AttentionClassifier(
        AttentionClassifierConfig(**{"vocab_size": 30, "embedding_dim": 10, "hidden_dim": 6} | options)
    )
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(2)
    return built.eval()


def test_parameter_counts():
    lstm = 2 * 4 * 128 * (300 + 128 + 2)
    attention, output = 256 * 128 + 128 + 128, 256 + 1
    assert zoo.info("attention-at-classifier/base").parameters == 30_000 * 300 + lstm + attention + output
    pair = 3 * (256 * 128 + 128) + 128 * 3 + 3
    assert zoo.info("attention-at-classifier/pair").parameters == 30_000 * 300 + 2 * lstm + attention + pair


@pytest.mark.parametrize("mode", ["at", "iat", "iat-unnormalised", "iat-released"])
def test_perturbations_have_the_norm_and_leave_padding_alone(mode):
    opened = model().expose(IDS, MASK)
    method = AttentionAT(AttentionATConfig(mode, 0.7))
    r, _ = method.perturbation(opened.proceed, opened.scores, LABELS, MASK)
    torch.testing.assert_close(r.norm(dim=1), torch.full((2,), 0.7))
    assert not r[1, 3:].any()
    alone = model().expose(IDS[1:, :3])
    other, _ = method.perturbation(alone.proceed, alone.scores, LABELS[1:])
    torch.testing.assert_close(r[1:, :3], other, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        risen = losses(opened.proceed(opened.scores + 0.05 * r), LABELS) - losses(opened.proceed(opened.scores), LABELS)
    assert bool((risen < 0).all()) if mode == "iat-released" else bool((risen > 0).all())


def test_perturbation_is_the_gradient_of_each_sentence():
    opened = model().expose(IDS[:1])
    scores = opened.scores.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(losses(opened.proceed(scores), LABELS[:1]).sum(), scores)
    r, found = AttentionAT(AttentionATConfig(epsilon=2.0)).perturbation(opened.proceed, opened.scores, LABELS[:1])
    torch.testing.assert_close(found, gradient)
    torch.testing.assert_close(r, 2 * gradient / gradient.norm())


def test_differences():
    scores = torch.tensor([[1.0, 3.0, 3.0, 9.0]])
    plain = differences(scores, torch.tensor([[True, True, True, False]]), normalized=False)
    assert plain[0].tolist() == [[0, -2, -2, 0], [2, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]
    unit = differences(torch.tensor([[2.0, 2.0]]), None)
    assert not unit.any()
    assert of_length(torch.zeros(2, 3), 5.0).tolist() == torch.zeros(2, 3).tolist()


def test_the_loss_trains_through_both_terms_and_not_through_the_perturbation():
    built, method = model(), AttentionAT(AttentionATConfig(epsilon=1.0, weight=0.5))
    opened = built.expose(IDS, MASK)
    found = method.loss(opened.proceed, opened.scores, LABELS, MASK)
    torch.testing.assert_close(found.loss, found.clean + 0.5 * found.adversarial)
    assert not found.perturbation.requires_grad
    held = found.perturbation
    expected = losses(opened.proceed(opened.scores), LABELS).mean()
    expected = expected + 0.5 * losses(opened.proceed(opened.scores + held), LABELS).mean()
    weight = built.attention_layer.attn[2].weight
    ours, theirs = (torch.autograd.grad(each, weight, retain_graph=True)[0] for each in (found.loss, expected))
    torch.testing.assert_close(ours, theirs)


def test_positive_class_weight():
    logits = torch.tensor([0.3, -0.2])
    plain, weighted = losses(logits, LABELS), losses(logits, LABELS, weight=torch.tensor(3.0))
    torch.testing.assert_close(weighted, plain * torch.tensor([3.0, 1.0]))


def test_pairs_of_texts_and_entities():
    built = model(pair=True, num_classes=4)
    question, entities = torch.tensor([[5, 6], [7, 0]]), torch.tensor([[True, True, False, False]] * 2)
    found = built(IDS, MASK, question, question > 0, entities)
    assert found.logits.argmax(-1).max() < 2
    other = built(IDS, MASK, question.flip(1), question.flip(1) > 0, entities)
    assert not torch.equal(found.attention[0], other.attention[0])
    torch.testing.assert_close(found.attention[1], other.attention[1])
    opened = built.expose(IDS, MASK, question, question > 0)
    r, _ = AttentionAT(AttentionATConfig()).perturbation(opened.proceed, opened.scores, torch.tensor([3, 0]), MASK)
    assert bool((r.norm(dim=1) > 0.99).all())
    with pytest.raises(zoo.InputError, match="not given"):
        built(IDS)
    with pytest.raises(zoo.InputError, match="pair=False"):
        model()(IDS, query_ids=IDS)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_transformers_classifiers_are_exposed(family):
    bert = tiny_model(family, head="ForSequenceClassification")
    inputs = example(AttentionATConfig())["inputs"]
    inputs["input_ids"] = inputs["input_ids"].clamp(3, 60)
    opened = expose(bert, inputs)
    plain = bert(**inputs).logits
    torch.testing.assert_close(opened.proceed(opened.scores), plain, atol=1e-5, rtol=1e-4)
    # A constant on all scores is no change; one word's score is.
    torch.testing.assert_close(opened.proceed(opened.scores + 3), plain, atol=1e-5, rtol=1e-4)
    moved = opened.scores.clone()
    moved[:, 2] += 5
    assert float((opened.proceed(moved) - plain).abs().max()) > 1e-5
    r, gradient = AttentionAT(AttentionATConfig(epsilon=1.0)).perturbation(
        opened.proceed, opened.scores, LABELS, opened.mask
    )
    torch.testing.assert_close(r.norm(dim=1), torch.ones(2))
    assert not r[0, 7:].any()
    assert gradient.abs().max() > 0
    with torch.no_grad():
        before, after = (losses(opened.proceed(opened.scores + each), LABELS) for each in (0 * r, 0.1 * r))
    assert bool((after > before).all())


def test_attached_to_bert_it_gives_a_loss_that_trains():
    found = example(AttentionATConfig())
    bert = found["model"]
    with AttentionAT(AttentionATConfig()).attach(bert) as loss:
        total = loss(labels=LABELS, **found["inputs"]).loss
    total.backward()
    assert bert.bert.encoder.layer[-1].attention.self.query.weight.grad.abs().max() > 0


def test_keywords():
    data = draw(50, 0)
    assert data.keywords.sum(1).tolist() == [2] * 50
    marked = data.ids[data.keywords].view(50, 2)
    assert bool(((marked // KEYWORDS) == data.labels[:, None]).all())
    built = fit(SMALL, data, clean_loss, epochs=1)
    assert 0 <= accuracy(built, data) <= 1
    importance = gradient_importance(built, data.ids, data.labels)
    assert importance.shape == data.ids.shape
    found = agreement(AttentionClassifier(SMALL).eval(), data)
    assert -1 <= found.kendall <= 1
    assert -1 <= found.pearson <= 1


def test_errors():
    opened = model().expose(IDS, MASK)
    with pytest.raises(zoo.InputError, match="one each"):
        AttentionAT(AttentionATConfig()).loss(opened.proceed, opened.scores, torch.tensor([1]))
    with pytest.raises(zoo.InputError, match="no attention layer"):
        expose(torch.nn.Linear(2, 2), {})
    with pytest.raises(zoo.ConfigError, match="mode"):
        zoo.load("attention-at", mode="fgsm")
