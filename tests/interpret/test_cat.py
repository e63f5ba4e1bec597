from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import zoo
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo_interpret.cat import stg, stg_h, words
from zoo_interpret.cat.benchmark import SpuriousTokenGame, final_answer, knows_causes
from zoo_interpret.cat.config import FORMS, CatConfig, StgConfig
from zoo_interpret.cat.loss import re_attention_loss, row_means
from zoo_interpret.cat.masks import build_causal_mask, supervised
from zoo_interpret.cat.tuning import CausalAttentionTuning


def rows(*weights):
    """One sample of three tokens whose last rows are given."""
    table = torch.zeros(1, 3, 3)
    table[0, 0, 0] = 1.0
    for index, row in enumerate(weights, start=1):
        table[0, index, : len(row)] = torch.tensor(row)
    return table


def test_losses_by_hand():
    attention = rows([0.8, 0.2], [0.5, 0.3, 0.2])
    mask = torch.zeros(1, 3, 3)
    mask[0, 1, 1], mask[0, 2, 0] = 1, 1
    m1, m0, valid = row_means(attention, mask)
    assert valid.tolist() == [[False, True, True]]
    torch.testing.assert_close(m1[0, 1:], torch.tensor([0.2, 0.5]))
    torch.testing.assert_close(m0[0, 1:], torch.tensor([0.8, 0.25]))
    # Ratios 0.25 and 2: the second row costs nothing, and is counted.
    expected = {
        "div": -math.log(1.2) / math.log(1.8),
        "div2": -math.log(1 + 0.2 / 1.8),
        "nll": -0.2,
        "hinge": 1.75,
    }
    for form, value in expected.items():
        assert float(re_attention_loss(attention, mask, form=form)) == pytest.approx(value / 2, rel=1e-5)
    # The mean ratio is 1.125; the last row pays.
    smoothed = {
        "div": -math.log(1.5) / math.log(1.25),
        "div2": -math.log(1 + 0.5 / 1.25),
        "nll": -0.5 / 0.75,
        "hinge": 0.875,
    }
    for form, value in smoothed.items():
        found = re_attention_loss(attention, mask, form=form, reduction="smoothed")
        assert float(found) == pytest.approx(value, rel=1e-5)


def test_rows_that_do_not_count():
    attention = rows([0.8, 0.2], [0.5, 0.3, 0.2])
    for places in ((), ((1, 2),), ((0, 0),), ((1, 0), (1, 1)), ((2, 0), (2, 1), (2, 2))):
        mask = torch.zeros(1, 3, 3)
        for place in places:
            mask[0][place] = 1
        for reduction in ("rows", "smoothed"):
            found = re_attention_loss(attention.requires_grad_(), mask, reduction=reduction)
            assert float(found.detach()) == 0.0
            found.backward()
    above = torch.zeros(1, 3, 3)
    above[0, 1, 1] = above[0, 1, 2] = 1
    assert row_means(attention, above)[2].tolist() == [[False, True, False]], (
        "above the diagonal it counts in the sum alone"
    )
    with pytest.raises(zoo.InputError, match="expected \\(B, T, T\\)"):
        re_attention_loss(attention[0], above[0])
    with pytest.raises(zoo.InputError, match="form='log'"):
        re_attention_loss(attention, above, form="log")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reduction", ["rows", "smoothed"])
def test_a_loss_has_a_gradient_and_its_samples_are_alone(form, reduction):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 8, 8, generator=generator).tril().masked_fill(~torch.ones(8, 8).tril().bool(), -torch.inf)
    attention = scores.softmax(-1).requires_grad_()
    mask = (torch.rand(3, 8, 8, generator=generator) > 0.6).float()
    loss = re_attention_loss(attention, mask, alpha=50.0, form=form, reduction=reduction)
    (gradient,) = torch.autograd.grad(loss, attention)
    assert bool(torch.isfinite(gradient).all())
    assert bool((gradient != 0).any())
    order = torch.tensor([2, 0, 1])
    moved = re_attention_loss(attention[order], mask[order], alpha=50.0, form=form, reduction=reduction)
    torch.testing.assert_close(moved, loss)


def test_masks_find_words_where_the_text_has_them():
    def encode(text):
        return text.replace(" ", " _").split()

    text = "smoke is 3 and age is 5 so risk high"
    found = build_causal_mask(text, [{"risk high": ["smoke is 3", "age is 5", "nowhere"]}], encode)
    tokens = encode(text)
    assert len(tokens) == 10
    expected = torch.zeros(10, 10)
    expected[7:9, 0:3] = expected[7:9, 4:7] = 1
    assert torch.equal(found, expected), "rows are those of the queries before the target's tokens"
    early = build_causal_mask(text, [{"age is 5": ["smoke is 3"]}, {"so": ["age is 5"]}], encode)
    assert early[3:6, :3].sum() == 9
    assert early.sum() == 9, "a target must not follow its cause at once"
    assert build_causal_mask(text, [{"smoke is 3": ["risk high"]}], encode).sum() == 0, "causes come first"
    pieces = build_causal_mask(
        text,
        [{"_risk high": ["x_age is 5"]}],
        lambda t: ["_", *encode(t)] if t != text else encode(t),
        style="sentencepiece",
    )
    assert pieces.shape == (10, 10)
    with pytest.raises(zoo.InputError, match="style"):
        build_causal_mask(text, [{"so": ["age is 5"]}], encode, style="words")
    with pytest.raises(zoo.InputError, match="no tokenizer"):
        build_causal_mask(text, [], 3)


def test_masks_from_a_tokenizer_of_transformers():
    found = build_causal_mask("w5 w6 w7 w8 w9", [{"w9": ["w5 w6"]}], tiny_tokenizer())
    assert found.nonzero().tolist() == [[3, 0], [3, 1]]
    wide = build_causal_mask("w5 w6 w7 w8 w9", [{"w8 w9": ["w5"]}], tiny_tokenizer(), below_diagonal=True)
    assert wide.nonzero().tolist() == [[2, 0], [3, 0]]


def test_labels_leave_the_question_out():
    ids, labels = supervised([5, 6, 7], [8, 9], 0, ends=2)
    assert ids.tolist() == [5, 6, 7, 8, 9, 0, 0]
    assert labels.tolist() == [-100, -100, 7, 8, 9, 0, 0]


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "phi3"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_attention_is_collected_with_its_gradient_and_the_model_comes_back(family, implementation):
    model = tiny_model(family, attn_implementation=implementation)
    ids = torch.arange(3, 15).view(2, 6)
    with torch.no_grad():
        base = model(input_ids=ids).logits
    maps = torch.stack(attention_maps(model, ids)).mean((0, 2))
    tuning = CausalAttentionTuning(CatConfig(alpha=5.0))
    with tuning.attach(model) as mean:
        with pytest.raises(zoo.InputError, match="no attention yet"):
            mean.maps()
        for _ in range(2):
            model(input_ids=ids)
    torch.testing.assert_close(mean.maps(), maps)
    mask = torch.zeros(2, 6, 6)
    mask[:, 3:, 1] = 1
    mean.loss(mask).backward()
    assert any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters())
    with torch.no_grad():
        with pytest.raises(RuntimeError), tuning.attach(model):
            raise RuntimeError
        assert torch.equal(model(input_ids=ids).logits, base)


def test_tuning_turns_attention_and_gamma_decays(tmp_path):
    samples = stg.draw(16, 0, 0)[0]
    batch = words.batch(samples)
    model = tiny_model("llama", vocab_size=len(words.VOCABULARY) + 1)
    tuning = CausalAttentionTuning(CatConfig(gamma=2.0, loss_decay_rate=0.5, form="hinge"))
    lines: list[str] = []
    history = tuning.tune(model, lambda: [batch] * 4, epochs=3, learning_rate=1e-2, log=lines.append)
    assert history.gamma.tolist() == [2.0, 1.0, 0.5]
    assert history.ratio[-1] > history.ratio[0]
    assert history.lm_loss[-1] < history.lm_loss[0]
    assert len(lines) == 3
    assert not model.training
    history.plot(tmp_path / "history.png")
    history.save(tmp_path / "history.json")
    plain = tuning.tune(model, lambda: [words.batch(samples, causal=False)], epochs=1)
    assert plain.re_attention_loss.tolist() == [0.0]
    with pytest.raises(zoo.InputError, match="no batches"):
        tuning.tune(model, list, epochs=1)


def test_texts_are_the_recorded_ones():
    path = Path(__file__).parents[1] / "golden" / "cat" / "stg.safetensors"
    with safe_open(path, "pt") as file:
        call, seed = json.loads(file.metadata()["call"]), int(file.get_tensor("input.seed")[0])
    sample = stg.draw(1, 0, seed)[0][0]
    assert (sample.question, sample.label) == (call["iid_text_0"], call["iid_target_0"])
    assert stg_h.draw(1, 0, seed)[0][0].question == call["stg_h_text_0"]


def test_causes_of_a_sample_come_in_order_of_appearance():
    sample = stg.draw(1, 0, 7)[0][0]
    (causes,) = sample.adjacency[0].values()
    assert [cause.partition(":")[0] for cause in causes] == [
        stg.WORDS[index] for index in sample.order if stg.WORDS[index] in stg.CAUSAL
    ]
    harder = stg_h.draw(1, 0, 7)[0][0]
    (causes,) = harder.adjacency[0].values()
    assert len(causes) == 6
    assert all(cause in harder.question for cause in causes)


def test_the_label_is_the_rule_of_the_causes():
    assert stg.risk(10, 10, 1) == "High Risk"
    assert stg.risk(5, 3, 2) == "Low Risk", "6.1 is no Middle Risk in the code"
    assert stg.risk(5, 3, 2, middle_band=True) == "Middle Risk"
    assert stg.risk(1, 1, 5, middle_band=True) == "Low Risk"
    band = SpuriousTokenGame(StgConfig(middle_band=True))
    labels = [case.answer for case in band.cases()]
    assert labels.count("Middle Risk") > 50
    index = [sample.index for sample in stg_h.draw(200, 200, 0)[0]]
    assert 0 <= min(index) < max(index) <= 100


@pytest.mark.parametrize("game", ["stg", "stg_h"])
def test_the_benchmark_scores_exact_answers(game):
    benchmark = SpuriousTokenGame(StgConfig(game=game, train_samples=20, iid_samples=5, ood_samples=5, pool=30))
    cases = list(benchmark.cases())
    assert len(cases) == 10
    assert len(benchmark.training) == 20
    assert cases[0].sample not in benchmark.training
    assert benchmark.run(lambda case: f" {case.answer}\n") == {"iid_accuracy": 1.0, "ood_accuracy": 1.0}
    assert benchmark.score({"iid/0": cases[0].answer}) == {"iid_accuracy": 0.2, "ood_accuracy": 0.0}
    with pytest.raises(zoo.InputError, match="no/1"):
        benchmark.score({"no/1": ""})
    if game == "stg":
        assert benchmark.run(knows_causes)["ood_accuracy"] == 1.0
    with pytest.raises(zoo.ConfigError, match="pool=10"):
        StgConfig(pool=10)
    assert final_answer("so #### 42 ") == "42"


def test_the_tiny_tokenizer_knows_the_game():
    sample = stg.draw(3, 3, 0)[1][2]
    ids = words.encode(f"{sample.question} {sample.label}")
    assert words.decode(ids).endswith(f"Answer : {sample.label}")
    assert len({len(words.encode(each.question)) for each in stg.draw(20, 20, 1)[0]}) == 1
    found = words.batch([sample])
    assert found["labels"][0][found["labels"][0] != -100].tolist() == [*words.encode(sample.label), words.END]
    causes = found["causal_mask"][0].nonzero()
    assert {words.decode([int(found["input_ids"][0, key])]) for _, key in causes.tolist()} >= set(stg.CAUSAL)
    assert random.Random(0).randint(1, 10) == stg.draw(1, 0, 0)[0][0].values[0]
