"""Circuit component reuse: which heads solve two different tasks, found by path patching, and a repair by steering.

Source: "Circuit Component Reuse Across Tasks in Transformer Language Models" (ICLR 2024), arXiv 2310.08744.

With the logit difference LD = mean over a batch of logit[right] - logit[wrong] at the last token, a sender head (l, h)
and receivers R, path patching runs

    1. the clean and the corrupted prompts: LD_clean, LD_corr, and all heads' outputs z (batch, length, heads,
       head_dim);
    2. the clean prompts, at one position the sender's z from the corrupted run and every other head's from the clean
       run (with ``freeze_feed_forward`` every feed-forward network's output too); what R see there is kept;
    3. the clean prompts with only what R saw put in: LD_patched.

    effect[l, h] = (LD_patched - LD_clean) / (LD_corr - LD_clean)             (layers, heads)

A circuit is found backwards: the last stream receives from mover heads, their queries from inhibition heads, the values
of those from induction and duplicate-token heads, the keys of those from previous-token heads; a head is in the circuit
where its effect exceeds a threshold. Two circuits overlap in |A and B| / |A or B| of their heads, and a share of each.

The intervention makes chosen heads look at chosen tokens: at the last query the row of weights becomes 1/m at the m
chosen keys and 0 elsewhere; values and output stay.

Read in this order: ``config``; ``tasks`` (Colored Objects; the sentences with indirect objects lie beside the papers in
``zoo_interpret.indirect_objects``); ``method`` (effects, circuits, the intervention); ``results``; ``claims``;
``pictures``;
``conversion`` (replay of recordings).
"""
