"""SpikMamba: actions from an event camera, by spiking neurons and attention that is linear in the tokens.

Source: "SpikMamba: When SNN meets Mamba in Event-based Human Action Recognition", arXiv 2410.16746. Events, gathered
into T frames (B, 3, T, H, W), become logits (B, classes). With N = (H / p)^2 tokens of width C in a frame:

A leaky neuron (LIF) has a membrane v, 0 at first, and fires where it reaches 1, which resets it:

    v_t = v_(t-1) + (X_t - v_(t-1)) / tau,   s_t = [v_t >= 1],   v_t (1 - s_t) goes on

The step has the gradient of a sigmoid of slope 4 at v - 1; none passes through the reset. Time t is the frames of a
clip (``lif_axis=time``), or, as the authors' code has it, all frames of all clips, one clip after the other
(``leading``). A call starts from resting membranes; ``advance`` reads a clip in pieces.

    tokens     LIF(BN_N(Conv(frame))) in {0, 1}, + positions + time                        (B T, N, C)
    q, k       ELU(LIF(BN_N(Linear x))) + 1 in {1, 2};  v = x;  BN_N has a mean and variance per token
    attention  o_i = q~_i (sum_j k~_j^T v_j / N) / (q_i . mean_j k_j + 1e-6)  per head, + DWConv3x3(v)
               q~, k~ turned by the token's row (first half of the channels) and column: no N x N map is needed
    block      x += DWConv(x);  a = A LN(x);  x += Out(attention(SiLU(DWConv(In a))) * SiLU(A a));  x += DWConv(x);
               x += MLP(LN(x))

``spikmamba-ssm`` attends to the tokens and to their reversal, joins both by a linear map 2N -> N, and ends in a
bidirectional Mamba over all T N tokens, whose core is the selective scan (``zoo.nn.selective_scan``). The mean over
tokens goes to a linear classifier.

Read in this order: ``config``, ``neurons`` (LIF), ``attention``, ``blocks``, ``mamba``, ``network``, ``events``
(events to frames, and of videos), ``recipe`` (mixup and loss), ``videos`` and ``training`` (real videos),
``conversion`` (published names, recordings), ``claims``, ``pictures``.
"""
