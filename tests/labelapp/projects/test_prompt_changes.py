"""Changes of many prompts, and their undo."""

from collections.abc import Sequence

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labelapp.labelling import assignments
from labelapp.models import (
    Assignee,
    Member,
    Origin,
    Project,
    Prompt,
    PromptChange,
    PromptTag,
    Ranking,
    Role,
    Tag,
)
from labelapp.projects import prompt_changes, prompt_queue, tags
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import skip
from tests.labelapp.parallel import in_parallel

URL = "/projects/kitchen/prompts/"
UNDO = f"{URL}undo/"

Standing = tuple[int, int, int, bool]


def standing() -> list[Standing]:
    """(priority, wanted, needed, taken out) of each prompt."""
    columns = ("priority", "rankings_wanted", "rankings_needed", "taken_out")
    return list(Prompt.objects.order_by("pk").values_list(*columns))


@pytest.fixture
def three(add_prompt: AddPrompt) -> list[Prompt]:
    return [add_prompt(f"{number}?", wanted=number, priority=number) for number in range(3)]


def change(client: Client, some: Sequence[Prompt], act: str, **values: str) -> str:
    data = {"prompt": [prompt.pk for prompt in some], "act": act} | values
    return client.post(URL, data, follow=True).content.decode()


@pytest.mark.parametrize(
    ("act", "values", "after"),
    [
        ("priority", {"priority": "5"}, [(5, 0, 0, False), (5, 1, 1, False), (5, 2, 2, False)]),
        ("wanted", {"wanted": "4"}, [(0, 4, 4, False), (1, 4, 4, False), (2, 4, 4, False)]),
        ("again", {}, [(0, 1, 1, False), (1, 2, 2, False), (2, 3, 3, False)]),
        ("out", {}, [(0, 0, 0, False), (1, 0, 0, True), (2, 0, 0, True)]),
    ],
)
def test_each_action_is_undone(
    three: list[Prompt], manager: Member, act: str, values: dict[str, str],
    after: list[Standing],
) -> None:  # fmt: skip
    before = standing()
    client = sign_in(manager)
    assert "Undo the last change" in change(client, three, act, **values)
    assert standing() == after
    html = client.post(UNDO, follow=True).content.decode()
    assert "Undone: " in html
    assert standing() == before
    assert "There is nothing to undo." in client.post(UNDO, follow=True).content.decode()


def test_the_offer_stands_on_the_next_page_only(three: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    assert "Undo the last change" in change(client, three, "again")
    assert "Undo the last change" not in client.get(URL).content.decode()


def test_the_undo_keeps_the_filters(three: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    change(client, three, "again")
    response = client.post(f"{UNDO}?show=waiting")
    assert response.headers["Location"] == f"{URL}?show=waiting"


def test_what_others_have_changed_since_is_left_alone(three: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    change(client, three, "priority", priority="5")
    prompt_queue.set_priority(prompts=Prompt.objects.filter(pk=three[0].pk), priority=7)
    assert "Undone: 2 prompts as before." in client.post(UNDO, follow=True).content.decode()
    assert [row[0] for row in standing()] == [7, 1, 2]


def test_nobody_loses_a_slot_by_an_undo(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    prompt = add_prompt(wanted=0)
    client = sign_in(manager)
    change(client, [prompt], "again")
    held = assignments.current_assignment(Member.objects.get(pk=labeller.pk))
    assert held is not None
    client.post(UNDO)
    assert standing() == [(0, 1, 0, False)]
    held.refresh_from_db()
    assert held.slot == 1


def test_a_change_that_is_too_large_cannot_be_undone(
    three: list[Prompt], manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_changes, "MAX_UNDONE", 2)
    client = sign_in(manager)
    change(client, three[:2], "again")
    assert PromptChange.objects.count() == 1
    assert "Undo the last change" not in change(client, three, "again")
    assert PromptChange.objects.count() == 0


def test_a_manager_undoes_only_their_own_change(
    three: list[Prompt], manager: Member, labeller: Member, reviewer: Member
) -> None:
    change(sign_in(manager), three, "again")
    Member.objects.filter(pk=labeller.pk).update(role="manager")
    assert "nothing to undo" in sign_in(labeller).post(UNDO, follow=True).content.decode()
    assert sign_in(reviewer).post(UNDO).status_code == 403
    assert sign_in(manager).get(UNDO).status_code == 405


def test_many_prompts_are_undone_in_pieces(
    project: Project, add_prompt: AddPrompt, manager: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_changes, "AT_ONCE", 2)
    for number in range(5):
        add_prompt(f"{number}?")
    before = standing()
    client = sign_in(manager)
    client.post(URL, {"act": "wanted", "wanted": "3", "all": "1"})
    assert {row[1] for row in standing()} == {3}
    assert "Undone: 5 prompts" in client.post(UNDO, follow=True).content.decode()
    assert standing() == before


@pytest.mark.parametrize(
    ("values", "problem"),
    [({}, "Enter how many rankings"), ({"wanted": "0"}, "Enter a whole number from 1 to 100")],
)
def test_the_rankings_wanted_have_to_be_a_number(
    three: list[Prompt], manager: Member, values: dict[str, str], problem: str
) -> None:
    before = standing()
    assert problem in change(sign_in(manager), three, "wanted", **values)
    assert standing() == before


def test_decisions_are_made_gold_and_that_is_undone(
    three: list[Prompt], add_ranking: AddRanking, ann: Member, reviewer: Member, manager: Member
) -> None:
    decided, was_gold, _ = three
    decisions = [
        add_ranking(prompt, reviewer, (1, 2, 3, 4), origin=Origin.ADJUDICATED)
        for prompt in (decided, was_gold)
    ]
    earlier = add_ranking(was_gold, ann, (4, 3, 2, 1), is_gold=True)

    def gold() -> set[int]:
        return set(Ranking.objects.filter(is_gold=True).values_list("pk", flat=True))

    client = sign_in(manager)
    html = change(client, three, "gold")
    assert "2 adjudicated rankings made gold. 1 prompt left as before" in html
    assert gold() == {ranking.pk for ranking in decisions}
    assert "Undone: 2 prompts as before." in client.post(UNDO, follow=True).content.decode()
    assert gold() == {earlier.pk}


def test_a_decision_that_ties_everything_is_not_made_gold(
    three: list[Prompt], add_ranking: AddRanking, reviewer: Member, manager: Member
) -> None:
    add_ranking(three[0], reviewer, (1, 1, 1, 1), origin=Origin.ADJUDICATED)
    assert "0 adjudicated rankings made gold." in change(sign_in(manager), three, "gold")
    assert not Ranking.objects.filter(is_gold=True).exists()


def test_prompts_are_tagged_and_assigned_in_bulk(
    three: list[Prompt], manager: Member, labeller: Member
) -> None:
    client = sign_in(manager)
    assert "3 prompts tagged “hard one”." in change(client, three, "tag", tag="  hard   one ")
    assert "2 prompts assigned to labeller." in change(
        client, three[1:], "assign", people=str(labeller.pk), only="1"
    )
    html = client.get(URL, {"tag": "hard one", "assigned": labeller.pk}).content.decode()
    assert f"{URL}{three[1].pk}/" in html
    assert f"{URL}{three[0].pk}/" not in html
    assert "?tag=hard%20one" in html
    html = client.post(UNDO, follow=True).content.decode()
    assert "Undone: 2 prompts as before." in html
    assert not Assignee.objects.exists()
    assert "Tag “hard one” removed from 1 prompt." in change(
        client, three[:1], "untag", tag="hard one"
    )
    client.post(UNDO)
    assert PromptTag.objects.count() == 3


@pytest.mark.parametrize(
    ("act", "values", "problem"),
    [
        ("assign", {}, "Choose at least one person"),
        ("assign", {"people": "999999"}, "Choose people who are in the project"),
        ("assign", {"people": "x"}, "Choose people who are in the project"),
        ("tag", {"tag": "  "}, "Enter a tag."),
        ("tag", {"tag": "a, b"}, "A tag cannot contain a comma."),
        ("untag", {"tag": "x" * 101}, "A tag has at most 100 characters"),
    ],
)
def test_an_action_says_what_it_lacks(
    three: list[Prompt], manager: Member, act: str, values: dict[str, str], problem: str
) -> None:
    data = {"prompt": [three[0].pk], "act": act} | values
    response = sign_in(manager).post(URL, data)
    assert response.status_code == 422
    assert problem in response.content.decode()


def test_members_of_another_project_are_not_assigned(three: list[Prompt], manager: Member) -> None:
    other = Project.objects.create(name="Other", slug="other")
    stranger = join(other, "stranger", Role.LABELLER)
    html = sign_in(manager).post(
        URL, {"prompt": [three[0].pk], "act": "assign", "people": stranger.pk}
    )
    assert html.status_code == 422
    assert not Assignee.objects.exists()


def test_all_that_match_are_tagged(three: list[Prompt], manager: Member) -> None:
    data = {"all": "1", "act": "tag", "tag": "odd"}
    sign_in(manager).post(f"{URL}?show=waiting", data)
    tagged = PromptTag.objects.order_by("prompt").values_list("prompt", flat=True)
    assert list(tagged) == [three[1].pk, three[2].pk]


def test_a_tag_that_no_prompt_gets_is_not_there(three: list[Prompt], project: Project) -> None:
    assert tags.tag(project=project, prompts=project.prompts.none(), name="odd") == 0
    assert not Tag.objects.exists()
    assert tags.tag(project=project, prompts=project.prompts.all(), name="odd") == 3
    assert tags.tag(project=project, prompts=project.prompts.all(), name="odd") == 0
    assert PromptTag.objects.count() == 3


def test_undoing_a_tag_leaves_no_empty_tag_behind(three: list[Prompt], manager: Member) -> None:
    client = sign_in(manager)
    change(client, three[:2], "tag", tag="odd")
    client.post(UNDO)
    assert not Tag.objects.exists()


def test_undoing_a_tag_keeps_one_that_was_there_or_is_used_elsewhere(
    three: list[Prompt], manager: Member, project: Project
) -> None:
    client, colleague = sign_in(manager), join(project, "colleague", Role.MANAGER)
    Tag.objects.create(project=project, name="empty")
    change(client, three[:2], "tag", tag="empty")
    client.post(UNDO)
    assert Tag.objects.get().name == "empty"
    change(client, three[:2], "tag", tag="odd")
    change(sign_in(colleague), three[2:], "tag", tag="odd")
    client.post(UNDO)
    assert PromptTag.objects.get().tag.name == "odd"


def test_tags_are_renamed_merged_and_deleted(
    three: list[Prompt], manager: Member, reviewer: Member
) -> None:
    client = sign_in(manager)
    change(client, three[:2], "tag", tag="a")
    change(client, three[1:], "tag", tag="b")
    a, b = Tag.objects.all()
    url = f"{URL}tags/"
    assert sign_in(reviewer).get(url).status_code == 403
    assert sign_in(reviewer).post(f"{url}{a.pk}/", {"act": "delete"}).status_code == 403
    assert "2 prompts" in client.get(url).content.decode()
    assert client.post(f"{url}{a.pk}/", {"name": ""}).status_code == 422
    client.post(f"{url}{a.pk}/", {"name": "c"})
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["b", "c"]
    client.post(f"{url}{a.pk}/", {"name": "b"})
    assert list(Tag.objects.all()) == [b]
    assert PromptTag.objects.filter(tag=b).count() == 3
    client.post(f"{url}{b.pk}/", {"act": "delete"})
    assert not PromptTag.objects.exists()
    assert "No tags yet" in client.get(url).content.decode()


def test_filters_by_length_and_columns_of_metadata(add_prompt: AddPrompt, manager: Member) -> None:
    short = add_prompt("Two words", metadata={"topic": "cheese", "year": 2024, "a,b": 1})
    texts = ["one two three four five", "b", "c", "d", "e"]
    long = add_prompt("A prompt of five words\nor seven", texts, metadata={"topic": "wine"})
    client = sign_in(manager)

    def listed(**query: object) -> list[Prompt]:
        html = client.get(URL, query).content.decode()
        return [one for one in (short, long) if f"{URL}{one.pk}/" in html]

    assert listed(least=5) == [long]
    assert listed(most=4) == [short]
    assert listed(length="prompt", least=7, most=7) == [long]
    assert listed(length="prompt", most=2) == [short]
    assert listed(k=4) == [short]
    assert listed(k=5) == [long]
    html = client.get(f"{URL}?columns=topic&columns=year&sort=-prompt").content.decode()
    assert all(text in html for text in ("cheese", "2024", "wine"))
    assert "columns=topic%2Cyear" in html
    assert 'value="a,b"' not in html


def test_the_list_costs_as_many_queries_with_tags_and_people(
    three: list[Prompt], manager: Member, labeller: Member
) -> None:
    client = sign_in(manager)
    change(client, three[:1], "tag", tag="a")
    change(client, three[:1], "assign", people=str(labeller.pk))
    client.get(URL)
    with CaptureQueriesContext(connection) as few:
        client.get(URL)
    change(client, three, "tag", tag="b")
    change(client, three, "assign", people=str(labeller.pk))
    client.get(URL)
    with CaptureQueriesContext(connection) as many:
        client.get(URL)
    assert len(many) == len(few)


def test_what_only_absent_people_may_rank_is_listed(
    three: list[Prompt], manager: Member, labeller: Member
) -> None:
    client = sign_in(manager)
    change(client, three[2:], "assign", people=str(labeller.pk), only="1")
    url = f"{URL}{three[2].pk}/"
    assert url not in client.get(URL, {"show": "stuck"}).content.decode()
    assert "Only" in client.get(url).content.decode()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    skip(assignment=assignment, reason="other")
    assert url in client.get(URL, {"show": "stuck"}).content.decode()


def test_a_tag_that_is_deleted_meanwhile_is_not_renamed(project: Project) -> None:
    tag = Tag.objects.create(project=project, name="a")
    tags.delete(Tag.objects.get(pk=tag.pk))
    assert not tags.rename(tag=tag, name="b")
    assert not project.tags.exists()


@pytest.mark.django_db(transaction=True)
def test_tags_renamed_alike_at_once_become_one(project: Project) -> None:
    both = [Tag.objects.create(project=project, name=name) for name in "ab"]
    jobs = [lambda tag=tag: tags.rename(tag=tag, name="c") for tag in both]
    assert in_parallel(*jobs) == []
    assert [tag.name for tag in project.tags.all()] == ["c"]
