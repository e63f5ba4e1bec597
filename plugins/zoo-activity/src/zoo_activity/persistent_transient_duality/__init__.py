"""Persistent-Transient Duality: forecasts people who handle objects with two processes, one of which starts and stops.

Source: "Persistent-Transient Duality: A Multi-mechanism Approach for Modeling Human-Object Interaction", arXiv
2307.12729; no code was published and this is a reconstruction. Humans (B, T, H, J, 3) and objects (B, T, O, D_o), in
metres, become those of the next steps.

The persistent channel runs always, over all entities in world coordinates. With s_i the state of entity i of type a,

    w_ij = softmax over all j != i of (Q_ab s_i)' (K_ab s_j) / sqrt(D),   s_i <- GRU_a([x_i, sum_j w_ij V_ab s_j], s_i)

The transient channel is a child of one human, in coordinates of its root; c_i is its attention over objects, with
softplus(a) distance taken off each logit. It is born of its parent and forgotten when it stops:

    z_i = [sigmoid(MLP([s_i, c_i, t_i])) > 0.5],   t_i <- tanh(W s_i) if it was off
    t_i <- z_i GRU_T([ego_i, c_i, W' s_i], t_i)

    next x_i = x_i + MLP_P(s_i) + z_i MLP_T(t_i),   s_i <- s_i + z_i W_back t_i

The gradient of z is that of the probability (straight through). The task that comes with it has walkers who stop to
circle an object, so that the truth about the switch is known.

Modules, in the order to read them: ``config``, ``channels`` (both channels, the switch), ``network``, ``objective``
(loss, metrics), ``switching`` (the task), ``training``, ``claims``, ``pictures``.
"""
