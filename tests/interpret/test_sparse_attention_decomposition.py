from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.planted import INDUCTION, PREVIOUS, planted_model, repeated_tokens
from zoo_interpret.sparse_attention_decomposition.config import SparseAttentionDecompositionConfig
from zoo_interpret.sparse_attention_decomposition.folding import kept_terms, largest_share
from zoo_interpret.sparse_attention_decomposition.interventions import intervening, signal
from zoo_interpret.sparse_attention_decomposition.running import run
from zoo_interpret.sparse_attention_decomposition.tracing import Edge, SparseAttentionDecomposition, example


def probe(**config) -> SparseAttentionDecomposition:
    return SparseAttentionDecomposition(SparseAttentionDecompositionConfig(**config))


def sharp(family: str, **config):
    """A tiny model whose heads fire."""
    model = tiny_model(family, **config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("c_attn", "q_proj", "k_proj", "v_proj", "o_proj", "c_proj", "qkv_proj")):
                parameter.mul_(15.0)
    return model


IDS = torch.randint(3, 90, (2, 9), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("case", [("gpt2", {}), ("llama", {"num_key_value_heads": 2}), ("phi3", {}), ("gpt-neox", {})])
def test_terms_sum_to_the_scores_of_every_architecture_with_such_scores(case):
    family, config = case
    model = sharp(family, **config)
    running = run(model, IDS)
    found = probe(attention_threshold=0.2, most=20)(model, IDS)
    assert len(found.firings) > 3
    for (prompt, layer, head, i, j), terms, score in zip(found.firings.tolist(), found.terms, found.score, strict=True):
        torch.testing.assert_close(terms.sum(), score, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(score, running.scores[layer][prompt, head, i, j], atol=1e-3, rtol=1e-3)
    assert bool((found.contributions_source[:, 1:] == 0).all())


def test_omega_is_the_product_of_its_terms():
    running = run(sharp("llama"), IDS)
    for offset in (0, 3, -2):
        terms = running.folded[1].terms(2, offset)
        product = terms.left * terms.singular @ terms.right.T
        torch.testing.assert_close(product, running.folded[1].omega(2, offset))
        torch.testing.assert_close(terms.left.T @ terms.left, torch.eye(8, dtype=torch.double))


def test_padding_does_not_fire():
    model = sharp("gpt2")
    padded = torch.cat((IDS, torch.zeros(2, 3, dtype=torch.long)), 1)
    mask = torch.cat((torch.ones_like(IDS), torch.zeros(2, 3, dtype=torch.long)), 1)
    whole = probe(attention_threshold=0.3)(model, IDS)
    found = probe(attention_threshold=0.3)(model, {"input_ids": padded, "attention_mask": mask})
    assert torch.equal(whole.firings, found.firings)


def test_kept_terms_are_the_shortest_prefix():
    assert kept_terms(torch.tensor([5.0, 1.0, 4.0, -3.0]), 1.0).tolist() == [True, False, True, False]
    assert kept_terms(torch.tensor([-5.0, -1.0, -4.0, 3.0]), 1.0).tolist() == [True, False, True, False]
    assert kept_terms(torch.tensor([5.0, 1.0, 4.0, -3.0]), 0.5).tolist() == [True, False, False, False]
    assert not kept_terms(torch.tensor([2.0, 1.0]), 1.0).any()
    assert largest_share(torch.tensor([[1.0, 6.0], [3.0, 0.0]]), 0.7).tolist() == [[False, True], [True, False]]
    assert not largest_share(torch.zeros(2, 2), 0.7).any()


def test_the_planted_source_is_traced_to_the_previous_token_head(tmp_path):
    trace = probe(fraction=0.9)(planted_model(), repeated_tokens())
    late = [row for row, firing in enumerate(trace.firings.tolist()) if firing[1:3] == [1, 0] and firing[3] > 11]
    edges = list(trace.edges(late))
    assert {edge.upstream for edge in edges if edge.side == "source"} == {PREVIOUS}
    assert all(edge.downstream == INDUCTION for edge in edges)
    assert trace.traced(late) == edges, "layer 0 does not fire: tracing ends there"
    graph = trace.graph(edges)
    assert {"layer": 0, "head": 0} in graph["nodes"]
    sources = [edge for edge in graph["edges"] if edge["side"] == "source"]
    assert [(edge["from"], edge["to"], edge["count"]) for edge in sources] == [([0, 0], [1, 0], len(late))]
    trace.plot(tmp_path / "trace.png")
    trace.save(tmp_path / "trace.csv")
    assert trace.to_dict()["graph"]["edges"]


def test_tracing_goes_on_upstream():
    case = example(SparseAttentionDecompositionConfig())
    trace = probe(first_layer=0, attention_threshold=0.4)(**case)
    last = [row for row, firing in enumerate(trace.firings.tolist()) if firing[1] == 2]
    edges = trace.traced(last)
    assert {edge.downstream[0] for edge in edges} >= {1, 2}
    for edge in edges:
        assert edge.upstream[0] < edge.downstream[0]


def test_interventions_are_local_or_global_and_come_off():
    case = example(SparseAttentionDecompositionConfig())
    model, ids = case["model"], case["inputs"]["input_ids"]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    running = run(model, ids)
    trace = probe().trace(running, "GPT-2")
    row = next(row for row, firing in enumerate(trace.firings.tolist()) if firing[1] == 2)
    edge = next(trace.edges([row]))
    found = signal(running, trace, edge)
    before = model(ids).logits
    prompt, layer, head, i, j = trace.firings[row].tolist()
    for scope in ("global", "local"):
        with intervening(model, running, found, scope=scope):
            changed = run(model, ids)
        assert float(changed.scores[layer][prompt, head, i, j]) < float(running.scores[layer][prompt, head, i, j])
        others = [h for h in range(4) if h != head]
        same = torch.equal(changed.scores[layer][prompt, others], running.scores[layer][prompt, others])
        assert same == (scope == "local")
        assert torch.equal(changed.scores[layer][1 - prompt], running.scores[layer][1 - prompt])
        with intervening(model, running, found, how="boost", scope=scope):
            boosted = run(model, ids)
        if scope == "local":
            assert float(boosted.scores[layer][prompt, head, i, j]) > float(running.scores[layer][prompt, head, i, j])
    assert torch.equal(model(ids).logits, before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert -1 <= found.cosine <= 1


def test_what_cannot_be_done_is_named():
    with pytest.raises(zoo.InputError, match="Qwen3ForCausalLM: the score of head"):
        probe(attention_threshold=0.0)(tiny_model("qwen3"), IDS)
    with pytest.raises(zoo.InputError, match="BertForMaskedLM"):
        probe(attention_threshold=0.0)(tiny_model("bert"), IDS)
    model = sharp("llama", num_key_value_heads=2)
    running = run(model, IDS)
    trace = probe(attention_threshold=0.2).trace(running, "Llama")
    edge = next(trace.edges())
    shared = intervening(model, running, signal(running, trace, edge), scope="local")
    with pytest.raises(zoo.InputError, match="shares keys and values"), shared:
        pass
    none = probe(attention_threshold=1.0)(tiny_model("gpt2"), IDS)
    assert none.firings.shape == (0, 5)
    assert none.graph() == {"nodes": [], "edges": []}
    assert Edge(0, (0, 0), (1, 0), 0, "source", 0.0, 0) not in list(none.edges())
