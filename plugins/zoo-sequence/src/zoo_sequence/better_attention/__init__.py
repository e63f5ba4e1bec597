"""Better attention: fewer projections, or a kernel over positions in their place.

Source: Hosseini and Hosseini, "You Need to Pay Better Attention: Rethinking the Mathematics of Attention Mechanism"
(2024), arXiv 2403.01643. No code of the authors was seen.

Queries Q (l_q, d), keys K (l, d), values V (l, d), heads of width d_h = d / h; M[i] are the columns
i d_h .. (i+1) d_h - 1 of M, the slice of head i:

    standard    S_i = softmax((Q W_Q)[i] (K W_K)[i]' / sqrt(d_h)),  O = concat_i(S_i (V W_V)[i]) W_O    4 d^2 parameters
    optimised   S_i = softmax((Q W_Q)[i] (K W_K)[i]' / sqrt(d_h)),  O = concat_i(S_i V[i]) W_O          3 d^2
    efficient   S_i = softmax((Q W_Q)[i] K[i]' / sqrt(d_h)),        O = concat_i(S_i V[i]) W_O          2 d^2
    super       S_i as in efficient,                                O = concat_i(S_i (W_A V)[i]) W_O    2 d^2 + l^2

W_V and W_O follow each other without a nonlinearity, so one head needs only their product; W_Q and W_K meet in one
product, so one head needs only W_Q W_K'. With several heads this is no longer the same function: W_Q,i W_K,i' has
rank d_h but reads all d features of a key, where a slice has only the d_h of its own, and likewise for values.
``convert_*`` therefore take standard checkpoints with one head, exactly, and refuse others.

W_A (l, l), the alignment kernel of super attention, mixes the values of all positions and is shared by the heads. It
ties the layer to a longest length; shorter inputs use its leading block. It costs l^2 parameters: below
l = sqrt(2) d super attention is smaller than standard attention, beyond it is larger.

Masks. Causal: S as usual, and W_A lower triangular. Padding: hidden keys get no weight, and their values are zero
before W_A. In general W_A must not carry values around a mask M (l_q, l), so O_i = ((S_i W_A) * M) V[i], which is
the same thing where M hides a key from all queries.

None of the four is a function of (query, key, value) apart from its projections: what is left without them is
softmax attention itself, so none is offered as an attention implementation of transformers.

Read in this order: ``config``, the schemas; ``layers``, the four mechanisms; ``classifier``, networks of images and
texts with any of them; ``training``, the handwritten digits; ``conversion``, from standard checkpoints to the others,
and the replay of recordings; ``claims``, what is measured; ``pictures`` of the cards.
"""
