"""ATHENA: what is particular to it."""

from __future__ import annotations

import math
import re

import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model
from zoo_seq2seq.athena.config import AthenaConfig
from zoo_seq2seq.athena.conversion import convert
from zoo_seq2seq.athena.expansion import Expander
from zoo_seq2seq.athena.layers import Aggregate
from zoo_seq2seq.athena.network import Athena
from zoo_seq2seq.athena.problems import agrees, read_problem, solve_text
from zoo_seq2seq.athena.thoughts import aggregate, constant, number, parse, transform


def model(**options) -> Athena:
    torch.manual_seed(0)
    return Athena(
        AthenaConfig(**{"lm_hidden_size": 16, "num_heads": 4, "ff_size": 24, "max_depth": 3} | options)
    ).eval()


def test_parameter_counts():
    assert zoo.info("athena/athena-base").parameters == 56_699_906
    assert zoo.info("athena/athena-large", constants=[1.0, 3.14]).parameters == 109_163_522


@pytest.mark.parametrize(
    ("equation", "written", "value"),
    [
        ("n0 - n1", "n0 - n1", -3),
        ("n0 / n1", "n0 / n1", 0.4),
        ("n1 / 2", "n1 / 2", 2.5),
        ("n1 * 0.5", "n1 / 2", 2.5),
        ("n1 * 2", "n1 + n1", 10),
        ("2 * n1", "n1 + n1", 10),
        ("n1 * -1", "-n1", -5),
        ("n0 * 1", "n0", 2),
        ("n0 ** 3", "n0 * n0 * n0", 8),
        ("n1 ** 0.5", "n1 ** 0.5", 5**0.5),
        ("x3_14 * n0", "x3_14 * n0", 6.28),
        ("( n0 + n1 ) * n2", "( n0 + n1 ) * n2", 49),
        ("n0 - ( n1 - n2 )", "n0 - ( n1 - n2 )", 4),
        ("-( n0 + n1 )", "-( n0 + n1 )", -7),
        ("1 / n0 / n1", "x1 / n0 / n1", 0.1),
    ],
)
def test_equations(equation, written, value):
    thought = parse(equation, (1.0,) if equation.startswith("1") else ())
    assert str(thought) == written
    assert thought.evaluate([2, 5, 7]) == pytest.approx(value)


def test_writing():
    a, b = number(0), number(1)
    assert str(transform("INV", aggregate("ADD", a, b))) == "1 / ( n0 + n1 )"
    assert str(aggregate("MUL", transform("INV", b), transform("INV", b))) == "1 / n1 / n1"
    assert str(aggregate("MUL", a, transform("NEG", b))) == "n0 * ( -n1 )"
    assert str(aggregate("ADD", transform("NEG", a), transform("HALF", b))) == "-n0 + n1 / 2"
    assert str(aggregate("MUL", constant(100), constant(3.14))) == "x100 * x3_14"


def test_parts_follow_what_a_thought_was_built_of():
    parts = {str(each) for each in parse("n0 + n1 + n2").parts()}
    assert parts == {"n0", "n1", "n2", "n0 + n1", "n0 + n1 + n2"}
    assert parse("n0 + n1 + n2") == parse("n2 + ( n1 + n0 )")
    assert str(parse("n0 - n0")) == "n0 - n0"


def test_values_that_do_not_exist():
    assert math.isnan(parse("n0 / n1").evaluate([1, 0]))
    assert math.isnan(parse("n0 ** 0.5").evaluate([-1]))


@pytest.mark.parametrize("equation", ["n0 +", "n0 ** 4", "n0 * 7", "f(n0)", "n0 % n1", "y", "xy"])
def test_what_is_no_equation(equation):
    with pytest.raises(zoo.InputError):
        parse(equation)


def test_rounds_transform_what_was_kept_and_pair_with_what_is_new():
    expander = Expander(2)
    expander.keep([each.thought for each in expander.candidates()])
    first = expander.candidates()
    assert [str(each.thought) for each in first[:3]] == ["-n0", "-n1", "1 / n0"]
    expander.keep([first[1].thought])
    pairs = [each.operands for each in expander.candidates() if each.thought.kind == "ADD"]
    assert pairs == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    difference = next(each.thought for each in expander.candidates() if str(each.thought) == "n0 - n1")
    expander.keep([difference])
    # Transforms of the earlier round's result and of this one's.
    assert {each.operands for each in expander.candidates()} == {(2,), (3,)}
    assert "-( -n1 )" in {str(each.thought) for each in expander.candidates()}
    expander.keep([])
    assert {each.operands for each in expander.candidates()} == {(0, 3), (1, 3), (2, 3), (3, 3)}
    expander.keep([])
    assert expander.candidates() == []


def test_duplicates_are_made_once():
    expander = Expander(3, transforms=())
    for _ in range(3):
        expander.keep([each.thought for each in expander.candidates()])
    made = [each.thought for each in expander.candidates()]
    assert made == []
    expander.keep([])
    made = [each.thought for each in expander.candidates()]
    assert len(made) == len(set(made))
    assert not set(made) & set(expander.kept)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_aggregates_are_the_equation(norm):
    torch.manual_seed(0)
    layer = Aggregate(AthenaConfig(16, num_heads=4, ff_size=24, norm=norm)).eval()
    kept = torch.randn(4, 16)
    ready = kept if norm == "post" else layer.norm(kept)
    q, k, v = (each(ready).view(4, 4, 4).transpose(0, 1) for each in (layer.q, layer.k, layer.v))
    i, j = 1, 3
    mixed = []
    for head in range(4):
        block = torch.stack([torch.stack([q[head, r] @ k[head, c] / 2 for c in (i, j)]) for r in (i, j)]).softmax(-1)
        mixed.append((block @ v[head, [i, j]]).sum(0))
    summed = kept[i] + kept[j] + layer.dense(torch.cat(mixed))
    expected = layer.ffn(layer.norm(summed) if norm == "post" else summed)
    torch.testing.assert_close(layer(kept, torch.tensor([[i, j]]))[0], expected)


@pytest.mark.parametrize("chain", [0, 1, 2])
def test_the_first_round_of_a_batch_is_that_of_each_problem(chain):
    built = model(chain=chain, constants=[1.0], max_depth=1, threshold=0.0)
    features = torch.randn(2, 12, 16)
    batch = built(features, torch.tensor([[2, 4]] * 2), torch.tensor([[10]] * 2))
    course = built.solve(features[1], [2, 4], [10])
    torch.testing.assert_close(batch.embeddings[1], course.embeddings)
    torch.testing.assert_close(batch.keep_logits[1].sigmoid(), course.probabilities)
    torch.testing.assert_close(batch.answer_logits[1], course.answer_logits)


def test_the_first_round_is_kept_whole_where_nothing_is():
    course = model(threshold=1.0).solve(torch.randn(12, 16), [2, 4], [10])
    assert [str(each) for each in course.thoughts] == ["n0", "n1"]


def test_strength_and_limits_end_the_expansion():
    features = torch.randn(12, 16)
    assert len(model(strength=0.0).solve(features, [2, 4], [10]).rounds) == 1
    limited = model(threshold=0.0, strength=1.0, limit_thoughts=20, max_depth=9).solve(features, [2, 4, 6], [10])
    assert [len(each) for each in limited.rounds] == [3, 12]


def test_supervision_keeps_the_gold_alone_and_reaches_every_parameter():
    built = model(constants=[100.0])
    found = built.supervise(torch.randn(12, 16), [2, 4], [10], "( n0 - n1 ) * x100 / 2")
    assert found.course.thoughts[-1] == parse("( n0 - n1 ) * x100 / 2")
    assert len(found.course.thoughts) == sum(int(each.sum()) for each in found.targets)
    found.loss.backward()
    assert built.reason.proj.weight.grad.abs().max() > 0
    assert built.const_features.grad.abs().max() > 0
    with pytest.raises(zoo.InputError, match="never reached"):
        built.supervise(torch.randn(12, 16), [2, 4], [10], "n0 + n5")


def _encoders():
    """Small random ones of several families of transformers, all 16 wide."""
    import transformers

    small = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24, "vocab_size": 60}
    yield tiny_model("bert", head="Model", hidden_size=16, num_attention_heads=4)
    yield tiny_model("roberta", head="Model", hidden_size=16, num_attention_heads=4)
    configs = (
        transformers.DistilBertConfig(dim=16, n_layers=2, n_heads=4, hidden_dim=24, vocab_size=60),
        transformers.ElectraConfig(hidden_size=16, embedding_size=16, **small),
        transformers.DebertaV2Config(hidden_size=16, **small),
        transformers.ModernBertConfig(hidden_size=16, pad_token_id=0, **small),
    )
    for config in configs:
        yield transformers.AutoModel.from_config(config).eval()


def test_texts():
    class Tokenizer:
        mask_token, mask_token_id, all_special_ids = "<m>", 9, [0, 1, 9]

        def __call__(self, text, add_special_tokens=True):
            ids = [9 if word == "<m>" else 10 + len(word) for word in text.replace(".", " .").split()]
            return {"input_ids": [0, *ids, 1] if add_special_tokens else ids}

    problem = read_problem("Tom has 1,200 apples and 3.5 pears. How many is 2 times that?", Tokenizer())
    assert problem.numbers == [1200, 3.5, 2]
    ids = problem.input_ids[0].tolist()
    assert [ids[place] for place in problem.number_indices] == [9, 9, 9]
    assert len(problem.question_indices) == 6
    assert max(problem.question_indices) == len(ids) - 2
    for encoder in _encoders():
        solution = solve_text(model(), encoder, Tokenizer(), "Tom has 4 apples. He eats 3 of them.")
        assert solution.expression
    with pytest.raises(zoo.InputError, match="16"):
        solve_text(model(), tiny_model("bert", head="Model", hidden_size=32), Tokenizer(), "Tom has 4 apples.")
    with pytest.raises(zoo.InputError, match="has no number"):
        read_problem("How many?", Tokenizer())
    assert agrees(3.00001, 3)
    assert not agrees(math.nan, 3)


def test_names_of_checkpoints():
    built = model(hidden_size=8, constants=[1.0])
    state = {
        "athena."
        + re.sub(r"^(reason|answer)\.attention\.(norm|ref_norm|dense)", r"\1.attention.attention.\2", name).replace(
            ".attention.heads.", ".attention.attention.attention."
        ): tensor
        for name, tensor in built.state_dict().items()
    }
    found = convert(state | {"language_model.embeddings.weight": torch.zeros(1)}, built.config)
    assert found.keys() == built.state_dict().keys()


def test_errors():
    with pytest.raises(zoo.ConfigError, match="heads"):
        AthenaConfig(16, num_heads=3)
    with pytest.raises(zoo.InputError, match="width 15"):
        model().solve(torch.randn(12, 15), [2], [10])
    with pytest.raises(zoo.InputError, match="no numbers"):
        model().solve(torch.randn(12, 16), [], [10])
