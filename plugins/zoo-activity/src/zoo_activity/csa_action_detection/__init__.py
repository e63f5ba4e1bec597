"""CSA: attention over channels and time whose weights come from class semantics, in a network that proposes actions.

Source: "Class Semantics-based Attention for Action Detection", arXiv 2109.02613; no code was published. The
boundary-matching network (BMN) around it is certain, the inside of the attention is a reconstruction.

Semantic features R (batch, C_R, T) of snippets, such as class scores of a recognition network, become encoded features
F (batch, C, T); the attention weighs F by what R says, never by F itself:

    channels   w_c = sigmoid(W2 relu(W1 s)),  s_c = v_c . [means of S segments of R_c, max R_c]     in (0, 1)^C
    time       w_t = sigmoid(Conv3(relu(Conv3(R))))                                                 in (0, 1)^T
    output     (F * w_c + F * w_t) / 2,  or their maximum, or a 1 x 1 convolution of both; + F with ``residual``

BMN gives probabilities that an action starts and ends at each of T points, and for every proposal from point t with
duration d + 1 two confidences: a regression of the overlap and a classification. It samples N points of each proposal,
half its length before and behind included, as one product with a constant mask (T, N D T).

Read in this order: ``config``, ``attention``, ``bmn`` (network), ``proposals`` (from its outputs to scored intervals),
``loss``, ``routines`` (real series), ``training``, ``conversion``, ``claims``, ``pictures``. Metrics and soft-NMS
are the plugin's ``temporal_detection``.
"""
