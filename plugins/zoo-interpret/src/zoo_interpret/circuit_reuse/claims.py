"""What the paper promises and a machine can check; on real text, with the trained SmolLM2 instead of GPT-2 medium."""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from zoo import Measurement
from zoo.bridges.transformers.heads import head_outputs, patching
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.paths import Receiver, logit_difference
from zoo.bridges.transformers.sites import find_sites
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.circuit_reuse.config import CircuitReuseConfig
from zoo_interpret.circuit_reuse.method import CircuitReuse
from zoo_interpret.circuit_reuse.results import Circuit
from zoo_interpret.circuit_reuse.tasks import colored_objects_batch
from zoo_interpret.indirect_objects import indirect_object_batch
from zoo_interpret.planted import INDUCTION, PREVIOUS, planted_model, repeated_tokens


def _random_prompts(batch: int = 3, length: int = 9, vocabulary: int = 97) -> tuple[Tensor, Tensor, Tensor]:
    """Clean and corrupted ids with equal last tokens, and answers."""
    generator = torch.Generator().manual_seed(0)
    clean, corrupt = (torch.randint(3, vocabulary, (batch, length), generator=generator) for _ in range(2))
    corrupt[:, -1] = clean[:, -1]
    return clean, corrupt, torch.randint(3, vocabulary, (batch, 2), generator=generator)


def check_identical_sender() -> Measurement:
    """Effects of a head whose output is the same in both runs, and of the others."""
    model, (clean, corrupt, answers) = tiny_model("llama", num_key_value_heads=4), _random_prompts()
    site = find_sites(model)[0]
    with torch.no_grad():
        # Without values, head 1 of layer 0 puts out zero whatever it reads.
        site.module.v_proj.weight[8:16] = 0.0
    effects = CircuitReuse(CircuitReuseConfig()).path_effects(model, clean, corrupt, answers).effects
    others = effects.flatten().abs().tolist()
    smallest = min(value for index, value in enumerate(others) if index != 1)
    return Measurement(
        f"effect {abs(float(effects[0, 1])):g}; the other heads' from {smallest:.1e} on",
        float(effects[0, 1]) == 0.0 and smallest > 0,
    )


def check_every_path() -> Measurement:
    """The effect of all heads of a one-layer model at once, with feed-forward networks that run again."""
    model, (clean, corrupt, answers) = tiny_model("gpt2", n_layer=1), _random_prompts()
    metric, outputs = logit_difference(answers), head_outputs(model, corrupt)[0]
    with torch.no_grad():
        first, second = (float(metric(model(input_ids=ids))) for ids in (clean, corrupt))
        with patching(model, {(0, head): outputs[:, :, head] for head in range(4)}, position=-1):
            patched = float(metric(model(input_ids=clean)))
    effect = (patched - first) / (second - first)
    return Measurement(f"effect {effect:.6f}", abs(effect - 1) < 1e-4)


def check_planted_path() -> Measurement:
    """From which heads the keys of a planted induction head come."""
    model, ids = planted_model(), repeated_tokens()
    clean = ids[:, :15]
    # The query is token ids[:, 14], first seen at 3; the planted head finds it at 4, and answers ids[:, 4].
    corrupt = clean.clone()
    corrupt[:, 3] = ids[:, 10]
    answers = torch.stack((clean[:, 4], clean[:, 7]), 1)
    effects = (
        CircuitReuse(CircuitReuseConfig())
        .path_effects(model, clean, corrupt, answers, receivers=[Receiver(1, 0, "key")], position=4)
        .effects
    )
    others = effects.flatten().abs().sum() - effects[PREVIOUS].abs()
    return Measurement(
        f"effect of the previous-token head {float(effects[PREVIOUS]):.4f}, of all others {float(others):.1e}",
        abs(float(effects[PREVIOUS]) - 1) < 0.01 and float(others) < 1e-3,
    )


def check_steered_head() -> Measurement:
    """Answers of the planted model at the last token, its induction head steered to every other token in turn, and
    another head steered there."""
    model, ids = planted_model(), repeated_tokens()[:, :15]
    followed, kept, count = 0, 0, 0
    layer, head = INDUCTION
    with torch.no_grad():
        before = model(ids).logits[:, -1].argmax(-1)
        for place in range(1, 14):
            keys = torch.full((len(ids), 1), place)
            with CircuitReuse(CircuitReuseConfig(steered=[f"{layer}.{head}"])).attach(model, keys):
                followed += int((model(ids).logits[:, -1].argmax(-1) == ids[:, place]).sum())
            with CircuitReuse(CircuitReuseConfig(steered=["1.3"])).attach(model, keys):
                kept += int((model(ids).logits[:, -1].argmax(-1) == before).sum())
            count += len(ids)
    return Measurement(
        f"{followed} of {count} answers are the token that the induction head is steered to; {kept} of {count} stay "
        "where an idle head is steered there",
        followed == kept == count,
    )


def check_overlap() -> Measurement:
    """The overlap of two given circuits of nine and eight heads that share seven."""
    nine = [(layer, head) for layer in range(3) for head in range(3)]
    first, second = (Circuit({"mover": heads}, 0.0, torch.zeros(1, 4, 4)) for heads in (nine, [*nine[:7], (3, 3)]))
    found = CircuitReuse.overlap(first, second).shares[0].tolist()
    return Measurement(
        f"{found[0]:.2f} of either, {found[1]:.3f} and {found[2]:.3f} of each",
        all(abs(a - b) < 1e-6 for a, b in zip(found, (0.7, 7 / 9, 7 / 8), strict=True)),
    )


# A head whose direct effect is at least this share of the difference between the runs is called a mover.
MOVES = 0.05


def check_name_movers() -> Measurement:
    """In SmolLM2, what the heads that write the answer to indirect-object sentences look at from the last token."""
    model, tokenizer = packaged_model("smollm2")
    batch = indirect_object_batch(tokenizer, 16)
    with torch.no_grad():
        chosen = model(batch.clean).logits[:, -1].gather(1, batch.answers)
    accuracy = float((chosen[:, 0] > chosen[:, 1]).float().mean())
    effects = CircuitReuse(CircuitReuseConfig()).direct_effects(model, batch.clean, batch.corrupt, batch.answers)
    movers = [place for place in effects.above(MOVES) if effects.effects[place] > 0]
    maps = attention_maps(model, batch.clean)
    rows = torch.arange(len(batch.clean))
    looks = {}
    for layer, head in movers:
        last = maps[layer][:, head, -1]
        looks[layer, head] = {
            name: float(last[rows, batch.positions[name]].mean()) for name in ("IO", "S1", "S2", "end")
        }
    to_object = [place for place, each in looks.items() if each["IO"] == max(each.values())]
    words = [f"{layer}.{head} ({float(effects.effects[layer, head]):.2f})" for layer, head in to_object]
    return Measurement(
        f"SmolLM2-135M, {accuracy:.0%} right: {len(to_object)} of {len(movers)} heads with a direct effect above "
        f"{MOVES:.0%} look more at the indirect object than at the subject or themselves: {', '.join(words)}",
        accuracy > 0.8 and 2 * len(to_object) > len(movers),
        "16 sentences; another model than the paper's; effect of the strongest "
        f"{effects.strongest(1)[0][0][0]}.{effects.strongest(1)[0][0][1]}: {effects.strongest(1)[0][1]:.2f}",
    )


def check_shared_movers() -> Measurement:
    """In SmolLM2, heads with direct effects of 2% on both tasks, and how likely chance has so many."""
    model, tokenizer = packaged_model("smollm2")
    method, circuits, accuracies = CircuitReuse(CircuitReuseConfig()), [], []
    for batch in (indirect_object_batch(tokenizer, 24), colored_objects_batch(tokenizer, 48)):
        with torch.no_grad():
            right = model(batch.clean).logits[:, -1].argmax(-1) == batch.answers[:, 0]
        accuracies.append(float(right.float().mean()))
        kept = [part[right][:16] for part in (batch.clean, batch.corrupt, batch.answers)]
        effects = method.direct_effects(model, kept[0], kept[1], kept[2])
        threshold = method.config.threshold
        circuits.append(Circuit({"mover": effects.above(threshold)}, threshold, effects.effects[None]))
    found = method.overlap(*circuits)
    (of_either, of_first, of_second), (both, first, second) = found.shares[0].tolist(), found.counts[0].tolist()
    every = effects.effects.numel()
    ways = [comb(first, k) * comb(every - first, second - k) for k in range(both, min(first, second) + 1)]
    chance = sum(ways) / comb(every, second)
    return Measurement(
        f"SmolLM2-135M: {both} heads shared, {of_first:.0%} of the {first} for indirect objects and {of_second:.0%} of "
        f"the {second} for colours ({of_either:.0%} of either); by chance {chance:.0e}",
        chance < 0.01 and both > 0,
        f"direct paths to the logits of up to 16 prompts each that it answers, {accuracies[0]:.0%} and "
        f"{accuracies[1]:.0%} of them; another model than the paper's",
    )
