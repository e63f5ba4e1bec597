"""What instruments are given: tensors, or text with a tokenizer, as keyword arguments of a model's forward.

``as_inputs(model, "a text", tokenizer)`` is what every instrument and probe calls first, so that all of them take
text as well as tensors, and the zoo's own networks (``attn_mask``) as well as those of transformers
(``attention_mask``)::

    inputs = as_inputs(model, ["one text", "another, longer text"], tokenizer)
    inputs = as_inputs(model, input_ids)                     # a tensor: ids, or an image
    inputs = as_inputs(model, {"input_ids": ids, ...})       # keyword arguments stay what they are
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.progress import Log, patient
from zoo.errors import InputError

Inputs = Mapping[str, Any] | Tensor | str | Sequence[str]


def as_inputs(model: nn.Module, inputs: Inputs, tokenizer: Any = None) -> dict[str, Any]:
    """Keyword arguments of the model's forward, on its device.

    Args:
        model: a network of transformers or of the zoo.
        inputs: keyword arguments; or a tensor, of integers (token ids) or floats (images); or a text, or several.
        tokenizer: of transformers; for texts, where the model does not bring its own (``tokenizer_of``). Several texts
            are padded, with the end token where none is for padding.

    Raises:
        InputError: texts without a tokenizer, or what is none of these.
    """
    if isinstance(inputs, str):
        inputs = [inputs]
    if isinstance(inputs, Mapping):
        found = dict(inputs)
    elif isinstance(inputs, Tensor):
        found = {_first_argument(model) if inputs.is_floating_point() else "input_ids": inputs}
    elif isinstance(inputs, Sequence) and inputs and all(isinstance(text, str) for text in inputs):
        found = _tokenized(model, list(inputs), tokenizer)
    else:
        raise InputError(
            f"{type(inputs).__name__} is no input; give keyword arguments, a tensor, or texts with a tokenizer"
        )
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in found.items()}


def _first_argument(model: nn.Module) -> str:
    return next(iter(inspect.signature(model.forward).parameters))


def tokenizer_of(model: nn.Module, tokenizer: Any = None) -> Any:
    """The tokenizer that was given, else the one that the model brings as ``model.tokenizer``; None without either."""
    return tokenizer if tokenizer is not None else getattr(model, "tokenizer", None)


def _tokenized(model: nn.Module, texts: list[str], tokenizer: Any) -> dict[str, Any]:
    tokenizer = tokenizer_of(model, tokenizer)
    if tokenizer is None:
        raise InputError("texts need tokenizer=, the one that the model was trained with")
    if len(texts) > 1 and tokenizer.pad_token is None:
        found = _padded([tokenizer(text)["input_ids"] for text in texts], tokenizer.eos_token_id or 0)
    else:
        found = dict(tokenizer(texts, return_tensors="pt", padding=len(texts) > 1))
    known = inspect.signature(model.forward).parameters
    if "attn_mask" in known and "attention_mask" not in known:
        mask = found["attention_mask"].bool()
        return {"input_ids": found["input_ids"]} | ({} if bool(mask.all()) else {"attn_mask": mask})
    # Types of tokens that are all alike are the default where a model has them, and would disturb one that has not.
    alike = "token_type_ids" in found and not bool(found["token_type_ids"].any())
    return {name: value for name, value in found.items() if not (alike and name == "token_type_ids")}


def _padded(rows: list[list[int]], filler: int) -> dict[str, Any]:
    """Ids of several texts, padded on the right; what stands there is never looked at."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def batches(
    model: nn.Module,
    inputs: Inputs | Iterable[Mapping[str, Any]],
    tokenizer: Any = None,
    *,
    batch_size: int = 8,
    ids: bool = False,
    log: Log | None = None,
) -> Iterator[dict[str, Any]]:
    """Inputs, some at a time: the loop of every probe that goes through texts.

    Args:
        model, tokenizer: see ``as_inputs``.
        inputs: texts, which are cut into batches; or anything that ``as_inputs`` takes, which is one batch; or an
            iterable of such batches.
        batch_size: texts of a batch.
        ids: whether every batch must have ``input_ids``.
        log: takes a line when a batch is done, how many examples there were so far; see ``progress``.

    Raises:
        InputError: no batch at all, or one without token ids where they are needed.
    """
    log, count = patient(log), 0
    for arguments in _cut(model, inputs, tokenizer, batch_size):
        if ids:
            _ids(arguments)
        yield arguments
        count += next((len(value) for value in arguments.values() if isinstance(value, Tensor) and value.ndim), 1)
        log(f"{count} {'text' if count == 1 else 'texts'}")
    if not count:
        raise InputError("no texts: at least one is needed")


def token_ids(model: nn.Module, inputs: Inputs, tokenizer: Any = None) -> Tensor:
    """The token ids (batch, length) among the inputs; see ``as_inputs``.

    Raises:
        InputError: there are none.
    """
    return _ids(as_inputs(model, inputs, tokenizer))


def _ids(arguments: Mapping[str, Any]) -> Tensor:
    found: Tensor | None = arguments.get("input_ids")
    if found is None:
        raise InputError('probes of tokens need token ids: give texts, a tensor of integers, or "input_ids"')
    return found


def _cut(
    model: nn.Module, inputs: Inputs | Iterable[Mapping[str, Any]], tokenizer: Any, batch_size: int
) -> Iterator[dict[str, Any]]:
    if isinstance(inputs, str | Tensor | Mapping):
        yield as_inputs(model, inputs, tokenizer)
    elif isinstance(inputs, Sequence) and inputs and isinstance(inputs[0], str):
        for start in range(0, len(inputs), batch_size):
            yield as_inputs(model, list(inputs[start : start + batch_size]), tokenizer)
    else:
        for batch in inputs:
            yield as_inputs(model, batch, tokenizer)


def real_tokens(inputs: Mapping[str, Any]) -> Tensor | None:
    """(batch, length) boolean, True where a token is no padding; None where nothing is padded."""
    mask = inputs.get("attention_mask", inputs.get("attn_mask"))
    return mask.bool() if isinstance(mask, Tensor) and mask.ndim == 2 else None


def token_texts(tokenizer: Any, ids: Tensor) -> list[str]:
    """The text of every token (length,), for axes and tables; spaces at word starts are kept as they are."""
    return [tokenizer.decode([int(index)]) for index in ids]


def logits_of(output: Any) -> Tensor:
    """Logits of what a model returned: a tensor, or an object with ``logits``.

    Raises:
        InputError: neither; a model without a head has none.
    """
    if isinstance(output, Tensor):
        return output
    logits = getattr(output, "logits", None)
    if not isinstance(logits, Tensor):
        raise InputError(f"{type(output).__name__} has no logits; take the model with a head")
    return logits
