"""The list of disagreements, and the rankings of a prompt side by side."""

import re
from typing import Any

import pytest

from labelapp.models import Member, Project, Prompt, Ranking, User
from labelapp.quality import disagreement_list
from labelapp.quality.side_by_side import side_by_side
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.quality.disputed import FIRST, SECOND, URL, adjudicated, record
from training.rankings import UNRANKED


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
    monkeypatch.setattr(disagreement_list, "PAGE_SIZE", 1)
    first = disagreement_list.page(project=project)
    second = disagreement_list.page(project=project, after=first.next)
    seen = [row.disagreement.prompt_id for page in (first, second) for row in page.rows]
    assert seen == [disputed[0].pk, disputed[1].pk]
    assert second.next == ""
    for nonsense in ("x", "1", "1.0.3", "9" * 400 + ".1.1", "1.2.99999999999999999999"):
        assert disagreement_list.page(project=project, after=nonsense).rows == first.rows


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


def test_a_manager_asks_for_one_more_ranking_and_stays_on_the_page(
    disputed: list[Prompt], reviewer: Member, manager: Member
) -> None:
    prompt, url = disputed[0], f"{URL}{disputed[0].pk}/?show=all"
    wanted = prompt.rankings_wanted
    client = sign_in(manager)
    page = client.get(url).content.decode()
    [form] = re.findall(r'<form class="acts ask-again".*?</form>', page, re.DOTALL)
    assert "Ask for one more ranking" in form
    [address] = re.findall(r'action="([^"]+)"', form)
    sent = dict(re.findall(r'name="(act|back)" value="([^"]+)"', form))
    assert client.post(address, sent)["Location"] == url
    prompt.refresh_from_db()
    assert prompt.rankings_wanted == wanted + 1
    client = sign_in(reviewer)
    assert "Ask for one more ranking" in client.get(url).content.decode()
    assert client.post(address, sent)["Location"] == url


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


def test_the_rankings_are_side_by_side_with_their_details(
    disputed: list[Prompt], reviewer: Member, manager: Member, django_assert_max_num_queries: Any
) -> None:
    adjudicated(disputed[0], manager, FIRST)
    client = sign_in(reviewer)
    with django_assert_max_num_queries(22):
        html = client.get(f"{URL}{disputed[0].pk}/").content.decode()
    assert "The first &lt;b&gt;by far&lt;/b&gt;." in html
    assert "by manager" in re.sub(r"<[^>]+>", "", html)
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


def test_a_manager_makes_a_decision_gold_where_it_is_made(
    disputed: list[Prompt], reviewer: Member, manager: Member, labeller: Member
) -> None:
    decision = adjudicated(disputed[0], manager, FIRST)
    page = f"{URL}{disputed[0].pk}/"
    address = f"/projects/kitchen/prompts/{disputed[0].pk}/gold/{decision.pk}/"
    client = sign_in(manager)
    html = client.get(page).content.decode()
    assert f'action="{address}"' in html
    assert html.count(">Make gold<") == 3  # two labellers' rankings, and the decision
    answer = client.post(address, {"gold": "1", "back": page})
    assert answer["Location"] == page
    decision.refresh_from_db()
    assert decision.is_gold
    assert client.get(page).content.decode().count(">Remove gold mark<") == 1
    assert "Make gold" not in sign_in(reviewer).get(page).content.decode()
    for person in (reviewer, labeller):
        assert sign_in(person).post(address, {"back": page}).status_code == 403
    decision.refresh_from_db()
    assert decision.is_gold
    client.post(address, {"back": "https://elsewhere.example/"})
    decision.refresh_from_db()
    assert not decision.is_gold


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
    assert sorted(one.name for one in split.prefer_one + split.prefer_other) == ["bob", "labeller"]
    assert side_by_side(disputed[2]).splits == []


def test_every_name_leads_to_the_person(
    disputed: list[Prompt], labeller: Member, bob: Member, manager: Member, reviewer: Member
) -> None:
    """In the table, the pairs they split on, the comments, and each decision."""
    client, page = sign_in(manager), f"{URL}{disputed[1].pk}/"
    client.post(f"{page}comment/", {"text": "Hm."})
    first = adjudicated(disputed[1], manager, FIRST)
    adjudicated(disputed[1], reviewer, SECOND, instead_of=first.pk)
    html = sign_in(reviewer).get(page).content.decode()

    def link(person: Member) -> str:
        return f'<a href="/projects/kitchen/people/{person.pk}/"><bdi>{person.name}</bdi></a>'

    splits = html[html.index('id="splits-title"') :].split("</section>")[0]
    assert splits.count(link(labeller)) == splits.count(link(bob)) == 1
    comments = html[html.index('id="comments"') :].split("</section>")[0]
    assert f"<strong>{link(manager)}</strong>" in comments
    assert f"by {link(reviewer)}" in html
    assert f"<dt>{link(manager)}, adjudicated on" in html


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
