"""Greedy and beam search over any decoder of this plugin, for a whole batch at once.

A hypothesis Y of a source X is scored by (Wu et al. 2016, arXiv 1609.08144)

    s(Y, X) = log P(Y | X) / lp(Y) + cp(X; Y)
    lp(Y) = ((c + |Y|) / (c + 1))^alpha                  |Y| counts the end mark
    cp(X; Y) = beta sum_i log min(sum_j p_ij, 1)         i over source words, j over target words

Sentences of a batch never touch: each has its own beam, its own longest length and its own end, after which nothing
of it changes; padding of the source is hidden. Of the continuations of all live hypotheses the best ``beam_size``
stay, those that end among them: a beam of one is greedy search, and one that holds every prefix is exhaustive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import ConfigError, InputError
from zoo_seq2seq.decoding import END, PAD, START, Decoder, select
from zoo_seq2seq.padding import put_back


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Args:
        beam_size: hypotheses kept per sentence; 1 is greedy search.
        num_best: hypotheses returned per sentence.
        alpha: of the length penalty; 0 scores by log P.
        beta: of the coverage penalty.
        length_constant: c.
        pruning: drop tokens whose log-probability is more than this below the step's best and, once a hypothesis is
            finished, hypotheses whose score is more than this below the best finished one; None drops nothing.
        start, end: ids of the marks.
    """

    beam_size: int = 5
    num_best: int = 1
    alpha: float = 0.0
    beta: float = 0.0
    length_constant: float = 5.0
    pruning: float | None = None
    start: int = START
    end: int = END

    def __post_init__(self) -> None:
        if not 1 <= self.num_best <= self.beam_size:
            raise ConfigError(f"num_best={self.num_best} hypotheses of a beam of {self.beam_size}", field="num_best")
        if self.alpha < 0 or self.beta < 0:
            raise ConfigError(f"alpha={self.alpha} and beta={self.beta} must not be negative", field="alpha")


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """The best hypotheses of each sentence, best first.

    Args:
        tokens: (batch, num_best, longest) without the start mark, the end mark last; 0 behind.
        lengths: (batch, num_best) tokens, with the end mark; 0 where there are fewer hypotheses.
        scores: (batch, num_best) s(Y, X); -inf where there are fewer.
        log_probabilities: (batch, num_best) log P(Y | X).
        attention: (batch, num_best, longest, source), over the source as it was given.
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    log_probabilities: Tensor
    attention: Tensor

    def ids(self, sentence: int = 0, rank: int = 0, *, end: int = END) -> list[int]:
        """The tokens of one hypothesis, without the end mark."""
        found: list[int] = self.tokens[sentence, rank, : int(self.lengths[sentence, rank])].tolist()
        return found[:-1] if found[-1:] == [end] else found


def length_penalty(length: Tensor | float, alpha: float, constant: float = 5.0) -> Tensor:
    """lp of lengths of any shape."""
    return ((constant + torch.as_tensor(length)) / (constant + 1)) ** alpha


def coverage_penalty(attention_sum: Tensor, beta: float, mask: Tensor | None = None) -> Tensor:
    """cp of the mass (..., source) that each source word got; -inf where a word got none, 0 for beta = 0.

    Args:
        attention_sum: mass per source word, over all target steps.
        beta: weight.
        mask: boolean (..., source), True for words that count.
    """
    if beta == 0:
        return attention_sum.new_zeros(attention_sum.shape[:-1])
    logs = attention_sum.clamp(max=1).log()
    if mask is not None:
        logs = logs.masked_fill(~mask, 0.0)
    return beta * logs.sum(-1)


def beam_search(
    model: Decoder,
    source_ids: Tensor,
    source_mask: Tensor | None = None,
    *,
    max_lengths: Tensor | int,
    options: SearchOptions | None = None,
) -> Hypotheses:
    """The hypotheses that score best.

    Args:
        model: in eval mode.
        source_ids: (batch, source), or whatever ``encode`` takes.
        source_mask: boolean (batch, source).
        max_lengths: longest hypothesis per sentence, (batch,) or one number; one that reaches it ends there.
        options: see ``SearchOptions``.

    Raises:
        InputError: a longest length below 1.
    """
    options = options or SearchOptions()
    batch, device = source_ids.shape[0], source_ids.device
    longest = torch.as_tensor(max_lengths, device=device).expand(batch)
    if batch and int(longest.min()) < 1:
        raise InputError(f"the longest length is {int(longest.min())}; expected at least 1")
    with torch.no_grad():
        memory, state = model.encode(source_ids, source_mask)
        return _Search(model, memory, state, longest, options).run()


def greedy_search(
    model: Decoder, source_ids: Tensor, source_mask: Tensor | None = None, *, max_lengths: Tensor | int
) -> Hypotheses:
    """The likeliest token at each step: a beam of one."""
    return beam_search(model, source_ids, source_mask, max_lengths=max_lengths, options=SearchOptions(beam_size=1))


class _Search:
    """Beams (batch, beam) of live hypotheses, and as many finished ones."""

    def __init__(self, model: Decoder, memory: Any, state: Any, longest: Tensor, options: SearchOptions) -> None:
        self.model, self.options, self.longest = model, options, longest
        batch, beam = longest.shape[0], options.beam_size
        device = longest.device
        rows = torch.arange(batch, device=device).repeat_interleave(beam)
        self.memory, self.state = select(memory, rows), select(state, rows)
        self.order, self.mask = memory.order, memory.mask
        source, limit = memory.states.shape[1], int(longest.max()) if batch else 0
        self.limit = limit
        # Live: one prefix, the empty one, and beam - 1 that do not exist.
        self.log_p = torch.full((batch, beam), -math.inf, device=device, dtype=torch.float32)
        self.log_p[:, 0] = 0.0
        self.tokens = torch.full((batch, beam, limit), PAD, device=device)
        self.attention = torch.zeros(batch, beam, limit, source, device=device)
        self.scores = torch.full((batch, beam), -math.inf, device=device)
        self.done_tokens, self.done_attention = self.tokens.clone(), self.attention.clone()
        self.done_log_p = self.scores.clone()
        self.done_lengths = torch.zeros(batch, beam, dtype=torch.long, device=device)

    def run(self) -> Hypotheses:
        for step in range(self.limit):
            self.advance(step)
            if not bool((self.log_p > -math.inf).any()):
                break
        best = self.options.num_best
        return Hypotheses(
            self.done_tokens[:, :best],
            self.done_lengths[:, :best],
            self.scores[:, :best],
            self.done_log_p[:, :best],
            put_back(self.done_attention[:, :best], self.order),
        )

    def advance(self, step: int) -> None:
        options, (batch, beam) = self.options, self.log_p.shape
        last = self.tokens[..., step - 1] if step else torch.full_like(self.tokens[..., 0], options.start)
        found = self.model.step(last.flatten(), self.memory, self.state)
        attention = self.attention.clone()
        attention[:, :, step] = found.attention.unflatten(0, (batch, beam)).float()
        log_p = found.logits.float().log_softmax(-1).unflatten(0, (batch, beam))
        if options.pruning is not None:
            log_p = log_p.masked_fill(log_p < log_p.amax(-1, keepdim=True) - options.pruning, -math.inf)
        total = (self.log_p[..., None] + log_p).flatten(1)
        if not batch:
            return
        best, index = total.topk(min(beam, total.shape[1]), -1)
        if best.shape[1] < beam:
            missing = (0, beam - best.shape[1])
            best, index = functional.pad(best, missing, value=-math.inf), functional.pad(index, missing)
        parent, token = index // log_p.shape[-1], index % log_p.shape[-1]
        self.tokens = self.tokens.gather(1, parent[..., None].expand_as(self.tokens))
        self.tokens[..., step] = token
        self.attention = attention.gather(1, parent[..., None, None].expand_as(attention))
        rows = (parent + torch.arange(batch, device=parent.device)[:, None] * beam).flatten()
        self.state = select(found.state, rows)
        # The end mark ends a hypothesis, and so does the longest length.
        ended = (token == options.end) | (self.longest == step + 1)[:, None]
        self._finish(step, best.masked_fill(~ended, -math.inf))
        self.log_p = best.masked_fill(ended | self._settled(step, best), -math.inf)

    def _score(self, log_p: Tensor, length: int, attention: Tensor) -> Tensor:
        options = self.options
        score = log_p / length_penalty(float(length), options.alpha, options.length_constant).to(log_p.device)
        if options.beta:
            # A word whose weight underflows costs much, but not everything.
            mass = attention.sum(2).clamp(min=torch.finfo(torch.float32).tiny)
            score = score + coverage_penalty(mass, options.beta, None if self.mask is None else self.mask[:, None])
        return score

    def _finish(self, step: int, log_p: Tensor) -> None:
        """Take live hypotheses whose ``log_p`` (batch, beam) is finite among the finished, where good enough."""
        scores = torch.cat((self.scores, self._score(log_p, step + 1, self.attention)), 1)
        self.scores, kept = scores.topk(self.options.beam_size, 1)

        def merged(old: Tensor, new: Tensor) -> Tensor:
            both = torch.cat((old, new), 1)
            return both.gather(1, kept.reshape(*kept.shape, *[1] * (both.ndim - 2)).expand(-1, -1, *both.shape[2:]))

        self.done_tokens = merged(self.done_tokens, self.tokens)
        self.done_attention = merged(self.done_attention, self.attention)
        self.done_log_p = merged(self.done_log_p, log_p)
        self.done_lengths = merged(self.done_lengths, torch.full_like(self.done_lengths, step + 1))
        gone = self.scores == -math.inf
        self.done_lengths = self.done_lengths.masked_fill(gone, 0)
        self.done_tokens = self.done_tokens.masked_fill(gone[..., None], PAD)

    def _settled(self, step: int, log_p: Tensor) -> Tensor:
        """Boolean (batch, beam): live hypotheses that can no longer come among the best, or are pruned."""
        options = self.options
        # log P only falls, and the longest length divides it by most.
        reachable = log_p / length_penalty(self.longest.float(), options.alpha, options.length_constant)[:, None]
        settled = reachable <= self.scores[:, options.num_best - 1, None]
        if options.pruning is not None:
            settled |= self._score(log_p, step + 1, self.attention) < self.scores[:, :1] - options.pruning
        return settled
