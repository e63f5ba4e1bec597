"""Concept-centric transformers: what is particular to them."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.concept_centric_transformer.conversion import convert, replay
from zoo_vision.concept_centric_transformer.head import explanation_loss, sparsity_loss
from zoo_vision.concept_centric_transformer.memory import QuerySlotAttention, SlotAttention


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("cifar100-superclass", 5_992_148),
        ("cifar100-superclass-qsa", 6_010_964),
        ("cifar100-superclass-baseline", 5_658_068),
        ("imagenet", 22_204_232),
        ("imagenet-isa", 23_554_376),
        ("cub", 319_563_152),
        ("cub-qsa", 329_119_120),
    ],
)
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"concept-centric-transformer/{preset}").parameters == parameters


def test_on_one_token_slots_of_noise_receive_one_update():
    torch.manual_seed(0)
    memory = SlotAttention(8, 5, 1)
    seen = []
    memory.gru.register_forward_hook(lambda cell, args, output: seen.append(args[0]))
    memory(torch.randn(2, 1, 8))
    updates = seen[0].view(2, 5, 8)
    torch.testing.assert_close(updates, updates[:, :1].expand_as(updates))


def test_slots_compete_and_their_shares_of_a_token_sum_to_one():
    torch.manual_seed(0)
    memory = QuerySlotAttention(8, 1, implicit=False)
    seen = []
    memory.project_q.register_forward_hook(lambda layer, args, output: seen.append(output))
    tokens = torch.randn(1, 6, 8)
    memory(tokens, torch.randn(3, 8))
    key = memory.project_k(memory.norm_feature(tokens))
    shares = (seen[0] @ key.transpose(1, 2) * 8**-0.5).softmax(1)
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 6))


def test_only_the_last_implicit_step_has_a_gradient():
    memory = QuerySlotAttention(8, 3, implicit=True)
    start = torch.randn(3, 8, requires_grad=True)
    calls = []
    memory.gru.register_forward_hook(lambda cell, args, output: calls.append(1))
    memory(torch.randn(1, 6, 8), start).sum().backward()
    assert len(calls) == 4
    assert start.grad is None


def test_the_gradient_of_queries_goes_straight_through():
    torch.manual_seed(0)
    start = torch.randn(3, 8, requires_grad=True)
    tokens = torch.randn(2, 6, 8)
    memory = QuerySlotAttention(8, 2, implicit=False)
    memory(tokens, start).square().sum().backward()
    assert start.grad is not None
    assert (start.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize(("memory", "stored"), [("sa", 1), ("isa", 3), ("qsa", 2)])
def test_steps_depend_on_the_memory(memory, stored):
    assert zoo.load("concept-centric-transformer-head/tiny", memory=memory).config.steps == stored
    assert zoo.load("concept-centric-transformer-head/tiny", memory=memory, num_iterations=5).config.steps == 5


def test_a_stream_without_concepts_is_absent():
    head = zoo.load("concept-centric-transformer-head/tiny", num_concepts=0)
    tokens = torch.randn(2, 7, 16)
    answer = head(tokens[:, :1], tokens[:, 1:])
    assert answer.concept_attn is None
    assert answer.spatial_concept_attn.shape == (2, 6, 3)
    assert not any(name.startswith("concept_") for name in head.state_dict())
    with pytest.raises(ConfigError, match="no concepts"):
        zoo.load("concept-centric-transformer-head/tiny", num_concepts=0, num_spatial_concepts=0)


def test_noise_is_refused_where_nothing_starts_from_it():
    head = zoo.load("concept-centric-transformer-head/tiny", memory="isa")
    with pytest.raises(InputError, match="slot_noise"):
        head(torch.randn(1, 1, 16), torch.randn(1, 4, 16), torch.randn(1, 4, 16))


def test_slots_from_patches_depend_on_patches():
    head = zoo.load("concept-centric-transformer-head/tiny", memory="isa", global_from="tokens", num_spatial_concepts=0)
    cls, patches = torch.randn(1, 1, 16), torch.randn(1, 4, 16)
    assert not torch.equal(head(cls, patches).logits, head(cls, patches + 1 * torch.randn_like(patches)).logits)
    usual = zoo.load("concept-centric-transformer-head/tiny", memory="isa", num_spatial_concepts=0)
    assert torch.equal(usual(cls, patches).logits, usual(cls, torch.randn_like(patches)).logits)


def test_losses_with_nothing_labelled_and_with_certainty():
    attention = torch.rand(2, 3, 4).softmax(-1).requires_grad_()
    nothing = explanation_loss(attention, torch.full((2, 4), torch.nan))
    nothing.backward()
    assert nothing == 0
    assert sparsity_loss(torch.eye(4)[None]) < 1e-6 < sparsity_loss(torch.full((1, 1, 4), 0.25))


def test_timms_vit_is_renamed_and_its_projections_are_split():
    model = zoo.load("concept-centric-transformer/tiny")
    own = model.state_dict()
    block = "feature_extractor.blocks.0.attn"
    foreign = {f"model.{name}": tensor for name, tensor in own.items() if ".attn." not in name}
    for kind in ("weight", "bias"):
        foreign[f"model.{block}.qkv.{kind}"] = torch.cat([own[f"{block}.{letter}_proj.{kind}"] for letter in "qkv"])
        foreign[f"model.{block}.proj.{kind}"] = own[f"{block}.o_proj.{kind}"]
    found = convert(foreign, model.config)
    assert found.keys() == own.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in own.items())


@pytest.mark.parametrize("backbone", ["swin", "convnext"])
def test_other_backbones_give_tokens(backbone):
    pytest.importorskip("transformers")
    model = zoo.load("concept-centric-transformer/tiny", backbone=backbone, dim=256, image_size=224, memory="isa")
    answer = model(torch.randn(1, 3, 224, 224))
    assert answer.logits.shape == (1, 5)
    assert answer.spatial_concept_attn.shape == (1, 49, 3)


def test_images_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"expected \(batch, 3, 32, 32\)"):
        zoo.load("concept-centric-transformer/tiny")(torch.randn(1, 3, 64, 32))


def test_as_many_patches_in_another_shape_are_refused():
    """Their positions would be those of other places."""
    model = zoo.load("concept-centric-transformer/tiny", patch_size=8)
    with pytest.raises(InputError, match="expected \\(batch, 3, 32, 32\\)"):
        model(torch.randn(1, 3, 16, 64))


@pytest.mark.parametrize(("memory", "concepts"), [("isa", 4), ("sa", 0)])
def test_recorded_noise_that_nothing_starts_from_is_left_aside(memory, concepts):
    config = {
        "memory": memory,
        "embedding_dim": 16,
        "num_heads": 2,
        "num_classes": 5,
        "n_concepts": concepts,
        "n_spatial_concepts": 3,
        "num_iterations": 2,
    }
    head = zoo.load(
        "concept-centric-transformer-head/tiny", memory=memory, num_concepts=concepts, num_iterations=2, weights=None
    )
    inputs = {"cls": torch.randn(2, 1, 16), "patches": torch.randn(2, 6, 16)}
    with torch.no_grad():
        expected = head(**inputs).logits
        noise = {"slot_noise": torch.randn(2, concepts, 16)}
        found = replay("head", config, {}, head.state_dict(), {**inputs, **noise})
    assert torch.equal(found["logits"], expected)
