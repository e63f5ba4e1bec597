"""Deformable sampling of pose networks on one CPU core: ours beside indexing, a dense matrix and a loop over points.

The cases are one layer of Group Pose's encoder and of its decoder on a picture of 320 x 320 (four levels, 8 heads as
batch, 4 points), and one of Poseur's decoder on a crop of 256 x 192 (8 heads of full width as queries). "Ours" is
``zoo_pose.sampling.sample_levels``, which leaves bilinear values to torch's ``grid_sample``; "indexing" is the same in
gathers, which second derivatives and compiled programs go through; "dense" multiplies the memory by a matrix of
bilinear weights, queries by places; "loop" takes query by query, level by level and point by point, all heads and
features at once, for one query in twenty, times twenty. Every figure comes from a process of its own. Time is that of
the processor; memory is what a forward and backward pass adds to the inputs at its peak.
"""

from __future__ import annotations

from benchmarks.measuring import run, table

# batch and heads, queries, features, sizes of the levels
CASES = {
    "Group Pose, encoder": (8, 2125, 32, "40x40 20x20 10x10 5x5"),
    "Group Pose, decoder": (8, 1800, 32, "40x40 20x20 10x10 5x5"),
    "Poseur, decoder": (1, 136, 256, "64x48 32x24 16x12 8x6"),
}
FORMS = ("ours", "indexing", "dense", "loop")
POINTS = 4
LOOP_SHARE = 20

_CODE = """
import time
import torch
from zoo_pose import sampling

torch.set_num_threads(1)
form, sizes = sys.argv[1], [tuple(map(int, size.split("x"))) for size in sys.argv[2].split()]
batch, queries, features, count = map(int, sys.argv[3:])
lengths = [height * width for height, width in sizes]

def dense(rows, sizes, points, weights):
    total = 0
    for level, ((height, width), part) in enumerate(zip(sizes, rows.split(lengths, 1))):
        x = points[:, :, level, :, 0, None] * width - 0.5 - torch.arange(width)
        y = points[:, :, level, :, 1, None] * height - 0.5 - torch.arange(height)
        near = torch.einsum("bqp,bqpy,bqpx->bqyx", weights[:, :, level], *(
            (1 - each.abs()).clamp(min=0) for each in (y, x)))
        total = total + near.flatten(2) @ part
    return total

def loop(rows, sizes, points, weights):
    found = []
    for query in range(points.shape[1]):
        total = 0
        for level, ((height, width), part) in enumerate(zip(sizes, rows.split(lengths, 1))):
            for point in range(points.shape[3]):
                x, y = points[:, query, level, point].unbind(-1)
                x, y = x * width - 0.5, y * height - 0.5
                for column, across in ((x.floor(), 1 - x % 1), (x.floor() + 1, x % 1)):
                    for row, down in ((y.floor(), 1 - y % 1), (y.floor() + 1, y % 1)):
                        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                        place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
                        value = part[torch.arange(len(part)), place]
                        share = across * down * inside * weights[:, query, level, point]
                        total = total + share[:, None] * value
        found.append(total)
    return torch.stack(found, 1)

if form == "indexing":
    sampling.sample_rows = sampling._indexed
function = {"dense": dense, "loop": loop}.get(form, sampling.sample_levels)

torch.manual_seed(0)
def inputs(queries):
    rows = torch.randn(batch, sum(lengths), features, requires_grad=True)
    points = torch.rand(batch, queries, len(sizes), count, 2, requires_grad=True)
    weights = torch.rand(batch, queries, len(sizes), count, requires_grad=True)
    return rows, sizes, points, weights

def both(given):
    start = time.process_time()
    found = function(*given)
    middle = time.process_time()
    found.square().sum().backward()
    return middle - start, time.process_time() - start

both(inputs(2))
given = inputs(queries)
before = peak_bytes()
forward, whole = both(given)
memory = peak_bytes() - before
if form != "loop":
    forward, whole = (min(times) for times in zip(*(both(given) for _ in range(3))))
report(forward=forward, both=whole, bytes=memory)
"""


def main() -> None:
    rows = []
    for case, (batch, queries, features, sizes) in CASES.items():
        found = {}
        for form in FORMS:
            share = LOOP_SHARE if form == "loop" else 1
            result = run(_CODE, form, sizes, *map(str, (batch, queries // share, features, POINTS)))
            found[form] = {name: value * share for name, value in result.items()}
        ours = found["ours"]
        for form, each in found.items():
            rows.append(
                (
                    case,
                    form,
                    f"{1e3 * each['forward']:.0f} ms",
                    f"{1e3 * each['both']:.0f} ms",
                    f"{each['both'] / ours['both']:.1f}x",
                    f"{each['bytes'] / 2**20:.0f} MiB",
                    f"{each['bytes'] / ours['bytes']:.1f}x",
                )
            )
    print("One core, float32.\n")
    print(table(("layer", "form", "forward", "with backward", "of ours", "memory", "of ours"), rows))


if __name__ == "__main__":
    main()
