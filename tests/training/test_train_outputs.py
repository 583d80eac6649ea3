"""What a run writes: its files, its logs, TensorBoard and its report."""

import json
import math

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

from tests.training.whole_runs import train
from training.config import TrainConfig
from training.evaluation.formatting import percent
from training.runs.folder import RunFolder
from training.runs.progress import MetricLog


@pytest.fixture(scope="module")
def run(rankings_file, tmp_path_factory):
    return train(rankings_file, tmp_path_factory.mktemp("run"), "--epochs", "12")


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


def test_histograms_of_rewards_and_margins_go_to_tensorboard(run):
    found = histograms(run.tensorboard)
    held_out = run.read_metrics()["held_out"]
    [rewards], [margins] = (found.Histograms(f"held_out/{each}") for each in ("rewards", "margins"))
    assert rewards.step == margins.step == run.read_metrics()["kept_step"]
    spread, leads = rewards.histogram_value, margins.histogram_value
    mean = spread.sum / spread.num
    assert mean == pytest.approx(held_out["reward_mean"], abs=1e-6)
    deviation = math.sqrt(spread.sum_squares / spread.num - mean**2)
    assert deviation == pytest.approx(held_out["reward_std"], rel=1e-4)
    assert leads.num == sum(leads.bucket) == held_out["comparisons"]
    assert leads.sum / leads.num > 0  # the better response is ahead
    assert len(leads.bucket) > 20


@pytest.mark.parametrize(
    ("values", "known"), [([1e30, -1e30, math.nan], 2), ([0.0, 0.0], 2), ([math.inf], 0), ([], 0)]
)
def test_a_histogram_of_vast_or_equal_or_no_numbers_is_no_failure(tmp_path, values, known):
    folder = RunFolder(tmp_path)
    log = MetricLog(folder)
    log.histogram("rewards", np.array(values), 1)
    log.close()
    tags = histograms(folder.tensorboard).Tags()["histograms"]
    assert tags == (["rewards"] if known else [])
    if known:
        [event] = histograms(folder.tensorboard).Histograms("rewards")
        assert event.histogram_value.num == sum(event.histogram_value.bucket) == known


def histograms(path):
    found = EventAccumulator(str(path), size_guidance={"histograms": 0})
    found.Reload()
    return found


def test_words_are_not_counted_where_that_is_turned_off(rankings_file, tmp_path):
    run = train(rankings_file, tmp_path / "run", "--epochs", "1", "--baseline", "off")
    assert set(run.read_metrics()["held_out"]["baselines"]) == {"longer_wins"}
    assert "counting words" not in (run.path / "report.md").read_text()


@pytest.fixture(scope="module")
def events(run):
    found = EventAccumulator(str(run.tensorboard), size_guidance={"tensors": 0, "scalars": 0})
    found.Reload()
    return found
