"""Attention as an adaptive filter: weights are the precisions of estimates that linear dynamics carry through time.

Source: "Attention as an Adaptive Filter" (2025), arXiv 2509.04154, and the authors' code.

Queries, keys and values are complex, and every feature is taken for a state of dx = lambda x dt + sigma dW with
lambda = mu + i omega, measured with noise eta^2. Each past value, carried to the time of the query, is an estimate of
the value there. How much it counts depends on how uncertain it has become and on how badly its key, carried along,
misses the query. With dt = |t_i - t_j|, per head, with ~ for features rotated back to the first time:

    q~ = q e^{-i omega t}, likewise k~, v~          complex (batch, heads, length, d_h)
    D_ij = e^{mu dt}                                 decay
    R_ij = |q~_i|^2 + D_ij^2 |k~_j|^2 - 2 D_ij Re(q~_i . conj k~_j)      = |q_i - e^{lambda dt} k_j|^2
    V_ij = sigma^2 (1 - e^{2 mu dt}) / (-2 mu) + eta^2 e^{2 mu dt} + gamma^2
    A    = softmax_j of tau^2 (B_ij - log(1 + S_ij R_ij)),  j <= i       Student-t; Gaussian: - S_ij R_ij
    est_i = e^{i omega t_i} sum_j A_ij D_ij v~_j

with the bias B = -log V (or 0, or -nu dt) and S = 1 / (nu d_h V) (or 1 / d_h, or 1 / (d_h (sigma^2 dt + eta^2))).
``predict_next`` carries the estimate one step further. Since a head has one mu and one sigma, residuals and estimates
are matrix products: time and memory are those of attention, and no tensor has length^2 d numbers. Without decay, noise
and robust weights, this is attention with rotary positions.

* ``adaptive-filter-attention``: the isotropic layer. Weights named filter-2d foretell a noisy rotation.
* ``adaptive-filter-attention-full``: decay and noise of every feature; costs length^2 d, for short sequences.
* ``adaptive-filter-attention-network``: transformer blocks of the isotropic layer.
* ``adaptive-filter-attention-rotation``: the noisy rotation as a benchmark, with a Kalman filter to compare with.

Read in this order: ``config``, the schemas and choices; ``complex_features``, projections to complex heads and back;
``dynamics``, the bounded quantities of a head and the covariance V; ``layer``, what both variants share, and the
isotropic one; ``full``, the one with dynamics per feature; ``network``, transformer blocks; ``rotation``, the
benchmark; ``training``; ``conversion``, the authors' names and the replay of recordings; ``claims``, what is measured;
``pictures`` of the cards.
"""
