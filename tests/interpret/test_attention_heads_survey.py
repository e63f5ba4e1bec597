from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

import zoo
from zoo import catalogue
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.tiny import tiny_model
from zoo.cli import cli
from zoo_interpret.attention_heads_survey.classes import CLASSES, STAGES, find_class, select
from zoo_interpret.attention_heads_survey.config import HeadReplacementConfig, HeadScoresConfig, TaxonomyConfig
from zoo_interpret.attention_heads_survey.probing import adding_vector, function_vector, probe_heads
from zoo_interpret.attention_heads_survey.replacement import HeadReplacement, adding_direction, effects
from zoo_interpret.attention_heads_survey.scores import LABELS, HeadScorer, ov_scores, pattern_scores
from zoo_interpret.attention_heads_survey.tree import taxonomy
from zoo_interpret.cmr_heads.heads import HeadRecall
from zoo_interpret.planted import COPYING, INDUCTION, PREVIOUS, planted_model, repeated_tokens

RELEVANCE = "attention-pattern-injection-relevance"
IDS = torch.randint(3, 90, (2, 8), generator=torch.Generator().manual_seed(0))


def replacement(*args) -> HeadReplacement:
    return HeadReplacement(HeadReplacementConfig(*args))


def test_the_tree_has_every_class_and_speaks_json():
    tree = taxonomy(TaxonomyConfig())
    assert [each.name for each in tree.find("stages").children] == list(STAGES)
    assert tree.find("induction-head").record.stage == "Latent Reasoning"
    assert tree.find("probing").name == "probing"
    assert len(tree.find("common").children) == 10
    json.dumps(tree.to_dict())
    assert "- Memory Head (Llama, Pythia, GPT; shallow, middle)" in str(tree)
    with pytest.raises(zoo.InputError, match="Did you mean 'Induction Head'"):
        tree.find("Inducton Head")


def test_classes_are_selected_and_know_their_entries():
    assert [each.name for each in select(stage="Expression Preparation", model="Llama", depth="deep")] == [
        "Correct Head",
        "Coherence Head",
        "Faithfulness Head",
    ]
    assert find_class("name-mover-head").models == ("GPT",)
    assert find_class("Single Letter Head").models == ("Gemma",)
    assert find_class("In-context Head").models == ()
    assert "attention-heads-survey-scores" in find_class("Induction Head").related()
    assert {each.detector for each in CLASSES if each.detector} == {
        "previous_token",
        "duplicate_token",
        "induction",
        "retrieval",
        "ov_copy",
        "ov_targets",
    }
    with pytest.raises(zoo.InputError, match="no class of heads"):
        find_class("Banana Head")


# Who finds heads of a class; of the others nobody does.
FINDERS = {
    "Previous Head": {"attention-heads-survey-scores", "cmr-heads", "circuit-reuse", "bert-look", RELEVANCE},
    "Positional Head": {"bert-look", RELEVANCE},
    "Duplicate Head": {"attention-heads-survey-scores", "cmr-heads", "circuit-reuse"},
    "Induction Head": {"attention-heads-survey-scores", "cmr-heads", "circuit-reuse"},
    "Retrieval Head": {"attention-heads-survey-scores"},
    "Syntactic Head": {"bert-look"},
    "Name Mover Head": {"attention-heads-survey-scores", "circuit-reuse", "sparse-attention-decomposition"},
    "Negative Name Mover Head": {"circuit-reuse"},
    "Mover Head": {"circuit-reuse"},
    "Letter Mover Head": {"attention-heads-survey-scores"},
    "Successor Head": {"attention-heads-survey-scores"},
    "Inhibition Head": {"circuit-reuse", "sparse-attention-decomposition"},
    "Content Gatherer Head": {"circuit-reuse"},
    "Truthfulness Head": {"gridtom-probe"},
}


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.tag)
def test_the_list_of_a_class_of_heads_is_who_finds_them(each):
    expected = FINDERS.get(each.name, set())
    found = CliRunner().invoke(cli, ["list", "--tag", each.tag, "--json"])
    if expected:
        assert found.exit_code == 0
        assert {row["id"] for row in json.loads(found.output)} == expected == set(each.related())
    else:
        assert found.exit_code != 0
        assert not each.related()
        assert f"no entry carries the tag {each.tag!r}" in str(found.exception or "") + found.output


def test_whoever_scores_a_class_says_so_in_its_tags():
    tags = {offer.entry.id: offer.entry.tags for offer in catalogue.current().offers}
    scored = {find_class(name).tag for name in LABELS.values() if name != "sink"}
    scored |= {each.tag for each in CLASSES if each.detector}
    assert scored == {tag for tag in tags["attention-heads-survey-scores"] if tag.endswith("-head")}
    assert {"previous_token", "duplicate_token", "induction_matching"} <= set(HeadRecall.axes())
    recalled = {find_class(name).tag for name in ("Previous Head", "Duplicate Head", "Induction Head")}
    assert recalled == {tag for tag in tags["cmr-heads"] if tag.endswith("-head")}


def test_planted_heads_are_classified(tmp_path):
    scorer = HeadScorer(HeadScoresConfig(repeat_length=11, copy_tokens=0))
    found = scorer(planted_model(), repeated_tokens())
    classes = found.classes()
    assert classes["Previous Head"] == [PREVIOUS]
    assert classes["Induction Head"] == [INDUCTION]
    assert set(classes["Name Mover Head"]) >= {INDUCTION, COPYING}
    assert (0, 2) in classes["sink"]
    found.plot(tmp_path / "scores.png")
    found.save(tmp_path / "scores.csv")
    assert found.to_dict()["classes"]["Previous Head"] == [[0, 0]]


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "gpt-neox", "phi3"])
def test_scores_are_what_the_maps_say(family):
    model = tiny_model(family)
    scorer = HeadScorer(HeadScoresConfig(repeat_length=6, prompts=2))
    ids = scorer.sequences(model)
    assert ids.shape == (2, 13)
    assert torch.equal(ids[:, 1:7], ids[:, 7:])
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = scorer(model)
    maps = torch.stack(attention_maps(model, ids), 0)
    torch.testing.assert_close(
        found.induction, torch.stack([maps[..., q, q - 5] for q in range(7, 13)]).mean(0).mean(1)
    )
    torch.testing.assert_close(found.self_attention, maps.diagonal(0, 3, 4)[..., 1:].mean(-1).mean(1))
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_other_targets_of_the_ov_circuit():
    model = planted_model()
    tokens = torch.arange(12)
    assert float(ov_scores(model, tokens, tokens, top=1)[INDUCTION]) == 1.0
    assert float(ov_scores(model, tokens, tokens.roll(1), top=1)[INDUCTION]) == 0.0
    with pytest.raises(zoo.InputError, match="3 targets for 12 tokens"):
        ov_scores(model, tokens, tokens[:3])


def test_heads_that_write_what_comes_next_are_classified(tmp_path):
    """The planted copying head, asked for a token's successor, is none; of a model whose tokens are renamed it is."""
    model, tokens = planted_model(), torch.arange(12)
    scorer = HeadScorer(HeadScoresConfig(repeat_length=11, copy_tokens=0, copy_top=1))
    pairs = {"Successor Head": torch.stack((tokens, (tokens + 1) % 12), 1), "itself": torch.stack((tokens, tokens), 1)}
    found = scorer(model, repeated_tokens(), targets=pairs)
    assert INDUCTION in found.classes()["itself"]
    assert found.classes()["itself"] == found.classes()["Name Mover Head"]
    assert INDUCTION not in found.classes()["Successor Head"]
    with torch.no_grad():
        head = model.get_output_embeddings()
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        head.weight[:12] = head.weight[:12].roll(1, 0)
    assert INDUCTION in scorer(model, repeated_tokens(), targets=pairs).classes()["Successor Head"]
    text = found.save(tmp_path / "scores.csv").read_text()
    assert "ov_targets,1,0,Successor Head," in text
    found.plot(tmp_path / "scores.png")


def test_a_needle_of_ones_own():
    model, ids = planted_model(), repeated_tokens()
    found = pattern_scores(model, ids, needles=torch.tensor([4, 5]), queries=torch.tensor([14, 15]))
    assert float(found["retrieval"][INDUCTION]) == 1.0, "the induction head looks one further than the token itself"
    assert float(found["retrieval"][PREVIOUS]) == 0.0


def test_replacements_come_off_and_directions_are_added_at_one_place():
    model = tiny_model("llama")
    before = model(IDS).logits
    with replacement("zero", ["0.1"]).attach(model):
        assert not torch.equal(model(IDS).logits, before)
    assert torch.equal(model(IDS).logits, before)
    with adding_direction(model, {(1, 2): torch.ones(8)}):
        changed = model(IDS).logits
    assert torch.equal(changed[:, :-1], before[:, :-1])
    assert not torch.equal(changed[:, -1], before[:, -1])
    with adding_direction(model, {(1, 2): torch.ones(8)}), adding_direction(model, {(1, 2): torch.ones(8)}, sign=-1.0):
        torch.testing.assert_close(model(IDS).logits, before)


def test_effects_of_the_last_layer_are_direct_where_no_feed_forward_network_follows(tmp_path):
    model = tiny_model("gpt2")
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.weight.zero_()
    last = effects(model, IDS, replacement("zero", ["1.0"]))
    assert float(last.indirect.abs().max()) < 1e-5 < float(last.direct.abs().max())
    first = effects(model, IDS, replacement("mean", ["0.0"]), IDS.flip(0))
    assert float(first.indirect.abs().max()) > 1e-5
    torch.testing.assert_close(first.direct + first.indirect, first.total)
    first.plot(tmp_path / "effects.png")


def test_heads_are_probed_and_function_vectors_carried_over():
    model = tiny_model("llama")
    ids = torch.randint(3, 90, (20, 5), generator=torch.Generator().manual_seed(2))
    labels = torch.arange(20) % 2
    ids[:, -1] = torch.where(labels == 0, 5, 70)
    found = probe_heads(model, ids, labels, folds=4)
    assert found.shape == (2, 4)
    assert float(found.max()) > 0.9, "the last token is the label"
    vector = function_vector(model, ids, [(0, 1), (1, 3)])
    before = model(IDS).logits
    with adding_vector(model, vector, layer=1):
        assert not torch.equal(model(IDS).logits[:, -1], before[:, -1])
    assert torch.equal(model(IDS).logits, before)
    with pytest.raises(zoo.InputError, match="20 labels"):
        probe_heads(model, ids, torch.zeros(20, dtype=torch.long))
    with pytest.raises(zoo.InputError, match="one head at least"):
        function_vector(model, ids, [])


def test_what_cannot_be_done_is_named():
    model = tiny_model("llama")
    with pytest.raises(zoo.InputError, match="needs reference="), replacement("mean").attach(model):
        pass
    with pytest.raises(zoo.InputError, match="no head 0 in layer 9"), replacement("zero", ["9.0"]).attach(model):
        pass
    with pytest.raises(zoo.InputError, match="no heads"), replacement("mean", ["9.0"]).attach(model, IDS):
        pass
    with pytest.raises(zoo.ConfigError, match="written like"):
        HeadReplacementConfig("zero", ["L0H1"])
    with pytest.raises(zoo.InputError, match="no first token and a sequence twice"):
        pattern_scores(model, IDS)
    with pytest.raises(zoo.InputError, match="lower repeat_length"):
        HeadScorer(HeadScoresConfig(repeat_length=97)).sequences(model)
    with pytest.raises(zoo.InputError, match="no attention layer"):
        pattern_scores(torch.nn.Linear(2, 2), repeated_tokens())
