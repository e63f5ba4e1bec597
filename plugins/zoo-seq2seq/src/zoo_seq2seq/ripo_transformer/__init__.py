"""RIPO attention over fundamental music embeddings: melodies in which equal intervals are equal distances.

Source: "A Domain-Knowledge-Inspired Music Embedding Space and a Novel Attention Mechanism for Symbolic Music Modeling"
(2023), arXiv 2212.00973; guozixunnicolas/FundamentalMusicEmbedding at 793e300 (no licence given).

A number f, such as a pitch, is the vector P(f) in R^d, an interval delta the vector S(delta):

    P(f)[2k], P(f)[2k+1] = sin(w_k f) + b_2k, cos(w_k f) + b_2k+1          w_k = B^(-2k/d), B per attribute
    S(delta)             = the same without b;   P(f + delta) is P(f) - b turned by S(delta), plus b

Attention (head width m) adds what two notes are to each other to what each is:

    logits[i,j] = q_i . (k_j + E[i-j] + Wp rp_ij + Wd rd_ij) / sqrt(m)
    rp_ij = Lp S_pitch(pitch_i - pitch_j),   rd_ij = Ld S_duration(onset_i - onset_j)

E is the index's learnt table (Music Transformer's); a learned vector stands for intervals with rests and the like.

``embedding`` is P and S, ``attention`` the layer, ``intervals`` derives what is relative from two token sequences,
``network`` predicts the next pitch and duration, ``notes`` reads what a user has, ``midi`` files among it, ``melody``
continues and draws it, ``chorales`` are Bach's. ``config``, ``conversion``, ``claims``, ``training``, ``pictures`` and
``facts`` are what their names say. Read them in this order.
"""
