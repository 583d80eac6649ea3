"""A run in several processes gives the results of the same run in one process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.db import connection

from labelapp.jobs.environment import database_url
from tests.forked import Forked
from tests.training.tiny import ranking_lines, save_pretrained_folder, write_rankings
from tests.waiting import finish, wait_until
from training.config import TrainConfig
from training.data.examples import Example
from training.data.packing import shares
from training.distributed.processes import SINGLE_PROCESS
from training.runs.folder import RunFolder
from training.train import main

ROOT = Path(__file__).resolve().parents[3]
SMALL = [
    "--rankings-per-step", "5", "--learning-rate", "0.003", "--held-out-fraction", "0.25",
    "--epochs", "5", "--evaluate-every", "4", "--tokens-per-batch", "256",
]  # fmt: skip
SCRATCH = (
    "--backbone",
    "transformer",
    "--width",
    "32",
    "--vocabulary",
    "400",
    "--ties",
    "davidson",
    "--keep",
    "best",
)
PRETRAINED = [
    "--backbone", "pretrained", "--max-prompt-tokens", "64", "--max-response-tokens", "64",
    "--weight-decay", "0.1",
]  # fmt: skip


def command(rankings, folder, *more):
    """Return the arguments of a run on a rankings file, or on a project of a database URL."""
    source = ["--rankings", str(rankings)]
    if "://" in str(rankings):
        source = ["--database-url", rankings, "--project", "kitchen"]
    return [*source, "--run-folder", str(folder), *SMALL, *more]


def start(rankings, folder, *more, count=2):
    return Forked(
        [sys.executable, "-m", "training.train", *command(rankings, folder, *more)], count=count
    )


def start_torchrun(rankings, folder, *more, count=2):
    """Start torchrun as a user does."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    torchrun += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]  # any free port
    return subprocess.Popen(
        [*torchrun, "-m", "training.train", *command(rankings, folder, *more)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def in_processes(rankings, folder, *more, count=2, start=start):
    process = start(rankings, folder, *more, count=count)
    errors = finish(process)
    assert process.returncode == 0, errors
    return RunFolder(folder), errors


def in_one_process(rankings, folder, *more):
    assert main(command(rankings, folder, *more)) == 0
    return RunFolder(folder)


def assert_same_results(run, expected_run):
    """Compare two runs up to the rounding of sums in another order."""
    lines, expected_lines = run.metric_lines(), expected_run.metric_lines()
    assert len(lines) == len(expected_lines)
    for name in ("loss", "accuracy", "learning_rate"):
        found, expected = ([line[name] for line in rows] for rows in (lines, expected_lines))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5), name
    metrics, expected = run.read_metrics(), expected_run.read_metrics()
    for name in ("steps", "kept_step", "tokens", "parameters"):
        assert metrics[name] == expected[name]
    for split in ("train", "held_out"):
        assert metrics[split]["loss"] == pytest.approx(expected[split]["loss"], rel=1e-3)
        assert metrics[split]["comparisons"] == expected[split]["comparisons"]


def test_two_processes_have_the_loss_curve_of_one_process(rankings_file, tmp_path):
    run, errors = in_processes(rankings_file, tmp_path / "two", *SCRATCH, start=start_torchrun)
    assert_same_results(run, in_one_process(rankings_file, tmp_path / "one", *SCRATCH))
    assert errors.count("rankings of") == 1  # only the first process reports
    assert run.read_progress().state == "done"
    assert "2 processes" in run.read_manifest()["device"]


def of_three_responses(line):
    """A ranking of the first three of its responses by somebody else, in another order."""
    few = line["responses"][2::-1]
    names = {response["id"] for response in few}
    tied = [[name for name in group if name in names] for group in line["ranking"]]
    return line | {"responses": few, "ranking": [*filter(None, tied)], "labeller": "cem"}


def test_two_processes_learn_several_rankings_of_the_same_responses(tmp_path):
    lines = ranking_lines(10)
    lines = [*lines, *map(of_three_responses, lines[::2])]
    path = write_rankings(tmp_path / "several.jsonl", lines)
    # With a validation part, the first batch would have responses of equal texts, whose rewards are
    # ordered by rounding alone.
    settings = (*SCRATCH, "--choose-by", "held-out")
    run, _ = in_processes(path, tmp_path / "two", *settings)
    assert_same_results(run, in_one_process(path, tmp_path / "one", *settings))
    found = run.read_manifest()
    assert found["train_sets"] == found["train_prompts"] < found["train_rankings"] / 2
    assert run.read_metrics()["train"]["rankings"] == found["train_rankings"]


@pytest.mark.parametrize("more", [(), ("--lora-rank", "2", "--gradient-checkpointing", "on")])
def test_sharded_weights_have_the_loss_curve_of_one_process(
    rankings_file, gpt2_folder, tmp_path, more
):
    settings = (*PRETRAINED, "--model", str(gpt2_folder), "--sharding", "fsdp", *more)
    run, _ = in_processes(rankings_file, tmp_path / "two", *settings)
    assert_same_results(run, in_one_process(rankings_file, tmp_path / "one", *settings))


def test_only_the_first_process_reads_the_database(
    transactional_db, add_prompt, add_ranking, labeller, tmp_path
):
    for number in range(12):
        prompt = add_prompt(f"Question {number}?", ["good", "good good", "stone", f"{number}"])
        add_ranking(prompt, labeller, [2, 1, 3, 4])
    few = ("--backbone", "transformer", "--width", "32", "--vocabulary", "400", "--max-steps", "6")
    url = database_url(connection.settings_dict)
    run, _ = in_processes(url, tmp_path / "two", *few)
    assert_same_results(run, in_one_process(url, tmp_path / "one", *few))
    assert run.read_manifest()["rankings"] == 12


def test_every_process_reports_an_error_in_one_line(tmp_path):
    path = write_rankings(tmp_path / "one.jsonl", ranking_lines(2)[:2])
    process = start_torchrun(path, tmp_path / "run")
    errors = finish(process)
    reason = "training needs at least two prompts with a comparison; one.jsonl has 1"
    assert process.returncode != 0
    assert f"error: {reason}" in errors
    assert f"error: process 1 stops because the first one failed: {reason}" in errors
    assert "Connection closed by peer" not in errors
    assert RunFolder(tmp_path / "run").read_progress().reason.startswith(reason)


@pytest.mark.parametrize("model", ["from scratch", "with buffers"])
def test_a_step_may_have_fewer_rankings_than_processes(rankings_file, tmp_path, model):
    few = ("--rankings-per-step", "2", "--max-steps", "3", "--device", "cpu")
    if model == "with buffers":
        folder = save_pretrained_folder(tmp_path / "llama", "llama")
        few += (*PRETRAINED, "--model", str(folder))
    else:
        few += ("--backbone", "transformer", "--width", "32", "--vocabulary", "400")
    run, errors = in_processes(rankings_file, tmp_path / "three", *few, count=3)
    assert "find_unused_parameters" not in errors
    assert_same_results(run, in_one_process(rankings_file, tmp_path / "one", *few))


def run_with_a_killed_process(rankings, folder, *more):
    """Start a run of two processes, and kill one of them at the first checkpoint."""
    process = start(rankings, folder, *more, "--checkpoint-minutes", "0.0001")
    run = RunFolder(folder)
    wait_until(lambda: run.is_unfinished, process)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    finish(process)
    assert process.returncode != 0
    assert run.is_unfinished
    return run


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_a_run_resumes_after_one_process_was_killed(rankings_file, gpt2_folder, tmp_path, kind):
    more = SCRATCH[:-2] if kind == "ddp" else (*PRETRAINED, "--model", str(gpt2_folder))
    more = (*more, "--sharding", kind, "--epochs", "60", "--max-steps", "60")
    run = run_with_a_killed_process(rankings_file, tmp_path / "run", *more)
    if kind == "fsdp":
        in_processes(rankings_file, run.path, *more)
    else:  # a checkpoint does not depend on the number of processes
        in_one_process(rankings_file, run.path, *more)
    assert_same_results(run, in_one_process(rankings_file, tmp_path / "one", *more))


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_a_stopped_run_saves_a_checkpoint_first(rankings_file, gpt2_folder, tmp_path, kind):
    more = SCRATCH if kind == "ddp" else (*PRETRAINED, "--model", str(gpt2_folder))
    more = (*more, "--sharding", kind, "--epochs", "2000")
    process = start(rankings_file, tmp_path / "run", *more)
    run = RunFolder(tmp_path / "run")
    wait_until(lambda: len(run.metric_lines()) >= 8, process)
    process.terminate()  # torchrun forwards the signal
    finish(process)
    assert run.is_unfinished
    assert run.read_progress().reason == "stopped by SIGTERM"


def test_shares_have_similar_sizes():
    sizes = [90, 80, 10, 10, 10, 40, 40, 20]
    examples = [Example(np.zeros(n, np.int32), []) for n in sizes]
    found = shares(examples, lambda some: sum(e.tokens for e in some), 3)
    assert sorted(place for share in found for place in share) == list(range(len(sizes)))
    assert sorted(sum(sizes[place] for place in share) for share in found) == [100, 100, 100]
    assert shares(examples[:1], len, 3) == [[0], [], []]


def test_a_group_of_one_process_communicates_nothing():
    assert not SINGLE_PROCESS.replicated
    assert SINGLE_PROCESS.sum([1.5, 2.0]) == [1.5, 2.0]
    assert SINGLE_PROCESS.all_gather("value") == ["value"]
    assert list(SINGLE_PROCESS.own_share("abc")) == ["a", "b", "c"]
    assert SINGLE_PROCESS.should_compute(True)
    assert not SINGLE_PROCESS.should_compute(False)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sharding": "fsdp"}, "sharding fsdp is for backbone pretrained"),
        ({"sharding": "fsdp", "backbone": "pretrained", "optimizer": "muon"}, "got muon"),
    ],
)
def test_settings_that_cannot_be_sharded_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        TrainConfig(**values)
