"""Only Connect Wall: sixteen shuffled words, four hidden groups, and red herrings between them.

Source: "Large Language Models are Fixated by Red Herrings" (NeurIPS 2023), arXiv 2306.11167.

Task 1 asks for four groups of four, task 2 for what connects each. A prediction is compared with the gold wall as two
sequences of sixteen labels: the gold one is 0000111122223333, the predicted one holds, for every word in the order
predicted, the number of its gold group (words that are not on the wall get fresh numbers). Adjusted mutual
information (AMI), adjusted Rand index (ARI) and the Fowlkes-Mallows score (FMS) compare them place by place and do not
care for the order of groups; the Wasserstein distance (WD) does: groups found are taken out, the remaining pairs add
min(1, W1), and the sum is divided by four. Besides these, the number of groups found and whether the wall is solved.

A wall that falls apart into a known answer by association alone is easy; red herrings, words that fit two groups,
make it hard. The synthetic walls here have them on request and always exactly one solution.

``walls`` and ``generation`` make walls, ``solvers`` answers, ``metrics`` scores; ``benchmark`` joins them.
"""

from zoo_evaluate.only_connect_wall.benchmark import (
    OnlyConnectWall,
    OnlyConnectWallConfig,
    example,
    replay,
)
from zoo_evaluate.only_connect_wall.generation import (
    CATEGORIES,
    HOMOGRAPHS,
    count_solutions,
    memberships,
    synonym_walls,
    synthetic_walls,
    wordnet_synonyms,
)
from zoo_evaluate.only_connect_wall.metrics import (
    METRICS,
    Groups,
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
    normalised,
    rouge1,
    wall_scores,
    wasserstein,
)
from zoo_evaluate.only_connect_wall.solvers import (
    EmbeddingSolver,
    LanguageModelSolver,
    TextGenerator,
    TransformersGenerator,
    balanced_kmeans,
    category_embedding,
    contextual_embedding,
    parse,
    parse_connections,
    prompt,
    word_embedding,
)
from zoo_evaluate.only_connect_wall.walls import (
    Answer,
    Group,
    Wall,
    human_scores,
    published_walls,
    randomize,
    read_walls,
)

__all__ = [
    "Answer",
    "CATEGORIES",
    "EmbeddingSolver",
    "Group",
    "Groups",
    "HOMOGRAPHS",
    "LanguageModelSolver",
    "METRICS",
    "OnlyConnectWall",
    "OnlyConnectWallConfig",
    "TextGenerator",
    "TransformersGenerator",
    "Wall",
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "balanced_kmeans",
    "bert_scores",
    "best_wasserstein",
    "category_embedding",
    "connection_scores",
    "contextual_embedding",
    "count_solutions",
    "evaluate",
    "example",
    "fixation",
    "fowlkes_mallows",
    "grouping_scores",
    "human_scores",
    "labels",
    "memberships",
    "normalised",
    "parse",
    "parse_connections",
    "prompt",
    "published_walls",
    "randomize",
    "read_walls",
    "replay",
    "rouge1",
    "synonym_walls",
    "synthetic_walls",
    "wall_scores",
    "wasserstein",
    "word_embedding",
    "wordnet_synonyms",
]
