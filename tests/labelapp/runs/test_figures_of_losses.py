"""The figures on the pages are those of metrics.json, for every loss and every model of ties."""

import math
import re
from itertools import product
from typing import Any, get_args

import pytest
from django.test import Client

from labelapp.models import Member, Project, TrainingRun
from labelapp.runs import lifecycle
from labelapp.runs import process as run_process
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.runs.pages import RUNS, text_of
from tests.labelapp.runs.test_comparing import cells
from tests.labelapp.runs.tiny import start
from training.config.learning_settings import Loss
from training.rankings import Ties

OBJECTIVES = [
    (loss, ties)
    for loss, ties in product(get_args(Loss), get_args(Ties))
    if loss != "plackett-luce" or ties == "drop"  # an order has no ties
]
LOSSES = ("log_loss", "log_loss_low", "log_loss_high")
RANKS = [(1, 2, 2, 3), (1, 2, 3, 4), (3, 1, 2, 2)]


@pytest.mark.usefixtures("forked")
@pytest.mark.django_db(transaction=True)
def test_the_pages_write_what_the_runs_measured(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
) -> None:
    for number in range(24):
        add_ranking(add_prompt(f"Question {number}?"), labeller, RANKS[number % 3])
    runs = [trained(project, loss=loss, ties=ties) for loss, ties in OBJECTIVES]
    found = {run.pk: run_process.run_folder(run).read_metrics()["held_out"] for run in runs}  # type: ignore[index]
    client = sign_in(manager)
    for run in runs:
        figures = found[run.pk]
        assert figures["prompts"] >= 5
        assert (figures["chance_loss"] == math.log(2)) == (run.config["ties"] != "davidson")
        run_page = text(client, f"{RUNS}{run.pk}/")
        for page in (run_page, text(client, f"/projects/kitchen/reviewing/?run={run.pk}")):
            assert accuracy_and_losses(page) == written(figures)
            assert f"as a mean over rankings, as in the curves: {figures['loss']:.3f}" in page
        last = run.metrics["steps"]
        chance = f"{figures['chance_loss']:.3f}"
        drawn = re.findall(r"The dashed line is chance level: a loss of ([\d.]+)\.", run_page)
        assert drawn in ([], [chance])  # none where it is not in the plot
        assert re.search(rf" {last} [\d.]+ {figures['loss']:.3f} ", run_page)

    compared = client.get(f"{RUNS}compare/", {"run": list(found)}).content.decode()
    assert "not comparable" not in compared
    assert cells(compared, "Accuracy<") == [
        f"{accuracy} % {low}–{high}"
        for accuracy, low, high, *_ in (written(figures) for figures in found.values())
    ]
    assert cells(compared, "Accuracy at near") == [
        near_equal(figures["near_equal"]) for figures in found.values()
    ]
    assert cells(compared, "Log loss") == [log_loss(figures) for figures in found.values()]
    assert "0.693 is chance level" in text_of(compared)
    assert {f"{figures['chance_log_loss']:.3f}" for figures in found.values()} == {"0.693"}
    for measure, name in (("Difference from", "accuracy"), ("Difference in log", "log_loss")):
        scale, decimals = (100, 1) if name == "accuracy" else (1, 3)
        first = found[runs[0].pk][name]
        assert [cell.split()[0] for cell in cells(compared, measure)[1:]] == [
            signed(scale * (figures[name] - first), decimals)
            for figures in list(found.values())[1:]
        ]


def trained(project: Project, **settings: Any) -> TrainingRun:
    """A run that has been trained and scored by the real programs."""
    run = start(project, held_out_fraction=0.5, baseline="off", **settings)
    lifecycle.execute(run)
    assert run.state == "done", run.reason
    return run


def text(client: Client, url: str) -> str:
    return text_of(client.get(url).content.decode())


def accuracy_and_losses(page: str) -> tuple[str, ...]:
    """Accuracy and log loss, each with the ends of its interval, and the chance level."""
    accuracy = re.search(r"held-out accuracy · 95\s% interval ([\d.]+)–([\d.]+) ([\d.]+)\s%", page)
    loss = re.search(
        r"held-out log loss · 95\s% interval ([\d.]+)–([\d.]+) · ([\d.]+) is chance level"
        r".*? ([\d.]+) held-out comparisons",
        page,
    )
    assert accuracy
    assert loss
    return (accuracy[3], accuracy[1], accuracy[2], loss[4], loss[1], loss[2], loss[3])


def written(figures: dict[str, Any]) -> tuple[str, ...]:
    """The same figures of metrics.json, rounded."""
    shares = (figures[f"accuracy{end}"] for end in ("", "_low", "_high"))
    losses = (figures[name] for name in (*LOSSES, "chance_log_loss"))
    return (*(f"{100 * share:.1f}" for share in shares), *(f"{loss:.3f}" for loss in losses))


def log_loss(figures: dict[str, Any]) -> str:
    value, low, high = (figures[f"log_loss{end}"] for end in ("", "_low", "_high"))
    return f"{value:.3f} {low:.3f} to {high:.3f}"


def near_equal(figures: dict[str, Any]) -> str:
    share = f"{100 * figures['accuracy']:.1f} %"
    low, high = figures["accuracy_low"], figures["accuracy_high"]
    counted = f"{figures['comparisons']} comparisons"
    between = "" if low is None else f"{100 * low:.1f}–{100 * high:.1f} · "
    return f"{share} {between}{counted}"


def signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals) + 0.0
    return f"{'−' if rounded < 0 else '+'}{abs(rounded):.{decimals}f}"
