"""Transformer wave functions: ground states of spin lattices, and what becomes of attention in them.

Source: "Are queries and keys always relevant? A case study on Transformer wave functions" (2024), arXiv 2405.18874.

A network maps a configuration of +-1 spins on an L x L lattice to a complex log amplitude log psi. Patches of b x b
spins are embedded without positions; attention carries those. Per head

    A_i = sum_j alpha_ij (V x)_j

with alpha either computed from queries and keys (``standard``: softmax of q.k / sqrt(d/h) plus a learned bias per
periodic offset) or free parameters of the offset alone (``factored``), the same for every configuration. The paper
finds the factored form as accurate at a fraction of the cost, and trained query-key maps that hardly depend on the
input.

The Hamiltonian is H = J1 sum_nn S_i.S_j + J2 sum_nnn S_i.S_j on the periodic square lattice, spin 1/2. Energies are
minimised by stochastic reconfiguration in sample space: with O_sk = d log psi(s) / d theta_k, centred and stacked into
real and imaginary rows X, and local energies f alike, the step is X' (X X' + shift)^{-1} f.

Read ``network`` first: spins to log amplitudes. Then ``hamiltonian``, the physics, exact on small lattices;
``optimisation``, the step above with exact or Metropolis sampling; ``training``, the recipe of the bundled weights;
``benchmark``, the ground-state energy as a task. ``config``, ``conversion``, ``claims``, ``pictures`` and ``facts``
are what their names say.
"""
