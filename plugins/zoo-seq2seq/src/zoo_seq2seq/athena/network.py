"""The reasoner: it expands thoughts from a language model's states, keeps some, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_seq2seq.athena.config import AthenaConfig
from zoo_seq2seq.athena.expansion import Candidate, Expander
from zoo_seq2seq.athena.layers import Expansions, Judge, constants, empty
from zoo_seq2seq.athena.thoughts import Thought, parse


@dataclass(frozen=True, eq=False)
class FirstRound:
    """How numbers and constants are judged before anything is expanded.

    Args:
        keep_logits, answer_logits: (batch, thoughts).
        embeddings: (batch, thoughts, dim).
    """

    keep_logits: Tensor
    answer_logits: Tensor
    embeddings: Tensor


@dataclass(frozen=True, eq=False)
class Reasoned:
    """The course of a problem.

    Args:
        thoughts: kept ones, in order.
        embeddings: (thoughts, dim).
        probabilities: (thoughts,) with which they were kept.
        answer_logits: (thoughts,); the largest is the answer.
        goal_attention: (heads, thoughts, goal tokens) of the answer module.
        rounds: candidates of every round.
        round_logits: of every round, (candidates,).
    """

    thoughts: list[Thought]
    embeddings: Tensor
    probabilities: Tensor
    answer_logits: Tensor
    goal_attention: Tensor
    rounds: list[list[Candidate]]
    round_logits: list[Tensor]

    @property
    def answer(self) -> Thought:
        """The final thought."""
        return self.thoughts[int(self.answer_logits.argmax())]

    @property
    def strength(self) -> Tensor:
        """Probability of the answer."""
        return self.answer_logits.max().sigmoid()


@dataclass(frozen=True, eq=False)
class Supervised:
    """A training loss and the course that it was taken from.

    Args:
        loss: of keeping and answering, over the number of thoughts that were judged.
        reason_loss: of keeping alone, summed.
        course: with the gold equation's own thoughts kept.
        targets: of every round, (candidates,) 0 and 1.
    """

    loss: Tensor
    reason_loss: Tensor
    course: Reasoned
    targets: list[Tensor]


class Athena(nn.Module):
    """States of a language model to arithmetic expressions."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__()
        self.config = config
        count = len(config.constants)
        self.scale = (
            nn.Sequential(nn.Linear(config.lm_hidden_size, config.dim), nn.GELU(), nn.LayerNorm(config.dim))
            if config.dim != config.lm_hidden_size
            else None
        )
        self.const_features = empty(count, config.dim) if count else None
        self.act_const = constants(config) if count else None
        self.embed_thought = nn.ModuleDict({"embed": Expansions(config)})
        self.reason, self.answer = Judge(config), Judge(config)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Constants normal with deviation 0.02, everything else as torch has it."""
        if self.const_features is not None:
            nn.init.normal_(self.const_features, std=0.02)

    def forward(self, features: Tensor, number_indices: Tensor, question_indices: Tensor) -> FirstRound:
        """The first round, for a batch of problems with equally many numbers; ``solve`` goes on from there.

        Args:
            features: (batch, tokens, lm_hidden_size) last hidden states.
            number_indices: (batch, numbers) tokens of the numbers.
            question_indices: (batch, goal tokens) tokens of the question: one, the last, with goal = 0.

        Raises:
            InputError: features of another width.
        """
        states = self._states(features)
        rows = torch.arange(states.shape[0], device=states.device)[:, None]
        thoughts = states[rows, number_indices]
        if self.const_features is not None and self.act_const is not None:
            constant = self.act_const(self.const_features).expand(states.shape[0], -1, -1)
            thoughts = torch.cat((thoughts, constant), 1)
        keep, _, _ = self.reason(thoughts, states[:, :1])
        answer, _, _ = self.answer(thoughts, states[rows, question_indices])
        return FirstRound(keep, answer, thoughts)

    @torch.no_grad()
    def solve(self, features: Tensor, number_indices: Sequence[int], question_indices: Sequence[int]) -> Reasoned:
        """Expand one problem, keep what seems to lead somewhere, and answer.

        Args:
            features: (tokens, lm_hidden_size).
            number_indices: tokens of n0, n1, ...
            question_indices: tokens of the question; with goal = 0 the last of them alone counts.

        Raises:
            InputError: there is nothing to begin with, or features of another width.
        """
        return self._expand(features, number_indices, question_indices, None)

    def supervise(
        self, features: Tensor, number_indices: Sequence[int], question_indices: Sequence[int], equation: str
    ) -> Supervised:
        """The training loss of one problem: in every round, what the gold equation is made of is kept.

        Args:
            features, number_indices, question_indices: see ``solve``.
            equation: gold, as ``thoughts.parse`` reads it.

        Raises:
            InputError: no equation, or one that expansion never reaches.
        """
        gold = parse(equation, self.config.constants)
        course = self._expand(features, number_indices, question_indices, gold)
        wanted = set(gold.parts())
        targets = [
            torch.tensor([float(each.thought in wanted) for each in candidates], device=features.device)
            for candidates in course.rounds
        ]
        loss = functional.binary_cross_entropy_with_logits
        reason = sum(
            (
                loss(logits, target.to(logits.dtype), reduction="sum")
                for logits, target in zip(course.round_logits, targets, strict=True)
            ),
            course.answer_logits.new_zeros(()),
        )
        final = torch.tensor([float(each == gold) for each in course.thoughts], device=features.device)
        answer = loss(course.answer_logits, final.to(course.answer_logits.dtype), reduction="sum")
        judged = sum(map(len, course.rounds)) + len(course.thoughts)
        return Supervised((reason + answer) / judged, reason, course, targets)

    def _states(self, features: Tensor) -> Tensor:
        if features.shape[-1] != self.config.lm_hidden_size:
            raise InputError(
                f"features of width {features.shape[-1]}; expected that of the language model, "
                f"{self.config.lm_hidden_size}"
            )
        return features if self.scale is None else self.scale(features)

    def _expand(
        self,
        features: Tensor,
        number_indices: Sequence[int],
        question_indices: Sequence[int],
        gold: Thought | None,
    ) -> Reasoned:
        config = self.config
        states = self._states(features)
        expander = Expander(len(number_indices), config.constants)
        if not expander.initial:
            raise InputError("the problem has no numbers, and there are no constants")
        first = states[list(number_indices)]
        if self.const_features is not None and self.act_const is not None:
            first = torch.cat((first, self.act_const(self.const_features)))
        goal = states[list(question_indices) if config.goal else [question_indices[-1]]]
        wanted = None if gold is None else set(gold.parts())
        context, kept = states[:1], first[:0]
        probabilities: list[Tensor] = []
        rounds: list[list[Candidate]] = []
        round_logits: list[Tensor] = []
        answers: tuple[Tensor, Tensor, Tensor] | None = None
        while gold is not None or expander.round < config.max_depth:
            candidates = expander.candidates()
            if not candidates or (gold is None and len(candidates) > config.limit_thoughts):
                break
            embeddings = first if not expander.round else self._embed(candidates, kept)
            logits, outputs, _ = self.reason(embeddings, context)
            rounds.append(candidates)
            round_logits.append(logits)
            chosen = self._chosen(candidates, logits, wanted, first_round=not expander.round)
            places = [index for index, yes in enumerate(chosen) if yes]
            expander.keep([candidates[place].thought for place in places])
            if places:
                kept = torch.cat((kept, embeddings[places]))
                probabilities.append(logits[places].sigmoid())
                if config.chain:
                    context = torch.cat((context, outputs[places])) if config.chain == 1 else outputs[places]
            if gold is None and expander.kept:
                answers = self.answer(kept, goal)
                if float(answers[0].max().sigmoid()) >= config.strength:
                    break
            if gold is not None and gold in expander.kept:
                break
        if gold is not None and gold not in expander.kept:
            raise InputError(f"{gold} is never reached by expansion from {len(expander.initial)} numbers and constants")
        if not expander.kept:
            raise InputError(f"more than limit_thoughts={config.limit_thoughts} numbers and constants")
        if answers is None or gold is not None:
            answers = self.answer(kept, goal)
        return Reasoned(expander.kept, kept, torch.cat(probabilities), answers[0], answers[2], rounds, round_logits)

    def _embed(self, candidates: list[Candidate], kept: Tensor) -> Tensor:
        """(candidates, dim), operation by operation."""
        by_kind: dict[str, list[Candidate]] = {}
        for each in candidates:
            by_kind.setdefault(each.thought.kind, []).append(each)
        expansions = self.embed_thought["embed"]
        assert isinstance(expansions, Expansions)
        return torch.cat(
            [
                expansions[kind](kept, torch.tensor([each.operands for each in some], device=kept.device))
                for kind, some in by_kind.items()
            ]
        )

    def _chosen(
        self, candidates: list[Candidate], logits: Tensor, wanted: set[Thought] | None, *, first_round: bool
    ) -> list[bool]:
        if wanted is not None:
            return [each.thought in wanted for each in candidates]
        found: list[bool] = (logits.sigmoid() >= self.config.threshold).tolist()
        return found if any(found) or not first_round else [True] * len(found)


def example(config: AthenaConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """States of twelve tokens, three of them numbers."""
    generator = torch.Generator().manual_seed(seed)
    goal = torch.tensor([8, 9, 10] if config.goal else [10])
    return {
        "features": torch.randn(batch_size, 12, config.lm_hidden_size, generator=generator),
        "number_indices": torch.tensor([2, 4, 6]).expand(batch_size, -1),
        "question_indices": goal.expand(batch_size, -1),
    }
