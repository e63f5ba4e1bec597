"""The names of checkpoints of the authors' TensorFlow code, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_activity.pisa import actr
from zoo_activity.pisa.config import PISAConfig
from zoo_activity.pisa.loss import pisa_loss, target_sessions
from zoo_activity.pisa.network import PISA

_BLOCK = r"^user_short_term_rep_num_blocks_(\d+)\."
_RULES = (
    (r":0$", ""),
    (r"/", "."),
    (r"^pisa\.user_short_term_rep\.", ""),
    (r"^item_embedding_table\..*lookup_table$", "sessions.items"),
    (r"^position_embedding_table\..*lookup_table$", "positions"),
    (r"^actr_comp_weights$", "sessions.components"),
    (r"^(?:pisa\.)?ls_fusion\.ls_fusion\.", "fusion."),
    (_BLOCK + r"ln\.Variable_1$", r"blocks.\1.norm1.weight"),
    (_BLOCK + r"ln\.Variable$", r"blocks.\1.norm1.bias"),
    (_BLOCK + r"ln_1\.Variable_1$", r"blocks.\1.norm2.weight"),
    (_BLOCK + r"ln_1\.Variable$", r"blocks.\1.norm2.bias"),
    (_BLOCK + r"user_short_term_rep_self_attention\d+\.dense\.", r"blocks.\1.q."),
    (_BLOCK + r"user_short_term_rep_self_attention\d+\.dense_1\.", r"blocks.\1.k."),
    (_BLOCK + r"user_short_term_rep_self_attention\d+\.dense_2\.", r"blocks.\1.v."),
    (_BLOCK + r"multihead_attention\.conv1d\.", r"blocks.\1.fc1."),
    (_BLOCK + r"multihead_attention\.conv1d_1\.", r"blocks.\1.fc2."),
)
_UNUSED = ("long_short_fused_weights", "user_embedding_table")


def convert(state: Mapping[str, Tensor], config: PISAConfig) -> dict[str, Tensor]:
    """Official names to ours, kernels (in, out) transposed; a user table and a pair of weights, never used, go."""
    converted = {}
    for name, tensor in renamed(state, _RULES).items():
        if name.startswith(_UNUSED) or (name == "sessions.components" and config.num_components == 1):
            continue
        if name.endswith(".kernel"):
            name, tensor = f"{name.removesuffix('kernel')}weight", (tensor[0] if tensor.ndim == 3 else tensor).T
        if name == "sessions.components" and len(tensor) > config.num_components:
            used = torch.tensor([True, config.spread, config.partial_matching])
            tensor = tensor[used]
        converted[name] = tensor
    return converted


_FIELDS = {
    "n_items": "num_items",
    "embedding_dim": "dim",
    "seqlen": "max_length",
    "session_len": "session_length",
    "num_blocks": "num_blocks",
    "num_heads": "num_heads",
    "num_favs": "num_favorites",
    "flatten_actr": "flatten",
    "spread": "spread",
    "partial_matching": "partial_matching",
    "causality": "causal",
    "input_scale": "input_scale",
    "lbda_ls": "lambda_ls",
    "lbda_task": "lambda_task",
    "lbda_pos": "lambda_pos",
}


def _pisa(run: Run) -> dict[str, Tensor]:
    config = PISAConfig(**run.fields(_FIELDS), strict_reference_loss=True)
    model = PISA(config).eval()
    zoo.fill(model, convert(run.state, config))
    histories = [run.inputs[name] for name in ("seq_ids", "seq_bll", "seq_spread", "fav_ids", "fav_bll")]
    ids, bll, spread = (run.inputs[name] for name in ("pos_ids", "pos_bll", "pos_spread"))
    negatives = run.inputs["neg_ids"]
    output = model(*histories)
    first = model(*(part[:1] for part in histories))
    return {
        "input_seq": output.sessions,
        "st_rep": output.st_rep,
        "lt_rep": output.lt_rep,
        "lt_weight": output.lt_weight,
        "weighted_pos": target_sessions(model, ids, bll, spread),
        "loss": pisa_loss(model, output, ids, bll, spread, negatives),
        "loss_row0": pisa_loss(model, first, ids[:1], bll[:1], spread[:1], negatives[:1]),
        "neg_scores": -output.scores,
    }


def _actr(run: Run) -> dict[str, Tensor]:
    levels = actr.base_level(run.inputs["listen_times"], run.config["t_ref"], run.config["decay"])
    sessions = run.inputs["sessions"]
    counts = actr.cooccurrence(sessions[:-1], run.config["n_items"])
    association = actr.normalised(counts)
    return {
        "bll": levels,
        "bll_softmax": actr.base_level_weights(levels),
        "cooccurrence": counts,
        "cooccurrence_normalised": association,
        "spread": actr.spreading(sessions, association),
    }


replay = replay_of({"pisa": _pisa, "actr-weights": _actr})
