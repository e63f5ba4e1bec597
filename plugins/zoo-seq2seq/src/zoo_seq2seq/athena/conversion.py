"""The authors' parameter names, and recorded runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.athena.config import AthenaConfig
from zoo_seq2seq.athena.network import Athena


def convert(state: Mapping[str, Tensor], config: AthenaConfig) -> dict[str, Tensor]:
    """Take off ``athena.`` and leave the language model out; the attention's three levels of names become one."""
    found = {}
    for name, tensor in state.items():
        if name.startswith("language_model."):
            continue
        plain = re.sub(r"^athena\.", "", name)
        plain = plain.replace(".attention.attention.attention.", ".attention.heads.")
        plain = plain.replace(".attention.attention.", ".attention.")
        found[plain] = tensor
    return found


def _athena(run: Run) -> dict[str, Tensor]:
    config = AthenaConfig(
        **run.fields(
            {
                "lm_hidden_size": "lm_hidden_size",
                "hidden_size": "hidden_size",
                "n_heads": "num_heads",
                "ff_size": "ff_size",
                "constants": "constants",
                "ln": "norm",
                "chain": "chain",
                "goal": "goal",
                "max_depth": "max_depth",
                "strength": "strength",
                "threshold": "threshold",
            }
        )
    )
    model = Athena(config).eval()
    zoo.fill(model, convert(run.state, config))
    features, numbers = run.inputs["features"][0], list(run.config["num_indices"])
    question = list(run.config["question_indices"]) if config.goal else [int(run.config["question_idx"])]
    taught = model.supervise(features, numbers, question, run.config["target"])
    free = model.solve(features, numbers, question)
    return {
        "thought_embeddings": taught.course.embeddings,
        "reason_probs": taught.course.probabilities,
        "final_logits": taught.course.answer_logits,
        "strength": taught.course.strength,
        "goal_attention": taught.course.goal_attention[None],
        "reason_loss": taught.reason_loss,
        "loss": taught.loss,
        "pred_embeddings": free.embeddings,
        "pred_reason_probs": free.probabilities,
        "pred_final_logits": free.answer_logits,
    }


replay = replay_of({"athena": _athena})
