from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.tiny import tiny_model
from zoo.evidence.measuring import PeakMemory
from zoo_interpret.adaptive_long_context_heads import skipping
from zoo_interpret.adaptive_long_context_heads.calibration import calibrated_moments, moments_of
from zoo_interpret.adaptive_long_context_heads.claims import planted_mixture
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig
from zoo_interpret.adaptive_long_context_heads.masses import local_moments, masses, normality, windows
from zoo_interpret.adaptive_long_context_heads.method import AdaptiveLongContextHeads
from zoo_interpret.adaptive_long_context_heads.results import errors
from zoo_interpret.adaptive_long_context_heads.skipping import skipping_attention

IDS = torch.randint(3, 90, (2, 30), generator=torch.Generator().manual_seed(0))


def method(criterion="qada", **config) -> AdaptiveLongContextHeads:
    return AdaptiveLongContextHeads(AdaptiveLongContextHeadsConfig(criterion, **{"sink": 2, "local": 8, **config}))


def test_windows_are_sinks_and_recent_tokens():
    config = AdaptiveLongContextHeadsConfig(sink=2, local=3)
    found = windows(4, 7, config)
    assert found.int().tolist() == [
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 0, 1, 1, 1, 0],
        [1, 1, 0, 0, 1, 1, 1],
    ]
    assert torch.equal(windows(7, 7, config)[3:], found)


@pytest.mark.parametrize(("sink", "local"), [(2, 8), (0, 4), (4, 2), (0, 30), (40, 3)])
def test_moments_and_masses_are_what_a_loop_says(sink, local):
    config = AdaptiveLongContextHeadsConfig(sink=sink, local=local)
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(1, 4, 20, 8, generator=generator)
    key = torch.randn(1, 2, 20, 8, generator=generator)
    found, moments = masses(query, key, config, scale=0.3), local_moments(key, 20, config)
    for t in range(20):
        inside = windows(20, 20, config)[t]
        bulk = ~inside & (torch.arange(20) <= t)
        for head in range(4):
            scores = key[0, head // 2] @ query[0, head, t] * 0.3
            torch.testing.assert_close(found.log_window[0, head, t], scores[inside].logsumexp(0))
            if not bulk.any():
                assert float(found.share[0, head, t]) == float(found.share_estimate[0, head, t]) == 1
                assert float(found.log_bulk[0, head, t]) == float(torch.tensor(-1e30))
                continue
            torch.testing.assert_close(found.log_bulk[0, head, t], scores[bulk].logsumexp(0))
            near = key[0, head // 2, max(sink, t - local + 1) : t + 1].double()
            torch.testing.assert_close(moments.mean[0, head // 2, t], near.mean(0))
            torch.testing.assert_close(
                moments.covariance[0, head // 2, t], near.T.cov(correction=0), atol=1e-9, rtol=1e-6
            )
            s = near @ query[0, head, t].double() * 0.3
            wanted = bulk.sum().log() + s.mean() + s.var(correction=0) / 2
            torch.testing.assert_close(found.log_bulk_estimate[0, head, t].double(), wanted, atol=1e-5, rtol=1e-5)


def test_a_single_recent_key_says_nothing_of_the_bulk():
    generator = torch.Generator().manual_seed(1)
    query, key = (torch.randn(1, 2, 6, 4, generator=generator) for _ in range(2))
    found = masses(query, key, AdaptiveLongContextHeadsConfig(sink=1, local=1), scale=0.5)
    assert float(found.share_estimate.min()) == 1.0
    assert float(found.share[..., 3:].max()) < 1.0


def test_moments_of_other_prompts_and_of_one():
    model = tiny_model("llama", num_key_value_heads=2)
    moments = calibrated_moments(model, IDS, skip=1)
    assert [each.mean.shape for each in moments] == [(1, 2, 1, 8)] * 2
    assert moments[0].covariance.shape == (1, 2, 1, 8, 8)
    found = method().decide(model, IDS, moments=moments)
    assert not torch.equal(found.window_share_estimate, method().decide(model, IDS).window_share_estimate)
    assert torch.equal(found.window_share, method().decide(model, IDS).window_share)
    one = moments_of(torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]))
    assert one.mean.flatten().tolist() == [2.0, 0.0]
    assert one.covariance.flatten().tolist() == [1.0, 0.0, 0.0, 0.0]
    with pytest.raises(zoo.InputError, match="moments of 1 layers; the model has 2"):
        method().decide(model, IDS, moments=moments[:1])


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "gpt-neox", "phi3"])
def test_decisions_cut_heads_to_their_windows(family, tmp_path):
    model = tiny_model(family)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = model(IDS).logits
    found = method(tau=0.45).decide(model, IDS)
    assert 0 < found.sparsity(decided=True) < 1
    assert found.saved_fetches() <= found.sparsity()
    with method().attach(model, found):
        maps = attention_maps(model, IDS)
    outside = ~windows(30, 30, method().config)
    for layer, weights in enumerate(maps):
        local = found.local[:, layer].bool()
        assert float(weights[local][:, :].masked_fill(~outside[None].expand(2, 4, -1, -1)[local], 0).max()) == 0
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 30))
    assert torch.equal(model(IDS).logits, before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    found.plot(tmp_path / "decisions.png")
    found.save(tmp_path / "decisions.npz")
    assert found.to_dict()["sparsity"] == found.sparsity()


def test_layers_can_decide_as_they_run():
    model = tiny_model("llama")
    found = method("oracle").decide(model, IDS)
    with method("oracle").attach(model, found):
        together = attention_maps(model, IDS)
    with method("oracle").attach(model):
        running = attention_maps(model, IDS)
    torch.testing.assert_close(running[0], together[0])
    with pytest.raises(zoo.InputError, match="static labels come from"), method("static").attach(model):
        pass


def test_static_labels_are_alike_for_all_queries_and_early_queries_stay_whole():
    model = tiny_model("llama")
    share = torch.tensor([[0.9, 0.1, 0.9, 0.1], [0.1, 0.1, 0.9, 0.9]])
    found = method("static", tau_static=0.5).decide(model, IDS, static_share=share)
    assert torch.equal(found.local[0, :, :, -1], (share > 0.5).float())
    assert torch.equal(found.local[..., 12], found.local[..., -1])
    assert float(found.local[..., :10].min()) == 1.0
    late = method("all-local", first_query=20).decide(model, IDS)
    assert float(late.local[..., :20].max()) == 0.0
    assert float(late.local[..., 20:].min()) == 1.0


def test_padding_is_neither_window_nor_bulk():
    model = tiny_model("llama")
    mask = torch.ones_like(IDS)
    mask[1, 22:] = 0
    padded = method().decide(model, {"input_ids": IDS, "attention_mask": mask})
    alone = method().decide(model, IDS[1:, :22])
    torch.testing.assert_close(padded.window_share[1, ..., :22], alone.window_share[0])
    torch.testing.assert_close(padded.window_share_estimate[1, ..., :22], alone.window_share_estimate[0])


def test_normality_of_normal_and_of_two_valued_scores():
    generator = torch.Generator().manual_seed(0)
    config = AdaptiveLongContextHeadsConfig(sink=0, local=200)
    key = torch.randn(1, 1, 1000, 4, generator=generator)
    query = torch.randn(1, 1, 1, 4, generator=generator)
    normal = float(normality(query, key, config, scale=0.5)[0, 0, -1])
    key[:, :, :700] = key[:, :, :700].sign() * 3
    other = float(normality(query, key, config, scale=0.5)[0, 0, -1])
    assert normal < 0.12 < other
    assert normality(query, key[:, :, :50], config, scale=0.5).isnan().all()


def test_planted_queries_need_far_keys():
    query, key, _, far = planted_mixture()
    found = masses(query, key, AdaptiveLongContextHeadsConfig(sink=4, local=32), scale=0.25)
    assert float(found.share[~far].min()) > 0.9
    assert float(found.share[far].max()) < 0.6


def test_rates_against_the_oracle():
    rates = errors(torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 1, 0]))
    assert rates == {"false_local": 0.5, "missed_local": 0.5, "agreement": 0.5}


def test_what_cannot_be_done_is_named():
    with pytest.raises(zoo.InputError, match="BertForMaskedLM has attention of the groups"):
        method().decide(tiny_model("bert"), IDS)
    model = tiny_model("llama")
    found = method().decide(model, IDS)
    with method().attach(model, found), pytest.raises(zoo.InputError, match="decisions of shape"):
        model(IDS[:, :9])


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt-neox"])
def test_skipping_computes_what_cutting_weights_computes(family):
    model = tiny_model(family)
    with torch.no_grad():
        whole = model(IDS).logits
        for decisions in (method(tau=0.5).decide(model, IDS), torch.rand(2, 2, 4, 30) < 0.5, None):
            found = []
            for skip in (False, True):
                with method(tau=0.5, skip=skip).attach(model, decisions):
                    found.append(model(IDS).logits)
            torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)
            assert not torch.allclose(found[1], whole, atol=1e-5)
        assert torch.equal(model(IDS).logits, whole)
        # With a cache, a token at a time.
        with method(tau=0.5, skip=True).attach(model):
            options = {"max_new_tokens": 4, "do_sample": False}
            made = [model.generate(IDS[:1], use_cache=cache, **options) for cache in (True, False)]
    # Recent keys of the cache are those of the whole run.
    assert torch.equal(*made)


def test_decisions_of_skipping_are_those_of_masses_whatever_the_blocks(monkeypatch):
    config = AdaptiveLongContextHeadsConfig(sink=3, local=6, tau=0.55)
    generator = torch.Generator().manual_seed(4)
    query = 2 * torch.randn(2, 4, 50, 8, generator=generator)
    key, value = torch.randn(2, 2, 2, 60, 8, generator=generator)
    found = masses(query, key, config, scale=0.35)
    output, local = skipping_attention(query, key, value, config, scale=0.35)
    assert torch.equal(local, found.share_estimate >= 0.55)
    assert 0.1 < float(local.float().mean()) < 0.9
    monkeypatch.setattr(skipping, "BLOCK", 7)
    again, same = skipping_attention(query, key, value, config, scale=0.35)
    assert torch.equal(local, same)
    torch.testing.assert_close(output, again)
    moments = moments_of(torch.randn(2, 100, 8, dtype=torch.float64, generator=generator))
    _, calibrated = skipping_attention(query, key, value, config, scale=0.35, moments=moments)
    assert torch.equal(calibrated, masses(query, key, config, scale=0.35, moments=moments).share_estimate >= 0.55)


def test_local_heads_take_memory_for_their_windows_alone():
    config = AdaptiveLongContextHeadsConfig(sink=4, local=32)
    peaks = []
    for length in (512, 2048):
        query = torch.randn(1, 2, length, 8)
        with PeakMemory() as memory:
            skipping_attention(query, query, query, config, scale=0.3, local=torch.ones(1, 2, length, dtype=torch.bool))
        peaks.append(memory.peak)
    # A matrix of queries and keys would be 16 times as large.
    assert peaks[1] < 4.2 * peaks[0]


def test_what_cannot_be_skipped_is_named():
    model = tiny_model("llama")
    mask = torch.ones_like(IDS)
    mask[0, -4:] = 0
    with pytest.raises(zoo.InputError, match="without padding"), method(skip=True).attach(model):
        model(IDS, attention_mask=mask)
    with pytest.raises(zoo.InputError, match="needs decisions="), method("oracle", skip=True).attach(model):
        pass
    wrong = method(skip=True).attach(model, torch.ones(1, 2, 4, 30))
    with pytest.raises(zoo.InputError, match="decisions of shape"), wrong:
        model(IDS)
    with pytest.raises(zoo.InputError, match="moments of 0 layers"), method(skip=True).attach(model, moments=[]):
        pass
