"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch
from torch import nn

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_pose.flows import RealNVP
from zoo_pose.poseur.attention import DeformableAttention
from zoo_pose.poseur.config import PoseurConfig
from zoo_pose.poseur.decoder import DecoderLayer
from zoo_pose.poseur.network import Poseur
from zoo_pose.poseur.training import evaluate
from zoo_pose.sampling import sample_levels

_SIZES = [(64, 48), (32, 24), (16, 12), (8, 6)]


def check_projecting_after_sampling() -> Measurement:
    """Compare with projecting every place of the memory first, without and with a bias, and count multiplications."""
    torch.manual_seed(0)
    dim, heads, sizes = 32, 8, [(8, 6), (4, 3)]
    layer = DeformableAttention(dim, heads, len(sizes), 4).double()
    nn.init.normal_(layer.sampling_offsets.weight, std=0.3)
    nn.init.normal_(layer.attention_weights.weight)
    memory = torch.randn(2, sum(h * w for h, w in sizes), dim, dtype=torch.float64)
    query = torch.randn(2, 17, dim, dtype=torch.float64)
    references = torch.rand(2, 17, 1, 2, dtype=torch.float64).expand(-1, -1, 2, -1)
    differences = []
    with torch.no_grad():
        for bias in (0.0, 1.0):
            layer.value_bias.fill_(bias)
            points, weights = layer.where(query, references, sizes)
            first = torch.cat(
                [
                    sample_levels(
                        memory @ layer.value_weight[head] + layer.value_bias[head],
                        sizes,
                        points[:, :, head],
                        weights[:, :, head],
                    )
                    for head in range(heads)
                ],
                -1,
            )
            differences.append(
                float((layer(query, None, memory, sizes, references) - query - layer.output_proj(first)).abs().max())
            )
    places = sum(height * width for height, width in _SIZES)
    return Measurement(
        f"largest difference {differences[0]:.1e} without a bias, {differences[1]:.2f} with one of 1 and samples "
        f"outside; 17 C^2 against {places} C^2 multiplications, {places // 17}x fewer",
        differences[0] < 1e-12 and differences[1] > 1e-3 and places == 240 * 17,
    )


def check_groups_do_not_interact() -> Measurement:
    """A decoder layer on one group of queries, and on it and another one behind it."""
    torch.manual_seed(0)
    config = PoseurConfig(backbone="none", channels=[32, 32], dim=32, norm_groups=1, hidden_dim=48)
    layer = DecoderLayer(config).eval()
    sizes = [(8, 6), (4, 3)]
    memory, positions = torch.randn(2, 60, 32), torch.randn(34, 32)
    queries, references = torch.randn(2, 34, 32), torch.rand(2, 34, 1, 2).expand(-1, -1, 2, -1)
    with torch.no_grad():
        both = layer(queries, positions, memory, sizes, references)
        alone = layer(queries[:, :17], positions[:17], memory, sizes, references[:, :17])
        other = layer(queries.flip(1), positions, memory, sizes, references)
    within = float((other[:, :17] - alone).abs().max())
    difference = float((both[:, :17] - alone).abs().max())
    return Measurement(
        f"largest difference {difference:g}; with other queries in the group itself {within:.2f}",
        difference < 1e-6 < within,
    )


def check_density() -> Measurement:
    """Integrate the density of three flows of random weights over a grid."""
    totals = []
    for seed in range(3):
        torch.manual_seed(seed)
        flow = RealNVP()
        for layer in flow.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, 0.7)
        edge = torch.linspace(-12, 12, 121)
        grid = torch.stack(torch.meshgrid(edge, edge, indexing="ij"), -1).flatten(0, 1)
        with torch.no_grad():
            totals.append(float(flow.log_prob(grid).exp().sum()) * 0.2**2)
    return Measurement(
        f"{min(totals):.4f} to {max(totals):.4f} over three flows of random weights",
        all(abs(total - 1) < 1e-2 for total in totals),
    )


def check_parameters() -> Measurement:
    """Count the network with ResNet-50, with and without its two flows, on the meta device."""
    with torch.device("meta"):
        model = Poseur(PoseurConfig())
    whole, flows = count_parameters(model), count_parameters(model.head.enc_flow, model.head.dec_flow)
    return Measurement(f"{whole - flows:,}; {whole:,} with the flows", (whole, flows) == (33_256_408, 2 * 53_784))


def check_rendered_people() -> Measurement:
    """The bundled network on crops of held-out motions before held-out photographs, beside the mean pose in the box."""
    model = zoo.load("poseur/rendered")
    found = evaluate(model, model.config)
    return Measurement(
        f"{found['pck']:.1f}% of joints within a tenth of the box, AP {found['AP']:.1f}; mean pose in the true box "
        f"{found['mean_pose_pck']:.1f}%, AP {found['mean_pose_AP']:.1f}",
        found["pck"] > found["mean_pose_pck"] and found["AP"] > found["mean_pose_AP"],
        "200 crops of rendered people, four motions and eight photographs that training never saw: not COCO",
    )
