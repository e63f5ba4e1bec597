"""Modules spread over two and four gloo processes: loaded by slices, saved by pieces, resumed on another number."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from omegaconf import OmegaConf
from torch.distributed.device_mesh import init_device_mesh

import zoo
from tests.core import sharding_worker
from tests.core.sharding_worker import IDS, optimizer_of, train
from zoo import catalogue
from zoo.facts import MODULE_KINDS
from zoo.testing.specimens import example_of, small_instance, tensors

ENVIRONMENT = ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_DISABLE_XET", "ZOO_CACHE")


def run(scene: str, ranks: int, folder: Path, source: Path) -> list[dict]:
    """What every rank of a scene reports. All are forks of one server, which imports torch once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([sharding_worker.__name__])
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    arguments = [(scene, rank, ranks, folder, source, environment) for rank in range(ranks)]
    processes = [context.Process(target=sharding_worker.play, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=240)
        process.kill()
    errors = "".join(path.read_text() for path in folder.glob(f"{scene}.*.error"))
    assert not errors, errors
    return [json.loads((folder / f"{scene}.{rank}.json").read_text()) for rank in range(ranks)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same language model twice, with and without tied embeddings, each saved whole."""
    source = tmp_path_factory.mktemp("models")
    shape = {"dim": 256, "hidden_dim": 1024, "num_layers": 4}
    found = {}
    for name in ("untied", "tied"):
        found[name] = zoo.load("moba-lm/tiny", weights=None, tie_embeddings=name == "tied", **shape)
        zoo.save(found[name], source / name)
    return source, found


def assert_same_weights(module, other, **tolerance):
    assert module.state_dict().keys() == other.state_dict().keys()
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(
            tensor, other.state_dict()[name], msg=lambda text, name=name: f"{name}: {text}", **tolerance
        )


def test_two_ranks_load_save_and_push_and_four_resume(tmp_path, models, zoo_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    source, known = models
    reports = run("on_two", 2, tmp_path, source)
    for name, model in known.items():
        size = (source / name / "model.safetensors").stat().st_size
        total = sum(parameter.numel() for parameter in model.parameters())
        largest = max(parameter.nbytes for parameter in model.parameters())
        with torch.no_grad():
            expected = model(IDS)[0, -1]
        for rank, report in enumerate(reports):
            torch.testing.assert_close(torch.tensor(report[name]["logits"]), expected, atol=1e-5, rtol=1e-5)
            assert report[name]["local"] < 0.55 * total
            assert report[name]["touched"] < 0.65 * size, "a rank read more than its own slices"
            held = report[name]["gathered"]
            # One tensor more: the collective that brought the one before may not have let it go yet.
            assert largest <= held <= largest + (3_000_000 if rank == 0 else largest), "a rank held more than a piece"
        numbered = list((tmp_path / name).glob("model-*-of-*.safetensors"))
        assert len(numbered) > 3
        assert max(file.stat().st_size for file in numbered) < 3_010_000
        assert largest + 3_000_000 < size / 2, "a piece is far from the whole"
        again = zoo.load(tmp_path / name)
        assert_same_weights(again, model, atol=0, rtol=0)
        assert (again.lm_head.weight is again.model.embed_tokens.weight) == (name == "tied")
    for report in reports:
        assert report["nested"] < 1e-6
        for refusal, reason in zip(report["refused"], ("not a .* DeviceMesh", "without names", "3 dim"), strict=True):
            assert re.search(reason, refusal)

    model = zoo.load(source / "untied")
    optimizer = optimizer_of(model)
    train(model, optimizer, 2)
    (uri,) = {report["uri"] for report in reports}
    pushed = zoo.load(uri)
    assert_same_weights(pushed, model, atol=1e-5, rtol=1e-4)
    assert pushed.zoo_origin.license == "mit"

    errors = run("on_four", 4, tmp_path, source)
    train(model, optimizer, 2)
    assert_same_weights(zoo.load(tmp_path / "resumed"), model, atol=2e-5, rtol=1e-3)
    for error in errors:
        assert error == errors[0], "every rank fails alike"
        assert "is a file" in error["file"]
        assert 'no size like "5GB"' in error["size"]
        assert "README.md, which zoo.save did not write" in error["foreign"]
        assert "a switch was changed on some of them only" in error["switch"]
        assert "lm_head.extra is a part that was added" in error["part"]
    assert not (tmp_path / "no").exists()


@pytest.fixture(scope="module")
def alone():
    """A mesh of this process alone, on which parameters are spread and gathered as on many."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.parametrize("name", [offer.qualified for offer in zoo.entries() if offer.entry.kind in MODULE_KINDS])
def test_every_entry_runs_and_is_saved_when_it_is_spread(name, alone, tmp_path):
    entry = catalogue.current().find(name).offer.entry
    if entry.example is None:
        pytest.skip("it has no example")
    instance = small_instance(entry)
    config, inputs = (
        OmegaConf.to_container(OmegaConf.structured(instance), enum_to_str=True),
        example_of(entry, instance),
    )
    whole = zoo.load(zoo.save(zoo.load(name, weights=None, config=config), tmp_path / "whole"))
    spread = zoo.load(tmp_path / "whole", mesh=alone)
    found = []
    for module in (whole, spread):
        torch.manual_seed(0)
        found.append(tensors(module(**inputs)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, ours, equal_nan=True)
    losses = [real.float().square().mean() for real in found[1] if real.requires_grad and real.is_floating_point()]
    if losses:
        sum(losses).backward()
    again = zoo.load(zoo.save(spread, tmp_path / "again"))
    assert_same_weights(again, whole, atol=0, rtol=0, equal_nan=True)


def test_a_spread_model_trains_in_transformers_and_says_how_it_is_saved(alone, models, tmp_path):
    transformers = pytest.importorskip("transformers")
    source, known = models
    hosted = zoo.as_transformers(zoo.load(source / "tied", mesh=alone))
    output = hosted(IDS, labels=IDS)
    torch.testing.assert_close(output.logits, known["tied"](IDS))
    output.loss.backward()
    with pytest.raises(zoo.InputError, match=r"zoo\.save\(model\.zoo_module, folder\), called on every rank"):
        hosted.save_pretrained(tmp_path / "no")
    saved = zoo.save(hosted.zoo_module, tmp_path / "yes")
    again = transformers.AutoModelForCausalLM.from_pretrained(saved)
    torch.testing.assert_close(again(IDS).logits, output.logits)
