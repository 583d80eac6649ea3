"""A run never starts over: killed or stopped at any moment, it goes on to the same numbers."""

import json
import math
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest
import torch

from tests.training.loop.resumed import (
    KINDS,
    SMALL,
    assert_same,
    command,
    curve,
    finished,
    newest,
    start,
    stopped,
)
from tests.training.tiny import ranking_lines, write_rankings
from tests.waiting import finish, wait_until
from training.loop.checkpoint import steps_of
from training.runs.folder import RunFolder
from training.train import main


@pytest.fixture(scope="module")
def uninterrupted(rankings_file, tmp_path_factory):
    return finished(rankings_file, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def killed_once(rankings_file, tmp_path_factory):
    return stopped(rankings_file, tmp_path_factory.mktemp("killed") / "run")[0].path.parent


@pytest.fixture
def killed(killed_once, tmp_path):
    """A run that was killed, with its cache."""
    shutil.copytree(killed_once, tmp_path, dirs_exist_ok=True)
    return RunFolder(tmp_path / "run")


def test_a_killed_run_with_linear_parts_goes_on_to_the_same_numbers(tmp_path):
    """Its network learns with linear rewards that are found once, when the run begins."""
    rankings = write_rankings(tmp_path / "rankings.jsonl", ranking_lines(40))
    more = ("--backbone", "auto", "--network-from", "1")
    run, _ = stopped(rankings, tmp_path / "run", *more)
    assert main(command(rankings, run.path, *more)) == 0
    assert run.read_metrics()["choice"]["network"]["prompts"] > 5
    assert_same(run, finished(rankings, tmp_path / "whole" / "run", *more))


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_goes_on_to_the_same_numbers(
    rankings_file, gpt2_folder, reward_folder, tmp_path, kind
):
    model = reward_folder if kind == "a reward model" else gpt2_folder
    more = KINDS[kind] + (("--model", str(model)) if "pretrained" in KINDS[kind] else ())
    run, _ = stopped(rankings_file, tmp_path / "run", *more)
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 11, "lo')  # a line that was being written
    # TensorBoard orders files by the second in which they were begun, the newest last.
    [events] = run.tensorboard.iterdir()
    wait_until(lambda: int(time.time()) > int(events.name.split(".")[3]))
    finished(rankings_file, run.path, *more)
    whole = finished(rankings_file, tmp_path / "whole", *more)
    assert_same(run, whole)
    assert curve(run) == curve(whole)
    assert run.evaluations() == whole.evaluations()
    assert not run.checkpoints.exists()


def test_a_run_that_is_stopped_saves_first(rankings_file, tmp_path, uninterrupted):
    often = [*SMALL[:-1], "60"]  # no checkpoint but the one that the signal brings about
    run, process = stopped(rankings_file, tmp_path / "run", *often, number=signal.SIGTERM)
    assert process.returncode == 143
    step = len(run.metric_lines())
    assert process.err.splitlines()[-2:] == [
        f"saved after step {step}; run the same command to resume",
        "stopped by SIGTERM",
    ]
    assert newest(run).name == f"step-{step}"
    assert run.read_progress().reason == "stopped by SIGTERM"
    assert_same(finished(rankings_file, run.path), uninterrupted)


def test_two_processes_do_not_train_in_one_folder(rankings_file, tmp_path, capsys):
    process = start(rankings_file, tmp_path / "run", "--epochs", "2000")
    run = RunFolder(tmp_path / "run")
    wait_until(run.metric_lines, process)
    for more in ((), ("--restart",)):
        assert main(command(rankings_file, run.path, "--epochs", "2000", *more)) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            "error: another process is at work in this folder; wait for it, or stop it:"
            f" {run.path / 'lock'}"
        )
    assert process.poll() is None
    assert run.read_progress().state != "failed"
    process.kill()
    finish(process)


def test_time_goes_on_from_where_it_was(rankings_file, tmp_path):
    run, _ = stopped(rankings_file, tmp_path / "run", number=signal.SIGINT)
    before = run.metric_lines()[-1]["seconds"]
    finished(rankings_file, run.path)
    seconds = [line["seconds"] for line in run.metric_lines()]
    assert seconds == sorted(seconds)
    assert run.read_metrics()["seconds"] > seconds[-1] > before


def test_progress_tells_the_age_of_the_run_with_the_time_before_it_was_resumed(
    rankings_file, tmp_path
):
    more = ("--epochs", "2000")
    run, _ = stopped(rankings_file, tmp_path / "run", *more, number=signal.SIGTERM)
    first, lines = run.read_progress(), run.metric_lines()
    assert (first.step, round(first.seconds, 3)) == (lines[-1]["step"], lines[-1]["seconds"])
    stopped(rankings_file, run.path, *more, number=signal.SIGTERM, steps=len(lines) + 1)
    second, line = run.read_progress(), run.metric_lines()[-1]
    assert (second.step, round(second.seconds, 3)) == (line["step"], line["seconds"])
    assert second.step > first.step
    assert second.seconds > first.seconds


@pytest.mark.parametrize("damage", ["cut short", "other bytes", "no state.json"])
def test_where_the_newest_checkpoint_is_damaged_the_one_before_it_serves(
    rankings_file, tmp_path, killed, uninterrupted, damage, capsys
):
    path = newest(killed)
    tensors = path / "state.safetensors"
    if damage == "cut short":
        os.truncate(tensors, tensors.stat().st_size // 2)
    elif damage == "other bytes":
        with open(tensors, "r+b") as file:
            file.seek(-50, os.SEEK_END)
            file.write(b"X" * 50)
    else:
        (path / "state.json").unlink()
    before = steps_of(killed.checkpoints, "step")[-2]
    assert_same(finished(rankings_file, killed.path), uninterrupted)
    assert f"resumed after step {before}\n" in capsys.readouterr().err


def refusal(capsys, arguments):
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_other_settings_and_other_rankings_are_refused(rankings_file, tmp_path, killed, capsys):
    found = refusal(capsys, command(rankings_file, killed.path, "--learning-rate", "0.001"))
    assert found == (
        f"error: {killed.path} holds an unfinished run with --learning-rate 0.003, not 0.001;"
        " give what it began with to go on, or --restart to start over"
    )
    others = write_rankings(tmp_path / "rankings.jsonl.gz", ranking_lines(10))
    found = refusal(capsys, command(others, killed.path))
    assert "holds an unfinished run that learns from other rankings" in found
    finished(rankings_file, killed.path, "--tokens-per-batch", "512", "--log-every", "2")


def test_a_run_goes_on_with_as_few_tokens_at_a_time_as_it_is_asked_to(
    rankings_file, killed, capsys
):
    rows = []

    def watch(module, inputs):
        if isinstance(module, torch.nn.Embedding):
            rows.append(inputs[0].numel())

    hook = torch.nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        finished(rankings_file, killed.path, "--tokens-per-batch", "64")
    finally:
        hook.remove()
    assert "resumed" in capsys.readouterr().err
    assert max(rows) < 200  # one ranking at a time


def test_a_run_of_an_earlier_version_goes_on(rankings_file, killed, uninterrupted):
    path = killed.path / "config.json"
    config = json.loads(path.read_text())
    config["verdicts"] = config.pop("aggregation")
    config["centring"] = config.pop("reward_centering")
    path.write_text(json.dumps(config))
    assert_same(finished(rankings_file, killed.path, "--verdicts", "all"), uninterrupted)


def test_a_run_of_a_version_that_learned_each_ranking_by_itself_goes_on_as_it_began(
    rankings_file, killed, uninterrupted
):
    """Its steps are dealt out as that version did, so that none is learned twice or left out."""
    rankings, sets = (killed.read_manifest()[f"train_{name}"] for name in ("rankings", "sets"))
    assert rankings > sets + 4
    manifest = killed.read_manifest()
    del manifest["train_sets"]
    killed.write_manifest(manifest)
    metrics = finished(rankings_file, killed.path).read_metrics()
    assert metrics["steps"] == 15 * math.ceil(rankings / 4)
    assert uninterrupted.read_metrics()["steps"] == 15 * math.ceil(sets / 4)


def test_processes_that_a_launcher_starts_again_go_on(rankings_file, killed, capsys, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    finished(rankings_file, killed.path, "--restart")
    assert "resumed after step" in capsys.readouterr().err


def test_an_unfinished_run_can_be_begun_anew(rankings_file, tmp_path, killed, capsys):
    finished(rankings_file, killed.path, "--restart", "--epochs", "2")
    assert "going on" not in capsys.readouterr().err
    assert [line["step"] for line in killed.metric_lines()] == list(range(1, 7))
    assert len(list(killed.tensorboard.iterdir())) == 1


def test_rankings_whose_tokens_were_taken_away_are_tokenised_again(
    rankings_file, tmp_path, killed, uninterrupted
):
    for store in (tmp_path / "cache").iterdir():
        for file in store.iterdir():
            file.unlink()
        store.rmdir()
    assert_same(finished(rankings_file, killed.path), uninterrupted)


def test_a_full_disk_ends_a_run_and_leaves_its_checkpoint(
    rankings_file, tmp_path, killed, uninterrupted
):
    size = (newest(killed) / "state.safetensors").stat().st_size
    kept = steps_of(killed.checkpoints, "step")

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    process = start(rankings_file, killed.path, process=subprocess.Popen, preexec_fn=small_files)
    err = finish(process)
    assert process.returncode == 2
    assert err.splitlines()[-1].startswith("error: weights cannot be written: ")
    assert "Traceback" not in err
    assert killed.read_progress().reason.startswith("weights cannot be written: ")
    assert steps_of(killed.checkpoints, "step") == kept
    assert_same(finished(rankings_file, killed.path), uninterrupted)


def test_a_run_that_runs_out_of_memory_goes_on_with_smaller_batches(
    rankings_file, tmp_path, capsys, uninterrupted
):
    def small_memory(module, inputs):
        large = isinstance(module, torch.nn.Embedding) and inputs[0].numel() > 100
        if large and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("out of memory")

    hook = torch.nn.modules.module.register_module_forward_pre_hook(small_memory)
    try:
        run = finished(rankings_file, tmp_path / "run", "--tokens-per-batch", "512")
    finally:
        hook.remove()
    said = [line for line in capsys.readouterr().err.splitlines() if "out of memory" in line]
    assert said[0] == "out of memory: going on with --tokens-per-batch 256"
    assert len(said) == len(set(said)) <= 3
    losses, theirs = (
        [line["loss"] for line in found.metric_lines()] for found in (run, uninterrupted)
    )
    assert losses == pytest.approx(theirs, rel=1e-3)
