"""Several settings on the same rankings: real runs, then a table of made-up ones."""

from dataclasses import replace

import pandas as pd
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.backend_context import Context

from tests.training.tiny import write_rankings
from training.compare import main
from training.config import TrainConfig
from training.programs.combinations import Combination
from training.programs.compare import markdown, tabulate
from training.runs.folder import RunFolder

TINY = [
    "--backbone=transformer",
    "--width=16",
    "--heads=2",
    "--vocabulary=300",
    "--epochs=1",
    "--device=cpu",
]


def test_every_combination_of_models_of_several_kinds_is_run_once_and_shown(tmp_path, capsys):
    rankings = write_rankings(tmp_path / "rankings.jsonl")
    command = ["--rankings", str(rankings), "--folder", str(tmp_path / "found"), *TINY]
    command += ["--vary", "backbone=transformer,rnn", "--vary", "learning-rate=0.01"]

    assert main(command) == 0
    table = capsys.readouterr().out
    folders = [
        RunFolder(tmp_path / "found" / f"backbone={kind},learning_rate=0.01,seed=0")
        for kind in ("transformer", "rnn")
    ]
    assert [folder.read_config().backbone for folder in folders] == ["transformer", "rnn"]
    assert [folder.read_config().learning_rate for folder in folders] == [0.01, 0.01]
    assert table.startswith("| backbone | learning_rate | held-out accuracy |")
    assert table.count("\n| transformer | 0.01 |") == table.count("\n| rnn | 0.01 |") == 1
    assert (tmp_path / "found" / "table.md").read_text() == table
    assert len(pd.read_csv(tmp_path / "found" / "table.csv")) == 2
    columns = hparams_columns(tmp_path / "found")
    assert {"data", "backbone", "seed", "cell", "heads", "final/accuracy"} <= columns
    assert not columns & {"device", "model"}  # without an effect on the result

    before = [folder.read_metrics()["seconds"] for folder in folders]
    assert main(command) == 0
    assert capsys.readouterr().out == table
    assert [folder.read_metrics()["seconds"] for folder in folders] == before


def hparams_columns(folder):
    """Return the columns of TensorBoard's HParams page for the runs of a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    page, request = Context(TBContext(data_provider=provider)), RequestContext()
    experiment = page.experiment_from_metadata(
        request, "", True, page.hparams_metadata(request, ""), []
    )
    return {one.name for one in experiment.hparam_infos} | {
        one.name.tag for one in experiment.metric_infos
    }


def finished(path, judgements, loss=0.5):
    folder = RunFolder(path)
    folder.path.mkdir()
    names = ("prompt", "agreed", "comparisons")
    folder.write_judgements(dict(zip(names, row, strict=True)) for row in judgements)
    held_out = {"accuracy": sum(a for _, a, _ in judgements) / len(judgements), "loss": loss}
    folder.append_metric_line({"tokens_per_second": 100.0})
    folder.write_metrics(
        {
            "held_out": held_out,
            "train": {"after": {"accuracy": 0.9}},
            "seconds": 3.0,
            "parameters": 1234,
        }
    )
    return folder


def made_up(path, name, *runs):
    folders = [finished(path / f"{name}{seed}", run) for seed, run in enumerate(runs)]
    return Combination({"cell": name}, [TrainConfig()] * len(runs), folders)


def right(count):
    """Eight held-out prompts of one comparison each, of which so many are right."""
    return [(str(prompt), float(prompt < count), 1) for prompt in range(8)]


def test_a_row_is_the_mean_over_seeds_with_its_interval_over_prompts(tmp_path):
    table = tabulate(
        [made_up(tmp_path, "gru", right(4), right(6)), made_up(tmp_path, "lstm", right(6))]
    )
    assert table["accuracy"].tolist() == [5 / 8, 6 / 8]
    assert table["runs"].tolist() == [2, 1]
    assert table["against"].tolist() == [0.0, 1 / 8]
    assert (table["low"] < table["accuracy"]).all()
    assert (table["accuracy"] < table["high"]).all()


def test_a_setting_may_be_named_as_a_figure_is(tmp_path):
    found = replace(made_up(tmp_path, "gru", right(4)), values={"loss": "plackett-luce"})
    assert markdown(tabulate([found])).splitlines()[-1].startswith("| plackett-luce | 50.0% ")


def test_the_difference_is_paired_over_prompts(tmp_path):
    same = tabulate([made_up(tmp_path, "a", right(4)), made_up(tmp_path, "b", right(4))])
    assert same[["against", "against_low", "against_high"]].iloc[1].tolist() == [0.0, 0.0, 0.0]


def test_few_prompts_have_no_interval(tmp_path):
    table = tabulate([made_up(tmp_path, "gru", right(4)[:3])])
    few = "(3 held-out prompts: not a measurement) 100.0%"
    assert f"| gru | {few} | +0.0% | 0.5000 | 90.0% | 3 | 100 | 1,234 |" in markdown(table)


def test_the_loss_is_shown_beside_that_of_guessing(tmp_path):
    found = made_up(tmp_path, "gru", right(4))
    metrics = found.folders[0].read_metrics()
    metrics["held_out"]["chance_loss"] = 1.0609
    found.folders[0].write_metrics(metrics)
    assert "| 0.5000 (1.061) |" in markdown(tabulate([found]))


@pytest.mark.parametrize("recorded", [True, False])
def test_figures_on_other_comparisons_than_the_first_rows_are_marked(tmp_path, recorded):
    """Runs of earlier versions have no digest: their prompts and numbers of comparisons tell."""
    rows = [
        made_up(tmp_path, "a", right(4)),
        made_up(tmp_path, "b", right(5)),
        made_up(tmp_path, "c", [(name, agreed, 2) for name, agreed, _ in right(6)]),
    ]
    for row, digest in zip(rows, ("one", "one", "two"), strict=True):
        metrics = row.folders[0].read_metrics()
        if recorded:
            metrics["held_out"]["comparisons_sha256"] = digest
        row.folders[0].write_metrics(metrics)
    assert "†" not in markdown(tabulate(rows[:2]))
    lines = markdown(tabulate(rows)).splitlines()
    assert ["†" in line for line in lines[2:5]] == [False, False, True]
    assert "| † |" in lines[4]
    assert lines[-1] == "† on other held-out comparisons than the first row: not comparable"


@pytest.mark.parametrize(
    ("vary", "reason"),
    [
        ("cell", "--vary takes SETTING=VALUE,VALUE"),
        ("cell=", "--vary takes SETTING=VALUE,VALUE"),
        ("seed=1,2", "--vary takes SETTING=VALUE,VALUE"),
        ("cells=gru", "unrecognized arguments: --cells=gru"),
        ("cell=gru,cnn", "invalid choice: 'cnn'"),
        ("width=64,65", "width must be even"),
    ],
)
def test_a_bad_combination_is_refused_before_any_run(tmp_path, capsys, vary, reason):
    rankings = write_rankings(tmp_path / "rankings.jsonl")
    command = ["--rankings", str(rankings), "--folder", str(tmp_path / "found"), "--vary", vary]
    assert main(command) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "found").exists()


def test_the_reason_of_a_run_that_failed_is_passed_on(tmp_path, capsys):
    command = ["--rankings", str(tmp_path / "none.jsonl"), "--folder", str(tmp_path / "found")]
    assert main([*command, "--vary", "cell=gru"]) == 2
    assert "none.jsonl does not exist" in capsys.readouterr().err
