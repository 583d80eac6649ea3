"""The guarantees of the database itself, whatever the code above it does."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from labelapp.models import (
    Assignment,
    Member,
    Placement,
    Project,
    Prompt,
    PromptAgreement,
    Ranking,
    Rating,
    Response,
    Role,
    Score,
    TrainingRun,
)
from tests.conftest import AddPrompt, AddRanking


def refuses(model: type, **fields: object) -> bool:
    try:
        with transaction.atomic():
            model.objects.create(**fields)  # type: ignore[attr-defined]
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(
    "fields",
    [
        {"responses_per_ranking": 3},
        {"responses_per_ranking": 10},
        {"rankings_per_prompt": 0},
        {"rating_scale": 8},
        {"lease_minutes": 0},
        {"slug": "kitchen"},
    ],
)
def test_a_project_keeps_its_bounds(project: Project, fields: dict[str, object]) -> None:
    assert refuses(Project, **{"name": "x", "slug": "x"} | fields)


def test_a_member_is_in_a_project_once(labeller: Member) -> None:
    project, user = labeller.project, labeller.user
    assert refuses(Member, project=project, user=user, name="again")
    assert refuses(Member, project=project, name="labeller")
    assert refuses(Member, project=project, name="x", role="king")
    assert refuses(Member, project=project, name="")
    assert not refuses(Member, project=project, name="no login", role=Role.LABELLER)


def test_a_prompt_is_in_a_project_once(project: Project, add_prompt: AddPrompt) -> None:
    prompt = add_prompt(external_id="p1")
    common = {"project": project, "messages": [{"role": "user", "content": "x"}]}
    assert refuses(Prompt, **common, content_hash=prompt.content_hash)
    assert refuses(Prompt, **common, content_hash="other", external_id="p1")
    assert not refuses(Prompt, **common, content_hash="no id")
    assert not refuses(Prompt, **common, content_hash="no id either")


def test_a_prompt_never_needs_more_rankings_than_wanted(add_prompt: AddPrompt) -> None:
    prompt = add_prompt(wanted=2)
    for needed in (3, -1):
        with pytest.raises(IntegrityError), transaction.atomic():
            Prompt.objects.filter(pk=prompt.pk).update(rankings_needed=needed)


def test_a_response_is_in_a_prompt_once(add_prompt: AddPrompt) -> None:
    response = add_prompt().responses.first()
    assert response is not None
    assert refuses(Response, prompt=response.prompt, text="x", content_hash=response.content_hash)


def test_a_slot_is_held_once(add_prompt: AddPrompt, labeller: Member, manager: Member) -> None:
    prompt = add_prompt(wanted=2)
    fields = {"prompt": prompt, "order": [], "expires_at": timezone.now()}
    assert not refuses(Assignment, **fields, member=labeller, slot=1)
    assert refuses(Assignment, **fields, member=labeller, slot=2)
    assert refuses(Assignment, **fields, member=manager, slot=1)
    assert refuses(Assignment, **fields, member=manager, slot=0)


def test_one_ranking_of_a_set_of_responses_is_current(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    old = add_ranking(add_prompt(), labeller, [1, 2, 3, 4])
    fields = {
        "prompt": old.prompt,
        "member": labeller,
        "responses_hash": old.responses_hash,
    }
    assert refuses(Ranking, **fields, version=2)
    assert refuses(Ranking, **fields, version=1, is_current=False)
    Ranking.objects.update(is_current=False)
    assert not refuses(Ranking, **fields, version=2)


def test_a_placement_is_one_rank_from_1_to_9(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member
) -> None:
    ranking = add_ranking(add_prompt(), labeller, [1, 2, 3, 4])
    response = ranking.placements.earliest("pk").response
    assert refuses(Placement, ranking=ranking, response=response, rank=2)
    ranking.placements.all().delete()
    assert refuses(Placement, ranking=ranking, response=response, rank=0)
    assert refuses(Placement, ranking=ranking, response=response, rank=10)
    assert refuses(Rating, ranking=ranking, response=response, score=8)
    assert not refuses(Rating, ranking=ranking, response=response, score=None)
    assert refuses(Rating, ranking=ranking, response=response, score=1)


def test_a_run_is_in_a_legal_state(project: Project) -> None:
    now = timezone.now()
    assert refuses(TrainingRun, project=project, state="asleep")
    assert refuses(TrainingRun, project=project, state="done")
    assert refuses(TrainingRun, project=project, state="running", finished_at=now)
    assert refuses(TrainingRun, project=project, state="failed", finished_at=now)
    assert not refuses(TrainingRun, project=project, state="queued")
    assert not refuses(TrainingRun, project=project, state="running")  # several at once


def test_a_run_scores_a_response_once(project: Project, add_prompt: AddPrompt) -> None:
    run = TrainingRun.objects.create(project=project)
    prompt = add_prompt()
    response = prompt.responses.first()
    assert not refuses(Score, run=run, response=response, reward=0.5)
    assert refuses(Score, run=run, response=response, reward=0.5)
    fields = {"run": run, "prompt": prompt, "disagreement": 0.0, "held_out": False}
    assert refuses(PromptAgreement, **fields, comparisons=1, against=2)
    assert not refuses(PromptAgreement, **fields, comparisons=2, against=2)
    assert refuses(PromptAgreement, **fields, comparisons=2, against=2)


def test_sqlite_waits_its_turn_and_survives_a_crash(db: None, on_postgresql: bool) -> None:
    if on_postgresql:
        assert connection.vendor == "postgresql"
        return
    with connection.cursor() as cursor:
        settings = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert settings == ["wal", 2, 30_000]
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
