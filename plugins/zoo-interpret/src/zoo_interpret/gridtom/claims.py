"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.sites import find_sites
from zoo_interpret.gridtom.benchmark import GridTom, believer, onlooker
from zoo_interpret.gridtom.config import GridTomConfig, TomProbeConfig, TomSteeringConfig
from zoo_interpret.gridtom.features import block_features
from zoo_interpret.gridtom.planted import planted_features
from zoo_interpret.gridtom.probe import GridTomProbe
from zoo_interpret.gridtom.samples import Sample, make_samples, probe_data
from zoo_interpret.gridtom.steering import GridTomSteering, Steering
from zoo_interpret.gridtom.world import visible
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs


def check_labels() -> Measurement:
    """Labels of all statements of 200 clips, against beliefs that follow from what the protagonist can see."""
    samples = make_samples(200)
    differ, wrong = {"TrueBelief": set[bool](), "FalseBelief": set[bool]()}, 0
    for item in probe_data(samples):
        story = item.sample.story
        differ[item.condition].add(item.protagonist != item.oracle)
        last = story.frames(closes=item.condition == "FalseBelief")[-1]
        sees = last.other in visible(story, last)
        believed = story.room_colours[story.room_b if sees else story.room_a]
        actual = story.room_colours[story.room_b]
        says = item.text.rpartition("in the ")[2].split()[0]
        wrong += (says == believed) != item.protagonist or (says == actual) != item.oracle
    return Measurement(
        f"labels differ on {'all' if differ['FalseBelief'] == {True} else 'some'} statements about false beliefs and "
        f"on {'none' if differ['TrueBelief'] == {False} else 'some'} about true ones; {wrong} contradict what is seen",
        wrong == 0 and differ == {"TrueBelief": {False}, "FalseBelief": {True}},
    )


def check_systems() -> Measurement:
    """Scores of a system that follows beliefs and of one that only sees where things are."""
    shown, right = [], True
    for order in ("first", "second"):
        benchmark = GridTom(GridTomConfig(num_samples=100, order=order, cell=4))
        knows, sees = benchmark.run(believer), benchmark.run(onlooker)
        right &= knows["accuracy"] == 1.0
        right &= (sees["accuracy_TrueBelief"], sees["accuracy_FalseBelief"]) == (1.0, 0.0)
        shown.append(f"{order} order: {knows['accuracy']:.0%} with beliefs, {sees['accuracy']:.0%} without")
    return Measurement("; ".join(shown), right)


def check_planted_block() -> Measurement:
    """A direction planted in one block of noise, in each of 16 blocks in turn."""
    first, cosines = 0, []
    places = [(layer, head) for layer in range(4) for head in range(4)]
    for seed, place in enumerate(places):
        features, labels, direction = planted_features(place, seed=seed)
        found = GridTomProbe(TomProbeConfig()).fit(features, labels)
        first += tuple(found.top_heads[0].tolist()) == place
        cosines.append(float(found.directions()[place] @ direction))
    return Measurement(
        f"first of all blocks in {first} of {len(places)} cases; cosine of its direction at least {min(cosines):.2f}",
        first == len(places) and min(cosines) > 0.9,
    )


def check_steering() -> Measurement:
    """Outputs of a steered layer's attention with several alphas, and logits with alpha = 0."""
    model, generator = tiny_llava(), torch.Generator().manual_seed(0)
    inputs = tiny_llava_inputs(model, 2)
    directions = torch.nn.functional.normalize(torch.randn(2, 8, generator=generator), dim=-1)
    steering = Steering(torch.tensor([[1, 2], [1, 0]]), directions, torch.tensor([0.7, 1.3]))
    output = find_sites(model, group="D")[1].output
    found: dict[float, Tensor] = {}
    with torch.no_grad():
        base = model(**inputs).logits
        for alpha in (0.0, 1.0, -2.0, 5.0):
            with GridTomSteering(TomSteeringConfig(alpha=alpha)).attach(model, steering):
                handle = output.register_forward_hook(lambda _module, _args, out, key=alpha: found.update({key: out}))
                logits = model(**inputs).logits
                handle.remove()
            if not alpha:
                unchanged = float((logits - base).abs().max())
    step = found[1.0] - found[0.0]
    worst = max(float((found[alpha] - found[0.0] - alpha * step).abs().max()) for alpha in (-2.0, 5.0))
    elsewhere = float(step[:, :-1].abs().max())
    return Measurement(
        f"alpha = 0 changes logits by {unchanged:.0e}; the hooked output is off a straight line by {worst:.0e}, and "
        f"changes by {elsewhere:.0e} at other positions",
        unchanged == 0 and elsewhere == 0 and worst < 1e-5,
    )


def check_beliefs_in_a_trained_model() -> Measurement:
    """Probes of both beliefs in SmolLM2 on captions and statements, tested on other clips; and with shuffled labels."""
    model, tokenizer = packaged_model("smollm2")
    items = probe_data(make_samples(60))
    texts = [item.text for item in items]
    index = torch.arange(len(items))
    train, held = index[: 4 * 45], index[4 * 45 :]
    probe, shown, best = GridTomProbe(TomProbeConfig()), [], []
    features = block_features(model, texts, tokenizer)
    for name, labels in (
        ("protagonist", torch.tensor([item.protagonist for item in items])),
        ("oracle", torch.tensor([item.oracle for item in items])),
    ):
        found = probe.fit(features, labels, train_index=train, val_index=held)
        best.append(float(found.val_accuracy.max()))
        shown.append(f"{name} {best[-1]:.0%} in the best of {found.val_accuracy.numel()} blocks")
    shuffled = torch.randperm(len(items), generator=torch.Generator().manual_seed(0)) % 2
    chance = float(probe.fit(features, shuffled, train_index=train, val_index=held).val_accuracy.max())
    return Measurement(
        f"{'; '.join(shown)}; {chance:.0%} for random labels",
        min(best) > chance + 0.1,
        note="text alone: captions and statements, no pictures; another model than the paper's",
    )


def check_steering_a_trained_model() -> Measurement:
    """SmolLM2's preference for the room that an agent believes in, over the other room, on captions of false beliefs:
    pushed along the directions of probes of the agent's belief, away from it, and along random ones."""
    model, tokenizer = packaged_model("smollm2")
    samples = make_samples(60)
    items = probe_data(samples[:45])
    features = block_features(model, [item.text for item in items], tokenizer)
    labels = torch.tensor([item.protagonist for item in items])
    steering = GridTomProbe(TomProbeConfig()).fit(features, labels).steering()
    margins = {
        name: torch.tensor([_margin(model, tokenizer, sample, chosen, alpha) for sample in samples[45:]])
        for name, chosen, alpha in (
            ("as it is", steering, 0.0),
            ("towards", steering, 10.0),
            ("away", steering, -10.0),
            ("random", steering.random(), 10.0),
        )
    }
    right = ", ".join(f"{name} {float((margin > 0).float().mean()):.0%}" for name, margin in margins.items())
    moved = {name: float((margin - margins["as it is"]).abs().mean()) for name, margin in margins.items()}
    gained = float((margins["towards"] - margins["as it is"]).mean())
    return Measurement(
        f"margin moves by {moved['towards']:.2f} nats towards, {moved['away']:.2f} away, {moved['random']:.2f} at "
        f"random (towards: {gained:+.2f} on average); right: {right}",
        min(moved["towards"], moved["away"]) > moved["random"],
        f"{len(samples) - 45} captions of false beliefs, 32 of 270 blocks, alpha 10; text alone, no pictures; another "
        "model than the paper's",
    )


def _margin(model: torch.nn.Module, tokenizer: Any, sample: Sample, steering: Steering, alpha: float) -> float:
    """Log probability of the believed room's colour less that of the other's, after caption, question and "The"."""
    belief = sample.belief("FalseBelief")
    prompt = f"{belief['caption']} Question: {belief['question']} Answer: the"
    other = next(room for room in belief["options"] if room != belief["answer"])
    first = [tokenizer(f" {room}", add_special_tokens=False)["input_ids"][0] for room in (belief["answer"], other)]
    with torch.no_grad(), GridTomSteering(TomSteeringConfig(alpha=alpha)).attach(model, steering):
        logits = model(**tokenizer(prompt, return_tensors="pt")).logits[0, -1]
    return float(logits[first[0]] - logits[first[1]])
