from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo.nn.positions import sinusoidal_positions
from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier, random_documents
from zoo_interpret.attention_posthoc.closed_forms import autograd_gradient, gradient, lime_positions
from zoo_interpret.attention_posthoc.config import ClassifierConfig, PosthocConfig
from zoo_interpret.attention_posthoc.lime import kernel, lime, presence, ridge_regression
from zoo_interpret.attention_posthoc.probe import AttentionPosthoc, example
from zoo_interpret.attention_posthoc.training import accuracy, encode, fit, vocabulary

TINY = ClassifierConfig(40, 16, 8, 8, 3, 2, 20)


def classifier(seed: int = 0, config: ClassifierConfig = TINY) -> MultiHeadClassifier:
    torch.manual_seed(seed)
    return MultiHeadClassifier(config).eval()


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"positional": False}, {"num_heads": 1, "num_classes": 3}])
def test_the_formula_is_the_gradient_for_every_config(options):
    config = ClassifierConfig(**{**vars(TINY), **options})
    model, ids = classifier(1, config), random_documents(config, 3, 9)
    torch.testing.assert_close(gradient(model, ids, 0), autograd_gradient(model, ids, 0, constant_query=True))
    torch.testing.assert_close(gradient(model, ids, 0)[:, 1:], autograd_gradient(model, ids, 0)[:, 1:])


def test_positions_are_sines_and_cosines_of_falling_frequency():
    table = sinusoidal_positions(5, 4)
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    torch.testing.assert_close(table[3], torch.tensor([np.sin(3), np.cos(3), np.sin(0.03), np.cos(0.03)]).float())


def test_a_masked_document_is_that_without_its_padding():
    model, ids = classifier(), random_documents(TINY, 2, 9)
    padded = torch.nn.functional.pad(ids, (0, 4), value=1)
    mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 4)).bool()
    torch.testing.assert_close(model(padded, mask), model(ids))
    assert not torch.allclose(model(padded), model(ids))
    assert model(ids, torch.zeros_like(ids).bool()).tolist() == [[0.0, 0.0]] * 2
    with pytest.raises(zoo.InputError, match="one flag per token"):
        model(ids, mask)
    with pytest.raises(zoo.InputError, match="max_length=20"):
        model(random_documents(TINY, 1, 21))
    with pytest.raises(zoo.ConfigError, match="odd"):
        ClassifierConfig(dim=15)
    with pytest.raises(zoo.InputError, match="2 classes"):
        gradient(model, ids, 2)


def test_words_that_are_unk_already_change_nothing():
    model, ids = classifier(), random_documents(TINY, 1, 9)
    ids[0, 4:] = 1
    same = lime_positions(model, torch.cat((ids[:, :1], torch.ones(1, 8, dtype=torch.long)), 1), 1)
    torch.testing.assert_close(same, torch.zeros_like(same))
    found = lime(lambda documents: model(documents)[:, 1], ids[0], torch.arange(9) > 0, 1, samples=60)
    assert found.tokens[0] == 1
    assert abs(float(found.coefficients[0])) < 2e-3


def test_lime_recovers_a_linear_score_and_its_sampling_is_what_it_says():
    truth = torch.tensor([0.0, 0.0, 3.0, -2.0, 0.5])

    def score(documents):
        return sum((documents == word).any(1) * truth[word] for word in (2, 3, 4)) + 1.0

    ids = torch.tensor([0, 3, 2, 2, 4])
    found = lime(score, ids, torch.arange(5) > 0, 1, samples=200, penalty=0.0)
    assert found.tokens.tolist() == [2, 3, 4]
    torch.testing.assert_close(found.coefficients, truth[2:].double())
    assert found.intercept == pytest.approx(1.0)
    kept = presence(7, 500, seed=3)
    assert kept[0].all()
    assert kept[1:].sum(1).max() == 6
    assert kept.sum(1).min() == 0
    weights = kernel(kept, 0.25)
    assert weights[0] == 1.0
    assert weights.min() == pytest.approx(np.exp(-8))
    assert set(kernel(kept, 0)) == {1.0}
    with pytest.raises(zoo.InputError, match="nothing for LIME"):
        lime(score, ids, torch.zeros(5, dtype=torch.bool), 1)


def test_regression_is_that_of_sklearn():
    ridge = pytest.importorskip("sklearn.linear_model").Ridge
    random = np.random.RandomState(0)
    x, y, weights = random.rand(30, 4), random.rand(30), random.rand(30)
    expected = ridge(alpha=0.7).fit(x, y, sample_weight=weights)
    found, intercept = ridge_regression(x, y, weights, 0.7)
    np.testing.assert_allclose(found, expected.coef_, atol=1e-9)
    assert intercept == pytest.approx(float(expected.intercept_))


def test_the_probe_gives_the_classifiers_own_numbers():
    model, ids = classifier(), random_documents(TINY, 2, 11)
    found = AttentionPosthoc(PosthocConfig(samples=300))(model, {"input_ids": ids})
    expected = autograd_gradient(model, ids, 1)
    torch.testing.assert_close(found.gradient_l2, expected.norm(dim=-1))
    torch.testing.assert_close(found.gradient_x_input, (expected * model.embedding(ids)).sum(-1).detach())
    torch.testing.assert_close(found.attention.sum(-1), torch.ones(2, 3))
    assert float(found.lime[:, 0].abs().sum()) == 0
    with pytest.raises(zoo.InputError, match="one layer"):
        AttentionPosthoc(PosthocConfig(query=3))(model, {"input_ids": ids})


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama"])
def test_any_architecture_is_explained_and_batches_change_nothing(family, tmp_path):
    model, tokenizer = tiny_model(family), tiny_tokenizer(ends=True)
    probe = AttentionPosthoc(PosthocConfig(samples=20, mask_id=5, query=1, explained_class=7))
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    texts = ["w5 w6 w7 w5", "w8 w9", "w11 w12 w13"]
    lines: list[str] = []
    whole = probe(model, texts, tokenizer, batch_size=2, log=lines.append)
    assert lines == ["2 texts", "3 texts"]
    for index, text in enumerate(texts):
        alone = probe(model, text, tokenizer)
        for name in whole.arrays():
            mine = getattr(whole, name)[index]
            mine = mine[..., : getattr(alone, name).shape[-1]] if mine.ndim else mine
            torch.testing.assert_close(mine, getattr(alone, name)[0], atol=1e-5, rtol=1e-3)
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in state.items())
    whole.save(tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["axes"]["attention"] == ["document", "head", "token"]
    whole.save(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open() as file:
        lines_of_head = [row for row in csv.DictReader(file) if row["array"] == "attention"]
    assert len(lines_of_head) == whole.attention.numel()
    assert lines_of_head[1]["token"] == "1"


def test_the_gradient_of_words_is_that_of_small_changes():
    model = tiny_model("bert", head="ForSequenceClassification", num_labels=2).double()
    ids = torch.tensor([[5, 6, 7, 8]])
    found = AttentionPosthoc(PosthocConfig(samples=5, mask_id=1))(model, {"input_ids": ids})
    words = model.get_input_embeddings().weight
    with torch.no_grad():
        before, step = model(input_ids=ids).logits[0, 1], 1e-5
        words[6] += step
        after = model(input_ids=ids).logits[0, 1]
    assert float(found.gradient_mean[0, 1]) * words.shape[1] == pytest.approx(float((after - before) / step), rel=1e-3)


def test_what_cannot_be_explained_is_named():
    case = example(PosthocConfig())
    with pytest.raises(zoo.InputError, match="mask_id="):
        AttentionPosthoc(PosthocConfig(samples=5))(**case)
    with pytest.raises(zoo.InputError, match="explained_class=4: there are 2 classes"):
        AttentionPosthoc(PosthocConfig(explained_class=4, mask_id=1))(**case)
    with pytest.raises(zoo.InputError, match="no texts"):
        AttentionPosthoc(PosthocConfig())(case["model"], [])
    with pytest.raises(zoo.InputError, match="need token ids"):
        AttentionPosthoc(PosthocConfig())(case["model"], {"inputs_embeds": torch.zeros(1, 3, 32)})
    vit = tiny_model("vit")
    with pytest.raises(zoo.InputError, match="need token ids"):
        AttentionPosthoc(PosthocConfig())(vit, torch.zeros(1, 3, 16, 16))


def test_training_finds_the_words_that_decide_and_keeps_the_best_epoch():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(240) % 2
    fillers = torch.randint(20, (240, 6), generator=generator)
    texts = [
        f"{'good' if label else 'bad'} " + " ".join(f"w{index}" for index in row.tolist())
        for label, row in zip(labels, fillers, strict=True)
    ]
    words = vocabulary(texts[:160], 12)
    assert len(words) == 10
    assert {"good", "bad"} <= words.keys()
    ids = encode(texts, words, 9)
    assert ids[:, 0].eq(0).all()
    assert ids[:, 8].eq(1).all(), "padding is UNK"
    assert encode(["good bad unheard"], words, 3).tolist() == [[0, words["good"], words["bad"]]]
    model = classifier(0, ClassifierConfig(12, 16, 8, 8, 3, 2, 9))
    parts = [(ids[rows], labels[rows]) for rows in (slice(0, 160), slice(160, 200), slice(200, 240))]
    accuracies = fit(model, parts[0], parts[1], epochs=8, learning_rate=1e-2)
    assert accuracy(model, *parts[1]) == max(accuracies)
    assert accuracy(model, *parts[2]) == 1.0
    found = AttentionPosthoc(PosthocConfig(samples=200))(model, {"input_ids": parts[2][0]})
    assert bool((found.lime[:, 1] > 0).eq(parts[2][1].bool()).all()), "the deciding word speaks for or against"
    with pytest.raises(zoo.InputError, match="0 training"):
        fit(model, (ids[:0], labels[:0]), parts[1])
