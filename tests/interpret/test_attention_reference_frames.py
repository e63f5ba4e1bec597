from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo_interpret.attention_reference_frames import geometry, measures, spectra, synthetic
from zoo_interpret.attention_reference_frames.config import ReferenceFramesConfig
from zoo_interpret.attention_reference_frames.frames import frame_type, trend
from zoo_interpret.attention_reference_frames.probe import AttentionReferenceFrames, example
from zoo_interpret.attention_reference_frames.sinks import loss_without, masking
from zoo_interpret.attention_reference_frames.topology import betti_curves, betti_numbers


def probe(**config) -> AttentionReferenceFrames:
    return AttentionReferenceFrames(ReferenceFramesConfig(**config))


def random_maps(*shape: int, seed: int = 0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


def test_measures_do_not_depend_on_the_order_of_tokens():
    maps, order = random_maps(2, 3, 9, 9), torch.randperm(9, generator=torch.Generator().manual_seed(1))
    moved = maps[..., order, :][..., order]
    for name in ("fiedler", "centralisation", "gini", "degree_variance", "star_likeness"):
        measure = getattr(measures, name)
        torch.testing.assert_close(measure(moved), measure(maps))
    torch.testing.assert_close(measures.fiedler(moved, normalised=True), measures.fiedler(maps, normalised=True))
    for left, right in zip(betti_curves(moved, [0.1, 0.2]), betti_curves(maps, [0.1, 0.2]), strict=True):
        assert torch.equal(left, right)


def test_topology_by_hand():
    square = torch.zeros(5, 5)
    for i, j in ((0, 1), (1, 2), (2, 3), (3, 0)):
        square[i, j] = 0.5
    square.fill_diagonal_(0.9)
    assert betti_numbers(square, 0.4) == (2, 1), "a ring of four and a token of its own"
    square[0, 2] = 0.45
    assert betti_numbers(square, 0.4) == (2, 2)
    assert betti_numbers(square, 0.5) == (5, 0)
    curves = betti_curves(square.expand(2, 3, 5, 5), [0.4, 0.5])
    assert curves[0].shape == (2, 3, 2)
    assert curves[0][1, 2].tolist() == [2, 5]


def test_a_graph_in_two_parts_has_no_algebraic_connectivity():
    maps = torch.zeros(6, 6, dtype=torch.float64)
    maps[:3, :3], maps[3:, 3:] = 1 / 3, 1 / 3
    assert float(measures.fiedler(maps)) == pytest.approx(0.0, abs=1e-12)
    assert float(measures.fiedler(maps, normalised=True)) == pytest.approx(0.0, abs=1e-12)
    alone = torch.eye(4, dtype=torch.float64)
    assert float(measures.fiedler(alone, normalised=True)) == 0.0, "tokens without an edge"
    assert float(measures.gini(alone)) == float(measures.star_likeness(alone)) == 0.0


def test_a_single_token_has_all_measures():
    found = probe().measure(torch.ones(2, 3, 1, 1, dtype=torch.float64), causal=True)
    assert all(bool(torch.isfinite(value).all()) for value in found.values())
    assert found["betti0"].unique().tolist() == [1.0]
    result = probe()(tiny_model("gpt2"), {"input_ids": torch.tensor([[5]])})
    assert result.cosine_to_first.tolist() == [0.0] * 3


def test_divergence_counts_visible_keys():
    point = torch.eye(4, dtype=torch.float64)
    logs = torch.tensor([1.0, 2, 3, 4]).double().log()
    assert float(measures.kl_to_uniform(point, causal=True)) == pytest.approx(float(logs.mean()))
    assert float(measures.kl_to_uniform(point, causal=False)) == pytest.approx(float(logs[-1]))


def test_sinks_are_those_above_the_quantile():
    maps = synthetic.mixed(synthetic.star(10, 4), 0.5, causal=False)
    assert measures.sink_mask(maps, 0.95).nonzero().flatten().tolist() == [4]
    assert measures.sink_mask(synthetic.uniform(5), 0.9).all(), "of equals all are"


def test_the_rule_at_its_edges():
    anchors = synthetic.bidirectional_model()
    received = measures.received(anchors).mean(1)
    assert frame_type(received, causal=False) == "bidirectional"
    assert frame_type(received, causal=True) != "bidirectional"
    assert frame_type(received.flip(-1), causal=False) == "bidirectional"
    steady = received[:1].expand(6, -1)
    assert frame_type(steady, causal=False) != "bidirectional", "both anchors must change, against one another"
    assert frame_type(received.roll(1, -1), causal=False, end=0) != "bidirectional"
    assert trend(torch.tensor([1.0, 2.0, 3.0])) == pytest.approx(1.0)
    assert trend(torch.tensor([1.0])) == 0.0


def test_geometry_of_a_sink():
    states = torch.tensor([[[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    assert float(geometry.cosine_to_first(states)) == pytest.approx(0.5)
    assert float(geometry.norm_ratio_first(states)) == pytest.approx(2.0)
    line = torch.tensor([[3.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert float(geometry.sink_direction_share(line)) == pytest.approx(1.0)
    assert float(geometry.sink_direction_share(line * 0 + 1)) == 0.0
    maps = synthetic.mixed(synthetic.star(8), 0.5, causal=True)
    removed = geometry.without_sink(maps)
    torch.testing.assert_close(removed[1:].sum(-1), torch.ones(7).double())
    assert removed[0].sum() == 0
    rows = [(removed[i] * (removed[i] / maps[i]).log()).nan_to_num().sum() for i in range(1, 8)]
    assert float(geometry.kl_reduction(maps)) == pytest.approx(float(sum(rows)) / 7)


def test_spectra_tell_structure_from_noise():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(60, 200, generator=generator)
    planted = noise + 3 * torch.outer(torch.randn(60, generator=generator), torch.randn(200, generator=generator))
    assert int(spectra.beyond_marchenko_pastur(noise)) <= 1
    assert int(spectra.beyond_marchenko_pastur(torch.stack((planted, noise)))[0]) >= 1
    assert float(spectra.spectral_gap(planted)) > 3 * float(spectra.spectral_gap(noise))
    assert float(spectra.participation_ratio(torch.diag(torch.tensor([3.0, 2.0, 1.0])))) == pytest.approx(1.0)
    assert float(spectra.participation_ratio(torch.ones(7, 3))) == pytest.approx(7.0)


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "bert", "roberta"])
def test_padding_and_batches_change_nothing_and_the_model_stays(family, tmp_path):
    model, tokenizer = tiny_model(family), tiny_tokenizer(ends=True)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    texts, lines = ["w5 w6 w7 w8 w9", "w8 w9", "w11 w12 w13 w3 w4"], []
    whole = probe()(model, texts, tokenizer, batch_size=2, log=lines.append)
    assert lines == ["2 texts", "3 texts"]
    assert whole.texts == sum(count for _, count in whole.frames) == 3
    assert whole.causal == (family in ("gpt2", "llama", "qwen3"))
    parts = [probe()(model, text, tokenizer) for text in texts]
    for name in ("fiedler", "gini", "kl_to_uniform", "cosine_to_first", "norm_ratio_first", "features", "betti1"):
        expected = torch.stack([getattr(part, name) for part in parts]).mean(0)
        torch.testing.assert_close(getattr(whole, name), expected, atol=1e-5, rtol=1e-4)
    longest = torch.stack([parts[0].received, parts[2].received]).mean(0)
    torch.testing.assert_close(whole.received, longest, atol=1e-6, rtol=1e-4)
    whole.plot(tmp_path / "frames.png")
    whole.save(tmp_path / "frames.csv")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in state.items())


def test_a_masked_sink_is_not_seen_and_its_loss_is_measured():
    case = example(ReferenceFramesConfig())
    model, ids = case["model"], case["inputs"]["input_ids"]
    before = attention_maps(model, {"input_ids": ids})
    with torch.no_grad(), attending(model, weights=masking(0)):
        after = attention_maps(model, {"input_ids": ids})
    for old, new in zip(before[:1], after[:1], strict=True):
        assert float(new[:, :, 1:, 0].abs().max()) == 0
        torch.testing.assert_close(new[:, :, 0], old[:, :, 0])
        torch.testing.assert_close(new[:, :, 1:], geometry.without_sink(old)[:, :, 1:], atol=1e-6, rtol=1e-4)
    plain = loss_without(model, ids, None)
    logits = model(input_ids=ids).logits
    expected = torch.nn.functional.cross_entropy(logits[:, 1:-1].flatten(0, 1), ids[:, 2:].flatten())
    assert plain == pytest.approx(float(expected), rel=1e-5)
    assert loss_without(model, ids, 0) != pytest.approx(plain, rel=1e-6)
    with pytest.raises(zoo.InputError, match="position 30 of 12"):
        loss_without(model, ids, 30)
    with pytest.raises(zoo.InputError, match="no texts"):
        probe()(model, [])
