"""Walls that run offline: closed categories with red herrings, and synonyms without."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from zoo.errors import DownloadError, InputError
from zoo.targets import require
from zoo_evaluate.only_connect_wall.walls import Group, Wall

# Draws of four groups per wall before giving up.
WALL_DRAWS = 20_000

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "Colours": ("crimson", "teal", "indigo", "beige", "scarlet", "maroon", "turquoise", "magenta"),
    "Fruits": ("apple", "banana", "cherry", "mango", "apricot", "papaya", "lychee", "quince"),
    "Metals": ("iron", "copper", "zinc", "nickel", "titanium", "cobalt", "tungsten", "chromium"),
    "Planets and gods": ("Saturn", "Jupiter", "Neptune", "Uranus", "Venus", "Pluto", "Juno", "Minerva"),
    "Tools": ("wrench", "pliers", "chisel", "mallet", "spanner", "hacksaw", "clamp", "rasp"),
    "Birds": ("sparrow", "robin", "heron", "magpie", "ostrich", "pelican", "falcon", "wren"),
    "Trees": ("oak", "birch", "maple", "willow", "cedar", "sycamore", "larch", "poplar"),
    "Instruments": ("violin", "cello", "oboe", "clarinet", "trumpet", "harp", "banjo", "tuba"),
    "Flowers": ("tulip", "daisy", "orchid", "peony", "marigold", "dahlia", "primrose", "begonia"),
    "Dances": ("waltz", "tango", "foxtrot", "rumba", "samba", "polka", "minuet", "bolero"),
}

# Words of two categories.
HOMOGRAPHS: Mapping[str, tuple[str, str]] = {
    "orange": ("Colours", "Fruits"),
    "peach": ("Colours", "Fruits"),
    "lime": ("Fruits", "Colours"),
    "plum": ("Fruits", "Colours"),
    "silver": ("Metals", "Colours"),
    "bronze": ("Metals", "Colours"),
    "mercury": ("Metals", "Planets and gods"),
    "violet": ("Flowers", "Colours"),
    "rose": ("Flowers", "Colours"),
    "lilac": ("Flowers", "Colours"),
    "fig": ("Fruits", "Trees"),
    "olive": ("Trees", "Colours"),
    "pear": ("Fruits", "Trees"),
    "plane": ("Tools", "Trees"),
    "kiwi": ("Birds", "Fruits"),
    "crane": ("Birds", "Tools"),
    "jay": ("Birds", "Colours"),
    "triangle": ("Instruments", "Tools"),
    "hammer": ("Tools", "Instruments"),
}


def memberships(words: Iterable[str]) -> dict[str, set[str]]:
    """Categories of every word."""
    found: dict[str, set[str]] = {}
    for word in words:
        found[word] = {name for name, members in CATEGORIES.items() if word in members}
        found[word] |= set(HOMOGRAPHS.get(word, ()))
    return found


def count_solutions(words: Sequence[str], categories: Sequence[str]) -> int:
    """Ways to split sixteen words into four groups of four, one for each category (exact covers)."""
    homes = memberships(words)

    def covers(left: frozenset[str], rest: tuple[str, ...]) -> int:
        if not rest:
            return int(not left)
        fitting = [word for word in sorted(left) if rest[0] in homes[word]]
        return sum(covers(left - set(four), rest[1:]) for four in combinations(fitting, 4))

    return covers(frozenset(words), tuple(categories))


def synthetic_walls(count: int, herrings: int, seed: int = 0) -> list[Wall]:
    """Walls of closed categories with exactly one solution.

    Args:
        count: how many.
        herrings: words of each wall that also belong to another category of the wall.
        seed: the same walls for the same seed.

    Raises:
        InputError: the homographs do not give so many red herrings.
    """
    generator = random.Random(seed)
    walls: list[Wall] = []
    for _ in range(WALL_DRAWS * count):
        names = generator.sample(sorted(CATEGORIES), 4)
        bridges = [word for word, homes in HOMOGRAPHS.items() if set(homes) <= set(names)]
        if len(bridges) < herrings:
            continue
        chosen = generator.sample(bridges, herrings)
        groups = {name: [word for word in chosen if HOMOGRAPHS[word][0] == name] for name in names}
        if any(len(members) > 3 for members in groups.values()):
            continue
        for name, members in groups.items():
            members += generator.sample(CATEGORIES[name], 4 - len(members))
        words = [word for members in groups.values() for word in members]
        if count_solutions(words, names) != 1:
            continue
        walls.append(
            Wall(
                f"synthetic-{seed}-{len(walls)}",
                tuple(generator.sample(words, 16)),
                tuple(Group(tuple(members), name) for name, members in groups.items()),
                herrings=tuple(chosen),
            )
        )
        if len(walls) == count:
            return walls
    raise InputError(f"only {len(walls)} of {count} walls with {herrings} red herrings could be built; ask for fewer")


def wordnet_synonyms() -> dict[str, tuple[str, ...]]:
    """First word of every WordNet synset -> its single words, from nltk's copy.

    Raises:
        DownloadError: nltk is there, its WordNet is not.
    """
    wordnet = require("nltk.corpus", needed_by="walls of WordNet synonyms").wordnet
    try:
        named = [[name for name in synset.lemma_names() if name.isalpha()] for synset in wordnet.all_synsets()]
    except LookupError as error:
        raise DownloadError("nltk has no WordNet here. Run: python -m nltk.downloader wordnet") from error
    return {words[0]: tuple(words) for words in named if words}


def synonym_walls(synonyms: Mapping[str, Sequence[str]], count: int, seed: int = 0) -> list[Wall]:
    """Walls whose groups are synonyms, without red herrings: every word belongs to one of the wall's groups alone.

    Args:
        synonyms: word -> words of the same meaning; those with fewer than four are not used.
        count: how many.
        seed: the same walls for the same seed.

    Raises:
        InputError: too few words to build so many walls of.
    """
    generator = random.Random(seed)
    classes = {head: sorted({word.lower() for word in words}) for head, words in synonyms.items()}
    heads = sorted(head for head, words in classes.items() if len(words) >= 4)
    walls: list[Wall] = []
    for _ in range(WALL_DRAWS * count if len(heads) >= 4 else 0):
        names = generator.sample(heads, 4)
        groups = [Group(tuple(generator.sample(classes[name], 4)), f"Synonyms of {name}") for name in names]
        words = [word for group in groups for word in group.words]
        if all(sum(word in classes[name] for name in names) == 1 for word in words):
            shown = tuple(generator.sample(words, 16))
            walls.append(Wall(f"synonyms-{seed}-{len(walls)}", shown, tuple(groups)))
        if len(walls) == count:
            return walls
    raise InputError(f"{len(heads)} classes of four synonyms or more give only {len(walls)} of {count} walls")
