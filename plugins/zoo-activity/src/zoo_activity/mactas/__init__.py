"""MACTAS: agents of a team exchange their states by self-attention before they act.

Source: "MACTAS: Self-Attention-Based Module for Inter-Agent Communication in Multi-Agent Reinforcement Learning", arXiv
2508.13661; no code was published and this is a reconstruction. All agents share their weights. At each step, for
observations (B, n, obs) of n agents,

    e = ReLU(Linear([observation, last action])),   h = GRU(e, h)                        (B, n, D)
    u = h + Attn(LN(h)),   z = u + FFN(LN(u))      over the set of agents, without positions
    values = Linear(z)                                                                   (B, n, A)

What ends the branches is small at first, so that training begins near the method without communication; dead agents
neither say nor hear anything. h, not z, is remembered (``state=pre``). The values of the chosen actions become the
team's value by their sum (VDN), by a network with weights >= 0 that the global state makes (QMIX), or not at all.

Modules, in the order to read them: ``config``, ``communication``, ``mixers``, ``network``, ``environments`` (the
interface, the task of cues, PettingZoo), ``replay``, ``learning`` (double Q-learning, exploration), ``training``
(speaker and listener), ``benchmark``, ``claims``, ``pictures``.
"""
