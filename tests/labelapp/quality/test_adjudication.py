"""Adjudication, and the pages of disagreements: the list, rankings side by side, comments."""

import re
import threading
from typing import Any

import pytest
from django.db import connection

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Comment, Member, Origin, Project, Prompt, Ranking, Role, User
from labelapp.quality import adjudication, disagreements
from labelapp.quality.adjudication import AdjudicatedMeanwhileError
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.side_by_side import side_by_side
from tests.conftest import PASSWORD, AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.waiting import PATIENCE
from training.rankings import UNRANKED

URL = "/projects/kitchen/disagreements/"


def record(project: Project) -> None:
    with Recorder(project) as recorder:
        list(recorder.record(rankings_by_prompt(project)))
        recorder.store()


@pytest.fixture
def disputed(
    labeller: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> list[Prompt]:
    """Three prompts ranked by two labellers, who disagree completely, slightly and not at all."""
    prompts = []
    for text, ranks in (("Whole?", (4, 3, 2, 1)), ("Little?", (2, 1, 3, 4)), ("No?", (1, 2, 3, 4))):
        prompt = add_prompt(text, wanted=2)
        add_ranking(prompt, labeller, (1, 2, 3, 4), note="The first <b>by far</b>.")
        add_ranking(prompt, bob, ranks)
        prompts.append(prompt)
    record(labeller.project)
    return prompts


def adjudicated(
    prompt: Prompt, member: Member, ranks: dict[str, int], instead_of: int | None = None
) -> Ranking:
    table = side_by_side(prompt).tables[0]
    return adjudication.adjudicate(
        prompt=prompt,
        responses_hash=table.responses_hash,
        member=member,
        by_letter=table.by_letter,
        entered=RankingInput(ranks),
        instead_of=instead_of,
    )


FIRST = {"A": 1, "B": 2, "C": 2, "D": 3}
SECOND = {"A": 2, "B": 1, "C": 3, "D": 4}


def fields(html: str) -> dict[str, str]:
    """Return the fields that a browser sends for the unchanged form to adjudicate."""
    form = html[html.index('class="task"') :].partition("</form>")[0]
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    checked = re.findall(r'name="(rank-\w+)" value="(\d)" checked', form)
    return dict(hidden) | dict(checked)


# The list


def test_prompts_come_worst_first_and_those_without_disagreement_do_not(
    disputed: list[Prompt], reviewer: Member
) -> None:
    html = sign_in(reviewer).get(URL).content.decode()
    assert html.index("Whole?") < html.index("Little?")
    assert "No?" not in html
    assert "6 of 6" in html
    assert "1 of 6" in html


def test_the_list_tells_what_is_adjudicated_from_what_is_not(
    disputed: list[Prompt], manager: Member
) -> None:
    adjudicated(disputed[0], manager, FIRST)
    client = sign_in(manager)
    assert "Whole?" not in client.get(URL).content.decode()
    decided = client.get(f"{URL}?show=adjudicated").content.decode()
    assert "Whole?" in decided
    assert "Little?" not in decided
    assert "Whole?" in client.get(f"{URL}?show=all").content.decode()


def test_the_list_goes_on_where_a_page_ends(
    disputed: list[Prompt], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disagreements, "PAGE_SIZE", 1)
    first = disagreements.page(project=project)
    second = disagreements.page(project=project, after=first.next)
    seen = [row.disagreement.prompt_id for page in (first, second) for row in page.rows]
    assert seen == [disputed[0].pk, disputed[1].pk]
    assert second.next == ""
    for nonsense in ("x", "1", "1.0.3", "9" * 400 + ".1.1", "1.2.99999999999999999999"):
        assert disagreements.page(project=project, after=nonsense).rows == first.rows


def test_tables_show_excerpts_without_markdown(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, bob: Member, manager: Member
) -> None:
    prompt = add_prompt("Is **$x^2$** even?", ["**Proof.** Let", "`No`", "_Yes_", "$1$"])
    add_ranking(prompt, labeller, (1, 2, 3, 4))
    add_ranking(prompt, bob, (4, 3, 2, 1))
    record(labeller.project)
    client = sign_in(manager)
    for url in (URL, "/projects/kitchen/prompts/"):
        assert ">Is x2 even?</a>" in client.get(url).content.decode()
    page = client.get(f"{URL}{prompt.pk}/").content.decode()
    excerpts = re.findall(r'class="excerpt[^>]*>([^<]+)<', page)
    assert sorted(excerpts) == sorted(["Proof. Let", "No", "Yes", "1"] * 2)


def test_the_texts_are_found_by_letter(
    disputed: list[Prompt], labeller: Member, reviewer: Member
) -> None:
    url = f"{URL}{disputed[0].pk}/texts/"
    found = sign_in(reviewer).get(url).json()
    assert found["message-1"] == "Whole?"
    assert [found[name] for name in "ABCD"] == [
        response.text for response in disputed[0].responses.order_by("pk")
    ]
    assert sign_in(labeller).get(url).status_code == 403


def test_previous_and_next_follow_the_list(disputed: list[Prompt], reviewer: Member) -> None:
    client = sign_in(reviewer)
    first = client.get(f"{URL}{disputed[0].pk}/?show=all").content.decode()
    assert f'rel="next" href="{URL}{disputed[1].pk}/?show=all"' in first
    assert 'rel="prev"' not in first
    second = client.get(f"{URL}{disputed[1].pk}/").content.decode()
    assert f'rel="prev" href="{URL}{disputed[0].pk}/"' in second
    assert 'rel="next"' not in second


def test_where_nothing_is_measured_there_is_a_button(manager: Member) -> None:
    response = sign_in(manager).get(URL).content.decode()
    assert "Not measured yet" in response
    assert "Measure agreement" in response
    measured = sign_in(manager).post(
        "/projects/kitchen/agreement/measure/", {"page": "disagreements"}
    )
    assert measured["Location"] == URL
    assert "Measuring" in sign_in(manager).get(URL).content.decode()


def test_where_all_agree_the_page_says_so(
    labeller: Member, bob: Member, reviewer: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, (1, 2, 3, 4))
    add_ranking(prompt, bob, (1, 2, 3, 4))
    record(labeller.project)
    assert "No disagreements" in sign_in(reviewer).get(URL).content.decode()


def test_labellers_see_none_of_it_and_strangers_no_project(
    disputed: list[Prompt], labeller: Member, outsider: User
) -> None:
    page = f"{URL}{disputed[0].pk}/"
    for url in (URL, page):
        assert sign_in(labeller).get(url).status_code == 403
        assert sign_in(outsider).get(url).status_code == 404
    for url in (f"{page}comment/", f"{page}adjudicate/", f"{page}take-back/1/"):
        assert sign_in(labeller).post(url).status_code == 403
        assert sign_in(outsider).post(url).status_code == 404


def test_another_projects_prompt_is_not_there(disputed: list[Prompt], manager: Member) -> None:
    other = Project.objects.create(name="Garden", slug="garden")
    Prompt.objects.filter(pk=disputed[0].pk).update(project=other)
    assert sign_in(manager).get(f"{URL}{disputed[0].pk}/").status_code == 404


def test_the_list_takes_the_same_queries_however_long_it_is(
    disputed: list[Prompt],
    labeller: Member,
    bob: Member,
    manager: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(9):
        prompt = add_prompt(f"More {number}?")
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, bob, (4, 3, 2, 1))
    record(labeller.project)
    client = sign_in(manager)
    with django_assert_max_num_queries(13):
        client.get(URL)


# Side by side


def test_the_rankings_are_side_by_side_with_their_details(
    disputed: list[Prompt], reviewer: Member, manager: Member, django_assert_max_num_queries: Any
) -> None:
    adjudicated(disputed[0], manager, FIRST)
    client = sign_in(reviewer)
    with django_assert_max_num_queries(22):
        html = client.get(f"{URL}{disputed[0].pk}/").content.decode()
    assert "The first &lt;b&gt;by far&lt;/b&gt;." in html
    assert "by manager" in html
    table = side_by_side(disputed[0]).tables[0]
    assert [column.name for column in table.columns] == ["bob", "labeller"]
    assert {row.letter: row.mean for row in table.rows} == dict.fromkeys("ABCD", 2.5)
    judged = {row.letter: row.adjudicated for row in table.rows}
    assert [(judged[letter].rank, judged[letter].tied) for letter in "ABCD"] == [  # type: ignore[union-attr]
        (1, False),
        (2, True),
        (2, True),
        (3, False),
    ]


def test_unranked_responses_are_no_tie_side_by_side(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, bob: Member, manager: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, (1, 2, UNRANKED, UNRANKED))
    add_ranking(prompt, bob, (2, 1, UNRANKED, UNRANKED))
    found = side_by_side(prompt)
    (table,) = found.tables
    assert [(cell.is_ranked, cell.tied) for cell in table.rows[-1].cells] == [(False, False)] * 2
    assert [row.mean for row in table.rows] == [1.5, 1.5, None, None]
    assert [(split.one, split.other) for split in found.splits] == [("A", "B")]
    client = sign_in(manager)
    html = client.get(f"{URL}{prompt.pk}/").content.decode()
    assert html.count("not ranked</span>") == 4
    # The decision begins with what is known, and needs a rank for each.
    form = {"rank-A": "1", "rank-B": "2", "set": table.responses_hash}
    refused = client.post(f"{URL}{prompt.pk}/adjudicate/", form)
    assert refused.status_code == 422
    assert "C has no rank yet." in refused.content.decode()


@pytest.mark.parametrize("after", ["1.2.-1" + "0" * 30, "1.2.1" + "0" * 30, "1.0.1", "x"])
def test_a_place_that_there_is_not_is_the_beginning(
    disputed: list[Prompt], reviewer: Member, after: str
) -> None:
    assert "Whole?" in sign_in(reviewer).get(f"{URL}?after={after}").content.decode()


def test_a_number_that_no_database_holds_leads_nowhere(
    disputed: list[Prompt], reviewer: Member
) -> None:
    client, huge = sign_in(reviewer), "1" + "0" * 30
    assert client.get(f"{URL}{huge}/").status_code == 404
    assert client.post(f"{URL}{huge}/comments/1/delete/").status_code == 404


def test_surplus_rankings_are_shown_and_do_not_count(
    labeller: Member, bob: Member, manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, (1, 2, 3, 4))
    for member in (bob, manager):
        add_ranking(prompt, member, (4, 3, 2, 1), surplus=True)
    table = side_by_side(prompt).tables[0]
    assert len(table.columns) == 3
    assert list(table.majority.values()) == [1, 2, 3, 4]
    assert [row.mean for row in table.rows] == [1, 2, 3, 4]


def test_pairs_on_which_they_split_are_named(disputed: list[Prompt]) -> None:
    (split,) = side_by_side(disputed[1]).splits
    assert {split.one, split.other} == {"A", "B"}
    assert sorted(split.prefer_one + split.prefer_other) == ["bob", "labeller"]
    assert side_by_side(disputed[2]).splits == []


def test_a_surplus_ranking_is_shown_and_splits_nobody(
    disputed: list[Prompt], manager: Member, add_ranking: AddRanking, reviewer: Member
) -> None:
    add_ranking(disputed[2], manager, (4, 3, 2, 1), surplus=True)
    assert side_by_side(disputed[2]).splits == []
    assert "surplus" in sign_in(reviewer).get(f"{URL}{disputed[2].pk}/").content.decode()


def test_each_set_of_responses_has_its_own_table(disputed: list[Prompt], manager: Member) -> None:
    ranking = disputed[0].rankings.get(member__name="bob")
    ranking.placements.filter(rank=4).delete()
    Ranking.objects.filter(pk=ranking.pk).update(responses_hash="0" * 64)
    tables = side_by_side(disputed[0]).tables
    assert sorted("".join(table.by_letter) for table in tables) == ["ABCD", "BCD"]
    html = sign_in(manager).get(f"{URL}{disputed[0].pk}/").content.decode()
    assert "Set 1 of 2" in html


# Adjudicating


def test_the_form_begins_with_what_most_say_and_what_is_sent_is_stored(
    disputed: list[Prompt], bob: Member, reviewer: Member, add_ranking: AddRanking
) -> None:
    add_ranking(disputed[0], join(reviewer.project, "cleo", Role.LABELLER), (4, 3, 1, 2))
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    sent = fields(client.get(page).content.decode())
    assert [sent[f"rank-{letter}"] for letter in "ABCD"] == ["4", "3", "1", "2"]
    before = set(disputed[0].rankings.values_list("pk", "is_current"))
    response = client.post(f"{page}adjudicate/", sent | {"rank-A": "3", "note": "C is right."})
    assert response["Location"] == f"{page}#verdicts"
    ranking = disputed[0].rankings.get(origin=Origin.ADJUDICATED)
    assert (ranking.member, ranking.is_current, ranking.note) == (reviewer, True, "C is right.")
    assert list(ranking.ranks().values()) == [3, 3, 1, 2]
    assert before < set(disputed[0].rankings.values_list("pk", "is_current"))


def test_the_same_form_twice_stores_one_ranking(disputed: list[Prompt], reviewer: Member) -> None:
    client, page = sign_in(reviewer), f"{URL}{disputed[1].pk}/"
    sent = fields(client.get(page).content.decode())
    for _ in range(2):
        assert client.post(f"{page}adjudicate/", sent).status_code == 302
    assert disputed[1].rankings.filter(origin=Origin.ADJUDICATED).count() == 1


def test_an_incomplete_ranking_is_refused_in_words_and_kept(
    disputed: list[Prompt], reviewer: Member
) -> None:
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    sent = fields(client.get(page).content.decode()) | {"rank-A": "", "note": "Wait."}
    response = client.post(f"{page}adjudicate/", sent)
    html = response.content.decode()
    assert response.status_code == 422
    assert "A has no rank yet." in html
    assert "Wait.</textarea>" in html
    assert not disputed[0].rankings.filter(origin=Origin.ADJUDICATED).exists()


def test_where_ties_are_not_allowed_none_is_stored(
    disputed: list[Prompt], reviewer: Member
) -> None:
    Project.objects.update(ties_allowed=False)
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    response = client.post(f"{page}adjudicate/", fields(client.get(page).content.decode()))
    assert response.status_code == 422
    assert "This project allows no ties" in response.content.decode()


def test_a_later_adjudication_replaces_an_earlier_one_which_is_kept(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    first = adjudicated(disputed[0], manager, FIRST)
    second = adjudicated(disputed[0], reviewer, SECOND, instead_of=first.pk)
    first.refresh_from_db()
    assert (first.is_current, second.is_current) == (False, True)
    assert list(first.ranks().values()) == [1, 2, 2, 3]
    third = adjudicated(disputed[0], manager, FIRST, instead_of=second.pk)
    assert third.version == 2
    assert adjudicated(disputed[0], manager, FIRST, instead_of=third.pk) == third


def test_who_did_not_see_the_others_adjudication_is_told_and_can_go_on(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    sent = fields(client.get(page).content.decode()) | {"note": "Mine."}
    adjudicated(disputed[0], manager, FIRST)
    response = client.post(f"{page}adjudicate/", sent)
    html = response.content.decode()
    assert response.status_code == 409
    assert "Somebody else has changed the decision" in html
    assert "Mine.</textarea>" in html
    assert client.post(f"{page}adjudicate/", fields(html)).status_code == 302
    assert disputed[0].rankings.get(is_current=True, origin=Origin.ADJUDICATED).member == reviewer


@pytest.mark.django_db(transaction=True)
def test_of_two_who_adjudicate_at_once_one_is_told(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    ready = threading.Barrier(2)
    told: list[type[Exception] | None] = []

    def at_once(member: Member, ranks: dict[str, int]) -> None:
        try:
            ready.wait(PATIENCE)
            adjudicated(disputed[0], member, ranks)
            told.append(None)
        except Exception as error:  # noqa: BLE001 - told below
            told.append(type(error))
        finally:
            connection.close()

    pairs = ((manager, FIRST), (reviewer, SECOND))
    threads = [threading.Thread(target=at_once, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, told)) == sorted(map(str, [None, AdjudicatedMeanwhileError]))
    assert disputed[0].rankings.filter(origin=Origin.ADJUDICATED, is_current=True).count() == 1


def test_a_withdrawn_decision_does_not_count_and_can_be_saved_again(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    ranking = adjudicated(disputed[0], manager, FIRST)
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    client.post(f"{page}take-back/{ranking.pk}/")
    ranking.refresh_from_db()
    assert not ranking.is_current
    sent = fields(client.get(page).content.decode())
    assert {letter: int(sent[f"rank-{letter}"]) for letter in "ABCD"} == FIRST
    client.post(f"{page}adjudicate/", sent)
    assert disputed[0].rankings.filter(origin=Origin.ADJUDICATED, is_current=True).count() == 1
    again = client.post(f"{page}take-back/{ranking.pk}/", follow=True).content.decode()
    assert "already replaced or withdrawn" in again


def test_a_labellers_ranking_cannot_be_withdrawn(disputed: list[Prompt], manager: Member) -> None:
    own = disputed[0].rankings.get(member__name="bob")
    url = f"{URL}{disputed[0].pk}/take-back/{own.pk}/"
    assert sign_in(manager).post(url).status_code == 404


def test_a_superuser_who_is_no_member_looks_and_does_not_write(
    disputed: list[Prompt],
) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    page = f"{URL}{disputed[0].pk}/"
    html = sign_in(root).get(page).content.decode()
    assert "Join the project to adjudicate" in html
    response = sign_in(root).post(f"{page}comment/", {"text": "Hello"})
    assert response.status_code == 403
    assert "add_member" in response.content.decode()


# Who adjudicates may label as well


def test_who_adjudicated_a_prompt_is_not_given_it_to_label(
    disputed: list[Prompt], manager: Member
) -> None:
    adjudicated(disputed[0], manager, FIRST)
    given = assignments.current_assignment(manager)
    assert given is not None
    assert given.prompt == disputed[1]


def test_what_they_said_as_a_labeller_and_as_adjudicator_stand_beside_each_other(
    manager: Member, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt()
    task = assignments.current_assignment(manager)
    assert task is not None
    own = submit(assignment=task, entered=RankingInput({"A": 1, "B": 2, "C": 3, "D": 4}))
    judged = adjudicated(prompt, manager, FIRST)
    changed = submit(assignment=task, entered=RankingInput({"A": 4, "B": 3, "C": 2, "D": 1}))
    own.refresh_from_db()
    judged.refresh_from_db()
    assert (own.is_current, judged.is_current, changed.is_current) == (False, True, True)
    assert [own.version, judged.version, changed.version] == [1, 2, 3]
    said = submissions.current_input(task)
    assert said is not None
    assert said.ranks == {"A": 4, "B": 3, "C": 2, "D": 1}


# Comments


def test_a_comment_is_shown_as_markdown_and_hostile_html_as_text(
    disputed: list[Prompt], reviewer: Member, manager: Member
) -> None:
    page = f"{URL}{disputed[0].pk}/"
    response = sign_in(reviewer).post(f"{page}comment/", {"text": "**Look** <script>x</script>"})
    assert response["Location"] == f"{page}#comments"
    html = sign_in(manager).get(page).content.decode()
    assert "<strong>Look</strong> &lt;script&gt;" in html
    listed = sign_in(manager).get(URL).content.decode()
    assert '<td class="number" data-name="comments">1</td>' in listed


def test_an_empty_or_endless_comment_is_refused_in_words(
    disputed: list[Prompt], reviewer: Member
) -> None:
    url = f"{URL}{disputed[0].pk}/comment/"
    empty = sign_in(reviewer).post(url, {"text": "  "})
    assert (empty.status_code, "Write a comment first." in empty.content.decode()) == (422, True)
    endless = sign_in(reviewer).post(url, {"text": "x" * 5001})
    assert "at most 5,000 characters" in endless.content.decode()
    assert not Comment.objects.exists()


def test_who_wrote_it_and_a_manager_delete_a_comment_and_no_other_reviewer(
    disputed: list[Prompt], reviewer: Member, manager: Member
) -> None:
    page = f"{URL}{disputed[0].pk}/"
    other = join(reviewer.project, "other", Role.REVIEWER)
    for writer, deleter, status in (
        (reviewer, other, 403),
        (reviewer, reviewer, 302),
        (reviewer, manager, 302),
    ):
        Comment.objects.all().delete()
        sign_in(writer).post(f"{page}comment/", {"text": "Hm."})
        url = f"{page}comments/{Comment.objects.get().pk}/delete/"
        assert sign_in(deleter).post(url).status_code == status
        assert Comment.objects.exists() == (status == 403)
