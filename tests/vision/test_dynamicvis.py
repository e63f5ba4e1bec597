"""DynamicVis: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, InputError
from zoo.nn.selective_scan import naive_scan, selective_scan
from zoo_vision.dynamicvis.config import PATHS, DynamicVisConfig, MixerConfig
from zoo_vision.dynamicvis.conversion import convert
from zoo_vision.dynamicvis.loss import multiple_instance_loss, region_logits
from zoo_vision.dynamicvis.mamba import Mamba, ScanBlock
from zoo_vision.dynamicvis.mixer import DynamicRegionMixer
from zoo_vision.dynamicvis.network import DynamicVis


@pytest.mark.parametrize(
    ("name", "fields", "parameters"),
    [
        ("base", {}, 36_745_536),
        ("base", {"position_table": False}, 35_172_672),
        ("large", {}, 91_242_240),
        ("large", {"position_table": False}, 89_145_088),
    ],
)
def test_parameter_counts(name, fields, parameters):
    with torch.device("meta"):
        model = zoo.load(f"dynamicvis/{name}", weights=None, device="meta", **fields)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def scan_inputs(length, scale=1.0):
    generator = torch.Generator().manual_seed(length)
    options = {"generator": generator, "dtype": torch.float64}
    u, write, read = (torch.randn(2, length, width, **options) for width in (3, 4, 4))
    step = scale * torch.rand(2, length, 3, **options)
    decay = -torch.rand(3, 4, **options) * 16
    return [u, step, decay, write, read, torch.randn(3, **options)]


@given(st.integers(0, 70), st.sampled_from([0.1, 1.0, 100.0]))
def test_the_scan_is_the_loop(length, scale):
    inputs = scan_inputs(length, scale)
    if length == 0:
        assert selective_scan(*inputs).shape == (2, 0, 3)
        return
    torch.testing.assert_close(selective_scan(*inputs), naive_scan(*inputs))


def test_gradients_of_the_scan_are_the_loop_s():
    gradients = []
    for scan in (selective_scan, naive_scan):
        leaves = [tensor.clone().requires_grad_() for tensor in scan_inputs(23)]
        gradients.append(torch.autograd.grad(scan(*leaves).square().sum(), leaves))
    for ours, right in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, right)


def test_the_scan_takes_few_steps():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            Count.calls += 1
            return func(*args, **(kwargs or {}))

    calls = []
    for length in (128, 2048):
        Count.calls = 0
        with Count():
            selective_scan(*scan_inputs(length))
        calls.append(Count.calls)
    # 16 times the tokens: 4 times the steps, not 16.
    assert calls[1] < 5 * calls[0]


@given(st.integers(1, 12))
def test_mamba_looks_back_only(token):
    torch.manual_seed(0)
    mamba = Mamba(MixerConfig(dim=8))
    x = torch.randn(1, 13, 8)
    changed = x.clone()
    changed[:, token:] += 1
    torch.testing.assert_close(mamba(changed)[:, :token], mamba(x)[:, :token])


def test_step_sizes_begin_between_a_thousandth_and_a_tenth():
    mamba = Mamba(MixerConfig(dim=64))
    steps = functional.softplus(mamba.dt_proj.bias)
    assert steps.min() >= 1e-3 * 0.999
    assert steps.max() <= 0.1 * 1.001
    assert mamba.A_log.exp()[0].tolist() == pytest.approx(range(1, 17))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_the_average_or_mixture_of_its_ways(path):
    torch.manual_seed(0)
    block = ScanBlock(MixerConfig(dim=8, path=path)).eval()
    x = torch.randn(2, 11, 8)
    normed = block.pre_norm(x)
    orders = [torch.arange(11), torch.arange(11).flip(0)]
    if "shuffle" in path:
        orders.append(torch.randperm(11, generator=torch.Generator().manual_seed(0)))
    ways = [block.mamba_layer(normed[:, order])[:, order.argsort()] for order in orders]
    if path == "forward":
        expected = ways[0]
    elif path.endswith("gate"):
        means = torch.cat([way.mean(1) for way in ways], 1)
        shares = (means @ block.gate_layer[0].weight.mT).softmax(1)
        expected = sum(share[:, None, None] * way for share, way in zip(shares.unbind(1), ways, strict=True))
    else:
        expected = sum(ways) / len(ways)
    torch.testing.assert_close(block(x), x + expected)


class Lengths(torch.nn.Module):
    """Stands for the scan block: tells what it was given, and gives it back."""

    def __init__(self):
        super().__init__()
        self.given = None

    def forward(self, x):
        self.given = x
        return x


@pytest.mark.parametrize(
    ("position", "order"),
    [("head", "gggttttt"), ("headtail", "gggtttttggg"), ("mid", "ttgggttt"), ("none", "ttttt")],
)
def test_global_tokens_stand_where_they_should(position, order):
    mixer = DynamicRegionMixer(MixerConfig(dim=4, reduction_ratio=2, global_position=position, num_global=3))
    mixer.spatial_mamba_mixer = Lengths()
    x = torch.randn(1, 10, 4)
    mixer.eval()(x)
    chosen = x[0, mixer.select(mixer.scores(x))[0]]
    means = functional.adaptive_avg_pool1d(x.mT, 3).mT[0]
    feed = {"t": iter(chosen), "g": iter(torch.cat((means, means)))}
    expected = torch.stack([next(feed[kind]) for kind in order])
    torch.testing.assert_close(mixer.spatial_mamba_mixer.given[0], expected)


def test_in_the_middle_answers_are_cut_where_the_authors_cut():
    mixer = DynamicRegionMixer(MixerConfig(dim=1, reduction_ratio=2, global_position="mid", num_global=4)).eval()
    mixer.spatial_mamba_mixer = torch.nn.Identity()
    tokens, pooled = torch.arange(10.0).view(1, 10, 1), torch.arange(100.0, 104).view(1, 4, 1)
    assert mixer._scan(tokens, pooled).flatten().tolist() == [0, 1, 2, 3, 4, 100, 101, 7, 8, 9]


def test_the_order_of_the_scan():
    x = torch.randn(1, 12, 16)
    mixer = zoo.load("dynamic-region-mixer/tiny", num_global=2)
    logits = mixer.scores(x)
    assert mixer.select(logits)[0].tolist() == logits[0].argsort(descending=True)[:3].tolist()
    placed = zoo.load("dynamic-region-mixer/tiny", num_global=2, order="position")
    assert placed.select(logits)[0].tolist() == sorted(mixer.select(logits)[0].tolist())


def test_noise_moves_the_choice_in_training_only():
    torch.manual_seed(0)
    mixer = zoo.load("dynamic-region-mixer/tiny", gumbel_scale=5.0)
    logits = torch.zeros(1, 40) + torch.arange(40) * 1e-3
    assert torch.equal(mixer.eval().select(logits), mixer.select(logits))
    chosen = {tuple(sorted(mixer.train().select(logits)[0].tolist())) for _ in range(5)}
    assert len(chosen) > 1


def test_without_selection_everything_is_scanned_in_order():
    torch.manual_seed(0)
    mixer = DynamicRegionMixer(MixerConfig(dim=8, reduction_ratio=0, global_position="none")).eval()
    x = torch.randn(2, 9, 8)
    torch.testing.assert_close(mixer(x), mixer.spatial_mamba_mixer(x))
    assert not hasattr(mixer, "spatial_gate")


@pytest.mark.parametrize("normed", [False, True])
def test_chosen_tokens_are_added_to_where_the_rest_stays(normed):
    torch.manual_seed(0)
    mixer = DynamicRegionMixer(
        MixerConfig(dim=8, reduction_ratio=3, global_position="none", softmax_on_x=False, norm_topk=normed)
    ).eval()
    x = torch.randn(1, 9, 8)
    chosen = mixer.select(mixer.scores(x))[0]
    weights = mixer.scores(x)[0].softmax(0)[chosen]
    weights = weights / weights.sum() if normed else weights
    expected = x.clone()
    expected[0, chosen] += mixer.spatial_mamba_mixer(x[:, chosen])[0] * weights[:, None]
    torch.testing.assert_close(mixer(x), expected)


def test_loss_by_definition():
    generator = torch.Generator().manual_seed(0)
    features, embedding = torch.randn(5, 6, 7, 7, generator=generator), torch.randn(4, 6, generator=generator)
    labels, scale = torch.tensor([0, 2, 2, 3, 0]), torch.tensor(1.3)
    logits = region_logits(features, embedding, scale)
    means = features.mean((2, 3))
    expected = math.exp(1.3) * functional.cosine_similarity(means[:, None], embedding[None], dim=-1)
    torch.testing.assert_close(logits, expected)
    rows = [-math.log(float(logits[n].softmax(0)[labels[n]])) for n in range(5)]
    columns = [-math.log(float(logits[:, c].softmax(0)[labels == c].sum())) for c in (0, 2, 3)]
    found = multiple_instance_loss(logits, labels, 0.5)
    assert found.item() == pytest.approx(0.25 * (sum(rows) / 5 + sum(columns) / 3), abs=1e-5)
    with pytest.raises(InputError, match="at least one"):
        multiple_instance_loss(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))


@pytest.mark.parametrize("size", [(1, 1), (33, 70), (64, 64)])
def test_any_size(size):
    maps = zoo.load("dynamicvis/tiny")(torch.randn(1, 3, *size))
    for stage in range(4):
        stride = 4 * 2**stage
        found = getattr(maps, f"stage{stage}")
        assert found.shape[2:] == (math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        assert found.isfinite().all()


def test_published_names_and_other_sizes_of_positions():
    small = zoo.load("dynamicvis/tiny")
    foreign = {f"backbone.{name}": tensor for name, tensor in small.state_dict().items()}
    foreign |= {"head.fc.weight": torch.zeros(2, 2), "neck.a": torch.zeros(1)}
    larger = DynamicVisConfig(**{**vars(small.config), "image_size": 96})
    found = convert(foreign, larger)
    assert found.keys() == small.state_dict().keys()
    assert found["pos_embed"].shape == (1, 24 * 24, 8)
    model = DynamicVis(larger)
    zoo.fill(model, found)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="depths"):
        zoo.load("dynamicvis", depths=[1, 1])
    with pytest.raises(ConfigError, match="num_global"):
        zoo.load("dynamicvis", num_global=0)
    with pytest.raises(InputError, match="give height"):
        zoo.load("dynamic-region-mixer", dim=16)(torch.randn(1, 9, 16))
    with pytest.raises(InputError, match="in the middle"):
        zoo.load("dynamic-region-mixer/tiny", global_position="mid")(torch.randn(1, 8, 16))
