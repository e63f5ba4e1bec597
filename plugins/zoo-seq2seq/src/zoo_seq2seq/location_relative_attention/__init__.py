"""Location-relative attention: alignments that move along the text, and never look at what it says.

Source: "Location-Relative Attention Mechanisms For Robust Long-Form Speech Synthesis" (2020), arXiv 1910.10288; the
network and the dynamic convolution are those of bshall/Tacotron, a re-implementation.

At decoder step i the attention LSTM's output s (Q) and what was attended to last give weights a_i (T) over the text;
the context is a_i H with memory H (T, D).

GMM attention keeps K means mu, at 0 first. With (w^, d^, g^) = V tanh(W s + b) + b_v:

    mu <- mu + d,    a_i[j] = sum_k (w_k / Z_k) exp(-(j - mu_k)^2 / (2 sigma_k^2)),    j = 0..T-1
    V0   Z = 1                      w = exp w^         d = exp d^         sigma = sqrt(exp(-g^) / 2)
    V1   Z = sqrt(2 pi sigma^2)     w = softmax w^     d = exp d^         sigma = sqrt(exp g^)
    V2   Z = sqrt(2 pi sigma^2)     w = softmax w^     d = softplus d^    sigma = softplus g^

Dynamic convolution attention (DCA) starts from all of the weight on token 0. With static filters F (C, k), filters
G(s) (C', k') that every query makes anew, and the beta-binomial probabilities P of moving on by 0..L-1 tokens:

    e = v . tanh(U (F * a_{i-1}) + T (G(s) * a_{i-1}) + b) + log max(P * a_{i-1}, 1e-6),    a_i = softmax e

For comparison: content-based attention e_j = v . tanh(W s + V h_j + b), and the hybrid, location-sensitive one, which
adds U (F * a_{i-1})_j within the tanh.

``mixture`` is GMM attention, ``convolution`` DCA, ``content`` the two that read the memory; all have ``first`` and
``step`` over the ``alignment`` that they pass on. ``encoder`` (CBHG) and ``network`` are the Tacotron around them,
``holding`` a task that shows what they are for; ``speaking`` is real speech as symbols and frames and back,
``training`` learns it, ``pictures`` draws it. ``config``, ``conversion``, ``claims`` and ``facts`` are what their names
say.
"""
