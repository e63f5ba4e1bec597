"""What every paper's package leans on: renaming, replay by component, heads, figures, the handwritten digits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo.evidence.replay import Run, replay_of
from zoo.nn import digits
from zoo.nn.heads import merge_heads, require_equal_groups, require_equal_slices, split_heads
from zoo.nn.renaming import renamed


def test_rules_apply_in_turn_and_take_functions():
    rules = ((r"^block(\d+)\.", lambda match: f"blocks.{int(match[1]) - 1}."), (r"\.dwconv\.dwconv\.", ".dwconv."))
    state = {"block2.dwconv.dwconv.weight": torch.ones(1), "head.weight": torch.zeros(1)}
    assert list(renamed(state, rules)) == ["blocks.1.dwconv.weight", "head.weight"]


def test_no_tensor_is_lost_to_another_of_its_name():
    state = {"model.norm.weight": torch.ones(1), "norm.weight": torch.zeros(1)}
    with pytest.raises(zoo.CheckpointMismatch, match=r"'model\.norm\.weight' and 'norm.weight'"):
        renamed(state, ((r"^model\.", ""),))


def test_replay_runs_the_component_that_was_recorded():
    def doubled(run: Run):
        return {"y": run.config["factor"] * run.inputs["x"] + run.state["bias"]}

    replay = replay_of({"doubled": doubled, "other": lambda run: {}})
    found = replay("doubled", {"factor": 2}, {}, {"bias": torch.tensor(1.0)}, {"x": torch.tensor(3.0)})
    assert found["y"] == 7
    with pytest.raises(zoo.InputError, match="no component 'third'; there are: doubled, other"):
        replay("third", {}, {}, {}, {})


@pytest.mark.parametrize("shape", [(2, 5, 12), (0, 5, 12), (2, 0, 12)])
def test_heads_split_and_merge(shape):
    x = torch.randn(shape)
    heads = split_heads(x, 3)
    assert heads.shape == (shape[0], 3, shape[1], 4)
    assert torch.equal(merge_heads(heads), x)
    if x.numel():
        assert torch.equal(heads[1, 2, 3], x[1, 3, 8:])


def test_heads_that_do_not_divide_are_refused_by_field():
    require_equal_slices(12, 3)
    require_equal_groups(8, None)
    require_equal_groups(8, 2)
    with pytest.raises(zoo.ConfigError, match="dim=12") as slices:
        require_equal_slices(12, 5)
    with pytest.raises(zoo.ConfigError, match="num_kv_heads=3") as groups:
        require_equal_groups(8, 3)
    assert (slices.value.field, groups.value.field) == ("dim", "num_kv_heads")


def test_figures_are_written_where_a_path_says_so(tmp_path):
    pytest.importorskip("matplotlib")
    figure = new_figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    assert saved(figure, None) is figure
    assert saved(figure, tmp_path / "curve.png") is figure
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("augment", [False, True])
def test_digits_are_learned_the_same_way_for_the_same_seed(augment):
    def run(seed):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        lines = []
        loss = digits.fit(model, epochs=3, seed=seed, learning_rate=3e-2, augment=augment, log=lines.append)
        assert len(lines) == 3
        return loss, digits.measure(model)

    first, second, other = run(0), run(0), run(1)
    assert first == second != other
    assert first[1].accuracy > 0.7


def test_augmentation_moves_by_at_most_one_pixel():
    image = torch.zeros(50, 8, 8)
    image[:, 4, 4] = 1
    moved = digits.shifted(image, torch.Generator().manual_seed(0))
    places = {tuple(place[1:]) for place in moved.nonzero().tolist()}
    assert places == {(row, column) for row in (3, 4, 5) for column in (3, 4, 5)}
