"""Virtual adversarial training of attention: perturb scores where the prediction moves most; no label is needed.

Source: "Making Attention Mechanisms More Robust and Interpretable with Virtual Adversarial Training" (2022), arXiv
2104.08763; no code of it is known.

With p(a) the prediction from attention scores a (T) of a sentence, and D(r) = KL(p(a) || p(a + r)), p(a) a constant,

    VAT     u random, |u| = 1;  repeat: u = g / |g|, g the gradient of D at r = xi u;  r = eps u
    iVAT    the same for coefficients alpha (T, T), |alpha| = 1, of r(alpha)_t = sum_k alpha_tk d'_tk,
            d'_t the normalised differences (a_t - a_k)_k;  r = r(eps alpha)

and the loss adds lambda times the mean of D(r) over labelled and unlabelled sentences. At r = 0 the gradient of D
vanishes, which is why it is taken at a distance xi. As with AT, the literal iVAT is VAT from another random start;
with differences as they are it is not (ivat-unnormalised).

``method`` takes any model that lets go of its scores (``zoo_seq2seq.exposed``); read it first. ``config``,
``conversion``, ``claims``, ``training``, ``pictures`` and ``facts`` are what their names say.
"""
