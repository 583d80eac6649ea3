"""Deleting prompts: told and confirmed, put aside, restored, and deleted for good."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from labelapp.jobs.environment import database_url
from labelapp.labelling import assignments, controls
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    Assignee,
    Disagreement,
    Member,
    Origin,
    Project,
    Prompt,
    PromptAgreement,
    PromptDeletion,
    Ranking,
    Score,
    State,
    TrainingRun,
    counting_changed_since,
)
from labelapp.people import own_rankings
from labelapp.projects import deletion, prompt_deletion, tasks
from labelapp.reviewing import filters, listing
from labelapp.web.access import membership
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.projects.steering import ABCD, URL, listed, only, rank, task
from training.data.database import DatabaseSource

DELETE = f"{URL}delete/"


def restore() -> str:
    return f"{URL}deleted/{PromptDeletion.objects.get().pk}/restore/"


def put_aside(prompt: Prompt, by: Member) -> PromptDeletion:
    assert by.user is not None
    return prompt_deletion.delete(
        only(prompt), project=prompt.project, by=by.user, enqueue=lambda _: None
    )


def confirmed(*prompts: Prompt, rankings: int = 0, **data: Any) -> dict[str, Any]:
    keys = {"prompt": [prompt.pk for prompt in prompts]}
    told = {"prompts": len(prompts), "rankings": rankings}
    return keys | told | {"typed": str(rankings)} | data


def test_what_goes_with_prompts_is_said_and_nothing_is_deleted_yet(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member, labeller: Member
) -> None:
    ranked, other = add_prompt("1?"), add_prompt("2?")
    add_ranking(ranked, labeller, [1, 2, 3, 4])
    response = sign_in(manager).post(DELETE, {"prompt": [ranked.pk, other.pk]})
    html = response.content.decode()
    assert response.status_code == 200
    assert "<dt>prompts</dt><dd>2</dd>" in html
    assert "<dt>ranking by labellers</dt><dd>1</dd>" in html
    assert "Type 1, the number of rankings, to confirm" in html
    assert Prompt.objects.filter(project=ranked.project).count() == 2


@pytest.mark.parametrize("typed", ["", "2", "yes"])
def test_rankings_are_deleted_only_if_their_number_is_typed(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    manager: Member,
    labeller: Member,
    typed: str,
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    data = confirmed(prompt, rankings=1, typed=typed)
    assert sign_in(manager).post(DELETE, data).status_code == 422
    assert not PromptDeletion.objects.exists()


def test_a_ranking_that_comes_in_meanwhile_must_be_told_first(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    response = sign_in(manager).post(DELETE, confirmed(prompt))
    assert response.status_code == 422
    html = response.content.decode()
    assert "have changed since this page was opened" in html
    assert 'name="rankings" value="1"' in html  # so that the next attempt can succeed
    assert not PromptDeletion.objects.exists()


def test_a_manager_deletes_the_chosen_and_undoes_it(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member, labeller: Member
) -> None:
    one, two = add_prompt("1?"), add_prompt("2?")
    add_ranking(one, labeller, [1, 2, 3, 4])
    client = sign_in(manager)
    response = client.post(f"{DELETE}?sort=-prompt", confirmed(one, rankings=1), follow=True)
    html = response.content.decode()
    assert "1 prompt deleted." in html
    assert response.redirect_chain == [(f"{URL}?sort=-prompt", 302)]
    assert restore() in html
    assert listed(two.project) == ["2?"]
    assert client.get(f"{URL}{one.pk}/").status_code == 404
    html = client.post(restore(), follow=True).content.decode()
    assert "1 prompt restored." in html
    assert listed(two.project) == ["1?", "2?"]
    assert Ranking.objects.filter(prompt__project=two.project).count() == 1
    assert "Nothing has been deleted." in client.get(f"{URL}deleted/").content.decode()
    assert Project.including_hidden.count() == 1


def test_a_measurement_without_restored_prompts_is_out_of_date(
    add_prompt: AddPrompt, manager: Member
) -> None:
    prompt = add_prompt()
    before = timezone.now()
    put_aside(prompt, manager)
    without = timezone.now()
    assert counting_changed_since(manager.project_id, before)
    assert not counting_changed_since(manager.project_id, without)
    sign_in(manager).post(restore())
    assert counting_changed_since(manager.project_id, without)
    assert not counting_changed_since(manager.project_id, before)  # as it was then
    assert not counting_changed_since(manager.project_id, timezone.now())


def test_all_that_match_are_deleted_by_the_filter(add_prompt: AddPrompt, manager: Member) -> None:
    one, two = add_prompt("1?"), add_prompt("2?", wanted=0)
    data = {"all": "1", "prompts": 1, "rankings": 0}
    sign_in(manager).post(f"{DELETE}?show=unqueued", data)
    assert listed(two.project) == [str(one)]


def test_only_managers_delete_and_restore_and_only_their_own_prompts(
    add_prompt: AddPrompt, manager: Member, reviewer: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    attic = Project.objects.create(name="Attic", slug="attic")
    foreign = attic.prompts.create(messages=[{"content": "?"}], content_hash="x")
    for member in (reviewer, labeller):
        assert sign_in(member).post(DELETE, confirmed(prompt)).status_code == 403
        assert sign_in(member).get(f"{URL}deleted/").status_code == 403
    sign_in(manager).post(DELETE, confirmed(foreign))
    assert not PromptDeletion.objects.exists()
    put_aside(prompt, manager)
    for member in (reviewer, labeller):
        assert sign_in(member).post(restore()).status_code == 403
    stranger = join(attic, "stranger", manager.role)
    assert sign_in(stranger).post(restore()).status_code == 404
    assert sign_in(stranger).post(restore().replace("kitchen", "attic")).status_code == 404
    assert not listed(prompt.project)


def test_a_deleted_prompt_is_nowhere(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    manager: Member,
    labeller: Member,
    export: Callable[..., str],
) -> None:
    """Not in the queue, training, exports, lists by member, review or disagreements."""
    kept, gone = add_prompt("kept?", wanted=2), add_prompt("gone?", wanted=2)
    project = kept.project
    run = TrainingRun.objects.create(
        project=project, state=State.DONE, finished_at=timezone.now(), folder="runs/1"
    )
    for prompt in (kept, gone):
        add_ranking(prompt, manager, [1, 2, 3, 4])
        PromptAgreement.objects.create(
            run=run, prompt=prompt, comparisons=6, against=1, disagreement=1 / 6, held_out=True
        )
        for response in prompt.responses.all():
            Score.objects.create(run=run, response=response, reward=1)
        Disagreement.objects.create(
            prompt=prompt, project=project, labellers=2, comparisons=2, against=1, share=0.5
        )
        Assignee.objects.create(prompt=prompt, member=labeller)
    put_aside(gone, manager)
    assert task(labeller).prompt == kept
    assert assignments.next_assignment(membership(labeller.user, "kitchen"), task(labeller)) is None
    assert "gone?" not in export()
    assert [one.prompt for one in own_rankings.listed(manager, "")] == [kept]
    every = filters.filtered(run, filters.Filter())
    assert [one.prompt for one in every] == [kept]
    assert listing.count_all(run) == 1
    assert [one.prompt for one in Disagreement.objects.worst_first(project)] == [kept]
    client = sign_in(manager)
    for page in ("disagreements", "progress", "agreement", "reviewing", "prompts"):
        html = client.get(f"/projects/kitchen/{page}/?q=gone").content.decode()
        assert "gone?" not in html, page
    assert client.get(f"/projects/kitchen/reviewing/{gone.pk}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_training_does_not_read_deleted_prompts(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member
) -> None:

    kept, gone = add_prompt("kept?"), add_prompt("gone?")
    for prompt in (kept, gone):
        add_ranking(prompt, manager, [1, 2, 3, 4])
    put_aside(gone, manager)
    source = DatabaseSource(database_url(connection.settings_dict), "kitchen")
    assert [prompt.id for prompt in source.prompts()] == [kept.pk]


def test_a_ranking_submitted_after_the_deletion_is_stored_and_comes_back(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    begun = task(labeller)
    put_aside(prompt, manager)
    assert assignments.current_assignment(membership(labeller.user, "kitchen")) is None
    begun.refresh_from_db()
    submit(assignment=begun, entered=RankingInput(ABCD))
    html = sign_in(manager).get(f"{URL}deleted/").content.decode()
    assert "there are 1 now" in html
    sign_in(manager).post(restore())
    [ranking] = Ranking.objects.filter(prompt__project=prompt.project)
    assert (ranking.member, ranking.is_current) == (labeller, True)


def test_a_repeated_prompt_is_not_a_deleted_one(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    labeller.project.repeat_share = 50
    labeller.project.save()
    prompt = add_prompt()
    rank(labeller)
    long_ago = timezone.now() - timedelta(days=30)
    labeller.assignments.update(submitted_at=long_ago)

    member = Member.objects.select_related("project").get(pk=labeller.pk)
    assert controls.assign_repeat(member) is not None
    put_aside(prompt, manager)
    assert controls.assign_repeat(member) is None


def test_my_work_leaves_out_deleted_prompts_and_counts_the_work(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt("gone?")
    rank(labeller)
    token = labeller.assignments.get().token
    client = sign_in(labeller)
    assert "gone?" in client.get("/projects/kitchen/my-work/").content.decode()
    put_aside(prompt, manager)
    assert "gone?" not in client.get("/projects/kitchen/my-work/").content.decode()
    assert client.get(f"/projects/kitchen/my-work/{token}/").status_code == 404
    labeller.refresh_from_db()
    assert labeller.ranked == 1


def test_a_prompt_that_was_imported_again_stays_deleted(
    add_prompt: AddPrompt, manager: Member
) -> None:
    prompt, other = add_prompt("1?"), add_prompt("2?")
    assert manager.user is not None
    prompt_deletion.delete(
        prompt.project.prompts.all(),
        project=prompt.project,
        by=manager.user,
        enqueue=lambda _: None,
    )
    again = add_prompt("1?")
    html = sign_in(manager).post(restore(), follow=True).content.decode()
    assert "1 prompt restored." in html
    assert "1 prompt stays deleted, because the project has it again." in html
    assert "1 of them is still deleted." in html
    assert set(prompt.project.prompts.all()) == {other, again}


def test_many_prompts_are_moved_by_a_worker_and_an_interrupted_one_goes_on(
    add_prompt: AddPrompt, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_deletion, "IN_BACKGROUND", 2)
    monkeypatch.setattr(prompt_deletion, "AT_ONCE", 2)
    prompts = [add_prompt(f"{number}?") for number in range(5)]
    response = sign_in(manager).post(DELETE, confirmed(*prompts), follow=True)
    assert "5 prompts are being deleted in the background." in response.content.decode()
    assert len(listed(manager.project)) == 5
    call_command("clean_up")
    assert not listed(manager.project)
    response = sign_in(manager).post(restore(), follow=True)
    assert "being restored in the background" in response.content.decode()
    tasks.restore_prompts.call(PromptDeletion.objects.get().pk)
    assert len(listed(manager.project)) == 5


def test_a_restore_ends_a_deletion_that_goes_on(
    add_prompt: AddPrompt, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_deletion, "IN_BACKGROUND", 2)
    prompts = [add_prompt(f"{number}?") for number in range(3)]
    sign_in(manager).post(DELETE, confirmed(*prompts))
    stale = PromptDeletion.objects.get()
    tasks.delete_prompts.call(stale.pk)
    sign_in(manager).post(restore())
    prompt_deletion.put_aside(stale)  # a worker that has read it before
    tasks.restore_prompts.call(stale.pk)
    assert len(listed(manager.project)) == 3


def test_clean_up_deletes_for_good_after_thirty_days_and_says_so(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member, labeller: Member
) -> None:
    old, new = add_prompt("1?"), add_prompt("2?")
    add_ranking(old, labeller, [1, 2, 3, 4])
    first = put_aside(old, manager)
    put_aside(new, manager)
    long_ago = timezone.now() - timedelta(days=prompt_deletion.KEPT_DAYS, minutes=1)
    PromptDeletion.objects.filter(pk=first.pk).update(created_at=long_ago)
    call_command("clean_up")
    assert list(Prompt.objects.all()) == [new]
    assert not Ranking.objects.exists()
    html = sign_in(manager).get(f"{URL}deleted/").content.decode()
    assert "deleted for good" in html
    assert "1 ranking" in html
    assert sign_in(manager).post(f"{URL}deleted/{first.pk}/restore/").status_code == 404


def test_a_project_with_deleted_rankings_is_deleted_by_administrators_only(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    put_aside(prompt, manager)
    assert not deletion.may_delete(manager)
    assert deletion.count(prompt.project)["deleted prompt"] == 1
    deletion.begin(prompt.project, by="root")
    deletion.finish(prompt.project)
    assert not Prompt.objects.exists()
    assert not Project.including_hidden.exists()


def test_a_labellers_adjudicated_ranking_is_told_apart(
    add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, manager, [1, 2, 3, 4], origin=Origin.ADJUDICATED)
    html = sign_in(manager).post(DELETE, {"prompt": prompt.pk}).content.decode()
    assert "<dt>adjudicated ranking</dt><dd>1</dd>" in html
