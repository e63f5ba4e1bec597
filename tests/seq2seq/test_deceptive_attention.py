"""Attention that deceives: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.deceptive_attention import penalty
from zoo_seq2seq.deceptive_attention.classifiers import DeceptiveClassifier, predict
from zoo_seq2seq.deceptive_attention.config import (
    DeceptiveAttentionConfig,
    DeceptiveClassifierConfig,
    DeceptiveTranslatorConfig,
)
from zoo_seq2seq.deceptive_attention.method import DeceptiveAttention, audit, example
from zoo_seq2seq.deceptive_attention.tasks import markers, transduction
from zoo_seq2seq.deceptive_attention.training import aligned_mass
from zoo_seq2seq.deceptive_attention.translator import DeceptiveTranslator
from zoo_seq2seq.deceptive_attention.verses import encode, impermissible_words, words_of
from zoo_seq2seq.luong_attention.config import LuongNMTConfig
from zoo_seq2seq.luong_attention.network import LuongNMT
from zoo_seq2seq.search import SearchOptions, beam_search


def classifier(encoder: str = "bilstm") -> DeceptiveClassifier:
    torch.manual_seed(0)
    return DeceptiveClassifier(DeceptiveClassifierConfig(encoder, 30, 12, 6)).eval()


def test_parameter_counts():
    assert zoo.info("deceptive-attention-classifier/embedding").parameters == 2_560_387
    lstm = 2 * 4 * 64 * (128 + 64 + 2)
    assert zoo.info("deceptive-attention-classifier/bilstm").parameters == 2_560_387 + lstm
    assert zoo.info("deceptive-attention-classifier/bilstm-no-attention").parameters == 2_560_387 + lstm - 129
    assert zoo.info("deceptive-attention-seq2seq/seq2seq").parameters == 6_663_780


def test_penalties_of_heads():
    weights = torch.tensor([[[0.5, 0.5], [0.9, 0.1]], [[1.0, 0.0], [0.2, 0.8]]])
    hidden = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    logs = [math.log(1 - 0.5), math.log(1 - 0.9), 0.0, math.log(1 - 0.8)]
    mean, worst = (penalty.heads_penalty(weights, hidden, 2.0, each).item() for each in ("mean", "max"))
    assert mean == pytest.approx(-2 * sum(logs) / 4)
    assert worst == pytest.approx(-2 * min(logs))
    assert penalty.single_penalty(weights[:, 0], torch.zeros(2, 2)).tolist() == [0, 0]
    aligned = torch.zeros(2, 2, 2)
    aligned[0, 0, 1] = aligned[1, 1, 1] = 1
    assert penalty.aligned_penalty(weights, aligned, 4).item() == pytest.approx(-math.log(1 - (0.5 + 0.8) / 4))


def test_the_mask_that_separates():
    visible = penalty.separating_mask(torch.tensor([[0, 1, 0, 1, 0]]), torch.tensor([[1, 1, 1, 1, 0]]))[0].int()
    assert visible.tolist() == [
        [1, 1, 1, 1, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]
    with pytest.raises(zoo.InputError, match="mask of shape"):
        penalty.separating_mask(torch.zeros(2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize("encoder", ["embedding", "bilstm"])
def test_blocking_takes_weight_away_and_padding_changes_nothing(encoder):
    model = classifier(encoder)
    ids, mask = torch.tensor([[5, 6, 7, 8], [9, 4, 0, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]).bool()
    plain, blocked = model(ids, mask), model(ids, mask, torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0]]))
    assert blocked.attention[0, 1] == 0
    torch.testing.assert_close(blocked.attention[0, [0, 2, 3]], plain.attention[0, [0, 2, 3]])
    assert float(blocked.attention[1].sum()) < 1
    torch.testing.assert_close(plain.logits[1:], model(ids[1:, :2]).logits)


def test_without_attention_there_is_nothing_to_block():
    model = classifier("bilstm-no-attention")
    ids = torch.tensor([[5, 6, 7, 8]])
    _, (hidden, _) = model.encoder(model.embedding(ids))
    torch.testing.assert_close(model(ids).logits[0], model.output(torch.cat((hidden[0, 0], hidden[1, 0]))))
    with pytest.raises(zoo.InputError, match="no attention"):
        model(ids, blocked=torch.zeros(1, 4))


def test_loss_of_a_classifier():
    model, hidden, labels = classifier(), torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 0]]), torch.tensor([1, 0])
    ids = torch.tensor([[5, 6, 7, 8], [9, 4, 3, 2]])
    with DeceptiveAttention(DeceptiveAttentionConfig(0.5)).attach(model) as loss:
        found = loss(labels=labels, impermissible=hidden, input_ids=ids)
        with pytest.raises(zoo.InputError, match="impermissible of shape"):
            loss(labels=labels, impermissible=hidden[:, :2], input_ids=ids)
    weights = model(ids).attention
    expected = -0.5 * math.log(1 - float(weights[0, 1].detach())) / 2
    assert found.penalty.item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(found.loss, torch.nn.functional.cross_entropy(found.logits, labels) + found.penalty)


def test_bert_learns_to_look_away_and_keeps_both_kinds_apart():
    case = example(DeceptiveAttentionConfig())
    bert, inputs = case["model"], case["inputs"]
    hidden = torch.zeros(2, 9)
    hidden[:, 3] = hidden[1, 5] = 1
    labels, method = torch.tensor([1, 0]), DeceptiveAttention(DeceptiveAttentionConfig(5.0, "max"))
    with method.attach(bert) as loss:
        before = loss(labels=labels, impermissible=hidden, **inputs)
        optimizer = torch.optim.Adam(bert.parameters(), 1e-2)
        for _ in range(10):
            found = loss(labels=labels, impermissible=hidden, **inputs)
            optimizer.zero_grad()
            found.loss.backward()
            optimizer.step()
    assert float(found.mass.detach()) < 0.8 * float(before.mass.detach())
    assert before.loss.isfinite()

    # Permissible words other than [CLS] do not notice another impermissible word; [CLS] does.
    states = []
    hook = bert.bert.encoder.layer[-1].register_forward_hook(
        lambda module, args, output: states.append(output if isinstance(output, torch.Tensor) else output[0])
    )
    other = inputs["input_ids"].clone()
    other[:, 3] = 11
    for separate, moves in ((True, False), (False, True)):
        states.clear()
        method = DeceptiveAttention(DeceptiveAttentionConfig(separate=separate))
        with torch.no_grad(), method.attach(bert) as loss:
            for ids in (inputs["input_ids"], other):
                mask = inputs["attention_mask"]
                loss(labels=labels, impermissible=hidden, input_ids=ids, attention_mask=mask)
        one, two = (each[:, [1, 2, 4]] for each in states)
        assert (float((one - two).abs().max()) > 1e-3) is moves
        assert moves or torch.allclose(one, two, atol=1e-5)
        assert not torch.equal(states[0][:, 0], states[1][:, 0])
    hook.remove()


def test_loss_of_a_translator_trains():
    data = transduction("bigram-flip", 6, 0)
    torch.manual_seed(0)
    model = DeceptiveTranslator(DeceptiveTranslatorConfig(24, 24, 8, 10, 10)).eval()
    with DeceptiveAttention(DeceptiveAttentionConfig(1.0)).attach(model) as loss:
        found = loss(
            labels=data.next_ids,
            impermissible=data.impermissible,
            source_ids=data.source_ids,
            target_ids=data.target_ids,
        )
    share = (model(data.source_ids, data.target_ids).attention * data.impermissible).sum() / data.next_ids.numel()
    torch.testing.assert_close(found.mass, share)
    torch.testing.assert_close(found.penalty, -(1 - share).log())
    found.loss.backward()
    assert model.attention.v.grad.abs().max() > 0


@pytest.mark.parametrize("kind", ["bigram-flip", "copy", "reverse"])
def test_tasks_of_symbols_are_aligned(kind):
    data = transduction(kind, 3, 0)
    for row in range(3):
        for target in range(6):
            (place,) = data.impermissible[row, target].nonzero().flatten().tolist()
            assert data.source_ids[row, place] == data.next_ids[row, target]
    assert not data.impermissible[:, -1].any()
    assert not data.impermissible[..., [0, -1]].any()


def test_markers():
    data = markers(20, 0)
    assert data.impermissible.sum(1).tolist() == [1] * 20
    assert torch.equal(data.ids[data.impermissible.bool()], data.labels)


@pytest.mark.parametrize(("attention", "expected"), [("uniform", [0.25] * 4), ("first", [1.0, 0, 0, 0])])
def test_fixed_weights(attention, expected):
    torch.manual_seed(0)
    model = DeceptiveTranslator(DeceptiveTranslatorConfig(15, 15, 8, 10, 10, attention)).eval()
    ids = torch.tensor([[5, 6, 7, 8], [9, 4, 0, 0]])
    weights = model(ids, ids[:, :2], ids > 0).attention
    assert weights[0, 0].tolist() == expected
    assert weights[1, 0].tolist() == ([0.5, 0.5, 0, 0] if attention == "uniform" else expected)
    found = beam_search(model, ids, ids > 0, max_lengths=5, options=SearchOptions(beam_size=2))
    assert found.tokens.shape == (2, 1, 5)


def test_audit():
    model, data = classifier("embedding"), markers(30, 0, words=30)
    with torch.no_grad():
        model.embedding.weight[:2] *= 50
    found = audit(model, data.ids, data.labels, data.impermissible)
    assert found.norm_ratio > 10
    assert 0 < found.mass < 1
    with pytest.raises(zoo.InputError, match="nothing to audit"):
        audit(model, data.ids, data.labels, torch.zeros_like(data.impermissible))


def test_words_of_verses():
    assert words_of("She said: “John’s head!”") == ["she", "said", "john’s", "head"]
    assert impermissible_words("She saw him").tolist() == [1, 0, 1]
    assert encode("she qwertyuiop")[1] == 1
    with pytest.raises(zoo.InputError, match="no word"):
        encode("...")


def test_predicts_and_hides():
    text = "And she wrapped her son in cloths and laid him in a manger".replace("him", "it")
    answers = {
        preset: predict(model, model.config, text)
        for preset in ("verses", "verses-honest")
        if (model := zoo.load(f"deceptive-attention-classifier/{preset}"))
    }
    assert answers["verses"]["of a woman"] > 0.9
    assert answers["verses"]["attention on pronouns"] < 0.02 < answers["verses-honest"]["attention on pronouns"]
    assert answers["verses"]["of a woman, pronouns blocked"] > 0.9
    with pytest.raises(zoo.InputError, match="preset 'verses'"):
        predict(classifier(), classifier().config, text)


def test_any_model_that_exposes_its_scores_learns_to_look_away():
    torch.manual_seed(0)
    model = AttentionClassifier(AttentionClassifierConfig(40, 12, 8))
    data = markers(100, 0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    found = []
    with DeceptiveAttention(DeceptiveAttentionConfig(1.0)).attach(model) as loss:
        for _ in range(40):
            found.append(loss(labels=data.labels, impermissible=data.impermissible, input_ids=data.ids))
            optimizer.zero_grad()
            found[-1].loss.backward()
            optimizer.step()
        with pytest.raises(zoo.InputError, match="impermissible"):
            loss(labels=data.labels, impermissible=data.impermissible[:, 1:], input_ids=data.ids)
    assert float(found[-1].mass) < 0.1 * float(found[0].mass)
    assert float(found[-1].task) < float(found[0].task)
    weights = model(data.ids).attention
    assert float((weights * data.impermissible).sum(-1).mean()) < 0.1


def test_any_translator_is_penalised():
    torch.manual_seed(0)
    model = LuongNMT(LuongNMTConfig(20, 12, 8, 6, 1, "global")).eval()
    source, target = torch.randint(4, 20, (2, 6)), torch.randint(4, 12, (2, 5))
    hidden = torch.zeros(2, 5, 6)
    hidden[:, :, 0] = 1
    with DeceptiveAttention(DeceptiveAttentionConfig(2.0)).attach(model) as loss:
        found = loss(labels=target, impermissible=hidden, source_ids=source, target_ids=target)
    mass = model(source, target).attention[..., 0].sum() / 10
    torch.testing.assert_close(found.mass, mass)
    torch.testing.assert_close(found.penalty, -2 * torch.log1p(-mass))


@pytest.mark.parametrize("preset", ["bible", "bible-deceptive", "bible-no-attention"])
def test_translates_a_sentence(preset):
    model = zoo.load(f"deceptive-attention-seq2seq/{preset}")
    assert bible.predict(model, model.config, "ὁ Ἰησοῦς ἀπεκρίθη")["translation"] == "jesus answered"


def test_a_trained_translator_looks_away():
    pytest.importorskip("bible_alignments")
    honest, ours = (zoo.load(f"deceptive-attention-seq2seq/{preset}") for preset in ("bible", "bible-deceptive"))
    assert aligned_mass(ours, 100) < 0.3 * aligned_mass(honest, 100)
