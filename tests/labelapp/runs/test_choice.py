"""The model that was chosen, on the run's page."""

from typing import Any

import pytest
from django.utils.translation import override

from labelapp.models import Member, State, TrainingRun
from labelapp.runs.choice import choice_context
from tests.conftest import sign_in
from tests.labelapp.jobs.test_odd_rows import ended

CHOICE: dict[str, Any] = {
    "prompts": 58,
    "comparisons": 504,
    "chosen": ["named", "words"],
    "candidates": [
        {
            "parts": ["named"], "log_loss": 0.5973, "accuracy": 0.676,
            "gain": 0.028, "gain_low": -0.011, "gain_high": 0.066,
            "accuracy_low": 0.61, "accuracy_high": 0.74,
            "log_loss_low": 0.5501, "log_loss_high": 0.6449,
            "log_loss_gain": 0.0075, "log_loss_gain_low": -0.001, "log_loss_gain_high": 0.016,
        },
        {
            "parts": ["named", "words"], "log_loss": 0.5898, "accuracy": 0.705,
            "gain": 0.0, "gain_low": 0.0, "gain_high": 0.0,
        },
    ],
    "network": None,
}  # fmt: skip
JUDGED = {
    "factor": 0.0, "prompts": 12,
    "log_loss_gain": 0.012, "log_loss_gain_low": -0.004, "log_loss_gain_high": 0.027,
}  # fmt: skip


def run_of(choice: object) -> TrainingRun:
    return TrainingRun(metrics={"choice": choice})


def test_it_says_what_was_chosen_and_why() -> None:
    context = choice_context(run_of(CHOICE))
    assert context is not None
    assert context["sentences"] == [
        "A linear model of features and words, chosen by cross-validation over 58 training prompts."
    ]
    assert [row["parts"] for row in context["candidates"]] == ["features", "features and words"]
    simple, chosen = context["candidates"]
    assert (simple["lead"], simple["lead_interval"]) == ("+2.8", "−1.1 to +6.6")
    assert simple["accuracy_interval"] == "61.0 to 74.0"
    assert simple["log_loss_interval"] == "0.550 to 0.645"
    assert (simple["loss_lead"], simple["loss_lead_interval"]) == ("+0.007", "−0.001 to +0.016")
    assert "lead" not in chosen
    assert chosen["log_loss_interval"] == ""  # of an earlier version


@pytest.mark.parametrize(
    ("factor", "words"), [(0.0, "No network is added, because"), (0.5, "A network is added, which")]
)
def test_it_says_what_became_of_the_network(factor: float, words: str) -> None:
    context = choice_context(run_of(CHOICE | {"network": JUDGED | {"factor": factor}}))
    assert context is not None
    assert context["sentences"][1].startswith(words)
    gain = "Gain in log loss: +0.012 (95\u00a0% interval −0.004 to +0.027), on 12 prompts."
    assert context["sentences"][2] == gain


def test_three_parts_in_german() -> None:
    choice = CHOICE | {"chosen": ["named", "words", "embedded"], "candidates": []}
    with override("de"):
        context = choice_context(run_of(choice))
    assert context is not None
    assert "(Merkmale, Wörter und Einbettungen)" in context["sentences"][0]


@pytest.mark.parametrize(
    "choice",
    [
        None,
        "linear",
        {},
        CHOICE | {"chosen": []},
        CHOICE | {"chosen": ["a part of a later version"]},
        CHOICE | {"candidates": [{"parts": ["named"]}]},
        CHOICE | {"candidates": 3},
        CHOICE | {"prompts": None},
    ],
)
def test_what_it_cannot_read_is_not_shown(choice: object) -> None:
    assert choice_context(run_of(choice)) is None


@pytest.mark.django_db
def test_the_page_shows_it(manager: Member) -> None:
    run = TrainingRun.objects.create(
        project=manager.project, config={"backbone": "auto"}, folder="runs/1",
        metrics={"choice": CHOICE}, **ended(State.DONE),
    )  # fmt: skip
    page = sign_in(manager).get(f"/projects/kitchen/runs/{run.pk}/").content.decode()
    assert "A linear model of features and words, chosen by cross-validation" in page
    assert page.count("<td>features") == 2
