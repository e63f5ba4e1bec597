from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo_evaluate.only_connect_wall import generation
from zoo_evaluate.only_connect_wall.benchmark import OnlyConnectWall
from zoo_evaluate.only_connect_wall.config import OnlyConnectWallConfig
from zoo_evaluate.only_connect_wall.generation import count_solutions, synonym_walls, synthetic_walls
from zoo_evaluate.only_connect_wall.metrics import (
    adjusted_mutual_information,
    adjusted_rand_index,
    bert_scores,
    best_wasserstein,
    connection_scores,
    evaluate,
    fixation,
    fowlkes_mallows,
    grouping_scores,
    labels,
    rouge1,
    wasserstein,
)
from zoo_evaluate.only_connect_wall.solvers import (
    EmbeddingSolver,
    TransformersGenerator,
    balanced_kmeans,
    category_embedding,
    contextual_embedding,
    parse,
    prompt,
    word_embedding,
)
from zoo_evaluate.only_connect_wall.walls import Answer, human_scores, randomize, read_walls

GOLD = [["a", "b", "c", "d"], ["e", "f", "g", "h"], ["i", "j", "k", "l"], ["m", "n", "o", "p"]]


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(st.integers(0, 4), min_size=16, max_size=16),
    second=st.lists(st.integers(0, 4), min_size=16, max_size=16),
)
def test_metrics_are_those_of_scikit_learn(first, second):
    metrics = pytest.importorskip("sklearn.metrics")
    assert adjusted_rand_index(first, second) == pytest.approx(metrics.adjusted_rand_score(first, second), abs=1e-9)
    assert fowlkes_mallows(first, second) == pytest.approx(metrics.fowlkes_mallows_score(first, second), abs=1e-9)
    ours, theirs = adjusted_mutual_information(first, second), metrics.adjusted_mutual_info_score(first, second)
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_unknown_missing_and_surplus_words():
    first, second = labels(GOLD, [["A", "B", "x", "y"], ["e"], [], ["m", "n", "o", "p", "q"]])
    assert first == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    assert second == [0, 0, 4, 5, 1, 6, 7, 8, 9, 10, 11, 12, 3, 3, 3, 3]
    assert grouping_scores(GOLD, [])["correct_groups"] == 0
    assert grouping_scores(GOLD, GOLD)["full_wall"] == 1


def test_wd_depends_on_the_order_of_wrong_groups_and_its_best_does_not():
    swapped = [["e", "b", "c", "d"], ["a", "f", "g", "h"], GOLD[2], GOLD[3]]
    turned = [swapped[1], swapped[0], GOLD[3], GOLD[2]]
    assert wasserstein(GOLD, swapped) == pytest.approx(0.125)
    assert wasserstein(GOLD, turned) > wasserstein(GOLD, swapped)
    assert best_wasserstein(GOLD, turned) == pytest.approx(0.125)


def test_answers_are_parsed_whatever_a_model_adds():
    text = """Sure!
    **Group 1**: Fruits: apple, Pear, fig, plum.
    Group 2: oak, ash, elm, fir
    3. Metals: iron, tin
    - Group 4: x: a, b, c, d
    Group 5: y: too, many, groups, here"""
    answer = parse(text)
    assert answer.groups[0] == ("apple", "Pear", "fig", "plum")
    assert answer.groups[1] == ("oak", "ash", "elm", "fir")
    assert answer.groups[2] == ("iron", "tin")
    assert len(answer.groups) == 4
    assert answer.connections[0] == "Fruits"
    assert parse("I do not know").groups == ((), (), (), ())
    plain = parse("apple, pear, fig, plum\nTrees: oak, ash, elm, fir\n\ntin, iron, zinc, lead")
    assert plain.groups == (
        ("apple", "pear", "fig", "plum"),
        ("oak", "ash", "elm", "fir"),
        ("tin", "iron", "zinc", "lead"),
        (),
    )
    assert plain.connections == ("", "Trees", "")


def test_words_of_the_wall_keep_their_own_punctuation():
    text = "Group 1: Titles: Mr., 'Dr.', Mrs, \"O'\""
    assert parse(text).groups[0] == ("Mr", "Dr", "Mrs", "O")
    assert parse(text, ["Mr.", "O'"]).groups[0] == ("Mr.", "Dr", "Mrs", "O")


def test_connections_are_scored():
    scores = connection_scores(["Red things", "fruits"], ["red things", "kinds of fruits"])
    assert scores["exact_match"] == 0.5
    assert scores["rouge1"] == pytest.approx((1 + 2 / 4) / 2)
    assert rouge1("", "x") == 0.0


def _published(folder, **changes):
    """A file of one wall in the published format."""
    groups = {
        f"group_{i + 1}": {
            "group_id": f"g{i}",
            "gt_words": words,
            "gt_connection": f"kind {i}",
            "human_performance": {"grouping": 1, "connection": 0},
        }
        for i, words in enumerate(GOLD)
    }
    record = {
        "wall_id": "w1",
        "season": 1,
        "episode": 2,
        "words": [word for group in GOLD for word in group],
        "groups": groups | changes,
    }
    path = folder / "test.json"
    path.write_text(json.dumps({"dataset": [record]}))
    return path


def test_published_format_is_read_and_mistakes_are_named(tmp_path):
    path = _published(tmp_path)
    (wall,) = read_walls(path)
    assert wall.gold == GOLD
    assert wall.groups[0].human_grouping is True
    benchmark = OnlyConnectWall(OnlyConnectWallConfig(source=str(tmp_path)))
    assert benchmark.score({"w1": Answer(tuple(map(tuple, GOLD)))})["full_wall"] == 1
    _published(tmp_path, group_1={"gt_words": ["one"], "gt_connection": "few"})
    with pytest.raises(zoo.InputError, match="not in the format"):
        read_walls(path)
    with pytest.raises(zoo.InputError, match="does not exist"):
        read_walls(tmp_path / "absent.json")


def test_published_walls_that_cannot_be_fetched_say_what_to_do(zoo_hub):
    with pytest.raises(zoo.DownloadError, match="source=PATH, or use source=synthetic"):
        list(zoo.load("only-connect-wall/published").cases())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), herrings=st.integers(0, 4))
def test_synthetic_walls_have_one_solution_and_the_herrings_asked_for(seed, herrings):
    (wall,) = synthetic_walls(1, herrings, seed)
    assert sorted(wall.words) == sorted(word for group in wall.gold for word in group)
    assert len(set(wall.words)) == 16
    assert len(wall.herrings) == herrings
    assert count_solutions(wall.words, [group.connection for group in wall.groups]) == 1
    assert synthetic_walls(1, herrings, seed) == [wall]


def test_mixed_walls_use_no_group_twice():
    walls = synthetic_walls(20, 2)
    mixed = randomize(walls)
    assert len(mixed) == len(walls)
    used = [group.words for wall in mixed for group in wall.groups[1:]]
    assert len(used) == len(set(used))
    for wall in mixed:
        assert len({word.lower() for word in wall.words}) == 16
        assert len({group.connection for group in wall.groups}) == 4


def test_balanced_clusters_have_equal_sizes_and_find_separated_groups():
    generator = np.random.default_rng(0)
    centres = np.eye(4) * 10
    vectors = np.repeat(centres, 4, axis=0) + generator.normal(size=(16, 4)) * 0.1
    order = generator.permutation(16)
    places = balanced_kmeans(vectors[order], 4)
    assert np.bincount(places).tolist() == [4, 4, 4, 4]
    assert len({(int(a), int(b)) for a, b in zip(order // 4, places, strict=True)}) == 4
    assert np.bincount(balanced_kmeans(np.zeros((16, 3)), 4)).tolist() == [4, 4, 4, 4]


def test_shuffles_are_seeded_as_published():
    wall = synthetic_walls(1, 0)[0]
    seen = []

    def embed(words):
        seen.append(tuple(words))
        return category_embedding()(words)

    result = EmbeddingSolver(embed).over_shuffles(wall)
    assert seen[3] == tuple(random.Random(3).sample(wall.words, 16))
    assert result["full_wall"] == (1.0, 0.0)


def test_any_text_generator_is_a_system():
    benchmark = OnlyConnectWall(OnlyConnectWallConfig(num_walls=2, shots=1))
    solutions = {wall.words[0]: wall for wall in benchmark.walls}

    class Oracle:
        def generate(self, prompt: str) -> str:
            asked = prompt.rpartition("Words: ")[2].split(", ")[0]
            wall = solutions[asked]
            return "\n".join(f"Group {i}: {g.connection}: {', '.join(g.words)}" for i, g in enumerate(wall.groups, 1))

    scores = benchmark.run(Oracle())
    assert scores["full_wall"] == 2
    assert prompt(benchmark.walls[0], benchmark.examples()).count("Words:") == 2
    with pytest.raises(zoo.ConfigError, match="shots=2"):
        zoo.load("only-connect-wall", shots=2)


def test_the_second_task_asks_what_connects_the_gold_groups():
    benchmark = OnlyConnectWall(OnlyConnectWallConfig(num_walls=2, shots=1, task="connections"))
    answers = {tuple(group.words): group.connection for wall in benchmark.walls for group in wall.groups}

    class Oracle:
        def generate(self, prompt: str) -> str:
            asked = [line.partition(": ")[2] for line in prompt.splitlines() if line.startswith("Words ")][-4:]
            names = [answers[tuple(words.split(", "))] for words in asked]
            return "\n".join(f"**Group {i}:** {name.upper()}." for i, name in enumerate(names, 1))

    assert benchmark.run(Oracle()) == {"exact_match": 1.0, "rouge1": 1.0}
    (first, *_) = benchmark.prompts().values()
    assert f"Group 1: {benchmark.examples()[0].groups[0].connection}\n" in first
    half = {benchmark.walls[0].wall_id: Answer((), tuple(group.connection for group in benchmark.walls[0].groups))}
    assert benchmark.score(half)["exact_match"] == 0.5, "a wall without an answer counts"


def test_a_group_that_is_predicted_twice_is_right_once():
    scores = grouping_scores(GOLD, [GOLD[0], GOLD[0], GOLD[2], GOLD[3]])
    assert scores["correct_groups"] == 3
    assert scores["WD"] == pytest.approx(0.25)


def test_solved_examples_never_come_from_the_walls_that_are_asked(tmp_path):
    path = _published(tmp_path)
    benchmark = OnlyConnectWall(OnlyConnectWallConfig(source=str(path), shots=1))
    with pytest.raises(zoo.InputError, match=r"one file, so the 1 solved walls"):
        benchmark.examples()
    assert OnlyConnectWall(OnlyConnectWallConfig(source=str(path))).examples() == []


def test_any_repository_of_walls_is_read(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(repository, **options):
        asked.append((repository, options["revision"], options["repo_type"]))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    (tmp_path / "dataset").mkdir()
    _published(tmp_path / "dataset")
    benchmark = OnlyConnectWall(OnlyConnectWallConfig(source="hf://someone/walls@v2"))
    assert [wall.gold for wall in benchmark.cases()] == [GOLD]
    assert asked == [("someone/walls", "v2", "dataset")]
    with pytest.raises(zoo.DownloadError, match=r"no validation.json; its JSON files: test.json"):
        list(OnlyConnectWall(OnlyConnectWallConfig(source="hf://someone/walls", split="validation")).cases())


def test_what_the_teams_reached_is_counted(tmp_path):
    walls = read_walls(_published(tmp_path))
    assert human_scores(walls) == {"full_wall": 1, "correct_groups": 4, "connections": 0}


def test_walls_of_synonyms_have_no_red_herrings(monkeypatch):
    import sys
    from types import SimpleNamespace

    names = [[f"{letter}{index}" for index in "abcde"] for letter in "stuvw"] + [["sa", "ta", "ua", "va"], ["few"]]
    synsets = [SimpleNamespace(lemma_names=lambda listed=listed: [*listed, "two_words"]) for listed in names]
    corpus = SimpleNamespace(wordnet=SimpleNamespace(all_synsets=lambda: iter(synsets)))
    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace(corpus=corpus))
    monkeypatch.setitem(sys.modules, "nltk.corpus", corpus)
    walls = list(zoo.load("only-connect-wall/wordnet", num_walls=5).cases())
    assert len(walls) == 5
    for wall in walls:
        assert all(len({word[0] for word in group}) == 1 for group in wall.gold)
        assert len({word[0] for word in wall.words}) == 4
    with pytest.raises(zoo.InputError, match="2 classes of four synonyms or more give only 0 of 3 walls"):
        synonym_walls({"a": "abcd", "e": "efgh", "i": "ij"}, 3)


def test_too_many_red_herrings_are_refused_instead_of_sought_for_ever(monkeypatch):
    monkeypatch.setattr(generation, "WALL_DRAWS", 50)
    with pytest.raises(zoo.InputError, match="only 0 of 1 walls with 8 red herrings"):
        synthetic_walls(1, 8)
    with pytest.raises(zoo.ConfigError, match="herrings"):
        zoo.load("only-connect-wall", herrings=8)


def _tokenizer():
    """Word pieces of a few words."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    vocabulary = {token: index for index, token in enumerate(["[UNK]", "re", "##d", "blue", "tin"])}
    pieces = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=pieces, unk_token="[UNK]", pad_token="[UNK]")


def test_a_transformers_language_model_is_a_system():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=5, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    generator = TransformersGenerator(transformers.GPT2LMHeadModel(config).eval(), _tokenizer(), max_new_tokens=5)
    assert generator.generate("red tin") == generator.generate("red tin")
    scores = OnlyConnectWall(OnlyConnectWallConfig(num_walls=1)).run(generator)
    assert scores["correct_groups"] == 0


def test_contextual_and_single_word_vectors_of_a_transformers_encoder():
    transformers = pytest.importorskip("transformers")
    tokenizer = _tokenizer()
    config = transformers.BertConfig(
        vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model = transformers.BertModel(config).eval()
    words = ["red", "blue", "tin"]
    together, alone = contextual_embedding(model, tokenizer)(words), word_embedding(model, tokenizer)(words)
    assert together.shape == alone.shape == (3, 16)
    assert not np.allclose(together, alone)
    assert np.allclose(alone[1], word_embedding(model, tokenizer)(["blue"])[0])


def test_fixation_separates_near_misses_and_herrings():
    wall = synthetic_walls(1, 2, seed=3)[0]
    herring = wall.herrings[0]
    gold = [list(group) for group in wall.gold]
    home = next(index for index, group in enumerate(gold) if herring in group)
    other = (home + 1) % 4
    gold[home][gold[home].index(herring)], gold[other][0] = gold[other][0], herring
    found = fixation(wall, gold)
    assert found["near_miss"] == 1.0
    assert found["herring"] >= 0.5
    assert fixation(wall, wall.gold) == {"near_miss": 0.0, "herring": 0.0}
    result = evaluate({}, [wall])
    assert result["global"]["correct_groups"] == 0


def test_bert_score_of_equal_texts_is_one():
    transformers = pytest.importorskip("transformers")
    model = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
    ).eval()

    class Bytes:
        def __call__(self, text, return_tensors):
            import torch

            return {"input_ids": torch.tensor([list(text.encode())])}

    equal, different = bert_scores(["Red", "red"], ["red", "a fish"], model, Bytes())
    assert equal == pytest.approx(1.0, abs=1e-5)
    assert different < 1.0
