"""The curves of a run, and the time that it still takes."""

import pytest
from django.utils import timezone

from labelapp.models import Member, State, TrainingRun
from labelapp.runs import process
from labelapp.runs.time_left import time_left
from tests.conftest import sign_in
from tests.labelapp import drawn
from tests.labelapp.runs.pages import RUNS, STEPS, get, text_of
from training.runs.folder import Progress

pytestmark = pytest.mark.django_db


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
    link = 'href="/tensorboard/?runFilter=%5E7%5C-abc%2F#timeseries">TensorBoard</a>'
    for tab in ("", "curves/", "files/"):
        assert link in get(manager, run, tab)


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
    assert time_left(run) == ""
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, finished_at=None, stage="training", done=STEPS, total=STEPS + 120,
        heartbeat_at=timezone.now(),
    )  # fmt: skip
    run.refresh_from_db()
    assert time_left(run) == "1 minute"
    assert "about 1 minute of training left" in get(manager, run)
    assert "about 1 minute left" in sign_in(manager).get(RUNS).content.decode()


def test_the_time_left_of_a_run_elsewhere_follows_from_its_pace(run: TrainingRun) -> None:
    run.state, run.stage, run.folder = State.RUNNING, "training", "runs/elsewhere"
    run.done, run.total, run.seconds = 2, 800, 1.0
    assert time_left(run) == ""  # too early
    run.done, run.seconds = 200, 100.0
    assert time_left(run) == "5 minutes"


def test_the_time_left_of_a_run_that_was_resumed_counts_the_time_before(run: TrainingRun) -> None:
    """Its steps are counted from its beginning, and so is the time that they took."""
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, finished_at=None, folder="runs/elsewhere",
        started_at=timezone.now(),  # when it was resumed
    )  # fmt: skip
    process.copy_progress(run, Progress("training", step=400, steps=1200, seconds=600.0))
    run.refresh_from_db()
    assert time_left(run) == "20 minutes"
