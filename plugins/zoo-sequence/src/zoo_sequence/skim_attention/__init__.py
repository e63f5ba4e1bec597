"""Skim-Attention: where to look on a page is decided by the layout alone, once, for all layers.

Source: "Skim-Attention: Learning to Focus via Document Layout" (2021), arXiv 2109.01078, and the authors' code.

A document of N words comes with their boxes (x0, y0, x1, y1), in thousandths of the page. Four tables of C_l features,
one for left and right, one for top and bottom, one for heights and one for widths, embed a box:

    l = LN(X[x0] + Y[y0] + X[x1] + Y[y1] + Hh[y1 - y0] + W[x1 - x0])              (N, C_l)

A small BERT encoder over l may let boxes see one another (contextualised layout). Skim-attention is then computed once
a document, per head, from queries and keys of width d_s that know nothing of the text; m is 1 for visible keys:

    A = softmax(l W_q (l W_k)' / sqrt(d_s) + (1 - m) (-10000))                    (heads, N, N)

``skim-attention`` (Skimformer) is a post-norm BERT without queries and keys, whose layers all read with this A; text
embeddings are words and token types, without positions:

    h <- LN(h + W_o concat_heads(A h W_v)),    h <- LN(h + FFN(h))

so that layers cost no scores, and A does not change when words do. ``skim-attention-mask`` (SkimmingMask) leaves BERT
or LayoutLM as they are, and hides from each query, head by head, all but the top_k keys that A weighs most;
``SkimmingMask.around`` puts it around a pre-trained transformers model. ``skim-attention-embed`` (BertWithSkimEmbed)
adds the six terms of l, each projected by its axis, to BERT's embeddings. ``skim-attention-long`` (LongSkimformer)
computes A within a window and for global tokens only (``band``). Each is a bare backbone, a masked language model or a
token classifier, by ``head``. ``skim-attention-layout-analysis`` is the benchmark: what is each word of a page?

Read ``layout`` first: from boxes to attention. Then ``skimformer``, the layers that share it; ``band``, the window of
long documents; ``hosts``, ordinary encoders that look at the layout; ``heads``, which puts models and heads together;
``inputs``, what may come in. ``pages`` draws documents, ``layout_analysis`` is the benchmark on them and ``training``
learns it. ``config``, ``conversion``, ``claims``, ``pictures`` and ``facts`` are what their names say.
"""
