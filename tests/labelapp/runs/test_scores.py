"""Scoring: a run folder's rewards in the database, and how they agree with the people."""

import threading
from itertools import starmap
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from labelapp.models import Member, Project, PromptAgreement, Response, Score, TrainingRun
from labelapp.reviewing.review import review
from labelapp.runs import scores
from tests.conftest import AddPrompt, AddRanking
from training.runs.folder import RunFolder, ScoredResponse


@pytest.fixture
def run(project: Project) -> TrainingRun:
    return TrainingRun.objects.create(project=project)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.start()
    return folder


def test_agreement_counts_comparisons_that_the_model_orders_otherwise(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    run: TrainingRun,
    folder: RunFolder,
) -> None:
    prompt, unranked = add_prompt("Ranked?"), add_prompt("Not ranked?")
    a, b, c, d = prompt.responses.order_by("pk")
    add_ranking(prompt, labeller, [1, 2, 2, 3])  # a > b = c > d: 5 comparisons
    add_ranking(prompt, manager, [1, 1, 1, 1])  # all tied: none
    other = [(response.pk, 0.0) for response in unranked.responses.all()]
    # The model: b > a > c = d. Against: a over b, and c over d, which it does not tell apart.
    rewards = [(a.pk, 1.0), (b.pk, 2.0), (c.pk, -1.0), (d.pk, -1.0), *other]
    folder.write_scores(starmap(ScoredResponse, rewards))
    folder.write_held_out([prompt.pk])

    scores.store(run, folder)

    assert Score.objects.get(run=run, response=b).reward == 2.0
    agreement = PromptAgreement.objects.get(run=run, prompt=prompt)
    assert (agreement.against, agreement.comparisons) == (2, 5)
    assert agreement.disagreement == pytest.approx(0.4)
    assert agreement.held_out
    nothing = PromptAgreement.objects.get(run=run, prompt=unranked)
    assert (nothing.against, nothing.comparisons, nothing.disagreement) == (0, 0, 0.0)
    assert not nothing.held_out
    worst_first = PromptAgreement.objects.worst_first(run)
    assert [agreement.prompt for agreement in worst_first] == [prompt, unranked]


def test_responses_that_are_equal_after_the_cut_are_not_compared(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    project: Project,
    folder: RunFolder,
) -> None:
    """As in training: the model cannot tell them apart."""
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    a, b, c, d = prompt.responses.order_by("pk").values_list("pk", flat=True)
    rewards = [(a, 1.0, None), (b, 0.0, None), (c, 1.0, a), (d, 0.0, b)]
    folder.write_scores(starmap(ScoredResponse, rewards))
    done = {"state": "done", "finished_at": timezone.now()}
    run = TrainingRun.objects.create(project=project, **done)
    scores.store(run, folder)
    found = PromptAgreement.objects.get()
    assert (found.against, found.comparisons) == (1, 4)  # not A with C, nor B with D
    (reviewed,) = review(run, [found])
    assert (reviewed.agreement.against, reviewed.agreement.comparisons) == (1, 4)
    contested = {one.letter for one in reviewed.responses if one.contested}
    assert contested == {"B", "C"}


def test_each_run_is_held_against_people_by_its_own_scores(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    project: Project,
    folder: RunFolder,
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    pks = list(prompt.responses.order_by("pk").values_list("pk", flat=True))
    for sign in (-1.0, 1.0):
        folder.write_scores(ScoredResponse(pk, sign * place) for place, pk in enumerate(pks))
        fields = {"state": "done", "finished_at": timezone.now()}
        scores.store(TrainingRun.objects.create(project=project, **fields), folder)
    found = PromptAgreement.objects.order_by("run_id").values_list("against", "comparisons")
    assert list(found) == [(0, 6), (6, 6)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"aggregation": "all"}, (6, 18)),
        ({"aggregation": "majority"}, (0, 6)),
        ({"aggregation": "adjudicated"}, (6, 6)),
        ({"verdicts": "majority"}, (0, 6)),  # of a run by an earlier version
    ],
)
def test_a_run_is_held_against_the_rankings_that_it_learns_from(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    reviewer: Member,
    project: Project,
    folder: RunFolder,
    config: dict[str, str],
    expected: tuple[int, int],
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    add_ranking(prompt, manager, [1, 2, 3, 4])
    add_ranking(prompt, reviewer, [4, 3, 2, 1], origin="adjudicated")
    pks = prompt.responses.order_by("pk").values_list("pk", flat=True)
    folder.write_scores(ScoredResponse(pk, -float(place)) for place, pk in enumerate(pks))
    done = {"state": "done", "finished_at": timezone.now()}
    run = TrainingRun.objects.create(project=project, config=config, **done)
    scores.store(run, folder)
    found = PromptAgreement.objects.get()
    assert (found.against, found.comparisons) == expected
    (reviewed,) = review(run, [found])
    assert (reviewed.agreement.against, reviewed.agreement.comparisons) == expected
    names = [given.name for given in reviewed.responses[0].ranks]
    assert names == ["labeller", "manager", "reviewer (adjudicated)"]


def test_old_versions_of_a_ranking_do_not_count(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    run: TrainingRun,
    folder: RunFolder,
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [4, 3, 2, 1], is_current=False)
    add_ranking(prompt, labeller, [1, 2, 3, 4], version=2)
    rewards = zip(prompt.responses.order_by("pk"), (4.0, 3.0, 2.0, 1.0), strict=True)
    folder.write_scores(ScoredResponse(response.pk, reward) for response, reward in rewards)
    scores.store(run, folder)
    assert PromptAgreement.objects.get().against == 0
    assert PromptAgreement.objects.get().comparisons == 6


def test_storing_again_replaces_the_scores(
    add_prompt: AddPrompt, run: TrainingRun, folder: RunFolder
) -> None:
    responses = list(add_prompt().responses.all())
    for reward in (1.0, 2.0):
        folder.write_scores(ScoredResponse(response.pk, reward) for response in responses)
        scores.store(run, folder)
    assert set(Score.objects.values_list("reward", flat=True)) == {2.0}
    assert Score.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_others_write_while_scores_are_stored(
    monkeypatch: pytest.MonkeyPatch, add_prompt: AddPrompt, run: TrainingRun, folder: RunFolder
) -> None:
    """On SQLite a query that is still being read would refuse to write after them."""
    monkeypatch.setattr(scores, "BATCH", 1)
    for number in range(4):
        add_prompt(f"Prompt {number}?")
    others = []

    def rename() -> None:
        others.append(Project.objects.update(name=f"Kitchen {len(others)}"))
        connections.close_all()

    def let_others_write(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("BEGIN" if connection.vendor == "sqlite" else "INSERT"):
            thread = threading.Thread(target=rename)
            thread.start()
            thread.join()
        return execute(sql, *rest)

    responses = Response.objects.values_list("pk", flat=True)
    folder.write_scores(ScoredResponse(pk, 1.0) for pk in responses)
    with connection.execute_wrapper(let_others_write):
        scores.store(run, folder)
    assert others
    assert PromptAgreement.objects.count() == 4


def test_scores_of_deleted_or_foreign_responses_are_passed_over(
    add_prompt: AddPrompt, run: TrainingRun, folder: RunFolder
) -> None:
    response = add_prompt().responses.first()
    assert response is not None
    elsewhere = Project.objects.create(name="Attic", slug="attic")
    foreign = elsewhere.prompts.create(messages=[], content_hash="x").responses.create(text="x")
    folder.write_scores(ScoredResponse(pk, 1.0) for pk in (response.pk, foreign.pk, 10**9))
    scores.store(run, folder)
    assert [score.response for score in Score.objects.all()] == [response]
