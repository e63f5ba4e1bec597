"""VIRT: a manipulation policy that looks closely at the object which the current step concerns.

Source: "VIRT: Vision Instructed Transformer for Robotic Manipulation", arXiv 2410.07169. Camera images (B, cams, 3, H,
W), past actions (B, P, 9), observations of the gripper (B, O, 13) and of the joints (B, O, 9) become a chunk of future
actions (B, chunk, 9), each with the logarithm u of its scale.

The gaze: a detector gives one box per camera; the crop around it, ``crop_scale`` times as large, is cut by ROI-align
and encoded by the same DINOv2 trunk, so that a small object has as many patches as a whole image. With D the width,

    image  = Linear(trunk(image)) + image_pos            shared by the cameras
    roi    = Linear(trunk(crop)) + Linear(box) + roi_pos
    memory = [image, roi, Linear(actions) + pos, Linear(gripper) + pos + type, Linear(joints) + pos + type]

A DETR decoder (post-norm, queries learnt as positions, content from zero) reads the memory, padded history hidden:

    c = LN(c + Attn(c + q, c + q, c)),  c = LN(c + Attn(c + q, memory + pos, memory)),  c = LN(c + FFN(c))

and LN(c) of every layer gives actions, u and, for tasks in stages, the stage. A step whose actions are off by e (L1)
costs sqrt(2) e / exp(u) + u.

Modules, in the order to read them: ``config``, ``gaze`` (detector, crops, ROI-align), ``trunk`` (DINOv2),
``transformer``, ``network``, ``losses``, ``conversion``, ``claims``, ``pictures``.
"""
