"""The end of a run: out of memory, out of patience, and which weights are kept."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.loop.resumed import command, finished, newest
from tests.training.tiny import ranking_lines, write_rankings
from training.runs.folder import RunFolder
from training.train import main

BY_HELD_OUT = ("--choose-by", "held-out")


def test_a_loss_that_is_not_a_number_leaves_the_last_good_checkpoint(
    rankings_file, tmp_path, capsys
):
    diverging = ("--learning-rate", "1", "--max-grad-norm", "1e38", "--warmup-ratio", "0")
    assert main(command(rankings_file, tmp_path, *diverging, "--weight-decay", "10")) == 2
    assert "the loss is not a number at step" in capsys.readouterr().err.splitlines()[-1]
    run = RunFolder(tmp_path)
    state = load_file(newest(run) / "state.safetensors")
    assert all(tensor.isfinite().all() for tensor in state.values() if tensor.is_floating_point())


def test_memory_that_never_is_enough_ends_a_run(rankings_file, tmp_path, capsys):
    def no_memory(module, inputs):
        raise torch.OutOfMemoryError("out of memory")

    hook = torch.nn.modules.module.register_module_forward_pre_hook(no_memory)
    try:
        assert main(command(rankings_file, tmp_path / "run")) == 2
    finally:
        hook.remove()
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: out of memory: lower --tokens-per-batch, or choose a smaller model"
    )


def test_a_run_ends_where_the_held_out_loss_does_not_fall_any_more(rankings_file, tmp_path):
    overfitting = ("--learning-rate", "0.05", "--epochs", "60", "--evaluate-every", "3")
    run = finished(rankings_file, tmp_path / "run", *overfitting, "--patience", "4", *BY_HELD_OUT)
    found = EventAccumulator(str(run.tensorboard))
    found.Reload()
    losses = [event.value for event in found.Scalars("held_out/loss")]
    assert run.read_metrics()["steps"] < run.read_progress().steps
    assert losses.index(min(losses)) == len(losses) - 1 - 4


def test_the_best_weights_can_be_kept(rankings_file, tmp_path):
    overfitting = ("--learning-rate", "0.05", "--epochs", "10", "--evaluate-every", "3")
    last = finished(rankings_file, tmp_path / "last", *overfitting)
    best = finished(rankings_file, tmp_path / "best", *overfitting, "--keep", "best", *BY_HELD_OUT)
    found = EventAccumulator(str(best.tensorboard))
    found.Reload()
    losses = {event.step: event.value for event in found.Scalars("held_out/loss")}
    metrics = best.read_metrics()
    assert metrics["kept_step"] == min(losses, key=losses.get) < metrics["steps"]
    assert metrics["held_out"]["loss"] == pytest.approx(min(losses.values()))
    assert "slightly too high" in (best.path / "report.md").read_text()
    assert "stopping" not in last.read_metrics()
    assert last.read_metrics()["held_out"]["loss"] > metrics["held_out"]["loss"]
    assert json.loads((best.path / "config.json").read_text())["keep"] == "best"


def test_a_part_of_the_training_prompts_chooses_the_weights(rankings_file, tmp_path, capsys):
    overfitting = ("--learning-rate", "0.05", "--epochs", "10", "--evaluate-every", "3")
    chosen = ("--keep", "best")
    run = finished(rankings_file, tmp_path / "run", *overfitting, *chosen)
    found = EventAccumulator(str(run.tensorboard))
    found.Reload()
    best = {
        name: min(found.Scalars(f"held_out/{name}"), key=lambda event: event.value).step
        for name in ("loss", "validation_loss")
    }
    metrics = run.read_metrics()
    assert metrics["kept_step"] == best["validation_loss"] != best["loss"]
    stopping = metrics["stopping"]
    said = f"The weights are those of step {metrics['kept_step']} of {metrics['steps']}, which had"
    said += f" the lowest loss on {stopping['prompts']} training prompts that are not learned from."
    assert (run.path / "report.md").read_text().index(said) < 2000
    assert said in capsys.readouterr().err
    assert metrics["train"]["rankings"] < run.read_manifest()["train_rankings"]


def test_too_few_prompts_cannot_choose_the_weights(tmp_path, capsys):
    few = write_rankings(tmp_path / "few.jsonl", ranking_lines(5))
    chosen = ("--keep", "best", "--choose-by", "validation")
    assert main(command(few, tmp_path / "run", *chosen)) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: --patience and --keep best need at least 5 training prompts;"
        " leave them out, or use --choose-by held-out"
    )
