"""Whole runs through the real command line, from ranking JSONL to a model."""

import json
import math
import re

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.tiny import ranking_lines, write_rankings
from tests.training.whole_runs import SMALL, train
from training.runs.folder import RunFolder
from training.train import main


@pytest.mark.parametrize("kind", [("transformer", "gru"), ("rnn", "gru"), ("rnn", "lstm")])
def test_the_same_seed_gives_the_same_numbers(rankings_file, tmp_path, kind):
    more = ("--epochs", "1", "--backbone", kind[0], "--cell", kind[1])
    first = train(rankings_file, tmp_path / "1", *more, "--seed", "5")
    second = train(rankings_file, tmp_path / "2", *more, "--seed", "5")
    other = train(rankings_file, tmp_path / "3", *more, "--seed", "6")
    losses = [[line["loss"] for line in run.metric_lines()] for run in (first, second, other)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    weights = [(run.model / "model.safetensors").read_bytes() for run in (first, second)]
    assert weights[0] == weights[1]
    assert first.read_metrics()["held_out"] == second.read_metrics()["held_out"]


def test_a_second_run_finds_the_tokens(rankings_file, tmp_path, capsys):
    again = ("--epochs", "1", "--cache-folder", str(tmp_path / "tokens"))
    first = train(rankings_file, tmp_path / "1", *again)
    assert "from cache" not in capsys.readouterr().err
    second = train(rankings_file, tmp_path / "2", *again)
    assert "tokens from cache" in capsys.readouterr().err
    losses = [[line["loss"] for line in run.metric_lines()] for run in (first, second)]
    assert losses[0] == losses[1]
    assert first.read_manifest() == second.read_manifest()
    key = first.read_manifest()["tokens_key"]
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == [key]


def test_tokens_are_kept_beside_the_run(rankings_file, tmp_path):
    run = train(rankings_file, tmp_path / "run", "--epochs", "1")
    assert (tmp_path / "cache" / run.read_manifest()["tokens_key"]).is_dir()


def test_a_run_ends_after_the_most_steps_that_it_may_take(rankings_file, tmp_path):
    run = train(rankings_file, tmp_path / "run", "--epochs", "5", "--max-steps", "4")
    assert run.read_metrics()["steps"] == len(run.metric_lines()) == 4
    assert run.read_progress().state == "done"


def test_some_people_are_learned_from_and_others_judged_by(rankings_file, tmp_path):
    run = train(rankings_file, tmp_path / "run", "--epochs", "1", "--held-out-by", "labeller")
    counts = run.read_manifest()
    assert {counts["train_rankings"], counts["held_out_rankings"]} == {13, 14}
    assert counts["train_prompts"] + counts["held_out_prompts"] == 27
    assert len(run.held_out_prompts()) == counts["held_out_prompts"] - 13


def test_a_pretrained_model_is_trained_from_a_folder(rankings_file, gpt2_folder, tmp_path):
    run = train(
        rankings_file,
        tmp_path / "run",
        *("--backbone", "pretrained", "--model", str(gpt2_folder), "--ties", "half"),
        *("--max-prompt-tokens", "64", "--max-response-tokens", "64", "--epochs", "2"),
    )
    assert run.read_manifest()["layout"] == "shared"
    assert run.read_metrics()["held_out"]["loss"] > 0
    assert (run.model / "chat_template.jinja").read_text().count("Assistant:")


@pytest.mark.parametrize("backbone", ["transformer", "rnn", "pretrained"])
def test_bf16_trains_and_saves_float32(rankings_file, gpt2_folder, tmp_path, backbone):
    run = train(
        rankings_file,
        tmp_path / "run",
        *("--backbone", backbone, "--precision", "bf16"),
        *(("--model", str(gpt2_folder)) if backbone == "pretrained" else ()),
        *("--max-prompt-tokens", "64", "--max-response-tokens", "64", "--epochs", "2"),
    )
    assert run.read_manifest()["device"] == "cpu, bf16"
    assert run.metric_lines()[-1]["loss"] < 1
    assert json.loads((run.model / "config.json").read_text())["dtype"] == "float32"


def test_an_earlier_run_in_the_folder_is_replaced(rankings_file, tmp_path):
    train(rankings_file, tmp_path / "run", "--epochs", "2")
    run = train(rankings_file, tmp_path / "run", "--epochs", "1")
    assert len(run.metric_lines()) == run.read_metrics()["steps"]
    assert len(list(run.tensorboard.iterdir())) == 1


def test_evaluations_and_lines_come_as_often_as_asked(rankings_file, tmp_path):
    run = train(
        rankings_file,
        tmp_path / "run",
        "--epochs",
        "3",
        "--evaluate-every",
        "2",
        "--log-every",
        "3",
    )
    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    steps = run.read_metrics()["steps"]
    assert [event.step for event in events.Scalars("held_out/loss")] == [0, 2, 4, steps]
    assert [line["step"] for line in run.metric_lines()] == [3, steps]


def test_a_loss_that_is_not_a_number_ends_the_run(rankings_file, tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ["--rankings", str(rankings_file), "--run-folder", str(folder), *SMALL]
    arguments += ["--epochs", "50", "--learning-rate", "1", "--max-grad-norm", "1e38"]
    arguments += ["--warmup-ratio", "0", "--weight-decay", "10"]
    if main(arguments) == 0:
        pytest.fail("this run was expected to diverge")
    assert "the loss is not a number at step" in capsys.readouterr().err
    progress = RunFolder(folder).read_progress()
    assert progress.state == "failed"
    assert progress.reason.startswith("the loss is not a number at step")
    assert not (folder / "model").exists()


def test_a_progress_bar_is_shown_when_asked_for(rankings_file, tmp_path, capsys):
    train(rankings_file, tmp_path / "run", "--epochs", "1", "--progress-bar", "yes")
    with_bar = capsys.readouterr().err
    train(rankings_file, tmp_path / "run", "--epochs", "1")
    assert "100%|" in with_bar
    assert "loss=" in with_bar
    for state in ("loading", "tokenizing", "training", "evaluating", "counting"):
        assert re.search(rf"{state}:? +\d+%\|.*<", with_bar), state  # with the time left
    assert "%|" not in capsys.readouterr().err


def test_lines_begin_with_their_time_when_asked_for(rankings_file, tmp_path, capsys):
    train(rankings_file, tmp_path / "run", "--epochs", "1", "--log-times")
    step = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d training (\d+)/\1 ", re.MULTILINE)
    assert step.search(capsys.readouterr().err)


def test_two_prompts_are_enough(tmp_path, capsys):
    lines = [line for line in ranking_lines(3) if len(line["ranking"]) > 1][:4]
    run = train(write_rankings(tmp_path / "two.jsonl", lines), tmp_path / "run", "--epochs", "1")
    assert run.read_metrics()["held_out"]["prompts"] == 1
    assert run.read_metrics()["held_out"]["accuracy_low"] is None
    json.dumps(run.read_metrics(), allow_nan=False)


def test_odd_and_long_texts_are_learned_from_and_counted(tmp_path):
    lines = ranking_lines()
    lines[0]["responses"][0]["text"] = "\x07\x1b[2J\x7f\u202e bells and signs"
    lines[2]["responses"][1]["text"] = "a response longer than the context " * 50
    lines[4]["prompt"] = "a prompt longer than the context " * 50
    path = write_rankings(tmp_path / "odd.jsonl", lines)
    limits = ("--max-prompt-tokens", "40", "--max-response-tokens", "40")
    manifest = train(path, tmp_path / "run", *limits).read_manifest()
    assert manifest["truncated_prompts"] >= 1
    assert manifest["truncated_responses"] >= 1
    report = (tmp_path / "run" / "report.md").read_text()
    assert "| responses cut at their end |" in report.replace("  ", " ")


@pytest.mark.parametrize("batching", ["grouped", "shuffled"])
def test_what_the_cut_made_equal_is_neither_learned_from_nor_evaluated(tmp_path, capsys, batching):
    """Each ranking keeps the comparisons with its short response; the report says so first."""
    lines = ranking_lines(12, labellers=("ann",))[:11]
    for line in lines:
        texts = {name: f"{'river stone ' * 40} {name}" for name in "ab"} | {"c": "short"}
        line["responses"] = [{"id": name, "text": text} for name, text in texts.items()]
        line["ranking"] = [["a"], ["b"], ["c"]]
    path = write_rankings(tmp_path / "rankings.jsonl", lines)
    cut = ["--max-response-tokens", "16", "--batching", batching]
    found = train(path, tmp_path / "run", *cut)
    metrics = found.read_metrics()
    assert metrics["held_out"]["comparisons"] == 2 * metrics["held_out"]["prompts"]
    assert metrics["train"]["comparisons"] == 2 * metrics["train"]["prompts"]
    assert metrics["held_out"]["chance_loss"] == pytest.approx(math.log(2))
    assert metrics["left_out"]["cut_equal_comparisons"] == 11
    said = (
        "11 comparisons were left out: their responses are equal after the cut."
        " Raise --max-response-tokens."
    )
    assert f"warning: {said}" in capsys.readouterr().err
    report = (found.path / "report.md").read_text()
    assert report.startswith("**")
    assert report.index(said) < report.index("# Reward model")
    whole = train(path, tmp_path / "whole", "--max-response-tokens", "400", "--epochs", "1")
    digests = [run.read_metrics()["held_out"]["comparisons_sha256"] for run in (found, whole)]
    assert digests[0] != digests[1]


def test_rankings_of_a_file_are_not_chosen_by_labeller(rankings_file, tmp_path, capsys):
    arguments = ["--rankings", str(rankings_file), "--run-folder", str(tmp_path / "run")]
    assert main([*arguments, "--labellers", "ann", "--ranked-in", "here"]) != 0
    assert "--labellers, --ranked-in: only for a project" in capsys.readouterr().err
