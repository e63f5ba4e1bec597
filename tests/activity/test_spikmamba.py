"""SpikMamba: what is particular to it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, InputError
from zoo.nn.selective_scan import naive_scan, resumed_scan
from zoo_activity.spikmamba.attention import rotations, turn
from zoo_activity.spikmamba.config import SpikMambaConfig
from zoo_activity.spikmamba.events import events_from_video, preprocess
from zoo_activity.spikmamba.mamba import BiMamba
from zoo_activity.spikmamba.network import example
from zoo_activity.spikmamba.neurons import LIF, lif
from zoo_activity.spikmamba.recipe import mixup

NEURONS = [{}, {"tau": 1.5, "threshold": 0.7, "reset": -0.2, "slope": 2.0}, {"reset": None, "tau": 3.0}]


def _neuron(currents, gradient, tau=2.0, threshold=1.0, reset=0.0, slope=4.0):
    """One neuron and its gradient, step by step in Python floats."""
    rest, v, charges, spikes = reset or 0.0, reset or 0.0, [], []
    for current in currents:
        v += (current - (v - rest)) / tau
        charges.append(v)
        spikes.append(float(v >= threshold))
        if spikes[-1]:
            v = v - threshold if reset is None else rest
    back, later = [], 0.0
    for charge, spike, given in zip(reversed(charges), reversed(spikes), reversed(gradient), strict=True):
        sigmoid = 1 / (1 + math.exp(-slope * (charge - threshold)))
        # The reset passes no gradient; a hard one forgets the charge as well.
        through = later if reset is None else later * (1 - spike)
        charged = given * slope * sigmoid * (1 - sigmoid) + through
        back.append(charged / tau)
        later = charged * (1 - 1 / tau)
    return spikes, v, back[::-1]


@pytest.mark.parametrize("settings", NEURONS)
def test_neurons_are_the_loop_with_its_gradient(settings):
    generator = torch.Generator().manual_seed(0)
    currents = (2.5 * torch.randn(30, 2, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    weights = torch.randn(30, 2, 3, generator=generator, dtype=torch.float64)
    spikes, membrane = lif(currents, **settings)
    (spikes * weights).sum().backward()
    for row in range(2):
        for column in range(3):
            one = (slice(None), row, column)
            expected, left, gradient = _neuron(currents[one].tolist(), weights[one].tolist(), **settings)
            assert spikes[one].tolist() == expected
            assert membrane[row, column].item() == pytest.approx(left, abs=1e-12)
            assert currents.grad[one].tolist() == pytest.approx(gradient, abs=1e-12)
    assert 0 < spikes.mean() < 1


def test_a_surrogate_gradient_has_no_gradient():
    currents = torch.ones(3, requires_grad=True)
    with pytest.raises(InputError, match="create_graph"):
        torch.autograd.grad(lif(currents)[0].sum(), currents, create_graph=True)


def test_a_neuron_by_hand():
    # Charges 0.75, 1.125 (fires, back to 0), 0.5, 1 (fires at the threshold itself).
    spikes, membrane = lif(torch.tensor([1.5, 1.5, 1.0, 1.5]))
    assert spikes.tolist() == [0, 1, 0, 1]
    assert membrane == 0


@pytest.mark.parametrize("settings", NEURONS)
@pytest.mark.parametrize("cut", [0, 1, 7, 12])
def test_neurons_in_pieces(settings, cut):
    currents = 2 * torch.randn(12, 5, generator=torch.Generator().manual_seed(1))
    whole, last = lif(currents, **settings)
    first, membrane = lif(currents[:cut], **settings)
    second, end = lif(currents[cut:], membrane, **settings)
    assert torch.equal(torch.cat((first, second)), whole)
    assert torch.equal(end, last)


def test_half_precision_keeps_a_wide_membrane():
    currents = 2 * torch.randn(12, 5, generator=torch.Generator().manual_seed(1)).bfloat16()
    spikes, membrane = lif(currents)
    assert (spikes.dtype, membrane.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(spikes.float(), lif(currents.float())[0])


def test_time_keeps_clips_apart_and_leading_does_not():
    x = 2 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    for axis, apart in (("time", True), ("leading", False)):
        neurons = LIF(SpikMambaConfig(lif_axis=axis))
        spikes = neurons(x, 4)[0]
        other = neurons(torch.cat((x[:4] + 5, x[4:])), 4)[0]
        assert torch.equal(spikes[4:], other[4:]) == apart
        assert torch.equal(spikes[:4], lif(x[:4])[0])
    assert torch.equal(spikes, lif(x)[0])


@pytest.mark.parametrize("cut", [0, 1, 6, 16, 17])
def test_the_scan_in_pieces_is_the_loop(cut):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    u, dt, write, read = draw(2, 17, 3), draw(2, 17, 3).exp(), draw(2, 17, 4), draw(2, 17, 4)
    decay, skip = -draw(3, 4).exp(), draw(3)
    whole, last = resumed_scan(u, dt, decay, write, read, skip)
    torch.testing.assert_close(whole, naive_scan(u, dt, decay, write, read, skip))
    first, state = resumed_scan(*(x[:, :cut] for x in (u, dt)), decay, write[:, :cut], read[:, :cut], skip)
    second, end = resumed_scan(*(x[:, cut:] for x in (u, dt)), decay, write[:, cut:], read[:, cut:], skip, state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    torch.testing.assert_close(end, last)


def test_turns_by_row_and_column():
    table = rotations(3, 8)
    assert table.shape == (9, 4, 2)
    # Token 5 is in row 1 and column 2; frequencies are 1 and 1/100.
    angles = [1.0, 0.01, 2.0, 0.02]
    assert table[5].tolist() == [pytest.approx([math.cos(a), math.sin(a)]) for a in angles]
    x = torch.randn(9, 8)
    turned = torch.view_as_real(torch.view_as_complex(x.reshape(9, 4, 2)) * torch.view_as_complex(table)).flatten(1)
    torch.testing.assert_close(turn(x, table), turned)


def test_mamba_reads_both_ways():
    config = zoo.load("spikmamba-ssm/tiny").config
    torch.manual_seed(0)
    mixer = BiMamba(config).eval()
    x = torch.randn(1, 9, 32, requires_grad=True)
    mixer(x)[0, 4].sum().backward()
    assert (x.grad[0].abs().sum(-1) > 0).all()
    for name in ("conv1d", "x_proj", "dt_proj"):
        getattr(mixer, f"{name}_b").load_state_dict(getattr(mixer, name).state_dict())
    with torch.no_grad():
        # The same weights both ways: the reversal of the input is the reversal of the answer.
        torch.testing.assert_close(mixer(x.flip(1)).flip(1), mixer(x))


def _network(name, **settings):
    torch.manual_seed(0)
    model = zoo.load(name, **settings).eval()
    with torch.no_grad():
        # Currents that fire.
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.weight.fill_(4)
    return model


@pytest.mark.parametrize("name", ["spikmamba/tiny", "spikmamba-ssm/tiny"])
@pytest.mark.parametrize("axis", ["time", "leading"])
def test_calls_know_nothing_of_each_other(name, axis):
    model = _network(name, lif_axis=axis)
    video = example(model.config)["video"]
    with torch.no_grad():
        first = model(video)
        model(video.flip(0))
        assert torch.equal(model(video), first)
        apart = torch.cat([model(clip[None]) for clip in video])
    torch.testing.assert_close(apart[0], first[0])
    assert torch.allclose(apart[1], first[1], atol=1e-6) == (axis == "time")


@pytest.mark.parametrize("pieces", [(1, 1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize(
    ("name", "settings", "batch"),
    [
        ("spikmamba/tiny", {"num_frames": 3, "depth": 2}, 2),
        ("spikmamba/tiny", {"num_frames": 3, "lif_axis": "leading"}, 1),
        ("spikmamba/tiny", {"num_frames": 3, "v_reset": None}, 2),
        ("spikmamba-ssm/tiny", {"carry_membrane": False, "depth": 2}, 2),
        ("spikmamba-ssm/tiny", {"depth": 0}, 2),
    ],
)
def test_pieces_of_a_clip_are_one_long_call(pieces, name, settings, batch):
    model = _network(name, **settings)
    video = example(model.config, batch)["video"]
    state, done = None, 0
    with torch.no_grad():
        for count in pieces:
            logits, state = model.advance(video[:, :, done : done + count], state)
            done += count
        torch.testing.assert_close(logits, model(video))
        # The membranes matter: frames without them say something else.
        alone = model.advance(video[:, :, -1:], replace(state, frames=2, membranes=(None,) * len(state.membranes)))[0]
    assert not torch.allclose(alone, logits)
    assert state.frames == 3
    with pytest.raises(InputError, match="frames after 3"):
        model.advance(video[:, :, :1], state)


def test_pieces_that_cannot_be():
    model = _network("spikmamba/tiny", lif_axis="leading")
    video = example(model.config)["video"]
    with pytest.raises(InputError, match="lif_axis=time"):
        model.advance(video[:, :, :1])
    model = _network("spikmamba-ssm/tiny")
    with pytest.raises(InputError, match="carry_membrane=false"):
        model.advance(example(model.config)["video"][:, :, :1])


@pytest.mark.parametrize("name", ["spikmamba/tiny", "spikmamba-ssm/tiny"])
def test_gradients_pass_the_spikes(name):
    model = zoo.load(name, patch_dropout=0.0).train()
    video = example(model.config)["video"]
    functional.cross_entropy(model(video), torch.tensor([0, 3])).backward()
    unused = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert unused == {"cls_token"}
    for name in ("patch_embed.proj.weight", "layers.0.blocks.0.attn.qk.weight"):
        gradient = model.get_parameter(name).grad
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0


def test_parameters_as_stated():
    assert zoo.info("spikmamba/16").parameters == 2_791_744 - 766_496
    # Without the spiking stem, the spiking self-attention, the last norm and the norms of the MLPs.
    assert zoo.info("spikmamba/8").parameters == 4_440_652 - 757_792 - 1_582_080 - 512 - 2 * 4096
    assert zoo.info("spikmamba-ssm/16").parameters == 3_704_908 - 1_029_664
    model = zoo.load("spikmamba-ssm/16", weights=None)
    assert sum(weight.numel() for weight in model.mamba_layers.parameters()) == 482_560
    # The block of 1024 tokens, without norms in its MLP.
    block = zoo.load("spikmamba/16", weights=None).blocks[0]
    assert sum(weight.numel() for weight in block.parameters()) == 871_936 - 4096


def test_what_the_authors_never_read_is_left_out_of_checkpoints():
    from zoo_activity.spikmamba.conversion import convert

    model = zoo.load("spikmamba-ssm/tiny")
    unused = ("sps_patch_embed.proj.weight", "norm.weight", "layers.0.blocks.0.mlp.fc1_bn.bias")
    unused += ("layers.0.blocks.0.to2.weight", "layers.0.blocks.0.attn.rope.rotations")
    state = model.state_dict()
    checkpoint = {f"module.{name}": tensor for name, tensor in state.items()} | dict.fromkeys(unused, torch.zeros(1))
    assert convert(checkpoint, model.config).keys() == state.keys()


def test_events_become_frames():
    config = SpikMambaConfig(image_size=4, num_frames=2, patch_size=2)
    video = preprocess(config)([[1, 2, 10.0, 1], [3, 0, 19.9, -1], [0, 0, 20.0, 0], [1, 2, 30.0, 1], [1, 2, 30, 0]])[
        "video"
    ]
    assert video.shape == (1, 3, 2, 4, 4)
    brighter, darker, either = (channel.nonzero().tolist() for channel in video[0])
    assert brighter == [[0, 2, 1], [1, 2, 1]]
    assert darker == [[0, 0, 3], [1, 0, 0], [1, 2, 1]]
    assert either == [[0, 0, 3], [0, 2, 1], [1, 0, 0], [1, 2, 1]]
    # All at one time: the first frame.
    assert preprocess(config)([[1, 2, 5, 1]])["video"].nonzero().tolist() == [[0, 0, 0, 2, 1], [0, 2, 0, 2, 1]]
    for wrong in ([], [[4, 0, 0, 1]], [[0, -1, 0, 1]], [[0, 0, math.nan, 1]], [[0, 0, 1]]):
        with pytest.raises(InputError, match="events"):
            preprocess(config)(wrong)
    with pytest.raises(InputError, match="is no array of numbers"):
        preprocess(config)("events.bin")
    with pytest.raises(InputError, match="3 channels"):
        preprocess(replace(config, in_channels=2))([[0, 0, 0, 1]])


def test_mixup_mixes_clips_and_smoothed_labels_alike():
    video, labels = torch.tensor([[1.0], [0.0]]), torch.tensor([0, 1])
    mixed, targets = mixup(video, labels, 4, generator=torch.Generator().manual_seed(0))
    share = float(mixed[0])
    assert 0 < share < 1
    assert mixed[1].item() == pytest.approx(1 - share)
    assert targets[0].tolist() == pytest.approx([0.9 * share + 0.025, 0.9 * (1 - share) + 0.025, 0.025, 0.025])
    assert targets.sum(1).tolist() == pytest.approx([1, 1])
    plain = mixup(video, labels, 4, alpha=0)
    assert torch.equal(plain[0], video)
    logits = torch.randn(2, 4)
    torch.testing.assert_close(
        functional.cross_entropy(logits, plain[1]), functional.cross_entropy(logits, labels, label_smoothing=0.1)
    )
    with pytest.raises(InputError, match="labels"):
        mixup(video, torch.tensor([0, 4]), 4)


def test_configs_and_inputs_that_cannot_be_are_refused():
    wrong_ones = ({"dim": 30}, {"num_heads": 5}, {"image_size": 18}, {"lif_axis": "batch"}, {"tau": 0.5})
    for wrong in wrong_ones:
        with pytest.raises(ConfigError):
            zoo.load("spikmamba/tiny", **wrong)
    model = zoo.load("spikmamba/tiny")
    with pytest.raises(InputError, match="video"):
        model(torch.zeros(1, 3, 4, 16, 20))
    with pytest.raises(InputError, match="3 frames"):
        model(torch.zeros(1, 3, 3, 16, 16))


def _events_one_by_one(video, threshold):
    """Each pixel for itself, as the docstring says."""
    found = []
    for y in range(video.shape[1]):
        for x in range(video.shape[2]):
            logs = [math.log1p(float(value) / 10) for value in video[:, y, x]]
            memory = logs[0]
            for index, log in enumerate(logs[1:]):
                count = int(abs(log - memory) / threshold)
                sign = 1.0 if log > memory else -1.0
                memory += sign * count * threshold
                found += [(x, y, index + (step + 1) / (count + 1), sign) for step in range(count)]
    return sorted(found, key=lambda event: (round(event[2], 5), *event[:2]))


def test_events_of_a_video_are_those_of_each_pixel():
    # Quarters: no difference lies at a multiple of the threshold.
    video = torch.randint(0, 256, (5, 3, 4), generator=torch.Generator().manual_seed(0)).float() + 0.25
    found = events_from_video(video, 0.3)
    assert (found[1:, 2] >= found[:-1, 2]).all()
    listed = sorted(found.tolist(), key=lambda event: (round(event[2], 5), *event[:2]))
    expected = _events_one_by_one(video, 0.3)
    assert len(listed) == len(expected) > 50
    assert torch.allclose(torch.tensor(listed), torch.tensor(expected), atol=1e-4)


def test_a_still_video_has_no_events_and_a_bad_one_an_error():
    assert events_from_video(torch.full((3, 4, 4), 9.0)).shape == (0, 4)
    for video, threshold in ((torch.zeros(1, 4, 4), 0.1), (torch.zeros(3, 4), 0.1), (torch.zeros(3, 4, 4), 0.0)):
        with pytest.raises(InputError, match="positive threshold"):
            events_from_video(video, threshold)


def test_operations_of_the_network_with_mambas_are_counted():
    counted = zoo.info("spikmamba-ssm/tiny").flops
    assert counted is not None
    assert counted.total
