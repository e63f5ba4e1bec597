"""The tools around transformers, as people use them, on zoo networks: Trainer, pipelines, peft, accelerate, Lightning,
lm-eval."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import zoo
from zoo.testing.specimens import example_of, small_instance

from .tiny_networks import TINY

transformers = pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def _tiny(install):
    install("tiny", **TINY)


def _hosted(kind: str = "rotary", seed: int = 0):
    torch.manual_seed(seed)
    return zoo.as_transformers(zoo.load(f"tiny/{kind}", weights=None))


# Sequences that count upwards: easy to learn in a few steps.
LENGTH = 12


class Counting(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.arange(index % 40, index % 40 + LENGTH) + 3
        return {"input_ids": ids, "labels": ids.clone(), "attention_mask": torch.ones_like(ids)}


def _tokenizer():
    """Words w0 to w56 and the marks that transformers' tools want; pads on the left, as generation wants it."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"<pad>": 0, "<unk>": 1, "<eos>": 2} | {f"w{number}": number + 3 for number in range(58)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>", padding_side="left"
    )


class TestTrainer:
    def _trainer(self, folder: Path, model, **options):
        pytest.importorskip("accelerate")
        arguments = transformers.TrainingArguments(
            str(folder),
            per_device_train_batch_size=8,
            learning_rate=1e-2,
            lr_scheduler_type="constant",
            report_to=[],
            logging_steps=10,
            save_steps=10,
            use_cpu=True,
            disable_tqdm=True,
            seed=3,
            **options,
        )
        return transformers.Trainer(model, arguments, train_dataset=Counting())

    def test_twenty_steps_and_a_resumed_run_reach_the_same_weights(self, tmp_path):
        straight = self._trainer(tmp_path / "straight", _hosted(), max_steps=20)
        before = straight.model(**{key: value[None] for key, value in Counting()[5].items()}).loss.item()
        straight.train()
        assert straight.state.global_step == 20
        after = straight.model.eval()(**{key: value[None] for key, value in Counting()[5].items()}).loss.item()
        assert after < before / 2
        # Another process would begin with other weights, and find all of it in the checkpoint.
        resumed = self._trainer(tmp_path / "resumed", _hosted(seed=9), max_steps=20)
        resumed.train(resume_from_checkpoint=str(tmp_path / "straight" / "checkpoint-10"))
        assert resumed.state.global_step == 20
        for ours, theirs in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)
        ids = Counting()[0]["input_ids"][None]
        saved = zoo.load(tmp_path / "straight" / "checkpoint-20")
        torch.testing.assert_close(saved(ids), straight.model(ids).logits)

    def test_accumulated_gradients_and_checkpointed_activations_change_nothing(self, tmp_path):
        found = []
        for name, options in (
            ("plain", {}),
            ("odd", {"gradient_accumulation_steps": 2, "gradient_checkpointing": True}),
        ):
            batch = 8 // options.get("gradient_accumulation_steps", 1)
            trainer = self._trainer(tmp_path / name, _hosted(), max_steps=3, **options)
            trainer.args.per_device_train_batch_size = trainer._train_batch_size = batch
            trainer.train()
            found.append([parameter.detach().clone() for parameter in trainer.model.parameters()])
        for plain, odd in zip(*found, strict=True):
            torch.testing.assert_close(odd, plain, atol=1e-4, rtol=1e-3)

    def test_a_classifier(self, tmp_path):
        torch.manual_seed(0)
        images = torch.randn(24, 1, 8, 8)
        examples = [{"pixel_values": image, "labels": index % 3} for index, image in enumerate(images)]
        trainer = self._trainer(tmp_path, zoo.as_transformers(zoo.load("tiny-eye")), max_steps=20)
        trainer.train_dataset = examples
        trainer.train()
        right = trainer.predict(examples).predictions.argmax(-1) == [each["labels"] for each in examples]
        assert right.mean() > 0.9


def test_the_text_generation_pipeline_pads_a_batch_on_the_left():
    model, tokenizer = _hosted(), _tokenizer()
    write = transformers.pipeline("text-generation", model=model, tokenizer=tokenizer, device="cpu")
    options = {"max_new_tokens": 4, "do_sample": False, "return_full_text": False}
    prompts = ["w1 w2 w3 w4 w5", "w7 w8"]
    together = [found[0]["generated_text"] for found in write(prompts, batch_size=2, **options)]
    assert together == [write(prompt, **options)[0]["generated_text"] for prompt in prompts]
    ids = tokenizer(prompts[1], return_tensors="pt").input_ids
    assert together[1] == tokenizer.decode(model.zoo_module.generate(ids, 4)[0, 2:], skip_special_tokens=True)


class TestPeft:
    def test_lora_trains_is_saved_read_again_and_merged(self, tmp_path):
        peft = pytest.importorskip("peft")
        base = _hosted()
        zoo.save(base.zoo_module, tmp_path / "base")
        ids = Counting()[5]["input_ids"][None]
        untouched = base(ids).logits.detach().clone()
        shape = peft.LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "lm_head"]
        )
        model = peft.get_peft_model(base, shape)
        torch.testing.assert_close(model(ids).logits, untouched)
        optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=1e-2)
        losses = []
        for _ in range(20):
            loss = model(input_ids=ids, labels=ids).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] / 2
        trained = model.eval()(ids).logits.detach().clone()
        model.save_pretrained(tmp_path / "adapter")
        fresh = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        torch.testing.assert_close(fresh(ids).logits, untouched)
        again = peft.PeftModel.from_pretrained(fresh, tmp_path / "adapter")
        torch.testing.assert_close(again(ids).logits, trained)
        assert again.generate(input_ids=ids, max_new_tokens=3, do_sample=False).shape[1] == LENGTH + 3
        merged = again.merge_and_unload()
        torch.testing.assert_close(merged(ids).logits, trained, atol=1e-4, rtol=1e-4)
        merged.save_pretrained(tmp_path / "merged")
        torch.testing.assert_close(zoo.load(tmp_path / "merged")(ids), trained, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def _classifiers():
    offers = zoo.entries(kind="model", tag="classification")
    return [offer for offer in offers if offer.plugin == "vision" or offer.entry.id == "dual-attention-vit"]


@pytest.mark.parametrize("offer", _classifiers(), ids=lambda offer: offer.entry.id)
def test_adapters_of_every_image_classifier_reach_what_it_computes(offer):
    peft = pytest.importorskip("peft")
    instance = small_instance(offer.entry)
    torch.manual_seed(0)
    network = zoo.load(offer.qualified, weights=None, config=OmegaConf.structured(instance)).double()
    try:
        base = zoo.as_transformers(network)
    except zoo.InputError:
        pytest.skip("it needs more than images")
    images = next(iter(example_of(offer.entry, instance).values())).double()
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules="all-linear")).eval()
    adapters = {name: value for name, value in model.named_parameters() if "lora_" in name}
    for value in adapters.values():
        torch.nn.init.normal_(value, std=0.1)

    def logits(network):
        torch.manual_seed(1)
        return network(pixel_values=images).logits

    adapted = logits(model)
    adapted.square().sum().backward()
    assert [name for name, value in adapters.items() if value.grad is None] == []
    torch.testing.assert_close(logits(model.merge_and_unload()), adapted, atol=1e-9, rtol=1e-9)


def test_accelerate_trains_in_two_processes(tmp_path):
    pytest.importorskip("accelerate")
    torch.manual_seed(0)
    model = zoo.load("tiny/rotary", weights=None)
    zoo.save(model, tmp_path / "model")
    worker = Path(__file__).parent / "accelerate_worker.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(worker)]
    path = f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [*command, str(tmp_path / "model"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reports = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [report["processes"] for report in reports] == [2, 2]
    assert [report["steps"] for report in reports] == [4, 4]
    assert reports[0]["sum"] == reports[1]["sum"]
    trained = zoo.load(tmp_path / "saved")
    # One process with batches of both is the same training.
    ids = torch.randint(3, 60, (16, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.1)
    for batch in ids.split(4):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    for ours, theirs in zip(trained.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_lightning_trains_and_reads_its_checkpoint(tmp_path):
    lightning = pytest.importorskip("pytorch_lightning")

    class Task(lightning.LightningModule):
        def __init__(self, seed: int = 0) -> None:
            super().__init__()
            self.model = _hosted(seed=seed).train()
            self.losses: list[float] = []

        def training_step(self, batch, _index):
            loss = self.model(**batch).loss
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    task = Task()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = lightning.Trainer(max_steps=20, default_root_dir=tmp_path, **quiet)
    trainer.fit(task, torch.utils.data.DataLoader(Counting(), batch_size=8))
    assert task.losses[-1] < task.losses[0] / 2
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    read = Task.load_from_checkpoint(tmp_path / "last.ckpt", seed=9)
    ids = Counting()[0]["input_ids"][None]
    assert torch.equal(read.model.eval()(ids).logits, task.model.eval()(ids).logits)


def test_lm_eval_scores_a_task_of_our_own(tmp_path):
    pytest.importorskip("lm_eval", reason="lm-eval is an extra of its own: pip install attention-zoo[lm-eval]")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model, tokenizer = _hosted(), _tokenizer()
    scorer = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=2, max_length=64, device="cpu")
    # Which number follows? Each case is asked for the log-likelihood of two continuations, of different lengths.
    cases = [("w1 w2 w3", " w4"), ("w1 w2 w3", " w9 w7"), ("w5 w6 w7 w8", " w9"), ("w5", " w6 w7 w8")]
    requests = [Instance("loglikelihood", {}, case, index) for index, case in enumerate(cases)]
    found = scorer.loglikelihood(requests, disable_tqdm=True)
    for (context, continuation), (score, greedy) in zip(cases, found, strict=True):
        start, ids = len(context.split()), tokenizer(context + continuation, return_tensors="pt").input_ids
        logits = model.zoo_module(ids).log_softmax(-1)[0, start - 1 : -1]
        expected = logits.gather(1, ids[0, start:, None]).sum()
        assert score == pytest.approx(expected.item(), abs=1e-4)
        assert greedy == bool((logits.argmax(-1) == ids[0, start:]).all())
