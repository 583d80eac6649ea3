"""The tabs of a run's page: who sees them, and what they say."""

import argparse
import html
import io
import re
import shlex
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import Exclusion, Member, Project, State, TrainingRun, User
from labelapp.runs import process
from labelapp.runs.one_run import run_plots, settings_table
from labelapp.runs.run_verdict import verdict_on
from labelapp.runs.time_left import training_seconds_left
from tests.conftest import sign_in
from tests.labelapp import drawn
from training.config import TrainConfig, add_arguments, from_arguments

pytestmark = pytest.mark.django_db

RUNS = "/projects/kitchen/runs/"
TABS = ("", "curves/", "errors/", "data/", "settings/", "files/", "log/")
STEPS = 40


def beside(accuracy: float, gain: float, low: float, high: float) -> dict[str, float]:
    return {"accuracy": accuracy, "gain": gain, "gain_low": low, "gain_high": high}


def figures(**changed: Any) -> dict[str, Any]:
    """The figures of a model that is better than its baselines."""
    near = {"accuracy": 0.718, "accuracy_low": 0.68, "accuracy_high": 0.75, "comparisons": 1200}
    return {
        "prompts": 201, "rankings": 400, "comparisons": 3480, "accuracy": 0.761,
        "accuracy_low": 0.733, "accuracy_high": 0.788, "loss": 0.512, "longer_wins": 0.637,
        "near_equal": near,
        "baselines": {
            "longer_wins": beside(0.637, 0.124, 0.09, 0.15),
            "word_counts": beside(0.662, 0.099, 0.07, 0.127)
            | {"near_equal": beside(0.554, 0.164, 0.11, 0.2)},
        },
        "calibration": {
            "ece": 0.017,
            "bins": [{"low": 0.5, "high": 0.55, "comparisons": 7, "confidence": 0.52,
                      "accuracy": 0.571}, {"low": 0.55, "high": 0.6, "comparisons": 0}],
        },
    } | changed  # fmt: skip


@pytest.fixture
def run(project: Project) -> TrainingRun:
    """A finished run with a folder."""
    config = TrainConfig(backbone="rnn", epochs=7, seed=3)
    people = {"agreement": 0.81, "agreement_low": 0.78, "agreement_high": 0.83, "pairs": 900}
    run = TrainingRun.objects.create(
        project=project,
        state=State.DONE,
        finished_at=timezone.now(),
        config=config.to_json(),
        folder="runs/7-abc",
        metrics={"held_out": figures(), "labellers_agree": {"held_out": people}, "seconds": 95.0},
    )
    folder = process.run_folder(run)
    folder.path.mkdir(parents=True)
    folder.write_config(config)
    for step in range(1, STEPS + 1):
        folder.append_metric_line(
            {
                "step": step, "loss": 1 / step, "accuracy": 0.6, "learning_rate": 1e-3,
                "gradient_norm": 2.5, "tokens_per_second": 1234.5, "seconds": 0.5 * step,
            }
        )  # fmt: skip
    for step in (0, STEPS):
        folder.append_evaluation({"step": step, "loss": 0.69, "accuracy": 0.55})
    return run


def text_of(page: str) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def get(member: Member, run: TrainingRun, path: str = "") -> str:
    answer = sign_in(member).get(f"{RUNS}{run.pk}/{path}")
    assert answer.status_code == 200
    return str(answer.content.decode())


# Who may see them


@pytest.mark.parametrize("path", TABS)
def test_reviewers_and_managers_see_the_tabs(
    run: TrainingRun, reviewer: Member, manager: Member, labeller: Member, outsider: User, path: str
) -> None:
    url = f"{RUNS}{run.pk}/{path}"
    for member in (reviewer, manager):
        page = sign_in(member).get(url)
        assert page.status_code == 200
        current = re.findall(r'<a href="([^"]*)" aria-current="page">', page.content.decode())
        assert url in current
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(outsider).get(url).status_code == 404
    assert Client().get(url).status_code == 302
    assert sign_in(manager).post(url).status_code == 405
    Project.objects.create(name="Attic", slug="attic")
    manager.user.is_superuser = True
    manager.user.save()
    assert sign_in(manager).get(url.replace("kitchen", "attic")).status_code == 404


@pytest.mark.parametrize("path", TABS)
def test_a_tab_takes_as_many_queries_for_many_runs_and_rankings(
    run: TrainingRun, manager: Member, path: str
) -> None:
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as few:
        client.get(f"{RUNS}{run.pk}/{path}")
    for number in range(5):
        TrainingRun.objects.create(
            project=run.project, state=State.DONE, finished_at=timezone.now(), config=run.config,
            metrics=run.metrics, folder=f"runs/{number}",
        )  # fmt: skip
    with CaptureQueriesContext(connection) as many:
        client.get(f"{RUNS}{run.pk}/{path}")
    assert len(many) <= len(few)


# The verdict


@pytest.mark.parametrize(
    ("changed", "headline"),
    [
        ({}, "Worth using: better than every baseline, and 4.9 points below people’s agreement."),
        (
            {"baselines": {"longer_wins": beside(0.7, 0.06, -0.01, 0.12)}},
            "Not proven: not measurably better than always preferring the longer response.",
        ),
        (
            {"baselines": {"word_counts": beside(0.8, -0.04, -0.08, 0.01)}},
            "Not worth using: no better than counting words.",
        ),
        (
            {"baselines": {"word_counts": beside(0.6, 0.16, 0.1, 0.2)
                           | {"near_equal": beside(0.7, 0.01, -0.03, 0.05)}}},
            ("Of limited use: better than every baseline, but not measurably so at near-equal"
            " length."),
        ),
        (
            {"baselines": {"word_counts": beside(0.66, 0.1, 0.07, 0.13),
                           "longer_wins": beside(0.65, 0.11, -0.01, 0.2)}},
            "Not proven: not measurably better than always preferring the longer response.",
        ),
        ({"prompts": 1}, "Not known: 1 held-out prompt is too few to judge the model."),
        (
            {"accuracy": 0.85},
            ("Worth using: better than every baseline, and as accurate as people agree with each"
            " other."),
        ),
    ],
)  # fmt: skip
def test_a_run_begins_with_the_verdict_on_its_model(
    run: TrainingRun, manager: Member, changed: dict[str, Any], headline: str
) -> None:
    run.metrics["held_out"] |= changed
    run.save()
    page = get(manager, run)
    assert headline in text_of(page)
    assert page.index('id="verdict-title"') < page.index('class="figures"')


def test_the_verdict_gives_its_figures(run: TrainingRun, manager: Member) -> None:
    words = text_of(get(manager, run))
    for sentence in (
        (
            "The model orders 76.1\u202f% (95\u00a0% interval 73.3–78.8) of the 3,480 comparisons"
            " on 201 held-out prompts as people did."
        ),
        (
            "Counting words, the better baseline, reaches 66.2\u202f%: a lead of +9.9 points"
            " (95\u00a0% interval +7.0 to +12.7)."
        ),
        (
            "it orders 71.8\u202f% (95\u00a0% interval 68.0–75.0) of 1,200 comparisons, and the"
            " baseline 55.4\u202f%: a lead of +16.4 points (95\u00a0% interval +11.0 to +20.0)."
        ),
        "Two people agree on 81.0\u202f% (95\u00a0% interval 78.0–83.0)",
    ):
        assert " ".join(sentence.split()) in words


def test_the_head_has_the_name_the_note_and_the_tags(run: TrainingRun, manager: Member) -> None:
    assert f"<h1>Run {run.pk}</h1>" in get(manager, run)
    run.name, run.note, run.tags = "Seven <b>epochs</b>", "Too long?", "rnn slow"
    run.save()
    page = get(manager, run, "log/")
    assert "<h1>Seven &lt;b&gt;epochs&lt;/b&gt;</h1>" in page
    assert f"Run {run.pk} · " in page
    assert "Too long?" in page
    assert f'href="{RUNS}?tag=slow"' in page


def test_figures_of_an_earlier_version_give_no_verdict(run: TrainingRun, manager: Member) -> None:
    run.metrics = {"held_out": {"accuracy": 0.7, "prompts": 40, "baselines": "?"}}
    run.save()
    assert verdict_on(run) is None
    assert 'id="verdict-title"' not in get(manager, run)


# Curves


def test_curves_have_axes_units_legend_and_a_table(run: TrainingRun, manager: Member) -> None:
    page = get(manager, run, "curves/")
    words = text_of(page)
    for title in (
        "Loss", "Accuracy", "Learning rate", "Gradient norm, before clipping", "Speed",
        "tokens per second", "accuracy, in %", "step",
    ):  # fmt: skip
        assert f" {title} " in words
    assert page.count('role="img"') == 5
    assert "Held-out prompts" in words
    table = page[page.index('id="learning-values"') :]
    assert text_of(table).count("0.690") == 2
    assert " 1,234 " in words or " 1,235 " in words


@pytest.mark.parametrize(
    ("query", "pale"), [("", True), ("?smoothing=none", False), ("?smoothing=strong", True)]
)
def test_a_smoothed_line_has_the_raw_one_behind_it(
    run: TrainingRun, manager: Member, query: str, pale: bool
) -> None:
    page = get(manager, run, f"curves/{query}")
    styles = [one["style"] for one in drawn.charts(page)["plot-loss"]["series"]]
    assert ("pale" in styles) is pale
    assert page[page.index("<main") :].count('aria-current="true"') == 2  # smoothing and scale


def test_loss_is_shown_on_a_logarithmic_axis_when_asked(run: TrainingRun, manager: Member) -> None:
    for query, is_log in (("", False), ("?smoothing=none&scale=log", True)):
        page = get(manager, run, f"curves/{query}")
        charts = drawn.charts(page)
        assert ("log" in charts["plot-loss"]["y"]) is is_log
        assert "log" not in charts["plot-accuracy"]["y"]
    assert 'href="?smoothing=strong&amp;scale=log"' in page


def test_the_curves_are_the_logged_values(run: TrainingRun, manager: Member) -> None:
    charts = drawn.charts(get(manager, run, "curves/?smoothing=none"))
    lines = process.run_folder(run).metric_lines()
    for key, name, factor in (
        ("plot-loss", "loss", 1), ("plot-accuracy", "accuracy", 100),
        ("plot-learning-rate", "learning_rate", 1), ("plot-gradient-norm", "gradient_norm", 1),
        ("plot-speed", "tokens_per_second", 1),
    ):  # fmt: skip
        training = charts[key]["series"][0]
        logged = {line["step"]: factor * line[name] for line in lines if name in line}
        assert dict(zip(training["x"], training["y"], strict=True)) == logged


def test_only_administrators_see_the_way_to_tensorboard(run: TrainingRun, manager: Member) -> None:
    assert "TensorBoard" not in get(manager, run, "curves/")
    manager.user.is_staff = True
    manager.user.save()
    assert 'href="/tensorboard/">TensorBoard</a>' in get(manager, run, "curves/")


def test_a_run_without_steps_says_why_it_has_no_curves(run: TrainingRun, manager: Member) -> None:
    TrainingRun.objects.update(folder="runs/none")
    assert "fitted at once" in get(manager, run, "curves/")


@pytest.mark.parametrize("path", ["", "curves/", "log/"])
def test_what_changes_is_fetched_again_only_while_the_run_goes_on(
    run: TrainingRun, manager: Member, path: str
) -> None:
    page = get(manager, run, path)
    assert "hx-get" not in page[page.index("<main") : page.index("</main>")]
    TrainingRun.objects.update(state=State.RUNNING, finished_at=None, heartbeat_at=timezone.now())
    page = get(manager, run, path)
    assert f'hx-get="{RUNS}{run.pk}/{path}"' in page
    assert 'hx-select="#tab"' in page


def test_the_time_left_follows_from_the_latest_steps(run: TrainingRun, manager: Member) -> None:
    assert training_seconds_left(run) is None
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, finished_at=None, stage="training", done=STEPS, total=STEPS + 120,
        heartbeat_at=timezone.now(),
    )  # fmt: skip
    run.refresh_from_db()
    assert training_seconds_left(run) == pytest.approx(60.0)
    assert "about 1\u00a0min 0\u00a0s of training left" in get(manager, run)


# Data


MANIFEST = {
    "prompts": 73, "rankings": 219, "comparisons": 1589, "all_tied": 8, "duplicates": 2,
    "chosen": 219, "train_prompts": 60, "train_rankings": 180, "held_out_prompts": 13,
    "held_out_rankings": 39, "truncated_prompts": 4, "truncated_responses": 0,
    "dropped_rankings": 5, "refusals": {"No <b>system</b> role": 5}, "cut_equal_rankings": 0,
    "cut_equal_comparisons": 6, "rankings_by_labeller": [100, 79, 40],
    "rankings_sha256": "ab" * 32, "device": "cpu, float32", "versions": {"torch": "2.13.0"},
}  # fmt: skip


def test_the_data_are_counted_and_what_was_left_out_has_a_reason(
    run: TrainingRun, manager: Member
) -> None:
    run.manifest = MANIFEST
    run.metrics["held_out"]["comparisons_sha256"] = "cd" * 32
    run.save()
    page = get(manager, run, "data/")
    words = text_of(page)
    for count in (
        "rankings by 3 labellers: 100, 79, 40 219",
        "prompts cut at their beginning longer than max_prompt_tokens 4",
        "rankings trained on on 60 prompts, 82.2\u202f% 180",
        "rankings held out on 13 prompts, 17.8\u202f% 39",
        "rankings given twice 2",
        "rankings that tie everything 8",
        "rankings whose prompt the chat template refuses “No <b>system</b> role” 5",
        "comparisons whose responses are equal after the cut 6",
        f"SHA-256 of the rankings {'ab' * 32}",
        f"SHA-256 of the held-out comparisons {'cd' * 32}",
    ):
        assert " ".join(count.split()) in words, count
    assert "responses cut" not in words
    assert "<b>system" not in page


def test_the_data_say_who_was_left_out_when_the_run_began(
    run: TrainingRun, manager: Member, project: Project
) -> None:
    run.manifest, run.started_at = MANIFEST, timezone.now()
    run.save()
    hour = timedelta(hours=1)
    for name, begun, ended in (("ann", -2, None), ("bob", -2, -1), ("carl", 1, None)):
        member = Member.objects.create(project=project, name=name)
        Exclusion.objects.create(
            member=member,
            reason="?",
            created_at=run.started_at + begun * hour,
            ended_at=run.started_at + ended * hour if ended else None,
        )
    words = text_of(get(manager, run, "data/"))
    assert "labeller left out by a manager ann 1" in words
    assert "carl" not in words


def test_data_in_a_running_runs_folder_are_shown(run: TrainingRun, manager: Member) -> None:
    process.run_folder(run).write_manifest({"rankings": 7, "prompts": 3})
    TrainingRun.objects.update(state=State.RUNNING, finished_at=None, heartbeat_at=timezone.now())
    assert "prompts with a ranking 3" in text_of(get(manager, run, "data/"))


def entry(name: str, value: Any, comparisons: int, accuracy: float) -> dict[str, Any]:
    ends = {"accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.04}
    return {name: value, "comparisons": comparisons, "accuracy": accuracy, **ends}


def test_the_accuracy_of_each_group_has_its_interval_and_count(
    run: TrainingRun, manager: Member
) -> None:
    run.metrics["held_out"] |= {
        "by_gap": [entry("gap", 1, 192, 0.641), entry("gap", 3, 1370, 0.7)],
        "by_length": [entry("length", "over_twice", 77, 0.935)],
        "by_responses": [{"responses": 4, "comparisons": 60, "accuracy": 0.9}],
        "by_labeller": [
            entry("labeller", f"ann{number}", 10 + number, 0.5) for number in range(25)
        ],
        "by_source": [entry("source", "", 5, 0.8), "odd", {"source": "x"}],
    }
    run.save()
    words = text_of(get(manager, run, "data/"))
    for row in (
        "1 apart · 192 64.1\u202f% 59.1–68.1",
        "3 or more ranks apart · 1,370 70.0\u202f% 65.0–74.0",
        "more than twice as long · 77 93.5\u202f% 88.5–97.5",
        "4 responses · 60 90.0\u202f%",
        "The 20 largest of 25 groups.",
        "unknown source · 5 80.0\u202f%",
    ):
        assert " ".join(row.split()) in words, row
    assert words.index("ann24 · 34") < words.index("ann23 · 33")
    assert "ann4 ·" not in words
    assert "1 apart · 192" in text_of(get(manager, run))
    run.metrics["held_out"]["prompts"] = 3
    run.save()
    assert "1 apart · 192" not in text_of(get(manager, run, "data/"))


# Settings


def test_changed_settings_come_first_and_each_is_explained(
    run: TrainingRun, manager: Member
) -> None:
    page = get(manager, run, "settings/")
    [changed, _] = page.split('<th scope="rowgroup" colspan="3">Model</th>')
    assert re.findall(r'<th scope="row"><code>(\w+)</code>', changed) == [
        "backbone", "epochs", "seed",
    ]  # fmt: skip
    assert text_of(changed).endswith(
        "seed Random seed of the initial weights and of the order of the data. 3 0"
    )


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(backbone="rnn", epochs=7, seed=3),
        TrainConfig(backbone="pretrained", model="org/a model", lora_rank=8, keep="best"),
        TrainConfig(backbone="pretrained", optimizer="sgd", learning_rate=0.01),
        TrainConfig(backbone="transformer", optimizer="adafactor", ties="davidson"),
    ],
)
def test_the_command_repeats_the_run(run: TrainingRun, config: TrainConfig) -> None:
    run.config = config.to_json()
    program, *arguments = shlex.split(settings_table.command(run))
    assert [program, *arguments[:3]] == [
        "python", "manage.py", "train_reward", "--project=kitchen",
    ]  # fmt: skip
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert from_arguments(parser.parse_args(arguments[3:])) == config


# Files


def test_a_manager_downloads_the_files(run: TrainingRun, manager: Member) -> None:
    folder = process.run_folder(run)
    folder.model.mkdir()
    (folder.model / "model.safetensors").write_bytes(b"w" * 3_000_000)
    (folder.path / "lock").write_text("1")
    (folder.path / "secret").symlink_to("/etc/hostname")
    folder.write_metrics({"seconds": 1})
    client = sign_in(manager)
    page = get(manager, run, "files/")
    for name in ("metrics.json", "model.zip", "run.zip"):
        assert f'href="{RUNS}{run.pk}/files/{name}"' in page
    one = client.get(f"{RUNS}{run.pk}/files/metrics.json")
    assert b"".join(one.streaming_content) == (folder.path / "metrics.json").read_bytes()
    assert f'filename="run-{run.pk}-metrics.json"' in one["Content-Disposition"]
    packed = client.get(f"{RUNS}{run.pk}/files/run.zip")
    chunks = list(packed.streaming_content)
    assert max(map(len, chunks)) < 2_000_000  # not all at once
    archive = ZipFile(io.BytesIO(b"".join(chunks)))
    assert archive.testzip() is None
    root = f"run-{run.pk}-run"
    assert set(archive.namelist()) == {
        f"{root}/{name}" for name in (
            "config.json", "evaluations.jsonl", "metrics.json", "metrics.jsonl",
            "model/model.safetensors",
        )
    }  # fmt: skip
    assert archive.read(f"{root}/model/model.safetensors") == b"w" * 3_000_000


@pytest.mark.parametrize(
    "name",
    ["lock", "secret", "../7-abc/config.json", "..%2fx", "model", "nothing.json", "model.zip"],
)
def test_no_other_file_is_sent(run: TrainingRun, manager: Member, name: str) -> None:
    folder = process.run_folder(run).path
    (folder / "lock").write_text("1")
    (folder / "secret").symlink_to("/etc/hostname")
    (folder / "report.md").symlink_to("/etc/hostname")
    client = sign_in(manager)
    assert client.get(f"{RUNS}{run.pk}/files/{name}").status_code == 404
    assert client.get(f"{RUNS}{run.pk}/files/report.md").status_code == 404


def test_only_managers_download_and_only_when_the_run_has_ended(
    run: TrainingRun, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    url = f"{RUNS}{run.pk}/files/config.json"
    assert "config.json" in get(reviewer, run, "files/")
    assert f'href="{url}"' not in get(reviewer, run, "files/")
    assert sign_in(reviewer).get(url).status_code == 403
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(outsider).get(url).status_code == 404
    assert sign_in(manager).get(url).status_code == 200
    TrainingRun.objects.update(state=State.RUNNING, finished_at=None, heartbeat_at=timezone.now())
    assert sign_in(manager).get(url).status_code == 404


def test_the_run_says_how_well_it_knows_differences_of_rewards(run: TrainingRun) -> None:
    plot = run_plots.calibration_plot(run)
    assert plot is not None
    assert len(plot.notes) == 1
    run.metrics["held_out"]["intervals"] = {"half_width": 0.456, "lead": 1.234}
    plot = run_plots.calibration_plot(run)
    assert plot is not None
    assert plot.notes[1].startswith("Half of the differences between rewards are known to within")
    assert "±0.46 (95" in plot.notes[1]
    assert "larger than 1.23." in plot.notes[1]
