"""What the survey states and a machine can check; of trained models, on SmolLM2."""

from __future__ import annotations

from itertools import pairwise

import torch

from zoo import Measurement, catalogue
from zoo.bridges.transformers.heads import head_outputs, patching
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.sites import find_sites
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.attention_heads_survey.classes import CLASSES, STAGES
from zoo_interpret.attention_heads_survey.config import HeadReplacementConfig, HeadScoresConfig, TaxonomyConfig
from zoo_interpret.attention_heads_survey.replacement import HeadReplacement
from zoo_interpret.attention_heads_survey.scores import HeadScorer, ov_scores, pattern_scores
from zoo_interpret.attention_heads_survey.tree import taxonomy
from zoo_interpret.indirect_objects import indirect_object_batch, single_tokens
from zoo_interpret.planted import DUPLICATE, FIRST, INDUCTION, PREVIOUS, planted_model, repeated_tokens

# What follows what: words that are single tokens, in order.
SUCCESSIONS = (
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
)
# Heads of SmolLM2 that write the answer to indirect-object sentences; circuit-reuse finds them by path patching.
MOVERS = ("23.0", "23.1", "23.2", "23.3", "23.7")


def check_taxonomy() -> Measurement:
    """Count stages, groups and classes, and look every tag of a head in the catalogue up among them."""
    groups = [group for inside in STAGES.values() for group in inside]
    unique = len({each.name for each in CLASSES}) == len(CLASSES) and len(set(groups)) == len(groups)
    placed = all(each.group in STAGES[each.stage] for each in CLASSES)
    tree = taxonomy(TaxonomyConfig())
    found = all(tree.find(each.tag).record is each for each in CLASSES)
    looking = [offer.entry.tags for offer in catalogue.current().offers if "interpretability" in offer.entry.tags]
    tags = {tag for each in looking for tag in each if tag.endswith("-head")}
    unknown = sorted(tags - {each.tag for each in CLASSES})
    return Measurement(
        f"{len(STAGES)} stages, {len(groups)} groups, {len(CLASSES)} classes; {len(tags)} of them are tags of entries",
        unique and placed and found and not unknown and (len(STAGES), len(groups), len(CLASSES)) == (4, 11, 41),
        f"tags that are no class: {', '.join(unknown)}" if unknown else "",
    )


def check_replacements() -> Measurement:
    """Logits under replacements whose references make them the same."""
    model = tiny_model("llama")
    ids = torch.randint(3, 90, (2, 8), generator=torch.Generator().manual_seed(0))
    other = torch.randint(3, 90, (1, 8), generator=torch.Generator().manual_seed(1)).expand(2, -1)

    def logits(how: str, reference: torch.Tensor | None = None) -> torch.Tensor:
        method = HeadReplacement(HeadReplacementConfig(how, ["0.1", "1.2"]))
        with torch.no_grad(), method.attach(model, reference):
            found: torch.Tensor = model(ids).logits
        return found

    constant = float((logits("mean", other) - logits("patch", other)).abs().max())
    with torch.no_grad():
        own = float((logits("patch", ids) - model(ids).logits).abs().max())
        changed = float((logits("zero") - model(ids).logits).abs().max())
        # Without values the reference's outputs are zero.
        empty = tiny_model("llama")
        for name, parameter in empty.named_parameters():
            if "v_proj" in name:
                parameter.zero_()
        values = HeadReplacement(HeadReplacementConfig("mean", ["0.1", "1.2"])).values(empty, other)
        with patching(model, values):
            zeros = float((model(ids).logits - logits("zero")).abs().max())
    return Measurement(
        f"mean and patch of equal references differ by {constant:g}, patch of the same run by {own:g}, mean "
        f"of zeros and zero by {zeros:g}; zero ablation changes logits by {changed:.2f}",
        max(constant, own, zeros) < 1e-6 and changed > 0.01 and len(head_outputs(model, ids)) == 2,
    )


def check_planted_replacement() -> Measurement:
    """Answers of the planted model with its induction head replaced, and with each idle head replaced."""
    model, ids = planted_model(), repeated_tokens(4)
    other = repeated_tokens(4, seed=1)
    repeats = slice((ids.shape[1] - 1) // 2 + 1, -1)

    def answers(how: str, head: tuple[int, int], reference: torch.Tensor | None = None) -> torch.Tensor:
        method = HeadReplacement(HeadReplacementConfig(how, ["{}.{}".format(*head)]))
        with torch.no_grad(), method.attach(model, reference):
            found: torch.Tensor = model(ids).logits
        return found[:, repeats].argmax(-1)

    own, others = (each[:, repeats.start + 1 :] for each in (ids, other))

    def share(found: torch.Tensor, expected: torch.Tensor) -> float:
        return float((found == expected).float().mean())

    zeroed, patched = answers("zero", INDUCTION), answers("patch", INDUCTION, other)
    idle = [(0, 3), (1, 2), (1, 3)]
    kept = min(share(answers(how, head, other), own) for how in ("zero", "patch", "mean") for head in idle)
    return Measurement(
        f"right {share(zeroed, own):.0%} without the induction head; {share(patched, own):.0%} with another run's, "
        f"whose answers it gives at {share(patched, others):.0%}; {kept:.0%} with idle heads "
        "replaced",
        share(zeroed, own) < 0.2 and share(patched, others) == kept == 1.0,
    )


def check_planted() -> Measurement:
    """Scores of planted heads, and of a head that attends to everything alike."""
    found = pattern_scores(planted_model(), repeated_tokens())
    planted = {
        "previous-token": float(found["previous_token"][PREVIOUS]),
        "induction": float(found["induction"][INDUCTION]),
        "first-token": float(found["first_token"][FIRST]),
        "duplicate-token": float(found["duplicate_token"][DUPLICATE]),
    }
    # The mean of 1 / (i + 1) over queries i = 1, 2, ...
    uniform, expected = float(found["previous_token"][1, 3]), float((1 / torch.arange(2.0, 24.0)).mean())
    words = ", ".join(f"{name} {value:.3f}" for name, value in planted.items())
    return Measurement(
        f"{words}; uniform head {uniform:.3f}, expected {expected:.3f}",
        all(abs(value - wanted) < 0.01 for value, wanted in zip(planted.values(), (1, 1, 1, 0.5), strict=True))
        and abs(uniform - expected) < 1e-5,
        "the planted duplicate-token head looks at both equal tokens",
    )


def check_smollm2() -> Measurement:
    """Heads of SmolLM2 by class, at our thresholds."""
    model, _ = packaged_model("smollm2")
    found = HeadScorer(HeadScoresConfig(repeat_length=32, prompts=3, copy_tokens=32))(model)
    classes = found.classes()
    words = []
    for name, places in classes.items():
        best = f" (first {places[0][0]}.{places[0][1]})" if places else ""
        words.append(f"{name} {len(places)}{best}")
    wanted = ("Previous Head", "Induction Head", "Retrieval Head")
    return Measurement(
        f"SmolLM2-135M, of {found.entropy.numel()} heads: {', '.join(words)}",
        all(classes[name] for name in wanted),
        "3 random sequences of 32 tokens; another model than the survey's",
    )


def check_successors_of_smollm2() -> Measurement:
    """Share of numbers, days and months whose successor a head's OV circuit writes among its first five tokens."""
    model, tokenizer = packaged_model("smollm2")
    pairs = torch.tensor([ids for run in SUCCESSIONS for ids in pairwise(single_tokens(tokenizer, run).values())])
    config = HeadScoresConfig()
    shares = {
        name: ov_scores(model, *columns, top=config.copy_top)
        for name, columns in (("successors", pairs.T), ("predecessors", pairs.T.flip(0)))
    }
    best = shares["successors"].flatten().topk(3)
    heads = [divmod(index, shares["successors"].shape[1]) for index in best.indices.tolist()]
    shown = ", ".join(
        f"{layer}.{head} {share:.0%} (of predecessors {float(shares['predecessors'][layer, head]):.0%})"
        for (layer, head), share in zip(heads, best.values.tolist(), strict=True)
    )
    count = int((shares["successors"] > config.copy).sum())
    return Measurement(
        f"SmolLM2-135M: {count} of {shares['successors'].numel()} heads write more than {config.copy:.0%} of "
        f"successors; most {shown}",
        count > 0,
        f"{len(pairs)} pairs, by OV circuits alone, without the first feed-forward network; another model than the "
        "survey's",
    )


def check_patching_smollm2() -> Measurement:
    """Answers of SmolLM2 with heads from the run with names exchanged: movers, and random heads of the same layers."""
    model, tokenizer = packaged_model("smollm2")
    batch = indirect_object_batch(tokenizer, 16)

    def margins() -> torch.Tensor:
        with torch.no_grad():
            logits = model(batch.clean).logits[:, -1].gather(1, batch.answers)
        return logits[:, 0] - logits[:, 1]

    count = find_sites(model)[0].num_heads
    others = [f"{layer}.{head}" for layer in (23, 22) for head in range(count)]
    others = [name for name in others if name not in MOVERS][: len(MOVERS)]
    found = {"whole": margins()}
    for name, places in (("movers", list(MOVERS)), ("others", others)):
        with HeadReplacement(HeadReplacementConfig("patch", places)).attach(model, batch.corrupt):
            found[name] = margins()
    right = {name: float((margin > 0).float().mean()) for name, margin in found.items()}
    means = {name: float(margin.mean()) for name, margin in found.items()}
    return Measurement(
        f"SmolLM2-135M: right {right['whole']:.0%}, margin {means['whole']:.2f}; {right['movers']:.0%}, "
        f"{means['movers']:.2f} with heads {', '.join(MOVERS)} patched; {right['others']:.0%}, {means['others']:.2f} "
        f"with {', '.join(others)}",
        right["movers"] <= right["whole"] - 0.5 and right["others"] >= right["whole"] - 0.1,
        "16 sentences; the movers are those that path patching names (circuit-reuse), the others of their layer and "
        "the one before",
    )
