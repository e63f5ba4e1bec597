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

Read in this order: ``walls`` and ``generation`` make walls, ``metrics`` scores answers, ``solvers`` gives them, and
``benchmark`` joins these as ``config`` says. ``conversion`` replays recorded scores, ``claims`` checks the promises,
``pictures`` draws a wall.
"""
