"""DILA: codes of a note by attention over sparse dictionary features, which people can read.

Source: "DILA: Dictionary Label Attention for Mechanistic Interpretability in High-dimensional Multi-label Medical
Coding Prediction" (2024), arXiv 2409.10504; no code by the authors is known.

A sparse autoencoder turns each token embedding x (d) into m features, most of them zero,

    f = ReLU(W_e (x - b_d) + b_e),    x^ = W_d f + b_d,    columns of W_d of unit length
    L_sae = mean |x - x^|^2 + l1 mean |f|_1 + l2 mean |f|_2^2                 over real tokens

and one matrix A (m, c) says what a feature means for a code. Attention of code k over the tokens, and its logit:

    a = softmax over tokens of f A   (T, c),    V_k = sum_t a_tk x_t,    logit_k = w_k . V_k + b_k

Scores are linear in the features: without feature j, that of token t for code k is less by exactly f_tj A_jk. A may
start from the codes' descriptions: the mean features of a description's tokens. The dense baseline (``mode=laat``) has
scores U tanh(W x) in the place of f A.

``head`` is the model, ``notes`` gives it embeddings of long notes from any encoder of transformers, ``reading`` is the
kit to read it with, ``fitting`` trains autoencoders and judges codes, ``icd`` makes notes of real terms, ``coding``
codes a text. ``config``, ``conversion``, ``claims``, ``training``, ``pictures`` and ``facts`` are what their names say.
Read ``head`` first.
"""
