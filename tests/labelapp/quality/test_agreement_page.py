"""The page of the agreement: its figures, plots and alerts, and who sees them."""

import re
from typing import Any

import pytest
from django.core.management import call_command
from django_tasks_db.models import DBTaskResult

from labelapp.models import (
    Member,
    Project,
    Ranking,
    User,
)
from labelapp.people.exclusions import exclude
from labelapp.quality.coefficients import measure
from labelapp.quality.rankings import rankings_by_prompt
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp import drawn
from tests.labelapp.quality.measured import add_measured

URL = "/projects/kitchen/agreement/"
MEASURE = f"{URL}measure/"
STOP = f"{URL}stop/"
MEASURED = f"{URL}measured/"


# The page


def shown(project: Project, manager: Member) -> str:
    add_measured(project, measure(rankings_by_prompt(project)).to_json())
    return re.sub(r"[ \n]+", " ", sign_in(manager).get(URL).content.decode())


def test_the_page_shows_figures_beside_the_published_ones(
    ranked_twice: Project, manager: Member
) -> None:
    page = shown(ranked_twice, manager)
    assert "12 rankings · 6 prompts · 2 labellers" in page
    for text in (
        "72.6\u202f%",
        "77.3\u202f%",
        "50\u202f%",
        "arXiv 2203.02155",
        "chance level 42.7\u202f%",
        "+0.55",
    ):
        assert text in page, text
    for unit in ("6 pairs of rankings on 6 prompts", "24 responses on 6 prompts", "6 prompts"):
        assert unit in page, unit


def test_the_page_says_why_a_figure_is_not_defined(
    labeller: Member, manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    add_ranking(add_prompt(), labeller, (1, 2, 3, 4))
    page = shown(labeller.project, manager)
    assert (
        page.count("ot defined. Only one labeller has ranked. Agreement needs at least two.") == 5
    )


def test_the_page_takes_the_same_queries_however_many_measurements(
    ranked_twice: Project, manager: Member, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        shown(ranked_twice, manager)
    browser = sign_in(manager)
    with django_assert_max_num_queries(10):
        browser.get(URL)


def test_the_page_shows_each_labeller_beside_all_together(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    page = shown(ranked_twice, manager)
    table = page[page.index("All figures of each labeller") :]
    table = table[: table.index("</table>")]
    names = [">labeller<", ">bob<", ">All together<"]
    assert [table.count(name) for name in names] == [1, 1, 1]
    # Bob ties 1 of 6 pairs of each prompt, the labeller none.
    assert "16.7\u202f%" in table
    assert "Prefers what came first" not in table  # the order shown is known of nobody
    Member.objects.filter(pk=labeller.pk).update(name="Ann")
    assert ">Ann<" in sign_in(manager).get(URL).content.decode()


def test_the_page_says_who_stands_out_and_why(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    assert "Nobody stands out." in shown(ranked_twice, manager)
    found = measure(rankings_by_prompt(ranked_twice)).to_json()
    person = next(one for one in found["people"] if one["member"] == labeller.pk)
    person["alarms"] = [{"kind": "ties", "badge": "Ties a lot", "text": "Ties 99 of 100."}]
    add_measured(ranked_twice, found)
    page = re.sub(r"[ \n]+", " ", sign_in(manager).get(URL).content.decode())
    assert "1 of 2 labellers stands out." in page
    assert "Ties 99 of 100." in page
    assert page.count("Ties a lot") == 2  # at the top, and beside the name


def test_the_page_counts_gold_prompts_and_warns_of_none(
    ranked_twice: Project, manager: Member
) -> None:
    assert "gold prompt" not in shown(ranked_twice, manager)
    Project.objects.update(gold_share=5)
    assert "but no prompt has a gold ranking" in shown(ranked_twice, manager)
    Ranking.objects.filter(pk=Ranking.objects.earliest("pk").pk).update(is_gold=True)
    assert ">1 gold prompt</a>" in shown(ranked_twice, manager)


@pytest.mark.parametrize("url", [URL, MEASURED])
def test_reviewers_see_it_and_labellers_are_refused(
    reviewer: Member, labeller: Member, url: str
) -> None:
    assert sign_in(reviewer).get(url).status_code == 200
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(labeller).post(MEASURE).status_code == 403
    assert sign_in(labeller).post(STOP).status_code == 403
    assert sign_in(reviewer).post(url).status_code == 405


@pytest.mark.parametrize("url", [URL, MEASURED])
def test_a_stranger_finds_nothing(manager: Member, outsider: User, url: str) -> None:
    assert sign_in(outsider).get(url).status_code == 404
    assert sign_in(outsider).post(MEASURE).status_code == 404
    assert sign_in(outsider).post(STOP).status_code == 404
    assert sign_in(manager).get(MEASURE).status_code == 405


@pytest.mark.parametrize("url", [URL, MEASURED])
def test_who_is_signed_out_is_sent_to_sign_in(project: Project, client: Any, url: str) -> None:
    assert client.get(url).headers["Location"] == f"/sign-in/?next={url}"
    assert client.post(MEASURE).status_code == 302
    assert DBTaskResult.objects.count() == 0


def test_only_managers_and_reviewers_are_led_there(manager: Member, labeller: Member) -> None:
    assert f'href="{URL}"' in sign_in(manager).get("/projects/kitchen/").content.decode()
    assert f'href="{URL}"' not in sign_in(labeller).get("/projects/kitchen/").content.decode()


def test_the_front_page_says_how_far_labellers_agree_and_what_is_to_decide(
    ranked_twice: Project, manager: Member, labeller: Member
) -> None:
    def front(member: Member) -> str:
        page = sign_in(member).get("/projects/kitchen/").content.decode()
        return " ".join(re.sub(r"<[^>]*>", " ", page).split())

    assert "not measured yet" in front(manager)
    call_command("measure_agreement", project="kitchen")
    assert "6 disagreements to decide" in front(manager)
    assert "disagreements to decide" not in front(labeller)


# Plots


@pytest.fixture
def three_rank(ranked_twice: Project, manager: Member, add_ranking: AddRanking) -> Project:
    """Six prompts that a labeller and bob have ranked, and a third one the other way round."""
    for prompt in ranked_twice.prompts.all():
        add_ranking(prompt, manager, (4, 3, 2, 1))
    return ranked_twice


def test_each_labeller_has_a_dot_and_a_link_in_each_plot_that_has_values(
    three_rank: Project, labeller: Member, manager: Member
) -> None:
    page = shown(three_rank, manager)
    titles = re.findall(r"<figcaption[^>]*>([^<]+)</figcaption>", page)
    assert titles == [
        "Agrees with others, in %",
        "Ties, in % of all pairs",
        "Prefers the longer, in %",
    ]
    link = f'<a href="/projects/kitchen/people/{labeller.pk}/">labeller</a>'
    for key in ("plot-agreement", "plot-ties", "plot-longer"):
        dots = drawn.charts(page)[key]["series"]
        rows = drawn.table(page, key)
        assert [one["name"] for one in dots] == [name for name, *_ in rows]
        assert [one["name"] for one in dots].count("labeller") == 1
        assert rows[-1][0] == "All together"
        assert [f"{one['x'][0]:.1f}\u202f%" for one in dots] == [
            value.replace(" ", "\u202f") for _, _, value, _ in rows
        ]
    assert page.count(link) >= 3


def test_the_map_says_how_far_every_two_labellers_agree(
    three_rank: Project, bob: Member, labeller: Member, manager: Member
) -> None:
    found = {
        frozenset((one.first, one.second)): one
        for one in measure(rankings_by_prompt(three_rank)).pairs
    }
    assert len(found) == 3
    assert found[frozenset((labeller.pk, manager.pk))].share == 0
    pair = found[frozenset((bob.pk, labeller.pk))]
    assert (round(pair.share, 3), pair.comparisons) == (0.8, 30)
    assert pair.low is not None
    assert pair.low <= pair.share
    assert "Who agrees with whom" in shown(three_rank, manager)
    html = sign_in(manager).get(URL).content.decode()
    heads = html[html.index('id="map-title"') :].split("</thead>")[0]
    for person in (bob, labeller, manager):
        url = f"/projects/kitchen/people/{person.pk}/"
        assert f'<a class="rater-name" href="{url}">{person.name}</a>' in heads


def test_two_labellers_need_no_map_and_earlier_results_have_none(
    three_rank: Project, bob: Member, manager: Member
) -> None:
    result = measure(rankings_by_prompt(three_rank)).to_json()
    del result["pairs"]
    add_measured(three_rank, result)
    browser = sign_in(manager)
    assert "Who agrees with whom" not in browser.get(URL).content.decode()
    bob.rankings.all().delete()
    assert "Who agrees with whom" not in shown(three_rank, manager)


def test_alerts_lead_to_the_rankings_behind_them(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    found = measure(rankings_by_prompt(ranked_twice)).to_json()
    person = next(one for one in found["people"] if one["member"] == labeller.pk)
    person["alarms"] = [{"kind": "ties", "badge": "Ties a lot", "text": "Ties 99 of 100."}]
    add_measured(ranked_twice, found)
    page = sign_in(manager).get(URL).content.decode()
    assert f'href="/projects/kitchen/people/{labeller.pk}/?sort=ties#rankings"' in page


def test_the_page_says_that_it_is_older_than_a_labellers_leaving(
    ranked_twice: Project, labeller: Member, manager: Member
) -> None:
    assert "rankings were left out" not in shown(ranked_twice, manager)
    assert manager.user is not None
    exclude(member=labeller, by=manager.user, reason="?")
    assert "rankings were left out" in sign_in(manager).get(URL).content.decode()
    assert "rankings were left out" not in shown(ranked_twice, manager)
