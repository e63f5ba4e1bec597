"""PISA: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_activity.pisa import actr
from zoo_activity.pisa.config import PISAConfig
from zoo_activity.pisa.conversion import convert
from zoo_activity.pisa.loss import draw_negatives, pisa_loss, target_sessions
from zoo_activity.pisa.network import PISA, example
from zoo_activity.pisa.sessions import Sessions

TINY = PISAConfig(num_items=40, dim=16, max_length=5, session_length=6, num_favorites=4)


def test_parameters():
    # The paper's count holds a pair of weights that nothing reads.
    assert zoo.info("pisa/lfm1b").parameters == 169_223 - 2 + 10_000 * 128
    assert zoo.info("pisa/deezer").parameters == 169_223 - 2 + 10 * 128 + 10_000 * 128
    model = zoo.load("pisa/lfm1b", num_items=3)
    assert sum(p.numel() for p in model.blocks[0].parameters()) == 83_072


def test_base_level_by_hand():
    levels = actr.base_level(torch.tensor([[0.0, 75.0], [84.0, torch.nan], [torch.nan, torch.nan]]), 100.0)
    assert levels.tolist() == [pytest.approx(math.log(0.1 + 0.2)), pytest.approx(math.log(0.25)), -math.inf]
    assert actr.base_level_weights(levels).tolist() == pytest.approx([0.3 / 0.55, 0.25 / 0.55, 0])
    assert actr.base_level_weights(levels[2:]).tolist() == [0]
    with pytest.raises(InputError, match="t_ref"):
        actr.base_level(torch.tensor([[100.0]]), 100.0)


def test_spreading_by_hand():
    sessions = torch.tensor([[0, 1, -1], [0, 1, 2], [1, 1, -1], [3, -1, -1]])
    counts = actr.cooccurrence(sessions, 5)
    assert counts.tolist() == [[0, 2, 1, 0, 0], [2, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0] * 5, [0] * 5]
    association = actr.normalised(counts)
    assert association[0, 1] == pytest.approx(2 / 3)
    assert association[0, 2] == pytest.approx(1 / math.sqrt(6))
    spread = actr.spreading(sessions, association)
    assert spread[0].tolist() == pytest.approx([2 / 3, 2 / 3, 0])
    assert spread[1, 2] == pytest.approx(2 / math.sqrt(6))
    # The same track twice is no other track; alone, or never seen, there is nothing to spread.
    assert spread[2:].abs().max() == 0
    with pytest.raises(InputError, match="sessions"):
        actr.cooccurrence(sessions, 3)


def test_a_session_by_hand():
    layer = Sessions(PISAConfig(num_items=2, dim=2, session_length=3, flatten=0.5))
    with torch.no_grad():
        layer.items.copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
        layer.components.copy_(torch.tensor([1.0, 2.0, 0.5]))
        found = layer(torch.tensor([1, 2, 0]), torch.tensor([0.2, 0.3, 0.0]), torch.tensor([0.1, 0.25, 0.0]))
    # Partial matching: 1 for both. 0.2 + 0.2 + 0.5 and 0.3 + 0.5 + 0.5; padding has next to nothing, 4e-8.
    first, second = math.sqrt(0.9), math.sqrt(1.3)
    total = first + second + math.sqrt(3.5e-8 + 1e-8)
    assert found.tolist() == pytest.approx([(first + second) / total, second / total], rel=1e-5)


@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, True), (False, False)])
def test_every_set_of_activations(parts):
    config = PISAConfig(40, 16, 5, 6, num_favorites=4, spread=parts[0], partial_matching=parts[1])
    model = PISA(config).eval()
    call = example(config)
    assert model(**call).scores.shape == (2, 40)
    if parts == (False, False):
        bare = (call["seq_bll"][..., None] * model.sessions.embed(call["seq_ids"])).sum(2)
        torch.testing.assert_close(model(**call).sessions, bare)
    # A checkpoint that holds all three weights gives those that are in use.
    state = {"actr_comp_weights": torch.tensor([1.0, 2.0, 3.0])}
    kept = convert(state, config).get("sessions.components")
    expected = [1.0, *([2.0] if parts[0] else []), *([3.0] if parts[1] else [])]
    assert (kept.tolist() if kept is not None else [1.0]) == expected


def test_published_names_and_shapes():
    state = {
        "pisa/user_short_term_rep/user_short_term_rep_num_blocks_1/ln/Variable": torch.zeros(2),
        "pisa/user_short_term_rep/user_short_term_rep_num_blocks_0/ln_1/Variable_1": torch.ones(2),
        "pisa/user_short_term_rep/user_short_term_rep_num_blocks_0/multihead_attention/conv1d_1/kernel": torch.eye(2)[
            None
        ].roll(1, -1),
        "pisa/ls_fusion/ls_fusion/kernel": torch.arange(8.0).view(4, 2),
        "item_embedding_table/item_embedding_table/lookup_table": torch.zeros(3, 2),
        "user_embedding_table/user_embedding_table/lookup_table": torch.zeros(9, 2),
        "long_short_fused_weights": torch.zeros(2),
    }
    found = convert(state, TINY)
    assert set(found) == {
        *("blocks.1.norm1.bias", "blocks.0.norm2.weight", "blocks.0.fc2.weight", "fusion.weight", "sessions.items")
    }
    assert torch.equal(found["fusion.weight"], torch.arange(8.0).view(4, 2).T)


def test_empty_sessions_have_no_short_term_and_norms_are_one():
    model = PISA(TINY).eval()
    call = example(TINY)
    call["seq_ids"][1] = 0
    call["seq_bll"][1] = 0
    call["seq_spread"][1] = 0
    call["fav_ids"][0] = 0
    output = model(**call)
    assert all(bool(torch.isfinite(part).all()) for part in vars(output).values())
    # Without a history the favourites are all there is; without favourites, nothing long-term.
    torch.testing.assert_close(output.st_rep[1], output.lt_rep[1])
    assert output.lt_rep[0].abs().max() == 0
    # The first user's first session is empty.
    torch.testing.assert_close(output.st_rep[0].norm(dim=-1), torch.tensor([0.0, 1, 1, 1, 1]))
    output.scores.sum().backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())


def test_later_sessions_count_without_causal():
    config = PISAConfig(40, 16, 5, 6, num_favorites=4, causal=False)
    torch.manual_seed(0)
    model = PISA(config).eval()
    call = example(config)
    before = model(**call).st_rep
    call["seq_ids"][:, -1] = 7
    assert (model(**call).st_rep - before)[:, 1].abs().max() > 1e-5


def test_input_scale_is_the_root_of_the_width():
    torch.manual_seed(0)
    scaled, plain = (PISA(PISAConfig(40, 16, 5, 6, num_favorites=4, input_scale=on)).eval() for on in (True, False))
    plain.load_state_dict(scaled.state_dict())
    call = example(TINY)
    with torch.no_grad():
        assert (scaled(**call).st_rep - plain(**call).st_rep).abs().max() > 1e-3


def _targets():
    batch = example(TINY, seed=3)
    batch["seq_ids"][0, 0] = 1
    return [batch["seq_ids"], batch["seq_bll"], batch["seq_spread"]]


def test_padded_targets_are_left_out():
    torch.manual_seed(0)
    model = PISA(TINY).eval()
    output, targets = model(**example(TINY)), _targets()
    negatives = torch.ones_like(targets[0])
    whole = pisa_loss(model, output, *targets, negatives)
    targets[0][1, 4] = 0
    masked = pisa_loss(model, output, *targets, negatives)
    model.config.strict_reference_loss = True
    strict = pisa_loss(model, output, *targets, negatives)
    assert target_sessions(model, *targets)[1, 4].abs().max() == 0
    assert strict < masked
    embedded = target_sessions(model, *targets)
    away = (1 - (output.st_rep * embedded).sum(-1)).flatten()[:9].sum() / 10 / 9
    torch.testing.assert_close(masked - strict, 0.1 * away)
    assert torch.isfinite(whole)


@pytest.mark.parametrize("kind", ["popularity", "uniform"])
def test_negatives_are_never_targets(kind):
    config = PISAConfig(40, 16, 5, 6, num_favorites=4, negatives=kind)
    targets = _targets()[0]
    targets[0, 1, 3:] = 0
    counts = torch.zeros(40)
    counts[:20] = torch.arange(1, 21)
    found = draw_negatives(targets, config, counts, torch.Generator().manual_seed(0))
    assert not (found[..., None] == targets[..., None, :])[targets > 0].any()
    assert (found[targets == 0] == 0).all()
    assert (found[targets > 0] > 0).all()
    assert (found.max() <= 20) == (kind == "popularity")


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    model = PISA(TINY)
    call, targets = example(TINY), _targets()
    optimiser, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    negatives = draw_negatives(targets[0], TINY, torch.ones(40), torch.Generator().manual_seed(0))
    for _ in range(15):
        losses.append(pisa_loss(model, model(**call), *targets, negatives))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="num_heads"):
        zoo.load("pisa", num_heads=3)
    model, call = PISA(TINY), example(TINY)
    with pytest.raises(InputError, match="seq_ids"):
        model(**{**call, "seq_ids": call["seq_ids"][:, 1:]})
    with pytest.raises(InputError, match="fav_ids"):
        model(**{**call, "fav_bll": call["fav_bll"][:, 1:]})
