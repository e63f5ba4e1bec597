"""What does BERT look at? Surface patterns, syntax and similarity of attention heads.

Source: "What Does BERT Look At? An Analysis of BERT's Attention" (BlackboxNLP 2019), arXiv 1906.04341.

For a document of N tokens with maps a[l,h,i,j] (row = query):

    avg_S      = sum_ij a S / D     S: self, next ("right"), previous ("left"), columns [SEP], [CLS], punctuation;
                                    D = N, for rows and columns [SEP] 2, for rows without and columns [SEP] N - 2
    entropy    = mean_i - sum_j b log b,    b = 0.9999 a + 0.0001 / N        (nats)
    JS(1, 2)   = 1/2 sum_ij s1 log(s1/m) + s2 log(s2/m),    s = 0.999 a + 0.001 / N,  m = (s1 + s2) / 2

Averages weigh documents equally; JS distances sum over documents. From pieces to words: columns of a word's pieces are
summed, its rows averaged ("mean"), or the first is taken, or their maximum, renormalised.

A head as a parser: zero the diagonal, cut [CLS] and [SEP], predict for every word the word it attends to most. Probing
classifiers combine all heads: with fixed weights, or weights that depend on the two words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo.errors import InputError
from zoo.targets import require
from zoo_interpret.tiny_models import tiny_bert

SELECTORS = ("self", "right", "left", "sep", "cls", "punct", "sep_sep", "rest_sep")
AGGREGATIONS = ("mean", "first", "max")
DIRECTIONS = ("normal", "transpose", "both")


@dataclass
class BertLookConfig:
    """Config of the probe."""

    cls_id: int = zoo.field(101, "token id of [CLS]", minimum=0)
    sep_id: int = zoo.field(102, "token id of [SEP]", minimum=0)
    punct_ids: list[int] = zoo.field([1012, 1010], "token ids of . and ,", minimum=0)
    separators: str = zoo.field(
        "two",
        "denominators of the [SEP] selectors: two separators as in the paper, or the true count",
        choices=("two", "count"),
    )
    reduce: str = zoo.field("sum", "JS distances over documents", choices=("sum", "mean"))
    js: bool = zoo.field(True, "whether JS distances are computed: quadratic in the number of heads")


# Maps


def document_maps(model: nn.Module, inputs: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Token ids (N,) and maps (layers, heads, N, N) of every document, padding cut off.

    Raises:
        InputError: the model returns no maps.
    """
    with torch.no_grad():
        output = model(**inputs, output_attentions=True)
    maps = getattr(output, "attentions", None)
    if not maps or maps[0] is None:
        raise InputError('the model returned no attention maps; load it with attn_implementation="eager"')
    stacked = torch.stack(tuple(maps), 1)
    ids = inputs["input_ids"]
    lengths = inputs["attention_mask"].sum(1) if "attention_mask" in inputs else torch.full((len(ids),), ids.shape[1])
    return [(ids[row, :length], stacked[row, :, :, :length, :length]) for row, length in enumerate(lengths.tolist())]


def selectors(tokens: Tensor, config: BertLookConfig) -> dict[str, tuple[Tensor, float]]:
    """Selector matrices (N, N) and denominators."""
    count = len(tokens)
    sep, cls = tokens == config.sep_id, tokens == config.cls_id
    punct = torch.isin(tokens, torch.tensor(config.punct_ids))
    every = torch.ones(count, dtype=torch.bool)
    separators = 2 if config.separators == "two" else max(int(sep.sum()), 1)
    columns = {"sep": sep, "cls": cls, "punct": punct}
    found = {
        "self": (torch.eye(count), float(count)),
        "right": (torch.diag(torch.ones(count - 1), 1), float(count)),
        "left": (torch.diag(torch.ones(count - 1), -1), float(count)),
        **{name: (torch.outer(every.float(), column.float()), float(count)) for name, column in columns.items()},
        "sep_sep": (torch.outer(sep.float(), sep.float()), float(separators)),
        "rest_sep": (torch.outer((~sep).float(), sep.float()), float(max(count - separators, 1))),
    }
    return found


def average_attention(maps: Tensor, tokens: Tensor, config: BertLookConfig) -> dict[str, Tensor]:
    """Table (layers, heads) per selector, for one document."""
    return {
        name: (maps * selector).sum((-1, -2)) / denominator
        for name, (selector, denominator) in selectors(tokens, config).items()
    }


def entropies(maps: Tensor) -> Tensor:
    """Entropy of every row (layers, heads, N) of smoothed maps, nats."""
    smooth = 0.9999 * maps + 0.0001 / maps.shape[-1]
    return -(smooth * smooth.log()).sum(-1)


def js_distances(maps: Tensor) -> Tensor:
    """Jensen-Shannon distances (heads, heads) of one document's maps, layers flattened, summed over rows."""
    smooth = (0.999 * maps + 0.001 / maps.shape[-1]).flatten(0, 1)
    distances = torch.zeros(len(smooth), len(smooth))
    for index, own in enumerate(smooth):
        middle = (own + smooth) / 2
        terms = own * (own / middle).log() + smooth * (smooth / middle).log()
        distances[index] = terms.sum((-1, -2)) / 2
    return distances


def embed_heads(distances: Tensor, seed: int = 0) -> Tensor:
    """2-D points (heads, 2) whose distances are like the given ones: metric scaling, best of five starts.

    scikit-learn's where it is installed; otherwise classical scaling refined by SMACOF.
    """
    symmetric = ((distances + distances.T) / 2).double()
    starts = [_classical_scaling(symmetric)]
    generator = torch.Generator().manual_seed(seed)
    starts += [torch.randn(len(distances), 2, generator=generator, dtype=torch.float64) for _ in range(4)]
    return min((_smacof(symmetric, start) for start in starts), key=lambda points: _stress(symmetric, points))


def _classical_scaling(distances: Tensor) -> Tensor:
    squared = distances.square()
    centred = squared - squared.mean(0) - squared.mean(1, keepdim=True) + squared.mean()
    values, vectors = torch.linalg.eigh(-centred / 2)
    return vectors[:, -2:] * values[-2:].clamp(min=0).sqrt()


def _smacof(distances: Tensor, points: Tensor, steps: int = 200) -> Tensor:
    for _ in range(steps):
        current = torch.cdist(points, points)
        ratio = torch.where(current > 1e-9, distances / current.clamp(min=1e-9), torch.zeros_like(current))
        transform = -ratio
        transform.diagonal().copy_(ratio.sum(1))
        points = transform @ points / len(points)
    return points


def _stress(distances: Tensor, points: Tensor) -> float:
    return float((torch.cdist(points, points) - distances).square().sum())


def word_attention(maps: Tensor, starts: Tensor, lengths: Tensor, how: str = "mean") -> Tensor:
    """Attention between words (layers, heads, W, W) from attention between pieces.

    Args:
        maps: (layers, heads, N, N).
        starts, lengths: (W,) the pieces of every word, [CLS] and [SEP] included as words of their own.
        how: rows of a word's pieces: their mean, the first, or the maximum divided by its sum.
    """
    if how not in AGGREGATIONS:
        raise InputError(f"{how!r} is not one of {', '.join(AGGREGATIONS)}")
    spans = [(int(start), int(start + length)) for start, length in zip(starts, lengths, strict=True)]
    columns = torch.stack([maps[..., start:stop].sum(-1) for start, stop in spans], -1)
    if how == "first":
        return columns[..., [start for start, _ in spans], :]
    if how == "mean":
        return torch.stack([columns[..., start:stop, :].mean(-2) for start, stop in spans], -2)
    rows = torch.stack([columns[..., start:stop, :].amax(-2) for start, stop in spans], -2)
    return rows / rows.sum(-1, keepdim=True)


# Heads as parsers


def predict_heads(maps: Tensor, direction: str = "normal") -> Tensor:
    """For each word the word it attends to most, 1-based (0 is ROOT, never predicted).

    Args:
        maps: word level (..., n + 2, n + 2) with [CLS] and [SEP] at the ends.
        direction: "normal" (the dependent attends to its head), "transpose", or "both" (a + a').

    Returns:
        (..., n) int64.
    """
    if direction == "transpose":
        maps = maps.transpose(-1, -2)
    elif direction == "both":
        maps = maps + maps.transpose(-1, -2)
    elif direction != "normal":
        raise InputError(f"{direction!r} is not one of {', '.join(DIRECTIONS)}")
    off = maps * (1 - torch.eye(maps.shape[-1], dtype=maps.dtype))
    return off[..., 1:-1, 1:-1].argmax(-1) + 1


def predict_offset(count: int, offset: int) -> Tensor:
    """The baseline: word i (0-based) depends on word i + offset, clamped to 0..n; (n,) 1-based."""
    return (torch.arange(count) + offset + 1).clamp(0, count)


def attachment_score(predicted: Tensor, gold: Tensor) -> Tensor:
    """UAS (...) of predictions (..., n) against gold heads (n,), 0 = ROOT."""
    return (predicted == gold).float().mean(-1)


@dataclass(frozen=True)
class Sentence:
    """A parsed sentence: words, 1-based gold heads (0 = ROOT) and relations."""

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]


def relation_scores(
    sentences: Sequence[Sentence], maps: Sequence[Tensor], direction: str = "normal"
) -> dict[str, Tensor]:
    """Accuracy (layers, heads) per relation, and "all" without punctuation.

    For ``poss``, if the next word is 's, that word's prediction is used.
    """
    right: dict[str, Tensor] = {}
    seen: dict[str, int] = {}
    for sentence, weights in zip(sentences, maps, strict=True):
        predicted = predict_heads(weights, direction)
        for index, (head, relation) in enumerate(zip(sentence.heads, sentence.relations, strict=True)):
            place = index
            following = sentence.words[index + 1] if index + 1 < len(sentence.words) else ""
            if relation == "poss" and following == "'s":
                place = index + 1
            hit = (predicted[..., place] == head).float()
            for name in (relation, *(() if relation == "punct" else ("all",))):
                right[name] = right.get(name, torch.zeros_like(hit)) + hit
                seen[name] = seen.get(name, 0) + 1
    return {name: total / seen[name] for name, total in right.items()}


def offset_baseline(
    sentences: Sequence[Sentence], offsets: Iterable[int] = range(-5, 6)
) -> dict[str, tuple[int, float]]:
    """Best fixed offset of every relation, and its accuracy."""
    best: dict[str, tuple[int, float]] = {}
    for offset in offsets:
        right: dict[str, list[bool]] = {}
        for sentence in sentences:
            predicted = predict_offset(len(sentence.words), offset).tolist()
            for guess, head, relation in zip(predicted, sentence.heads, sentence.relations, strict=True):
                right.setdefault(relation, []).append(guess == head)
        for relation, hits in right.items():
            score = sum(hits) / len(hits)
            if score > best.get(relation, (0, -1.0))[1]:
                best[relation] = (offset, score)
    return best


def read_conll(path: str | Path) -> list[Sentence]:
    """Read sentences of a CoNLL-U or CoNLL-X file (ten columns: word 2, head 7, relation 8).

    Raises:
        InputError: the file is not of that format.
    """
    sentences: list[Sentence] = []
    rows: list[tuple[str, int, str]] = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        if not line.strip():
            if rows:
                words, heads, relations = zip(*rows, strict=True)
                sentences.append(Sentence(words, heads, relations))
            rows = []
        elif "-" in columns[0] or "." in columns[0]:
            continue
        elif len(columns) < 8 or not columns[6].isdigit():
            raise InputError(f"{path}, line {number}: expected ten tab-separated columns with a head in the seventh")
        else:
            rows.append((columns[1], int(columns[6]), columns[7]))
    return sentences


def synthetic_treebank(count: int, seed: int = 0, length: int = 8) -> list[Sentence]:
    """Sentences of random words whose heads lie one or two words on, by relation; the last word is the root."""
    generator = torch.Generator().manual_seed(seed)
    sentences = []
    for _ in range(count):
        words = tuple(f"w{int(index)}" for index in torch.randint(50, (length,), generator=generator))
        drawn = (1 + torch.randint(2, (length,), generator=generator)).tolist()
        offsets = [min(offset, length - 1 - index) for index, offset in enumerate(drawn)]
        heads = [index + offset + 1 for index, offset in enumerate(offsets)]
        relations = ["next" if offset == 1 else "skip" for offset in offsets]
        heads[-1], relations[-1] = 0, "root"
        sentences.append(Sentence(words, tuple(heads), tuple(relations)))
    return sentences


def antecedents(maps: Tensor, mentions: Sequence[int]) -> Tensor:
    """For each mention but the first, the earlier mention whose head word it attends to most.

    Args:
        maps: word level (..., n + 2, n + 2).
        mentions: 1-based word positions of the mentions' head words, in order.

    Returns:
        (..., mentions - 1) int64: index into ``mentions``.
    """
    places = torch.tensor(list(mentions))
    scores = maps[..., places[:, None], places]
    return torch.stack([scores[..., index, :index].argmax(-1) for index in range(1, len(places))], -1)


def antecedent_accuracy(chosen: Tensor, clusters: Sequence[int]) -> Tensor:
    """Share (...) of mentions with an antecedent that chose one of their own cluster."""
    labels = torch.tensor(list(clusters))
    has = torch.tensor([bool((labels[:index] == labels[index]).any()) for index in range(1, len(labels))])
    if not has.any():
        raise InputError("no mention has an antecedent")
    right = labels[chosen] == labels[1:]
    return right[..., has].float().mean(-1)


def nearest_mention(count: int) -> Tensor:
    """The baseline: every mention's antecedent is the one before it."""
    return torch.arange(count - 1)


def same_head_word(words: Sequence[str]) -> Tensor:
    """The baseline: the nearest earlier mention with the same head word, else the nearest."""
    lowered = [word.lower() for word in words]
    found = []
    for index in range(1, len(lowered)):
        same = [other for other in range(index) if lowered[other] == lowered[index]]
        found.append(same[-1] if same else index - 1)
    return torch.tensor(found)


def saliency(
    model: nn.Module, inputs: Mapping[str, Tensor], loss: Callable[[Any], Tensor], *, steps: int = 1
) -> Tensor:
    """Gradient saliency of attention, |a dL/da| (layers, heads, N, N), summed over the batch.

    Args:
        model: a transformers model with attn_implementation="eager".
        inputs: keyword arguments of its forward.
        loss: output to a scalar.
        steps: above 1, gradients are averaged over that many scaled input embeddings (integrated gradients).
    """
    embeddings = model.get_input_embeddings()(inputs["input_ids"]).detach()  # type: ignore[operator]
    rest = {name: value for name, value in inputs.items() if name != "input_ids"}
    total: list[Tensor] = []
    for step in range(1, steps + 1):
        scaled = (embeddings * (step / steps)).requires_grad_()
        output = model(inputs_embeds=scaled, **rest, output_attentions=True)
        gradients = torch.autograd.grad(loss(output), output.attentions)
        parts = [map_ * gradient for map_, gradient in zip(output.attentions, gradients, strict=True)]
        total = parts if not total else [a + b for a, b in zip(total, parts, strict=True)]
    return torch.stack([part.detach().div(steps).abs().sum(0) for part in total])


# Probing classifiers


@dataclass
class AttentionProbeConfig:
    """Config of the attention-only probe."""

    num_maps: int = zoo.field(144, "heads L H; every one counts twice, with its transpose", minimum=1)


@dataclass
class WordsProbeConfig(AttentionProbeConfig):
    """Config of the attention-and-words probe."""

    dim: int = zoo.field(300, "width of the fixed word vectors", unit="features", minimum=1)
    align_words: bool = zoo.field(False, "the paper's alignment of weights and candidates instead of the code's")


@dataclass
class DistanceProbeConfig:
    """Config of the words-and-distances baseline."""

    dim: int = zoo.field(300, "width of the fixed word vectors", unit="features", minimum=1)
    hidden: int = zoo.field(256, "width of the hidden layer", unit="features", minimum=1)
    align_words: bool = zoo.field(False, "the paper's alignment of words and candidates instead of the code's")


def candidate_maps(maps: Tensor, root_start: Tensor, root_end: Tensor) -> Tensor:
    """Features (..., 2 L H, n, n + 1) of candidate heads, ROOT first: all maps, then their transposes.

    Args:
        maps: word level (..., L, H, n + 2, n + 2), [CLS] first and [SEP] last.
        root_start, root_end: learned scalars (1,): ROOT's feature is their mix of a(i, [CLS]) and a(i, [SEP]).
    """
    flat = maps.flatten(-4, -3)
    both = torch.cat((flat, flat.transpose(-1, -2)), -3)
    root = root_start * both[..., 1:-1, :1] + root_end * both[..., 1:-1, -1:]
    return torch.cat((root, both[..., 1:-1, 1:-1]), -1)


def word_pairs(vectors: Tensor, align_words: bool) -> Tensor:
    """(..., n, n + 1, 2 dim): for word i and each candidate the two words' vectors.

    Aligned, candidate 0 (ROOT) has zeros and candidate j the pair (i, j); as in the authors' code, the dummy of
    zeros comes last and every pair stands one column early.
    """
    count = vectors.shape[-2]
    shape = (*vectors.shape[:-2], count, count, vectors.shape[-1])
    own, other = vectors[..., :, None, :].expand(shape), vectors[..., None, :, :].expand(shape)
    pairs = torch.cat((own, other), -1)
    dummy = torch.zeros_like(pairs[..., :1, :])
    return torch.cat((dummy, pairs) if align_words else (pairs, dummy), -2)


class AttentionProbe(nn.Module):
    """logit(i, j) = sum_k w_k a_k(i, j) + u_k a_k(j, i); 2 L H weights and two ROOT scalars."""

    def __init__(self, config: AttentionProbeConfig) -> None:
        super().__init__()
        self.attn_map_weights = nn.Parameter(torch.empty(2 * config.num_maps))
        self.ROOT_start = nn.Parameter(torch.empty(1))
        self.ROOT_end = nn.Parameter(torch.empty(1))
        for parameter in self.parameters():
            nn.init.zeros_(parameter) if parameter.numel() == 1 else nn.init.normal_(parameter, std=0.02)

    def forward(self, maps: Tensor) -> Tensor:
        """Word-level maps (batch, L, H, n + 2, n + 2) to logits (batch, n, n + 1), column 0 ROOT."""
        features = candidate_maps(maps, self.ROOT_start, self.ROOT_end)
        return torch.einsum("...kij,k->...ij", features, self.attn_map_weights)


class WordsProbe(nn.Module):
    """Weights of the maps depend on the two words: W (v_i ; v_j) + b."""

    def __init__(self, config: WordsProbeConfig) -> None:
        super().__init__()
        self.align_words = config.align_words
        self.dense = nn.Linear(2 * config.dim, 2 * config.num_maps)
        self.ROOT_start = nn.Parameter(torch.zeros(1))
        self.ROOT_end = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor, vectors: Tensor) -> Tensor:
        """Maps (batch, L, H, n + 2, n + 2) and word vectors (batch, n, dim) to logits (batch, n, n + 1)."""
        features = candidate_maps(maps, self.ROOT_start, self.ROOT_end)
        weights = self.dense(word_pairs(vectors, self.align_words))
        return torch.einsum("...kij,...ijk->...ij", features, weights)


def distance_features(count: int) -> Tensor:
    """(n, n + 1, 8): signed relative distances, near neighbours, and the ROOT flag; ROOT is column 0."""
    index = torch.arange(count)
    lag = index - index[:, None]
    forward = lag.clamp(min=0) / count
    near = [(lag == step).float() for step in (0, -1, 1, -2, 2)]
    words = torch.stack([forward, forward.T, *near, torch.zeros(count, count)], -1)
    root = torch.zeros(count, 1, 8)
    root[..., -1] = 1.0
    return torch.cat((root, words), 1)


class DistanceProbe(nn.Module):
    """The baseline without attention: eight distance features and the word pair, through 256 tanh units."""

    def __init__(self, config: DistanceProbeConfig) -> None:
        super().__init__()
        self.align_words = config.align_words
        self.hidden = nn.Linear(9 + 2 * config.dim, config.hidden)
        self.out = nn.Linear(config.hidden, 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Word vectors (batch, n, dim) to logits (batch, n, n + 1), column 0 ROOT."""
        count = vectors.shape[-2]
        distances = distance_features(count).to(vectors).expand(*vectors.shape[:-2], -1, -1, -1)
        # The leading zero stands where the maps would be.
        parts = (torch.zeros_like(distances[..., :1]), distances, word_pairs(vectors, self.align_words))
        return self.out(torch.tanh(self.hidden(torch.cat(parts, -1))))[..., 0]


def train_probe(
    probe: nn.Module,
    data: Iterable[tuple[tuple[Tensor, ...], Tensor]],
    *,
    learning_rate: float = 0.002,
) -> nn.Module:
    """One pass over ((inputs of one sentence), gold heads (n,)) with Adam, batches of one sentence."""
    optimizer = torch.optim.Adam(probe.parameters(), lr=learning_rate)
    for inputs, gold in data:
        logits = probe(*(value[None] for value in inputs))[0]
        loss = functional.cross_entropy(logits, gold, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return probe.eval()


# The probe


@dataclass(frozen=True)
class BertLookResult:
    """Statistics of a model's heads, averaged over documents.

    Args:
        averages: selector -> table (layers, heads).
        entropy, entropy_cls: (layers, heads), nats.
        uniform_entropy: mean of log N.
        js: (heads, heads) Jensen-Shannon distances, or None.
        documents: how many.
    """

    averages: Mapping[str, Tensor]
    entropy: Tensor
    entropy_cls: Tensor
    uniform_entropy: float
    js: Tensor | None
    documents: int

    def labels(self) -> list[list[str]]:
        """The paper's label of every head, by layer: next, previous, broad, cls, sep, punct, or nothing."""
        rules = (
            ("next", self.averages["right"] > 0.5),
            ("previous", self.averages["left"] > 0.5),
            ("broad", self.entropy > 3.8),
            ("cls", self.averages["cls"] > 0.6),
            ("sep", self.averages["sep"] > 0.6),
            ("punct", self.averages["punct"] > 0.6),
        )
        layers, heads = self.entropy.shape
        return [
            [next((name for name, table in rules if table[layer, head]), "") for head in range(heads)]
            for layer in range(layers)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON."""
        return {
            "averages": {name: table.tolist() for name, table in self.averages.items()},
            "entropy": self.entropy.tolist(),
            "entropy_cls": self.entropy_cls.tolist(),
            "uniform_entropy": self.uniform_entropy,
            "js": None if self.js is None else self.js.tolist(),
            "labels": self.labels(),
            "documents": self.documents,
        }

    def plot(self, path: str | Path | None = None) -> Any:
        """Attention to special tokens by layer, and the heads in two dimensions; a matplotlib figure."""
        figure = require("matplotlib.figure", needed_by="plotting").Figure(figsize=(9, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        layers, heads = self.entropy.shape
        for name in ("sep", "cls", "punct", "right", "left", "self"):
            left.plot(range(1, layers + 1), self.averages[name].mean(1), marker="o", label=name)
        left.set(xlabel="layer", ylabel="average attention")
        left.legend()
        if self.js is not None and len(self.js) > 2:
            points = embed_heads(self.js)
            scatter = right.scatter(points[:, 0], points[:, 1], c=[i // heads for i in range(layers * heads)])
            figure.colorbar(scatter, ax=right, label="layer")
        right.set(title="heads by Jensen-Shannon distance")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


class BertLook:
    """``probe(model, inputs)``: statistics of every head of a transformers model."""

    def __init__(self, config: BertLookConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> BertLookResult:
        """Run the model and analyse its maps.

        Args:
            model: with attn_implementation="eager".
            inputs: keyword arguments of its forward; padding on the right, marked by ``attention_mask``.
        """
        return self.analyse(document_maps(model, inputs))

    def analyse(self, documents: Sequence[tuple[Tensor, Tensor]]) -> BertLookResult:
        """Statistics of documents given as (token ids (N,), maps (layers, heads, N, N)).

        Raises:
            InputError: no documents.
        """
        if not documents:
            raise InputError("no documents to analyse")
        averages = [average_attention(maps, tokens, self.config) for tokens, maps in documents]
        rows = [entropies(maps) for _, maps in documents]
        distances = None
        if self.config.js:
            parts = torch.stack([js_distances(maps) for _, maps in documents])
            distances = parts.sum(0) if self.config.reduce == "sum" else parts.mean(0)
        return BertLookResult(
            {name: torch.stack([entry[name] for entry in averages]).mean(0) for name in SELECTORS},
            torch.stack([row.mean(-1) for row in rows]).mean(0),
            torch.stack([row[..., 0] for row in rows]).mean(0),
            float(torch.tensor([float(len(tokens)) for tokens, _ in documents]).log().mean()),
            distances,
            len(documents),
        )


def example(config: BertLookConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random ids of two segments each."""
    generator = torch.Generator().manual_seed(seed)
    model = tiny_bert(seed=seed, vocab_size=max(66, config.cls_id, config.sep_id, *config.punct_ids) + 1)
    ids = torch.randint(3, 67, (batch_size, 14), generator=generator)
    ids[:, 0], ids[:, 6], ids[:, -1] = config.cls_id, config.sep_id, config.sep_id
    return {"model": model, "inputs": {"input_ids": ids, "attention_mask": torch.ones_like(ids)}}


def _random_maps(num_maps: int, batch: int, seed: int, words: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, num_maps, 1, words + 2, words + 2, generator=generator).softmax(-1)


def attention_probe_example(config: AttentionProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random maps of five words."""
    return {"maps": _random_maps(config.num_maps, batch_size, seed)}


def words_probe_example(config: WordsProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random maps and vectors of five words."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch_size, 5, config.dim, generator=generator)
    return {"maps": _random_maps(config.num_maps, batch_size, seed), "vectors": vectors}


def distance_probe_example(config: DistanceProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random vectors of five words."""
    generator = torch.Generator().manual_seed(seed)
    return {"vectors": torch.randn(batch_size, 5, config.dim, generator=generator)}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The published ``dense.kernel`` (in, out) to ``dense.weight`` (out, in)."""
    return {
        name.replace("dense.kernel", "dense.weight"): tensor.T if name.endswith("dense.kernel") else tensor
        for name, tensor in state.items()
    }


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Statistics, word-level attention, heads as parsers, and probing classifiers of a recorded model."""
    transformers = require("transformers", needed_by="replaying bert-look")
    kind = getattr(transformers, config["model"])
    model = kind._from_config(
        kind.config_class(**config["model_kwargs"]), attn_implementation=config.get("attn_implementation", "eager")
    ).eval()
    zoo.fill(model, {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")})
    own = BertLookConfig(config["cls_id"], config["sep_id"], list(config["punct_ids"]))
    names = sorted((name for name in inputs if name.startswith("tokens")), key=lambda name: int(name[6:]))
    documents = [document_maps(model, {"input_ids": inputs[name][None]})[0] for name in names]
    result = BertLook(own).analyse(documents)
    assert result.js is not None
    outputs = {f"avg_{name}": table for name, table in result.averages.items()}
    outputs |= {
        "entropy": result.entropy,
        "entropy_cls": result.entropy_cls,
        "uniform_entropy": torch.tensor([result.uniform_entropy]),
        "js": result.js,
    }
    for how in AGGREGATIONS:
        outputs[f"word_attention_{how}"] = word_attention(
            documents[0][1], inputs["word_groups_starts"], inputs["word_groups_lengths"], how
        )
    maps, gold = outputs["word_attention_mean"], inputs["heads_gold"]
    for direction in DIRECTIONS:
        predicted = predict_heads(maps, direction)
        outputs[f"head_prediction_{direction}"] = predicted
        outputs[f"head_uas_{direction}"] = attachment_score(predicted, gold)
    outputs["offset_prediction"] = torch.stack([predict_offset(len(gold), offset) for offset in range(-3, 3)])
    return outputs | _replay_probes(maps, inputs)


def _replay_probes(maps: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    count = maps.shape[0] * maps.shape[1]
    roots = {"ROOT_start": inputs["root_start"], "ROOT_end": inputs["root_end"]}
    attention = AttentionProbe(AttentionProbeConfig(count))
    zoo.fill(attention, {"attn_map_weights": inputs["probe_attn_weights"], **roots})
    vectors = inputs["word_embeddings"]
    words = WordsProbe(WordsProbeConfig(count, vectors.shape[-1]))
    state = {"dense.kernel": inputs["probe_words_kernel"], "dense.bias": inputs["probe_words_bias"], **roots}
    zoo.fill(words, convert(state, None))
    return {
        "probe_attn_logits": attention(maps[None])[0],
        "probe_attn_words_logits": words(maps[None], vectors[None])[0],
    }


def check_separator_identity() -> Measurement:
    """sep = (2 sep_sep + (N - 2) rest_sep) / N on a document with two separators."""
    config = BertLookConfig(1, 2, [3, 4])
    case = example(config, 3)
    worst = 0.0
    for tokens, maps in document_maps(**case):
        found, count = average_attention(maps, tokens, config), len(tokens)
        combined = (2 * found["sep_sep"] + (count - 2) * found["rest_sep"]) / count
        worst = max(worst, float((combined - found["sep"]).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-6)


def check_uniform() -> Measurement:
    """Entropy and JS distance of uniform maps."""
    maps = torch.full((2, 3, 10, 10), 0.1, dtype=torch.float64)
    entropy = float((entropies(maps) - torch.tensor(10.0, dtype=torch.float64).log()).abs().max())
    distance = float(js_distances(maps).abs().max())
    return Measurement(f"entropy off by {entropy:.1e}, distance {distance:.1e}", max(entropy, distance) < 1e-6)


def check_fixed_offset_head() -> Measurement:
    """A head that points to a fixed offset against the offset baseline, on a synthetic treebank."""
    sentences = synthetic_treebank(60)
    maps = []
    for sentence in sentences:
        size = len(sentence.words) + 2
        maps.append(torch.stack([torch.diag(torch.ones(size - k), k) for k in (1, 2)])[None])
    scores, baseline = relation_scores(sentences, maps), offset_baseline(sentences)
    heads = {"next": float(scores["next"][0, 0]), "skip": float(scores["skip"][0, 1])}
    equal = all(heads[name] == baseline[name][1] for name in heads)
    return Measurement(
        f"pointing heads {heads['next']:.1%} and {heads['skip']:.1%}, offsets "
        f"{baseline['next'][1]:.1%} and {baseline['skip'][1]:.1%}",
        equal and min(heads.values()) == 1.0,
    )


def check_probe_size() -> Measurement:
    """Parameters of the attention-only probe on BERT-base."""
    count = sum(parameter.numel() for parameter in AttentionProbe(AttentionProbeConfig(144)).parameters())
    return Measurement(f"{count} parameters", count == 290)


def check_probe_learns() -> Measurement:
    """UAS of the attention-only probe trained on a synthetic treebank with pointing heads among noise."""
    sentences = synthetic_treebank(300)
    generator = torch.Generator().manual_seed(0)

    def maps_of(sentence: Sentence) -> Tensor:
        size = len(sentence.words) + 2
        gold = torch.zeros(size, size)
        for index, head in enumerate(sentence.heads):
            gold[index + 1, head] = 1.0
        noise = torch.randn(1, 3, size, size, generator=generator).softmax(-1)
        return torch.cat((noise, (0.5 * gold + 0.5 / size)[None, None]), 1)

    data = [((maps_of(sentence),), torch.tensor(sentence.heads)) for sentence in sentences]
    torch.manual_seed(0)
    probe = train_probe(AttentionProbe(AttentionProbeConfig(4)), data[:200] * 3, learning_rate=0.02)
    with torch.no_grad():
        scores = [attachment_score(probe(maps[None])[0].argmax(-1), gold) for (maps,), gold in data[200:]]
    score = float(torch.stack(scores).mean())
    return Measurement(f"UAS {score:.3f} on held-out synthetic sentences", score > 0.95)
