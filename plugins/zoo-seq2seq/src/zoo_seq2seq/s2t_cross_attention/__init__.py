"""How much of a speech model's behaviour its cross-attention explains: maps beside saliency.

Source: "Cross-Attention is Half Explanation in Speech-to-Text Models" (2025), arXiv 2509.18010; the saliency (SPES)
from FBK-fairseq's code, the comparison from the abstract and the specification's reading of it.

Teacher-forced on tokens y_1 ... y_I, a model gives p_i and cross-attention (layers, heads, I, T'). SPES occludes
the input: masks m_n (T, F) are 0 on random segments of the spectrogram, and

    s_n[i] = KL(p_i(clean) || p_i(m_n)),    SM[i, t, f] = sum_n s_n[i] (1 - m_n[t, f]) / sum_n (1 - m_n[t, f])

that is, how much p_i suffers on average when the cell is hidden. Occluding encoder states as whole frames in the same
way gives the saliency of what the decoder reads, occluding embeddings of earlier tokens that of the tokens. The
maximum over frequencies, resampled to T' frames, is correlated (Pearson, over all tokens and frames) with each head's
map, with the mean over a layer's heads, and with the mean over all.

Read in this order: ``saliency`` (from masks and scores to maps), ``segments`` (what is hidden together), ``speech``
(models of transformers as such a thing), ``agreement`` (correlations), ``probe`` (all of it). ``config``,
``conversion``, ``claims`` and ``facts`` are what their names say.
"""
