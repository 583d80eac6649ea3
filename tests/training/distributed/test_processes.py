"""One run in several processes comes to what it comes to in one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from django.db import connection

from labelapp.jobs.environment import database_url
from tests.training.tiny import ranking_lines, write_rankings
from training.config import TrainConfig
from training.data.examples import Example
from training.data.packing import shares
from training.distributed.processes import ALONE
from training.runs.folder import RunFolder
from training.train import main

ROOT = Path(__file__).resolve().parents[3]
SMALL = (
    *("--rankings-per-step", "5", "--learning-rate", "0.003", "--held-out-fraction", "0.25"),
    *("--epochs", "5", "--evaluate-every", "4", "--tokens-per-batch", "256"),
)
SCRATCH = ("--width", "32", "--vocabulary", "400", "--ties", "davidson", "--keep", "best")
PRETRAINED = (
    *("--backbone", "pretrained", "--max-prompt-tokens", "64", "--max-response-tokens", "64"),
    *("--weight-decay", "0.1"),
)


def command(rankings, folder, *more):
    """Rankings are in a file, or in a project of the database with that URL."""
    place = ["--rankings", str(rankings)]
    if "://" in str(rankings):
        place = ["--database-url", rankings, "--project", "kitchen"]
    return [*place, "--run-folder", str(folder), *SMALL, *more]


def start(rankings, folder, *more, count=2):
    """torchrun, as a user starts it."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    torchrun += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]  # any port that is free
    return subprocess.Popen(
        [*torchrun, "-m", "training.train", *command(rankings, folder, *more)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def in_processes(rankings, folder, *more, count=2):
    process = start(rankings, folder, *more, count=count)
    errors = process.communicate(timeout=600)[1]
    assert process.returncode == 0, errors
    return RunFolder(folder), errors


def in_one(rankings, folder, *more):
    assert main(command(rankings, folder, *more)) == 0
    return RunFolder(folder)


def assert_same(run, alone):
    """To the rounding of sums that are added up in another order."""
    lines, theirs = run.metric_lines(), alone.metric_lines()
    assert len(lines) == len(theirs)
    for name in ("loss", "accuracy", "learning_rate"):
        found, wanted = ([line[name] for line in rows] for rows in (lines, theirs))
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5), name
    metrics, wanted = run.read_metrics(), alone.read_metrics()
    for name in ("steps", "kept_step", "tokens", "parameters"):
        assert metrics[name] == wanted[name]
    for side in ("train", "held_out"):
        assert metrics[side]["loss"] == pytest.approx(wanted[side]["loss"], rel=1e-3)
        assert metrics[side]["comparisons"] == wanted[side]["comparisons"]


def test_two_processes_have_the_loss_curve_of_one(rankings_file, tmp_path):
    run, said = in_processes(rankings_file, tmp_path / "two", *SCRATCH)
    assert_same(run, in_one(rankings_file, tmp_path / "one", *SCRATCH))
    assert said.count("rankings of") == 1  # one of them speaks
    assert run.read_progress().state == "done"
    assert "2 processes" in run.read_manifest()["device"]


@pytest.mark.parametrize("more", [(), ("--lora-rank", "2", "--gradient-checkpointing", "on")])
def test_shared_weights_have_the_loss_curve_of_one(rankings_file, gpt2_folder, tmp_path, more):
    settings = (*PRETRAINED, "--model", str(gpt2_folder), "--sharding", "fsdp", *more)
    run, _ = in_processes(rankings_file, tmp_path / "two", *settings)
    assert_same(run, in_one(rankings_file, tmp_path / "one", *settings))


def test_one_of_them_reads_the_database(
    transactional_db, add_prompt, add_ranking, labeller, tmp_path
):
    for number in range(12):
        prompt = add_prompt(f"Question {number}?", ["good", "good good", "stone", f"{number}"])
        add_ranking(prompt, labeller, [2, 1, 3, 4])
    few = ("--width", "32", "--vocabulary", "400", "--max-steps", "6")
    url = database_url(connection.settings_dict)
    run, _ = in_processes(url, tmp_path / "two", *few)
    assert_same(run, in_one(url, tmp_path / "one", *few))
    assert run.read_manifest()["rankings"] == 12


def test_a_refusal_is_said_by_all_in_a_line(tmp_path):
    path = write_rankings(tmp_path / "one.jsonl", ranking_lines(2)[:2])
    process = start(path, tmp_path / "run")
    errors = process.communicate(timeout=300)[1]
    reason = "training needs at least two prompts with a comparison; one.jsonl has 1"
    assert process.returncode != 0
    assert f"error: {reason}" in errors
    assert f"error: process 1 ends with the first one: {reason}" in errors
    assert "Connection closed by peer" not in errors
    assert RunFolder(tmp_path / "run").read_progress().reason.startswith(reason)


def test_more_processes_than_a_step_has_rankings(rankings_file, tmp_path):
    few = ("--rankings-per-step", "2", "--max-steps", "3", "--width", "32", "--vocabulary", "400")
    run, _ = in_processes(rankings_file, tmp_path / "three", *few, count=3)
    assert_same(run, in_one(rankings_file, tmp_path / "one", *few))


def stopped_in(rankings, folder, *more):
    """A run of two processes of which one is killed in the middle."""
    often = ("--checkpoint-minutes", "0.0001", "--epochs", "60")
    process = start(rankings, folder, *more, *often)
    run = RunFolder(folder)
    deadline = time.monotonic() + 300
    while len(run.metric_lines()) < 12 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    process.communicate(timeout=90)
    assert process.returncode != 0
    assert run.is_unfinished
    return run, often


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_where_one_process_is_killed_all_go_on_later(rankings_file, gpt2_folder, tmp_path, kind):
    more = SCRATCH[:-2] if kind == "ddp" else (*PRETRAINED, "--model", str(gpt2_folder))
    more = (*more, "--sharding", kind, "--max-steps", "24")
    run, often = stopped_in(rankings_file, tmp_path / "run", *more)
    if kind == "fsdp":
        in_processes(rankings_file, run.path, *more, *often)
    else:  # a checkpoint does not say how many there were
        in_one(rankings_file, run.path, *more, *often)
    assert_same(run, in_one(rankings_file, tmp_path / "one", *more, *often))


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_a_run_of_two_that_is_stopped_saves_first(rankings_file, gpt2_folder, tmp_path, kind):
    more = SCRATCH if kind == "ddp" else (*PRETRAINED, "--model", str(gpt2_folder))
    more = (*more, "--sharding", kind, "--epochs", "2000")
    process = start(rankings_file, tmp_path / "run", *more)
    run = RunFolder(tmp_path / "run")
    deadline = time.monotonic() + 300
    while len(run.metric_lines()) < 8 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.terminate()  # torchrun hands it on
    process.communicate(timeout=120)
    assert run.is_unfinished
    assert run.read_progress().reason == "stopped by SIGTERM"


def test_shares_are_of_like_size():
    sizes = [90, 80, 10, 10, 10, 40, 40, 20]
    examples = [Example(np.zeros(n, np.int32), []) for n in sizes]
    found = shares(examples, lambda some: sum(e.tokens for e in some), 3)
    assert sorted(place for share in found for place in share) == list(range(len(sizes)))
    assert sorted(sum(sizes[place] for place in share) for share in found) == [100, 100, 100]
    assert shares(examples[:1], len, 3) == [[0], [], []]


def test_alone_nothing_is_asked_of_others():
    assert not ALONE.replicated
    assert ALONE.total([1.5, 2.0]) == [1.5, 2.0]
    assert ALONE.gather("value") == ["value"]
    assert list(ALONE.mine("abc")) == ["a", "b", "c"]
    assert [ALONE.another(True), ALONE.another(False)] == [True, False]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sharding": "fsdp"}, "sharding fsdp is for backbone pretrained"),
        ({"sharding": "fsdp", "backbone": "pretrained", "optimizer": "muon"}, "got muon"),
    ],
)
def test_what_cannot_be_shared_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        TrainConfig(**values)
