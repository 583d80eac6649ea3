"""The errors and the exit codes of the commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.training.tiny import ranking_lines, write_rankings
from tests.waiting import finish, wait_until
from training.config import TrainConfig
from training.runs.folder import Progress, RunFolder
from training.train import main

ROOT = Path(__file__).resolve().parents[2]


def refusal(capsys, *arguments):
    """The one line on standard error of a run that is refused."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--learningrate", "1"], "unrecognized arguments: --learningrate 1"),
        (["--epochs", "many"], "argument --epochs: invalid int value: 'many'"),
        (["--ties", "keep"], "argument --ties: invalid choice: 'keep'"),
        (["--epochs", "0"], "epochs must be at least 1 and at most 10,000, got 0"),
        (["--learning-rate", "nan"], "learning_rate must be above 0 and at most 1, got nan"),
        (["--width", "30"], "width must be even and a multiple of heads (4), got 30"),
        (["--device", "cuda"], "torch finds no cuda device; use --device cpu"),
    ],
)
def test_a_bad_setting_is_named(capsys, folder, rankings_file, arguments, words):
    found = refusal(capsys, "--run-folder", folder, "--rankings", rankings_file, *arguments)
    assert found.startswith(words)


def test_the_run_folder_is_required(capsys):
    assert "the following arguments are required: --run-folder" in refusal(capsys)


def test_a_project_or_a_file_is_required(capsys, folder):
    assert refusal(capsys, "--run-folder", folder).startswith("--project is missing")


def test_a_database_is_required(capsys, folder):
    found = refusal(capsys, "--run-folder", folder, "--project", "kitchen")
    assert found == "no database: give --database-url, or set DATABASE_URL"


def test_too_few_prompts_are_counted(capsys, folder, tmp_path):
    path = write_rankings(tmp_path / "one.jsonl", ranking_lines(2)[:2])
    assert refusal(capsys, "--run-folder", folder, "--rankings", path) == (
        "training needs at least two prompts with a comparison; one.jsonl has 1"
        " (2 rankings, 0 of them all tied)"
    )


def test_rankings_that_are_all_tied_are_counted(capsys, folder, tmp_path):
    lines = [
        line | {"ranking": [[response["id"] for response in line["responses"]]]}
        for line in ranking_lines(3)
    ]
    path = write_rankings(tmp_path / "tied.jsonl", lines)
    found = refusal(capsys, "--run-folder", folder, "--rankings", path)
    assert found.endswith("tied.jsonl has 0 (6 rankings, 6 of them all tied)")


def test_a_missing_model_folder_is_named(capsys, folder, rankings_file):
    found = refusal(
        capsys,
        *("--run-folder", folder, "--rankings", rankings_file),
        *("--backbone", "pretrained", "--model", "/no/such/folder"),
    )
    assert found.startswith("model folder /no/such/folder does not exist")


def test_a_failure_is_left_in_progress(capsys, folder):
    reason = refusal(capsys, "--run-folder", folder, "--rankings", "/no/such/file")
    progress = RunFolder(folder).read_progress()
    assert (progress.state, progress.reason) == ("failed", reason)
    assert reason == "rankings file /no/such/file does not exist"


def test_a_run_folder_that_cannot_be_made_is_named(capsys, tmp_path, rankings_file):
    (tmp_path / "file").write_text("in the way")
    assert main(["--run-folder", f"{tmp_path}/file/run", "--rankings", str(rankings_file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"error: Not a directory: {tmp_path}/file/run"


def test_a_folder_of_something_else_is_not_overwritten(capsys, gpt2_folder, rankings_file):
    found = refusal(capsys, "--run-folder", gpt2_folder, "--rankings", rankings_file)
    assert found.startswith("the folder holds something that is not a training run: ")
    assert (gpt2_folder / "config.json").exists()
    assert not (gpt2_folder / "progress.json").exists()


@pytest.mark.parametrize(
    "mistyped",
    [
        ["--rankings", "/no/such/file"],
        ["--project", "kitchen", "--database-url", "sqlite:////no/such/file"],
        ["--rankings", "/no/such/file", "--project", "kitchen"],
        ["--epochs", "0"],
    ],
)
def test_a_mistyped_command_leaves_an_earlier_run_alone(capsys, folder, mistyped):
    run = RunFolder(folder)
    run.start()
    run.write_config(TrainConfig())
    run.write_metrics({"steps": 5})
    run.write_progress(Progress("done"))
    refusal(capsys, "--run-folder", folder, *mistyped)
    assert run.read_metrics() == {"steps": 5}
    assert run.read_progress().state == "done"


def test_the_traceback_is_shown_when_asked_for(capsys, folder):
    arguments = ["--run-folder", str(folder), "--rankings", "/no/such/file", "--traceback"]
    assert main(arguments) == 2
    captured = capsys.readouterr().err
    assert "Traceback (most recent call last)" in captured
    assert captured.splitlines()[-1] == "error: rankings file /no/such/file does not exist"


def start(*arguments, begin):
    return begin(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_groups_every_setting(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for words in (
        "input and output:",
        "rankings:",
        "model:",
        "learning:",
        "evaluation:",
        "machine:",
    ):
        assert words in out


FOLDER = "FOLDER"  # stands for a folder of the test's own: a refusal is left in it
SOMEWHERE = ("--run-folder", FOLDER, "--rankings", "/no/such/file")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("train", "--help"), 0),
        (("score", "--help"), 0),
        (("compare", "--help"), 0),
        (("train",), 2),
        (("train", *SOMEWHERE, "--learningrate", "1"), 2),
        (("train", *SOMEWHERE, "--width", "30"), 2),
        (("train", *SOMEWHERE, "--project", "kitchen"), 2),
        (("score", "--run-folder", FOLDER), 2),
        (("compare", "--folder", FOLDER, "--vary", "width=64,65"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_help_and_mistyped_options_import_nothing_slow(tmp_path, command, code):
    module, *options = command
    options = [str(tmp_path / "run") if given == FOLDER else given for given in options]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", f"training.{module}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == code
    imported = {
        line.split("|")[2].strip().split(".")[0]
        for line in process.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "argparse" in imported
    assert not imported & {"torch", "transformers", "sqlalchemy", "pandas", "numpy", "safetensors"}


@pytest.mark.parametrize(
    ("number", "code", "begin"),
    [(signal.SIGTERM, 143, Forked), (signal.SIGINT, 130, subprocess.Popen)],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_ends_the_run_with_a_word(rankings_file, folder, number, code, begin):
    process = start(
        *("training.train", "--rankings", str(rankings_file), "--run-folder", str(folder)),
        *("--backbone", "transformer", "--width", "32", "--epochs", "9999"),
        begin=begin,
    )
    wait_until(RunFolder(folder).metric_lines, process)
    process.send_signal(number)
    err = finish(process)
    assert process.returncode == code
    assert err.splitlines()[-1] == f"stopped by {signal.Signals(number).name}"
    progress = RunFolder(folder).read_progress()
    assert (progress.state, progress.reason) == (
        "failed",
        f"stopped by {signal.Signals(number).name}",
    )
    assert not (folder / "model").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_is_answered_while_nothing_is_there_to_save_and_a_second_at_once(times):
    """The first during a slow import; the second while the first waits for a long step."""
    program = """
import os, signal, sys
from training.commandline import Parser, run
from training.runs.signals import saving_first

def work(arguments, folder):
    if sys.argv[1] == "1":
        signal.raise_signal(signal.SIGTERM)
        print("not reached")
    with saving_first():
        signal.raise_signal(signal.SIGTERM)
        print("goes on", flush=True)
        signal.raise_signal(signal.SIGTERM)
        print("not reached")

sys.exit(run(Parser("", ""), [], work))
"""
    process = subprocess.run(
        [sys.executable, "-c", program, str(times)], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == (143 if times == 1 else -signal.SIGTERM)
    assert process.stdout == ("" if times == 1 else "goes on\n")
    assert process.stderr == ("stopped by SIGTERM\n" if times == 1 else "")
