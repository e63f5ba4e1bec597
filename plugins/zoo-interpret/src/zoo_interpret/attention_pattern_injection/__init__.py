"""Attention patterns that people found, injected into the heads of a BERT for summaries and topic segmentation.

Source: "Human Guided Exploitation of Interpretable Attention Patterns in Summarization and Topic Segmentation" (EMNLP
2022), arXiv 2112.05364.

Patterns are masks (T, T), row = query:

    matching   tokens of the same id: for summaries others than the query, all where there is none; for segmentation the
               query itself too
    intra      for summaries the query's own sentence, [CLS]_k to [SEP]_k; for segmentation the query's side of the
               first [SEP], which begins the right side, and everything for the first token
    +1, -1     the next, the previous token

Head 4j has the first pattern, 4j + 1 the second, then +1 and -1 (segmentation: -1 and +1), for j below
``heads_per_pattern``. "mask" adds -10000 where a pattern forbids; "synthesize" replaces the scores by the pattern
itself first, which leaves equal weights. A row that may see nothing thereby sees everything; of padding nothing, which
the authors' code shows it too (``reference_padding``).

PALs are branches beside a pretrained layer with patterns of their own: y = LN(FF(a) + a + pal(x)), pal(x) = gelu(W_u
attention(W_d x)), where a is the layer's attention after its norm, x the layer's input.

Read in this order: ``config``; ``patterns``; ``attention`` (heads with patterns), ``pals``; ``encoder`` (the BERT),
``networks`` (the two tasks); ``injection`` (into models of transformers); ``relevance`` (which patterns matter),
``metrics`` (ROUGE, P_k), ``synthetic`` (a task that patterns solve); ``training``; ``conversion`` (checkpoints,
recordings); ``claims``; ``pictures``.
"""
