"""Entries that are bad in one way each, and a good one of every kind, for the tests of the conformance suite."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

import zoo
from zoo.nn.masks import expand_mask


@dataclass
class Config:
    dim: int = zoo.field(8, "width", minimum=1)
    causal: bool = zoo.field(True, "whether to look back only")


@dataclass
class Loose:
    dim: int = 8
    causal: bool = True


@dataclass
class Bidirectional(Config):
    causal: bool = zoo.field(False, "whether to look back only")


@dataclass
class Untyped:
    dim: Any = 8
    causal: bool = True


@dataclass
class Reserved(Config):
    dtype: str = "float32"


@dataclass
class Optioned(Config):
    mode: str = zoo.field("soft", "kind", choices=("soft", "hard"))
    shifted: bool = zoo.field(False, "whether by one")


@dataclass
class Plain:
    dim: int = zoo.field(8, "width", minimum=1)


def example(config, batch_size=2, seed=0):
    return {"x": torch.randn(batch_size, 6, config.dim, generator=torch.Generator().manual_seed(seed))}


def unbatched(config, batch_size=2, seed=0):
    return {"x": example(config, 1, seed)["x"]}


def renamed(config, batch_size=2, seed=0):
    return {"tokens": example(config, batch_size, seed)["x"]}


def ids(config, batch_size=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(config.dim, (batch_size, 6), generator=generator)}


def targets(config, batch_size=2, seed=0):
    return {
        "source_ids": ids(config, batch_size, seed)["input_ids"],
        "target_ids": ids(config, batch_size, 7)["input_ids"],
    }


def numbers(config, batch_size=2, seed=0):
    return {"x": example(config, batch_size, seed)["x"][:, 0]}


class Good(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.looks_back = config.causal
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, x, attn_mask=None):
        batch, length, _ = x.shape
        mask = expand_mask(attn_mask, batch=batch, heads=1, queries=length, keys=length, causal=self.looks_back)
        if mask is None:
            return self.out(functional.scaled_dot_product_attention(x, x, x))
        blind = ~mask.any(-1, keepdim=True)
        mixed = functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], mask | blind)
        return self.out(mixed.masked_fill(blind, 0)[:, 0])


class IgnoresMasks(Good):
    def forward(self, x, attn_mask=None):
        super().forward(x, attn_mask)
        return super().forward(x)


class TakesAnyMask(Good):
    def forward(self, x, attn_mask=None):
        if attn_mask is not None and attn_mask.shape != x.shape[:2]:
            attn_mask = None
        return super().forward(x, attn_mask)


class NotANumberWhereBlind(Good):
    def forward(self, x, attn_mask=None):
        blind = attn_mask is not None and not attn_mask.any() and attn_mask.numel()
        return super().forward(x, attn_mask) * (float("nan") if blind else 1.0)


class LooksAhead(Good):
    def __init__(self, config):
        super().__init__(config)
        self.looks_back = False


class LooksAheadWhenHard(Good):
    def __init__(self, config):
        super().__init__(config)
        self.looks_back = config.causal and config.mode == "soft"


class LooksAheadWhenHardAndShifted(Good):
    def __init__(self, config):
        super().__init__(config)
        self.looks_back = config.causal and not (config.mode == "hard" and config.shifted)


class LooksAheadWhenTrained(Good):
    def __init__(self, config):
        super().__init__(config)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x, attn_mask=None):
        # What comes later is added behind a gate that starts closed.
        output = super().forward(x, attn_mask)
        seen = x if attn_mask is None else x * attn_mask[..., None]
        return output + self.gate * seen.sum(1, keepdim=True)


class MixesTheBatch(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) + (x.mean() if x.numel() else 0)


_CALLS = itertools.count()


def _another() -> float:
    """A number in [0, 1) that no seed repeats and that differs well from the ones before."""
    return next(_CALLS) * 0.618034 % 1


class Rolls(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) + _another()


class Forgets(Good):
    def __init__(self, config):
        super().__init__(config)
        self.register_buffer("secret", torch.full((), _another()), persistent=False)

    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) + self.secret


class Infinite(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) / 0.0


class SinglePrecision(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask).float()


class KeepsParametersOffMeta(Good):
    def __init__(self, config):
        super().__init__(config)
        self._parameters["extra"] = nn.Parameter(torch.zeros(()))


class NothingTrains(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask).detach()


class ParametersDoNothing(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask).detach() + x


class OneStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.detach().cos()


class OneStepMarked(OneStep):
    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.cos()


class OneStepOnly(OneStep):
    @staticmethod
    def backward(ctx, gradient):
        if torch.is_grad_enabled():
            raise zoo.InputError("this gradient cannot be differentiated again: ask for it without create_graph")
        return OneStep.backward(ctx, gradient)


class ForgetsCurvature(Good):
    def forward(self, x, attn_mask=None):
        return OneStep.apply(super().forward(x, attn_mask))


class MarksCurvature(Good):
    def forward(self, x, attn_mask=None):
        # Torch's own mark is not on the way to named inputs, so nothing is raised.
        return OneStepMarked.apply(super().forward(x, attn_mask))


class RefusesCurvature(Good):
    def forward(self, x, attn_mask=None):
        return OneStepOnly.apply(super().forward(x, attn_mask))


class FailsUnderAutocast(Good):
    def forward(self, x, attn_mask=None):
        rows = torch.arange(x.shape[1])
        return torch.zeros_like(x).index_copy_(1, rows, super().forward(x, attn_mask))


class RoundsUnderAutocast(Good):
    def forward(self, x, attn_mask=None):
        output = super().forward(x, attn_mask)
        return output + 0.1 if torch.is_autocast_enabled("cpu") else output


class LosesGradientsUnderAutocast(Good):
    def forward(self, x, attn_mask=None):
        output = super().forward(x, attn_mask)
        return output / 2 + output.detach() / 2 if torch.is_autocast_enabled("cpu") else output


class RoundsItsChoiceWhenHard(Good):
    def __init__(self, config):
        super().__init__(config)
        self.hard = config.mode == "hard"

    def forward(self, x, attn_mask=None):
        output = super().forward(x, attn_mask)
        if not self.hard:
            return output
        # A rounded score: gates open and close where it is near the middle.
        return output * (1 + ((64 * self.out(x)).float() % 1 > 0.5))


class Overflows(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) + (x.square() - x.square()).detach()


class NeedsExamples(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) + 0 * x.abs().max()


class NeedsTokens(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) + 0 * x.amax(1, keepdim=True)


class NeedsTokensWhenHard(Good):
    def __init__(self, config):
        super().__init__(config)
        self.hard = config.mode == "hard"

    def forward(self, x, attn_mask=None):
        output = super().forward(x, attn_mask)
        return output + 0 * x.amax(1, keepdim=True) if self.hard else output


class Switches(Good):
    def __init__(self, config):
        super().__init__(config)
        self.mode = config.mode

    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) * (2.0 if self.mode == "hard" else 1.0)


class LocksSwitches(Switches):
    def __setattr__(self, name, value):
        if name == "mode" and "mode" in self.__dict__:
            raise zoo.InputError("mode belongs to the config: load the layer again")
        super().__setattr__(name, value)


ONE_AT_A_TIME = threading.Lock()


class TakesTheProcess(Good):
    def __init__(self, config):
        with ONE_AT_A_TIME, pytest.MonkeyPatch.context() as patch:
            make = nn.Linear.__init__
            patch.setattr(nn.Linear, "__init__", lambda self, *sizes: make(self, *sizes, device="meta"))
            time.sleep(0.02)
        super().__init__(config)


class BreaksTheGraph(Good):
    def forward(self, x, attn_mask=None):
        return super().forward(x, attn_mask) * (1.0 if float(x.detach().sum()) > 0 else 2.0)


class RefusesCompilers(Good):
    def forward(self, x, attn_mask=None):
        if torch.compiler.is_compiling():
            raise zoo.InputError("this mechanism runs eagerly only")
        return super().forward(x, attn_mask)


class Pools(nn.Module):
    """A model of (batch, dim) that works."""

    def __init__(self, config):
        super().__init__()
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, x):
        return self.out(x)


class PoolsTheBatch(Pools):
    def forward(self, x):
        return super().forward(x).sum(0)


class PoolsTheBatchToo(Pools):
    def forward(self, x):
        found = super().forward(x)
        return found, found.sum(0)


class Constant(nn.Module):
    """A model without parameters whose output is no differentiable function of its input."""

    def __init__(self, config):
        super().__init__()

    def forward(self, x):
        return (x > 0).to(x.dtype)


class Reads(nn.Module):
    """A language model of ids (batch, length) that works."""

    def __init__(self, config):
        super().__init__()
        self.embed = nn.Embedding(config.dim, 4)
        self.layer = Good(SimpleNamespace(dim=4, causal=True))

    def forward(self, input_ids, attn_mask=None):
        return self.layer(self.embed(input_ids), attn_mask)


class ReadsAhead(Reads):
    def __init__(self, config):
        super().__init__(config)
        self.layer.looks_back = False


class ReadsPadding(Reads):
    def forward(self, input_ids, attn_mask=None):
        return super().forward(input_ids)


class Answers(Reads):
    """Gives one vector for a sequence, so that nothing shows whether it is causal."""

    def forward(self, input_ids, attn_mask=None):
        return super().forward(input_ids, attn_mask)[:, 0]


class Translates(Reads):
    """A model that reads a source and its targets so far."""

    def forward(self, source_ids, target_ids, source_mask=None):
        source = self.embed(source_ids)
        source = source.mean(1) if source_mask is None else (source * source_mask[..., None]).sum(1)
        return super().forward(target_ids) + source[:, None]


class TranslatesAhead(Translates):
    def __init__(self, config):
        super().__init__(config)
        self.layer.looks_back = False


class TranslatesPadding(Translates):
    def forward(self, source_ids, target_ids, source_mask=None):
        return super().forward(source_ids, target_ids)


class Model(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
        nn.init.ones_(self.weight)

    def forward(self, x):
        return {"y": super().forward(x)}


def with_model(config, batch_size=2, seed=0):
    return {"model": Model(), "inputs": {"x": torch.ones(2, 2)}}


class Leaves:
    """A method that works."""

    def __init__(self, config):
        pass

    @contextlib.contextmanager
    def attach(self, model):
        model.weight.data.add_(1)
        try:
            yield
        finally:
            model.weight.data.sub_(1)


class Stays(Leaves):
    @contextlib.contextmanager
    def attach(self, model):
        model.weight.data.add_(1)
        yield


class StaysAfterAnError(Leaves):
    @contextlib.contextmanager
    def attach(self, model):
        model.weight.data.add_(1)
        yield
        model.weight.data.sub_(1)


class Looks:
    """A probe that works."""

    def __init__(self, config):
        pass

    def __call__(self, model, inputs):
        return self.result({"mean": 1.0})

    def result(self, numbers):
        return SimpleNamespace(to_dict=lambda: numbers, plot=self.plot)

    def plot(self, path=None):
        from matplotlib.figure import Figure

        Figure().savefig(path)


class Touches(Looks):
    def __call__(self, model, inputs):
        model.weight.data.add_(1)
        return super().__call__(model, inputs)


class GivesTensors(Looks):
    def __call__(self, model, inputs):
        return self.result({"mean": torch.ones(1)})


class GivesNothing(Looks):
    def __call__(self, model, inputs):
        return self.result({})


class Guesses(Looks):
    def __call__(self, model, inputs):
        return self.result({"mean": _another()})


class DrawsNothing(Looks):
    def plot(self, path=None):
        pass


class DrawsText(Looks):
    def plot(self, path=None):
        Path(path).write_text("*")


class Asks:
    """A benchmark that works."""

    def __init__(self, config):
        pass

    def cases(self):
        yield "case"

    def run(self, system):
        return {"score": 1.0}


class AsksNothing(Asks):
    def cases(self):
        return []


class ScoresNaN(Asks):
    def run(self, system):
        return {"score": float("nan")}


class ScoresWords(Asks):
    def run(self, system):
        return {"score": "good"}


class ScoresByLuck(Asks):
    def run(self, system):
        return {"score": float(torch.rand(()))}


def with_system(config, batch_size=2, seed=0):
    return {"system": None}


class Tree:
    """A taxonomy of two terms."""

    name = "tree"

    def __init__(self, config):
        pass

    def walk(self):
        return [self, SimpleNamespace(name="leaf")]

    def find(self, name):
        return {term.name: term for term in self.walk()}[name]


class Stump(Tree):
    def walk(self):
        return [self]


class Lost(Tree):
    def find(self, name):
        return self
