"""COPILOT: from videos of body-worn cameras, will the body collide, with which joints, and where is that in each view.

Source: "COPILOT: Human-Environment Collision Prediction and Localization from Egocentric Videos", arXiv 2210.01781; no
code was published and this is a reconstruction. Videos (B, V, T, 3, H, W) of V body mounts become tokens of width D,

    token = Linear(patch) + place + time + viewpoint                (B, V, T, N, D)

and one class token c. A block is attention over time, over space, and an MLP, each on the norm of what it is added to:

    x = x + Linear(Attn(groups of time)),   [c, x] = [c, x] + Attn([c, groups of space]),   x = x + MLP(x)

where c is in every spatial group and its copies are averaged. ``attention`` says what the groups are:

    joint               none,                                     all V T N tokens
    cross_view_spatial  the T times of one place of one view,     the V N tokens of one time
    same_view_spatial   the V T times and views of one place,     the N tokens of one frame
    divided             the T times of one place of one view,     the N tokens of one frame

Linear layers on c give the collision and the joints; the last frame's tokens of four depths become heatmaps.

Modules, in the order to read them: ``config``, ``attention``, ``network``, ``objective`` (loss, metrics), ``world`` (a
plane with boxes, bodies, cameras), ``control`` (walking by the prediction), ``benchmark``, ``claims``,
``pictures``.
"""
