"""Whole runs through the real command line, from ranking JSONL to a model."""

import json
import math
import re

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

from tests.training.tiny import ranking_lines, write_rankings
from training.backbones.choose import load_backbone
from training.config import TrainConfig
from training.evaluation.formatting import percent
from training.runs.folder import RunFolder
from training.train import main

SMALL = [
    *("--backbone", "transformer", "--width", "32", "--heads", "4"),
    *("--layers", "1", "--vocabulary", "400"),
    *("--rankings-per-step", "8", "--learning-rate", "0.003", "--held-out-fraction", "0.25"),
]


def train(rankings, folder, *more):
    arguments = ["--rankings", str(rankings), "--run-folder", str(folder), *SMALL, *more]
    assert main(arguments) == 0
    return RunFolder(folder)


@pytest.fixture(scope="module")
def run(rankings_file, tmp_path_factory):
    return train(rankings_file, tmp_path_factory.mktemp("run"), "--epochs", "12")


@pytest.fixture(scope="module")
def events(run):
    found = EventAccumulator(str(run.tensorboard), size_guidance={"tensors": 0, "scalars": 0})
    found.Reload()
    return found


def test_a_run_leaves_its_files(run):
    assert {path.name for path in run.path.iterdir()} == {
        "config.json",
        "manifest.json",
        "held_out.json",
        "progress.json",
        "metrics.jsonl",
        "evaluations.jsonl",
        "metrics.json",
        "judgements.jsonl",
        "errors.jsonl",
        "report.md",
        "lock",
        "tensorboard",
        "model",
    }


def test_it_learns_what_can_be_learned(run):
    held_out, train = run.read_metrics()["held_out"], run.read_metrics()["train"]
    assert held_out["accuracy"] > 0.8
    assert train["loss"] < 0.5 < math.log(2) < run.metric_lines()[0]["loss"] + 0.2


def test_progress_ends_done(run):
    progress = run.read_progress()
    assert progress.state == "done"
    assert progress.step == progress.steps == run.read_metrics()["steps"]
    assert progress.reason is None


def test_there_is_a_line_for_each_step(run):
    lines = run.metric_lines()
    assert [line["step"] for line in lines] == list(range(1, run.read_metrics()["steps"] + 1))
    names = {"step", "loss", "accuracy", "learning_rate", "gradient_norm", "tokens_per_second"}
    assert all(set(line) == names | {"seconds"} for line in lines)
    assert all(line["gradient_norm"] > 0 for line in lines)
    assert all(0 <= line["accuracy"] <= 1 for line in lines)


def test_there_is_a_line_for_each_evaluation(run):
    metrics, lines = run.read_metrics(), run.evaluations()
    steps = metrics["steps"]
    assert [line["step"] for line in lines] == list(range(0, steps + 1, steps // 12))
    figures = {name: lines[-1][name] for name in ("loss", "log_loss", "accuracy")}
    assert figures == {name: metrics["held_out"][name] for name in figures}


def test_the_manifest_says_what_was_learned_from(run, rankings_file):
    manifest = run.read_manifest()
    assert manifest["project"] == rankings_file.name
    assert (manifest["prompts"], manifest["rankings"], manifest["all_tied"]) == (14, 28, 1)
    assert manifest["train_rankings"] + manifest["held_out_rankings"] == 27
    assert manifest["versions"]["torch"] == torch.__version__
    assert len(manifest["rankings_sha256"]) == 64
    assert manifest["device"] == "cpu, float32"


def test_the_settings_are_kept(run):
    assert run.read_config() == TrainConfig(
        backbone="transformer",
        width=32,
        heads=4,
        layers=1,
        vocabulary=400,
        rankings_per_step=8,
        learning_rate=0.003,
        held_out_fraction=0.25,
        epochs=12,
    )


def test_the_held_out_prompts_are_listed(run):
    assert len(run.held_out_prompts()) == run.read_metrics()["held_out"]["prompts"]


def test_curves_go_to_tensorboard(run, events):
    assert set(events.Tags()["scalars"]) == {
        "train/loss",
        "train/accuracy",
        "train/learning_rate",
        "train/gradient_norm",
        "train/tokens_per_second",
        "held_out/loss",
        "held_out/accuracy",
        "held_out/log_loss",
        "held_out/top1",
        "held_out/kendall_tau",
        "held_out/calibration_error",
        "held_out/near_equal_accuracy",
        "final/accuracy",
        "final/log_loss",
        "final/train_accuracy",
        "final/seconds",
        "final/parameters",
    }
    losses = [event.value for event in events.Scalars("train/loss")]
    assert losses == pytest.approx([line["loss"] for line in run.metric_lines()])
    held_out = events.Scalars("held_out/accuracy")
    assert held_out[0].step == 0
    assert held_out[-1].value == pytest.approx(run.read_metrics()["held_out"]["accuracy"])


def test_settings_go_to_tensorboard_beside_the_final_figures(run, events, rankings_file):
    logged = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    settings = parse_session_start_info_plugin_data(logged).hparams
    assert settings["data"].string_value == rankings_file.name
    assert settings["backbone"].string_value == "transformer"
    assert settings["epochs"].number_value == 12
    assert settings["learning_rate"].number_value == pytest.approx(0.003)
    assert not {"device", "lora_rank", "cell", "model"} & set(settings)
    metrics = run.read_metrics()
    for name, value in {
        "accuracy": metrics["held_out"]["accuracy"],
        "log_loss": metrics["held_out"]["log_loss"],
        "seconds": metrics["seconds"],
    }.items():
        [found] = events.Scalars(f"final/{name}")
        assert found.value == pytest.approx(value)


def test_held_out_texts_go_to_tensorboard(run, events):
    tags = [tag for tag in events.Tags()["tensors"] if tag.startswith("held_out/prompt_")]
    assert len(tags) == len(run.held_out_prompts())
    text = events.Tensors(tags[0])[-1].tensor_proto.string_val[0].decode()
    assert text.startswith("**user:** Write about")
    assert "| reward | human ranks | response |" in text


def test_the_report_has_the_figures_and_what_stands_beside_them(run, events):
    text = (run.path / "report.md").read_text()
    metrics = run.read_metrics()
    found = metrics["held_out"]
    assert f"| accuracy | {percent(found['accuracy'])}" in text
    assert f"| counting words | {percent(found['baselines']['word_counts']['accuracy'])}" in text
    assert "Two labellers agree on 100.0%" in text
    assert "| rankings that tie everything: not learned from | 1 |" in text
    assert "| responses cut at their end | 0 |" in text
    shown = events.Tensors("report/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert shown == text


def test_the_same_model_is_judged_where_it_learned(run):
    train = run.read_metrics()["train"]
    assert train["after"]["rankings"] == run.read_manifest()["train_rankings"]
    assert train["after"]["loss"] < train["loss"]


def test_the_worst_errors_are_kept_with_their_texts(rankings_file, tmp_path):
    run = train(rankings_file, tmp_path / "run", "--epochs", "1")  # hardly trained: it errs
    errors = [json.loads(line) for line in (run.path / "errors.jsonl").read_text().splitlines()]
    assert errors
    prompts = [error["prompt"] for error in errors]
    assert len(set(prompts)) == len(prompts)
    assert set(prompts) <= set(run.held_out_prompts())
    gaps = [error["better"]["reward"] - error["worse"]["reward"] for error in errors]
    assert gaps == sorted(gaps)
    assert gaps[-1] < 0
    for error in errors:
        assert error["better"]["rank"] < error["worse"]["rank"]
        goods = [error[which]["text"].split().count("good") for which in ("better", "worse")]
        assert goods[0] > goods[1]


def test_the_reliability_diagram_goes_to_tensorboard(run):
    found = EventAccumulator(str(run.tensorboard), size_guidance={"images": 0})
    found.Reload()
    (image,) = found.Images("held_out/reliability")
    assert image.width == image.height > 400


def test_words_are_not_counted_where_that_is_turned_off(rankings_file, tmp_path):
    run = train(rankings_file, tmp_path / "run", "--epochs", "1", "--baseline", "off")
    assert set(run.read_metrics()["held_out"]["baselines"]) == {"longer_wins"}
    assert "counting words" not in (run.path / "report.md").read_text()


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


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A run as it is by default: linear parts alone, because the rankings are few."""
    folder = tmp_path_factory.mktemp("chosen")
    rankings = write_rankings(folder / "rankings.jsonl", ranking_lines(40))
    run = RunFolder(folder / "run")
    assert main(["--rankings", str(rankings), "--run-folder", str(run.path)]) == 0
    return run


def test_by_default_a_linear_model_is_chosen_and_takes_no_steps(chosen):
    metrics = chosen.read_metrics()
    assert metrics["steps"] == 0
    assert metrics["train"]["loss"] is None
    assert metrics["choice"]["chosen"] == ["named", "words"]
    assert metrics["choice"]["network"] is None
    assert metrics["held_out"]["accuracy"] > 0.8
    assert chosen.read_progress().state == "done"


def test_what_was_chosen_stands_first_but_for_what_limits_the_figures(chosen):
    report = (chosen.path / "report.md").read_text()
    prompts = chosen.read_metrics()["choice"]["prompts"]
    words = "A linear model of features and words, chosen by cross-validation over"
    assert f"## The model\n\n{words} {prompts} training prompts." in report
    assert report.index(words) < report.index("## On held-out prompts")
    assert "| features and words |" in report
    assert "No encoder was tried." in report
    assert "as a linear model" in (chosen.model / "README.md").read_text()


def test_the_model_that_was_chosen_is_loaded_and_scores(chosen, tmp_path):
    config = chosen.read_config()
    backbone = load_backbone(chosen.model, config, torch.device("cpu"))
    assert type(backbone.model).__name__ == "PodiumFeaturesForSequenceClassification"
    assert backbone.model.network is None
    assert backbone.model.embedder is None


def test_ties_can_be_learned_beside_linear_parts(tmp_path):
    rankings = write_rankings(tmp_path / "rankings.jsonl", ranking_lines(40))
    run = train(rankings, tmp_path / "run", "--backbone", "auto", "--ties", "davidson")
    assert run.read_metrics()["steps"] > 0
    assert run.read_metrics()["davidson_nu"] > 0


def test_an_embedding_backbone_has_its_encoder(rankings_file, encoder_folder, tmp_path):
    """Random embeddings may help or not: who asks for them gets them."""
    more = ("--backbone", "embedding", "--model", str(encoder_folder), "--baseline", "off")
    run = train(rankings_file, tmp_path / "run", *more)
    choice = run.read_metrics()["choice"]
    assert all("embedded" in each["parts"] for each in choice["candidates"])
    report = (run.path / "report.md").read_text()
    assert "embeddings" in report
    assert "No encoder was tried." not in report
    assert str(encoder_folder) not in (run.model / "config.json").read_text()
    assert load_backbone(run.model, run.read_config(), torch.device("cpu")).model.embedder


@pytest.mark.parametrize("prompts", [2, 3])
def test_a_project_may_have_hardly_any_prompts(tmp_path, prompts):
    rankings = write_rankings(tmp_path / "rankings.jsonl", ranking_lines(prompts))
    run = train(rankings, tmp_path / "run", "--backbone", "auto", "--held-out-fraction", "0.5")
    assert f"over {prompts - 1} training prompt" in (run.path / "report.md").read_text()


def test_rankings_of_a_file_are_not_chosen_by_labeller(rankings_file, tmp_path, capsys):
    arguments = ["--rankings", str(rankings_file), "--run-folder", str(tmp_path / "run")]
    assert main([*arguments, "--labellers", "ann", "--ranked-in", "here"]) != 0
    assert "--labellers, --ranked-in: only for a project" in capsys.readouterr().err
