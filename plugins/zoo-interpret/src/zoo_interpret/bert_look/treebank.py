"""Thirty-two plain sentences, written and parsed by hand for this package (Stanford's basic dependencies), on which
heads of real models are tried as parsers where no treebank is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.maps import attention_maps
from zoo.errors import InputError
from zoo_interpret.bert_look.parsing import Sentence, word_attention

# word/number of its head (0 for the root)/relation
_PARSED = """
The/3/det old/3/amod farmer/4/nsubj sold/0/root his/7/poss brown/7/amod horse/4/dobj to/4/prep a/11/det young/11/amod neighbour/8/pobj
My/2/poss sister/3/nsubj read/0/root the/6/det long/6/amod letter/3/dobj in/3/prep the/10/det quiet/10/amod garden/7/pobj
A/3/det small/3/amod boy/5/nsubj quickly/5/advmod opened/0/root the/9/det heavy/9/amod wooden/9/amod door/5/dobj
The/2/det soup/4/nsubjpass was/4/auxpass eaten/0/root by/4/prep the/8/det hungry/8/amod children/5/pobj
Her/2/poss brother/4/nsubj will/4/aux repair/0/root their/7/poss broken/7/amod car/4/dobj in/4/prep the/10/det morning/8/pobj
The/3/det new/3/amod teacher/5/nsubj has/5/aux found/0/root an/8/det empty/8/amod room/5/dobj near/5/prep the/11/det library/9/pobj
We/2/nsubj watched/0/root the/5/det last/5/amod train/2/dobj from/2/prep the/8/det bridge/6/pobj
The/2/det letters/4/nsubjpass were/4/auxpass sent/0/root to/4/prep our/7/poss office/5/pobj by/4/prep a/11/det strange/11/amod man/8/pobj
His/2/poss mother/3/nsubj bought/0/root fresh/5/amod bread/3/dobj and/5/cc a/8/det bottle/5/conj of/8/prep milk/9/pobj
The/3/det black/3/amod dog/4/nsubj chased/0/root a/7/det frightened/7/amod cat/4/dobj across/4/prep the/11/det wide/11/amod street/8/pobj
I/2/nsubj forgot/0/root my/4/poss umbrella/2/dobj on/2/prep the/7/det bus/5/pobj
The/3/det famous/3/amod painter/5/nsubj never/5/neg showed/0/root her/8/poss best/8/amod pictures/5/dobj in/5/prep public/9/pobj
A/3/det cold/3/amod wind/4/nsubj blew/0/root through/4/prep the/8/det open/8/amod windows/5/pobj of/8/prep the/11/det house/9/pobj
The/2/det doctor/3/nsubj gave/0/root the/5/det patient/3/iobj a/8/det bitter/8/amod medicine/3/dobj
The/2/det bridge/4/nsubjpass was/4/auxpass built/0/root by/4/prep Roman/7/amod soldiers/5/pobj
Our/2/poss cat/3/nsubj sleeps/0/root under/3/prep the/7/det kitchen/7/nn table/4/pobj
The/2/det students/4/nsubj must/4/aux finish/0/root their/6/poss work/4/dobj before/4/prep the/10/det next/10/amod lesson/7/pobj
She/3/nsubj carefully/3/advmod placed/0/root the/6/det red/6/amod flowers/3/dobj on/3/prep his/9/poss grave/7/pobj
The/2/det police/3/nsubj caught/0/root the/6/det two/6/num thieves/3/dobj at/3/prep the/9/det station/7/pobj
My/2/poss uncle/3/nsubj keeps/0/root his/6/poss old/6/amod tools/3/dobj in/3/prep a/10/det large/10/amod box/7/pobj
The/2/det window/4/nsubjpass was/4/auxpass broken/0/root during/4/prep the/7/det night/5/pobj
They/3/nsubj have/3/aux lost/0/root the/6/det only/6/amod key/3/dobj to/6/prep the/9/det cellar/7/pobj
The/3/det tall/3/amod woman/8/nsubj with/3/prep the/7/det green/7/amod hat/4/pobj ordered/0/root a/10/det cup/8/dobj of/10/prep tea/11/pobj
Some/2/det birds/3/nsubj build/0/root their/5/poss nests/3/dobj in/3/prep very/8/advmod high/9/amod trees/6/pobj
The/2/det results/4/nsubjpass were/4/auxpass published/0/root in/4/prep a/8/det scientific/8/amod journal/5/pobj
The/2/det captain/6/nsubj of/2/prep the/5/det ship/3/pobj wrote/0/root a/9/det short/9/amod report/6/dobj
Nobody/3/nsubj could/3/aux explain/0/root the/6/det strange/6/amod noise/3/dobj from/6/prep the/9/det attic/7/pobj
His/2/poss daughter/3/nsubj plays/0/root the/5/det violin/3/dobj in/3/prep a/9/det famous/9/amod orchestra/6/pobj
The/2/det gardener/4/nsubj has/4/aux planted/0/root many/7/amod young/7/amod trees/4/dobj along/4/prep the/10/det road/8/pobj
An/3/det angry/3/amod customer/4/nsubj returned/0/root the/7/det broken/7/amod watch/4/dobj to/4/prep the/10/det shop/8/pobj
The/2/det meal/4/nsubjpass was/4/auxpass prepared/0/root by/4/prep an/8/det Italian/8/amod cook/5/pobj in/4/prep our/11/poss kitchen/9/pobj
Their/2/poss neighbours/3/nsubj sold/0/root the/6/det little/6/amod house/3/dobj behind/6/prep the/9/det church/7/pobj
"""  # noqa: E501 (a sentence a line)


def parsed_sentences() -> list[Sentence]:
    """The sentences."""
    found = []
    for line in _PARSED.strip().splitlines():
        words, heads, relations = zip(*(token.split("/") for token in line.split()), strict=True)
        found.append(Sentence(words, tuple(map(int, heads)), relations))
    return found


def word_maps(model: nn.Module, tokenizer: Any, sentence: Sequence[str]) -> Tensor:
    """Attention between the words of a sentence, (layers, heads, n + 2, n + 2) with [CLS] and [SEP] at the ends.

    Args:
        model: an encoder of transformers.
        tokenizer: its own, fast, which puts one token at each end.
        sentence: its words.

    Raises:
        InputError: a tokenizer that puts something else around a text, or drops words.
    """
    encoded = tokenizer(list(sentence), is_split_into_words=True, return_tensors="pt")
    owners = encoded.word_ids(0)
    if owners[0] is not None or owners[-1] is not None or sorted(set(owners[1:-1])) != list(range(len(sentence))):
        raise InputError("expected a tokenizer with one token before and one after a text, and pieces of every word")
    numbers = [-1, *owners[1:-1], len(sentence)]
    starts = torch.tensor([numbers.index(word) for word in range(-1, len(sentence) + 1)])
    lengths = torch.tensor([numbers.count(word) for word in range(-1, len(sentence) + 1)])
    maps = torch.stack([layer[0] for layer in attention_maps(model, {"input_ids": encoded["input_ids"]})])
    return word_attention(maps, starts, lengths)
