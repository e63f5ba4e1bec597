from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
import transformers

import zoo
from zoo_interpret.heads import find_sites
from zoo_interpret.sixteen_heads import (
    SixteenHeads,
    SixteenHeadsConfig,
    example,
    head_statistics,
    majority_task,
    rank,
)


def method(**config) -> SixteenHeads:
    return SixteenHeads(SixteenHeadsConfig(**config))


def tiny(kind: str):
    torch.manual_seed(0)
    small = {"vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if kind == "gpt2":
        config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=32, **small)
        return transformers.GPT2LMHeadModel(config).eval()
    if kind == "llama":
        config = transformers.LlamaConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            **small,
        )
        return transformers.LlamaForCausalLM(config).eval()
    config = transformers.BartConfig(
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=32,
        decoder_start_token_id=2,
        **small,
    )
    return transformers.BartForConditionalGeneration(config).eval()


@pytest.mark.parametrize(
    ("kind", "groups"), [("gpt2", ["D"] * 2), ("llama", ["D"] * 2), ("bart", ["E"] * 2 + ["D", "A"] * 2)]
)
def test_gates_attach_to_every_architecture_and_come_off_again(kind, groups):
    model = tiny(kind)
    sites = find_sites(model)
    assert [site.group for site in sites] == groups
    assert {site.num_heads for site in sites} == {4}
    inputs = {"input_ids": torch.arange(3, 15).view(2, 6)}
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


def test_ties_keep_layer_major_order():
    assert rank(torch.ones(2, 2), torch.ones(2, 2)).order == ((0, 0), (0, 1), (1, 0), (1, 1))


@pytest.mark.parametrize(
    ("percents", "keep", "expected"),
    [([10, 50, 100], 0, [1, 6, 12]), ([25, 50, 75, 100], 1, [3, 6, 9]), ([100], 2, [6]), ([0, 40], 0, [0, 4])],
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
    for kind, reason in (("gpt2", "one fused projection"), ("llama", "shares key/value heads")):
        model = tiny(kind)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(zoo.InputError, match=reason):
            method().remove(model, torch.ones(2, 4))
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
