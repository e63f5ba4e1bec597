from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
import transformers

import zoo
from zoo.bridges.transformers.sites import find_sites
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.sixteen_heads.claims import majority_task
from zoo_interpret.sixteen_heads.config import SixteenHeadsConfig
from zoo_interpret.sixteen_heads.method import SixteenHeads, example
from zoo_interpret.sixteen_heads.results import rank
from zoo_interpret.sixteen_heads.statistics import head_statistics, output_disagreement

CAUSAL = ("llama", "gpt-neox", "phi3", "qwen3")
ENCODERS = ("roberta", "deberta")


def method(**config) -> SixteenHeads:
    return SixteenHeads(SixteenHeadsConfig(**config))


def tiny(kind: str):
    if kind == "deberta":
        shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
        config = transformers.DebertaV2Config(vocab_size=60, pad_token_id=0, num_labels=3, **shape)
        return transformers.DebertaV2ForSequenceClassification(config).eval()
    return tiny_model(kind)


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("gpt2", ["D"] * 2),
        *((kind, ["D"] * 2) for kind in CAUSAL),
        *((kind, ["E"] * 2) for kind in ENCODERS),
        ("bart", ["E"] * 2 + ["D", "A"] * 2),
        ("t5", ["E"] * 2 + ["D", "A"] * 2),
    ],
)
def test_gates_attach_to_every_architecture_and_come_off_again(kind, groups):
    model = tiny(kind)
    sites = find_sites(model)
    assert [site.group for site in sites] == groups
    assert {site.num_heads for site in sites} == {4}
    ids = torch.arange(3, 15).view(2, 6)
    inputs = {"input_ids": ids, "decoder_input_ids": ids} if "A" in groups else {"input_ids": ids}
    with torch.no_grad():
        before = model(**inputs).logits
        with method().attach(model) as gates:
            assert torch.equal(model(**inputs).logits, before)
            gates[0, 1] = 0.0
            assert not torch.equal(model(**inputs).logits, before)
        assert torch.equal(model(**inputs).logits, before)


def test_gating_every_head_leaves_the_projection_bias_alone():
    case = example(SixteenHeadsConfig())
    model = case["model"]
    site = find_sites(model)[0]
    seen = []
    handle = site.output.register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad(), method().attach(model, torch.zeros(3, 4)):
        model(**case["inputs"])
    handle.remove()
    torch.testing.assert_close(seen[0], site.output.bias.expand_as(seen[0]))


def test_importance_works_on_generation_models_and_names_the_heads():
    model = tiny("bart")
    ids = torch.arange(3, 15).view(2, 6)
    found = method().importance(model, [{"input_ids": ids, "labels": ids}])
    assert found.scores.shape == (6, 4)
    assert found.labels[0] == "E:1:1"
    assert {label[0] for label in found.labels} == {"E", "D", "A"}
    assert sorted(found.order) == [(layer, head) for layer in range(6) for head in range(4)]
    torch.testing.assert_close(found.normalised.square().sum(1), torch.ones(6))


def test_importance_takes_the_loss_of_the_model_and_counts_real_tokens_of_each_side():
    model = tiny("bart")
    ids, labels = torch.arange(3, 15).view(2, 6), torch.arange(20, 28).view(2, 4)
    labels[1, 2:] = -100
    mask = torch.ones(2, 6, dtype=torch.long)
    mask[0, 5:] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    with torch.no_grad():
        found = method().importance(model, [batch])
    sides = torch.tensor([11.0, 11.0, 6.0, 6.0, 6.0, 6.0])[:, None]
    torch.testing.assert_close(found.scores, found.raw / sides)
    shifted = torch.full_like(labels, model.config.decoder_start_token_id)
    shifted[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == -100, model.config.pad_token_id)
    own = {"input_ids": ids, "attention_mask": mask, "labels": labels, "decoder_input_ids": shifted}

    def loss(output, batch):
        return torch.nn.functional.cross_entropy(output.logits.flatten(0, 1), batch["labels"].flatten())

    torch.testing.assert_close(method().importance(model, [own], loss=loss).raw, found.raw)


def test_causal_models_are_scored_on_the_next_token():
    model, ids = tiny("llama"), torch.arange(3, 15).view(2, 6)

    def next_token(output, batch):
        return torch.nn.functional.cross_entropy(output.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

    ours = method().importance(model, [{"input_ids": ids, "labels": ids}])
    torch.testing.assert_close(ours.raw, method().importance(model, [{"input_ids": ids}], loss=next_token).raw)


def test_models_without_a_loss_and_shared_layers_are_named():
    case = example(SixteenHeadsConfig())
    batch = {**case["inputs"], "labels": torch.tensor([0, 1])}
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}
    config = transformers.AlbertConfig(vocab_size=67, embedding_size=8, num_labels=3, **shape)
    albert = transformers.AlbertForSequenceClassification(config).eval()
    with pytest.raises(zoo.InputError, match="no importance of its own"):
        method().importance(albert, [batch])
    bert = tiny_model("bert", head="Model")
    bert.forward = lambda labels, **inputs: type(bert).forward(bert, **inputs)
    with pytest.raises(zoo.InputError, match="returns no loss"):
        method().importance(bert, [batch])


def test_ablation_gives_differences_and_the_best_head_of_every_layer(tmp_path):
    case = example(SixteenHeadsConfig(), 3)

    def score(model):
        with torch.no_grad():
            return float(model(**case["inputs"]).logits[:, 0].sum())

    table = method().ablation(case["model"], score)
    assert table.base == score(case["model"])
    with method().attach(case["model"]) as gates:
        gates[1, 2] = 0.0
        assert float(table.without[1, 2]) == pytest.approx(score(case["model"]) - table.base, abs=1e-6)
        gates[1] = torch.tensor([0.0, 0.0, 1.0, 0.0])
        assert float(table.alone[1, 2]) == pytest.approx(score(case["model"]) - table.base, abs=1e-6)
    assert [float(row[head]) for row, head in zip(table.alone, table.best(), strict=True)] == table.alone.amax(
        1
    ).tolist()
    assert table.to_dict()["labels"][4] == "E:2:1"
    table.plot(str(tmp_path / "ablation.png"))
    assert (tmp_path / "ablation.png").stat().st_size > 0


def test_the_kept_head_is_rescaled_on_request():
    case = example(SixteenHeadsConfig())
    scales = []

    def gates_of(model):
        with torch.no_grad():
            scales.append(model(**case["inputs"]).logits)

    method().keep_only_one(case["model"], gates_of, rescale=True)
    mask = torch.ones(3, 4)
    mask[0] = torch.tensor([4.0, 0.0, 0.0, 0.0])
    with method().attach(case["model"], mask), torch.no_grad():
        torch.testing.assert_close(scales[0], case["model"](**case["inputs"]).logits)


def test_removed_heads_are_gone_for_a_second_look():
    model = tiny_model("roberta", head="ForSequenceClassification")
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0]])
    method().remove(model, mask)
    assert [(site.num_heads, site.head_dim) for site in find_sites(model)] == [(3, 8), (0, 0)]
    with pytest.raises(zoo.InputError, match="different numbers of heads"):
        method().importance(model, [])


def test_padded_tokens_do_not_count_in_the_disagreement_of_outputs():
    contexts = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0]])
    torch.testing.assert_close(
        output_disagreement(contexts, 3, mask), output_disagreement(contexts[:, :3], 3, torch.ones(2, 3))
    )
    assert output_disagreement(torch.ones(1, 2, 8), 2, torch.ones(1, 2)) == pytest.approx(1.0)


def test_ties_keep_layer_major_order():
    assert rank(torch.ones(2, 2), torch.ones(2, 2)).order == ((0, 0), (0, 1), (1, 0), (1, 1))


@pytest.mark.parametrize(
    ("percents", "keep", "expected"),
    [
        ([10, 50, 100], 0, [1, 6, 12]),
        ([25, 50, 75], 1, [3, 6, 9]),
        ([75, 90, 100], 1, [9, 9]),
        ([100], 2, [6]),
        ([0, 40], 0, [0, 4]),
        ([12.5, 50], 0, [1, 6]),
        ([50], 5, [0]),
    ],
)
def test_counts_are_capped_where_every_layer_keeps_some(percents, keep, expected):
    assert method(percents=percents, at_least_k=keep).counts(12, 3) == expected


def test_at_least_k_keeps_the_best_heads_of_every_layer():
    scores = torch.tensor([[0.1, 0.2, 0.3, 0.4], [5.0, 6.0, 7.0, 8.0]])
    masks = method(percents=[75], at_least_k=1).masks(rank(scores, scores))
    assert masks[0].tolist() == [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]


def test_exact_pruning_extends_the_mask_step_by_step():
    case = example(SixteenHeadsConfig(), 4)
    model = case["model"]
    batches = [{**case["inputs"], "labels": torch.tensor([0, 1, 2, 0])}]
    steps = method(percents=[25, 50, 75], exact=True).prune_curve(model, batches, lambda gated: 0.0)
    assert [step.pruned for step in steps] == [3, 6, 9]
    for before, after in pairwise(steps):
        assert bool((after.mask <= before.mask).all())


def test_removal_is_refused_where_heads_cannot_be_cut_out():
    for kind, sites, reason in (
        ("gpt2", 2, "one fused projection"),
        ("llama", 2, "shares key/value heads"),
        ("t5", 6, "shares position biases"),
    ):
        model = tiny(kind)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(zoo.InputError, match=reason):
            method().remove(model, torch.ones(sites, 4))
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_bad_masks_and_missing_labels_are_named():
    case = example(SixteenHeadsConfig())
    with pytest.raises(zoo.InputError, match="3 layers of 4 heads"), method().attach(case["model"], torch.ones(2, 4)):
        pass
    with pytest.raises(zoo.InputError, match='"labels"'):
        method().importance(case["model"], [case["inputs"]])
    with pytest.raises(zoo.InputError, match="no batches"):
        method().importance(case["model"], [])
    with pytest.raises(zoo.InputError, match="no attention layer"):
        find_sites(torch.nn.Linear(2, 2))


def test_statistics_of_uniform_and_pointing_heads():
    uniform, pointing = torch.full((4, 4), 0.25), torch.eye(4)
    maps = torch.stack((uniform, pointing))[None]
    found = head_statistics([maps], torch.ones(1, 4))
    torch.testing.assert_close(found.entropy, torch.tensor([[4.0, 1.0]]).log())
    torch.testing.assert_close(found.pairwise_kl.diagonal(dim1=1, dim2=2), torch.zeros(1, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.pairwise_kl[0, 1, 0], torch.tensor(4.0).log())
    assert found.distance[0, 1] == 0
    assert found.to_dict()["entropy"][0][1] == pytest.approx(0.0)


def test_the_majority_task_has_an_answer():
    batch = majority_task(50, torch.Generator().manual_seed(0))
    counts = torch.nn.functional.one_hot(batch["input_ids"][:, 1:] - 3, 3).sum(1)
    assert bool((counts.gather(1, batch["labels"][:, None])[:, 0] == counts.amax(1)).all())
