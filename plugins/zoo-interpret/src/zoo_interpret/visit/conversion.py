"""The replay of recorded flow graphs; a probe has no checkpoints to convert."""

from __future__ import annotations

from torch import Tensor

from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.visit.circuits import coded_queries, head_outputs, memory_keys, memory_values, queries
from zoo_interpret.visit.config import VisitConfig
from zoo_interpret.visit.lens import entropy_bits, lens_of
from zoo_interpret.visit.probe import Visit
from zoo_interpret.visit.reading import read

_FIELDS = {
    "number_of_top_neurons": "top_neurons",
    "number_of_bottom_neurons": "bottom_neurons",
    "n_heads_to_add": "heads",
    "n_values_per_head": "values_per_head",
    "round_digits": "digits",
    "defualt_weight": "default_weight",
    "factor_attn_score": "attention_factor",
    "factor_head_output": "head_output_factor",
    "factor_head_norm": "head_query_factor",
    "factor_for_memory_to_head_values": "memory_factor",
    "factor_weight_mlp_key_value_link": "neuron_factor",
}


def _flow_graph(run: Run) -> dict[str, Tensor]:
    """The graph of a recorded model as the reference codes it, and the circuits of its first listed layer."""
    model, ids = recorded_model(run.config, run.state), run.inputs["input_ids"]
    given, layers = run.config["graph"], list(run.config["layers"])
    settings = {name: given[word] for word, name in _FIELDS.items() if word in given}
    probe = Visit(VisitConfig(**settings, compat="reference"))
    found = probe(model, ids, layers=layers, target=run.config["target_token"])
    (layer,), logits = read(model, {"input_ids": ids}, [run.call.get("circuits_layer", layers[0])])
    probabilities = lens_of(model)(layer.states["block_input"])
    return {
        "edge_source": found.edge_source,
        "edge_target": found.edge_target,
        "edge_weight": found.edge_weight,
        "node_token": found.node_token,
        "q_as_coded": coded_queries(layer),
        "q_corrected": queries(layer),
        "k": memory_keys(layer)[-1],
        "v": memory_values(layer)[-1],
        "head_out": head_outputs(layer),
        "block_input_probs": probabilities,
        "block_input_entropy_bits": entropy_bits(probabilities)[None],
        "logits_last": logits,
    }


replay = replay_of({"flow-graph": _flow_graph})
