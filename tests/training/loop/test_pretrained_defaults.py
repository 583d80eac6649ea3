"""A pretrained model with its defaults: steps, validation, early stopping, limits and resuming."""

import json
import os
import subprocess
import sys

import pytest

from tests.forked import Forked
from tests.training.loop.resumed import ROOT, assert_same
from tests.training.tiny import ranking_lines, write_rankings
from tests.waiting import finish, wait_until
from training.loop.checkpoint import steps_of
from training.runs.folder import RunFolder
from training.train import main


@pytest.fixture
def forty(tmp_path):
    return write_rankings(tmp_path / "forty.jsonl", ranking_lines(40))


def arguments(rankings, model, folder, *more):
    given = {"--rankings": rankings, "--model": model, "--run-folder": folder}
    values = [str(part) for pair in given.items() for part in pair]
    return [*values, "--backbone", "pretrained", "--baseline", "off", *more]


def test_few_rankings_give_enough_steps_and_a_validated_end(forty, gpt2_folder, tmp_path, capsys):
    run = RunFolder(tmp_path / "run")
    assert main(arguments(forty, gpt2_folder, run.path)) == 0
    said = capsys.readouterr().err
    config, metrics, manifest = run.read_config(), run.read_metrics(), run.read_manifest()
    validated = manifest["train_prompts"] // 5
    sets = manifest["train_sets"] - validated
    assert (config.keep, config.patience) == ("best", 3)
    assert config.rankings_per_step == sets // 6
    assert config.epochs * -(-sets // config.rankings_per_step) >= 60
    assert (
        f"by the loss on {validated} training prompts that are not learned from, the run ends after"
        " 3 evaluations without a lower loss and the weights of the lowest loss are kept"
    ) in said
    assert "optimiser steps, and a pretrained model learns little" not in said
    assert metrics["stopping"]["prompts"] == validated
    assert metrics["kept_step"] <= metrics["steps"] <= metrics["stopping"]["planned_steps"]
    assert metrics["epochs"] <= config.epochs


def test_the_loss_on_held_out_prompts_chooses_nothing(forty, gpt2_folder, tmp_path):
    run = RunFolder(tmp_path / "run")
    assert main(arguments(forty, gpt2_folder, run.path)) == 0
    lines = (run.path / "evaluations.jsonl").read_text().splitlines()
    losses = {line["step"]: line["validation_loss"] for line in map(json.loads, lines)}
    assert run.read_metrics()["kept_step"] == min(losses, key=losses.get)


def test_too_few_prompts_for_validation_are_all_learned_from(gpt2_folder, tmp_path, capsys):
    few = write_rankings(tmp_path / "few.jsonl", ranking_lines(14))
    run = RunFolder(tmp_path / "run")
    assert main(arguments(few, gpt2_folder, run.path)) == 0
    config, metrics = run.read_config(), run.read_metrics()
    assert (config.keep, config.patience) == ("last", 0)
    assert metrics["kept_step"] == metrics["steps"] >= 60
    assert "stopping" not in metrics


def test_a_killed_run_resumes_with_what_it_decided(forty, gpt2_folder, tmp_path):
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    often = ("--checkpoint-minutes", "0.0001")
    command = arguments(forty, gpt2_folder, killed.path, *often)
    process = Forked(
        [sys.executable, "-m", "training.train", *command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(steps_of(killed.checkpoints, "step")) >= 2, process)
    process.kill()
    finish(process)
    assert killed.is_unfinished
    assert killed.read_config().epochs
    assert main(command) == 0
    assert main(arguments(forty, gpt2_folder, whole.path)) == 0
    assert_same(killed, whole)
    assert killed.read_config().epochs == whole.read_config().epochs


def test_texts_longer_than_the_model_reads_are_cut_and_counted(gpt2_folder, tmp_path, capsys):
    lines = ranking_lines(14)
    for line in lines[:2]:  # one prompt's
        line["prompt"] += " word" * 200
        line["responses"][0]["text"] += " word" * 200
    file = write_rankings(tmp_path / "long.jsonl", lines)
    run = RunFolder(tmp_path / "run")
    assert main(arguments(file, gpt2_folder, run.path, "--max-steps", "1")) == 0
    said = capsys.readouterr().err
    assert "at most 64 of a prompt and 64 of a response" in said  # it reads 128
    assert "cut: 1 prompt, 1 response" in said
    manifest = run.read_manifest()
    assert (manifest["truncated_prompts"], manifest["truncated_responses"]) == (1, 1)
    assert "| prompts cut at their beginning | 1 |" in (run.path / "report.md").read_text()
