"""GridToM: who believes what in a grid world, probes of beliefs in multimodal models, and steering along them.

Source: "From Black Boxes to Transparent Minds: Evaluating and Enhancing the Theory of Mind in Multimodal Large Language
Models" (ICML 2025), arXiv 2506.14224.

The benchmark shows two agents. The protagonist enters one room, the other agent room A; the protagonist's door stays
open (TrueBelief) or closes (FalseBelief); the other agent moves to room B. Where does the protagonist think it is?

The probe takes x[l,h], block h (d / H wide) of the stream after decoder layer l at the last token, or a head's output,
and fits to each a logistic regression of a belief, 1/2 ||w||^2 + C sum log loss:

    theta[l,h] = w / ||w||,      sigma[l,h] = std over samples of x[l,h] . theta[l,h]

Blocks are ranked by their accuracy on held-out samples. Steering adds, at the last position of every pass, to block h
of the output of layer l's attention

    alpha sigma[l,h] theta[l,h]          for the K best (l,h)

Read in this order: ``config``; ``world`` (grid, agents, script, what one sees), ``rendering``, ``samples``
(annotations, probe data), ``benchmark`` (prompts, answers, scores), ``system`` (a model that answers);
``features``, ``logistic``, ``probe``, ``steering``; ``planted``; ``conversion`` (recordings) and ``claims``;
``pictures``.
"""
