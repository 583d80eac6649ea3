"""The filters of the review, which combine, its order, its address and its places."""

import csv
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from labelapp.db.text_index import has_index
from labelapp.models import (
    Disagreement,
    Member,
    Prompt,
    PromptAgreement,
    Ranking,
    Rating,
    TrainingRun,
    User,
)
from labelapp.reviewing import listing
from labelapp.reviewing.filters import ORDERS, Filter, filtered
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.reviewing.scored import URL, score

EXPORT = f"{URL}prompts.csv"


@pytest.fixture
def prompts(
    run: TrainingRun,
    labeller: Member,
    manager: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    tmp_path: Path,
) -> dict[str, Prompt]:
    """Three prompts: the model reverses the first, agrees on the others, and learned the last."""
    made = {
        "against": add_prompt("Why is the **sky** blue?"),
        "agrees": add_prompt("How do I boil an egg?", ["Six minutes.", "=Boil it!", "No.", "Yes."]),
        "learned": add_prompt("Who are you?", ["A", "Me, " * 90, "C"], external_id="who-7"),
    }
    add_ranking(made["against"], labeller, [1, 2, 3, 4])
    add_ranking(made["against"], manager, [2, 1, 3, 4])
    add_ranking(made["agrees"], labeller, [1, 2, 3, 4])
    add_ranking(made["learned"], manager, [1, 2, 3])
    rewards: dict[int, float] = {}
    for name, prompt in made.items():
        sign = 1 if name == "against" else -1
        keys = prompt.responses.order_by("pk").values_list("pk", flat=True)
        rewards |= {pk: sign * float(place) for place, pk in enumerate(keys)}
    score(run, tmp_path, rewards)
    PromptAgreement.objects.exclude(prompt=made["learned"]).update(held_out=True)
    PromptAgreement.objects.filter(prompt=made["against"]).update(margin=3.0)
    for name, against in (("against", 1), ("agrees", 0)):
        Disagreement.objects.create(
            prompt=made[name], project=run.project, labellers=2, comparisons=6, against=against,
            share=against / 6,
        )  # fmt: skip
    run.project.flags = ["Harmful", 'Says "I", or ‘we’', "Off topic"]
    run.project.save()
    noted = Ranking.objects.get(prompt=made["against"], member=manager)
    Ranking.objects.filter(pk=noted.pk).update(note="Both are wrong.")
    flagged = Ranking.objects.get(prompt=made["agrees"])
    for ranking, flags in ((noted, ["Harmful", run.project.flags[1]]), (flagged, ["Harmful"])):
        response = ranking.placements.order_by("response")[1].response
        Rating.objects.create(ranking=ranking, response=response, score=2, flags=flags)
    ranked = Ranking.objects.filter(prompt=made["learned"])
    ranked.update(created_at=timezone.now() - timedelta(days=30))
    return made


TODAY = timezone.localdate

SHOWN: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"against", "agrees", "learned"}),
    ({"q": "sky"}, {"against"}),
    ({"q": "SIX minutes"}, {"agrees"}),
    ({"q": "who-7"}, {"learned"}),
    ({"source": "model-3"}, {"against", "agrees"}),
    ({"labeller": "labeller"}, {"against", "agrees"}),
    ({"labeller": "labeller", "people": "split"}, {"against"}),
    ({"differs": "model"}, {"against"}),
    ({"differs": "model", "labeller": "manager"}, {"against"}),
    ({"differs": "manager"}, {"against"}),
    ({"differs": "manager", "labeller": "labeller", "flag": "Harmful"}, set()),
    ({"differs": "longer", "labeller": "manager"}, {"against", "learned"}),
    ({"differs": "adjudicated"}, set()),
    ({"differs": "run-99"}, {"against", "agrees", "learned"}),  # no run of the project
    ({"held_out": "1"}, {"against", "agrees"}),
    ({"held_out": "0"}, {"learned"}),
    ({"model": "against"}, {"against"}),
    ({"model": "agrees", "held_out": "1"}, {"agrees"}),
    ({"people": "unanimous"}, {"agrees"}),
    ({"k": "3"}, {"learned"}),
    ({"k": "4"}, {"against", "agrees"}),
    ({"k": "10"}, set()),
    ({"length": "wide", "k": "3"}, {"learned"}),
    ({"length": "near"}, set()),
    ({"since": "today"}, {"against", "agrees"}),
    ({"until": "yesterday"}, {"learned"}),
    ({"labeller": "manager", "since": "today"}, {"against"}),
    ({"rank": "4"}, {"against", "agrees"}),
    ({"rank": "3", "labeller": "manager"}, {"against", "learned"}),
    ({"rank": "4", "labeller": "manager"}, {"against"}),
    ({"rank": "10"}, {"against", "agrees", "learned"}),
    ({"flag": "Harmful"}, {"against", "agrees"}),
    ({"flag": 'Says "I", or ‘we’'}, {"against"}),
    ({"flag": "Off topic"}, set()),
    ({"flag": "Harm"}, {"against", "agrees", "learned"}),  # no flag of the project
    ({"flag": "Harmful", "labeller": "labeller"}, {"agrees"}),
    ({"flag": "Harmful", "until": "yesterday"}, set()),
    ({"note": "1"}, {"against"}),
    ({"note": "1", "flag": "Harmful", "labeller": "manager", "rank": "1"}, {"against"}),
    ({"note": "1", "labeller": "labeller"}, set()),
    ({"q": "sky", "held_out": "0"}, set()),
    ({"k": "nine", "held_out": "2", "since": "soon"}, {"against", "agrees", "learned"}),
]


@pytest.mark.parametrize(("chosen", "shown"), SHOWN, ids=[str(chosen) for chosen, _ in SHOWN])
def test_filters_combine(
    prompts: dict[str, Prompt], manager: Member, chosen: dict[str, str], shown: set[str]
) -> None:
    days = {"today": TODAY(), "yesterday": TODAY() - timedelta(days=1)}
    query = {name: days.get(value, value) for name, value in chosen.items()}
    for name in {"labeller", "differs"} & query.keys():
        named = manager.project.members.filter(name=query[name]).first()
        query[name] = named.pk if named else query[name]
    page = sign_in(manager).get(URL, query).content.decode()
    found = {name for name, prompt in prompts.items() if f"{URL}{prompt.pk}/?" in page}
    assert found == shown
    assert f"{len(shown)} of 3 prompts" in page


def test_the_address_keeps_the_view(
    prompts: dict[str, Prompt], run: TrainingRun, manager: Member
) -> None:
    browser = sign_in(manager)
    answer = browser.get(URL, {"run": run.pk, "q": "", "held_out": "1", "sort": ""})
    assert answer.headers["Location"] == f"{URL}?run={run.pk}&held_out=1"
    page = browser.get(answer.headers["Location"]).content.decode()
    link = f"{URL}{prompts['against'].pk}/?run={run.pk}&amp;held_out=1&amp;sort=margin"
    assert link in page
    detail = browser.get(link.replace("&amp;", "&")).content.decode()
    assert "1 of 2" in detail
    following = f"{URL}{prompts['agrees'].pk}/?run={run.pk}&amp;held_out=1&amp;sort=margin"
    assert f'rel="next" href="{following}"' in detail
    assert 'rel="prev"' not in detail


def test_each_order_is_total_and_has_neighbours(
    prompts: dict[str, Prompt], run: TrainingRun
) -> None:
    for sort in ORDERS:
        chosen = Filter(sort=sort)
        keys = list(filtered(run, chosen).values_list("prompt_id", flat=True))
        places = [listing.place(run, chosen, key) for key in keys]
        assert [(p.number, p.of, p.before, p.after) for p in places if p] == [
            (1, 3, None, keys[1]),
            (2, 3, keys[0], keys[2]),
            (3, 3, keys[1], None),
        ], sort


@pytest.mark.parametrize(
    ("sort", "first"),
    [("", "against"), ("margin", "against"), ("share", "against"), ("people", "against"),
     ("agree", "agrees"), ("newest", "learned"), ("oldest", "against")],
)  # fmt: skip
def test_the_list_is_sorted(
    prompts: dict[str, Prompt], run: TrainingRun, sort: str, first: str
) -> None:
    row = filtered(run, Filter(sort=sort)).first()
    assert row is not None
    assert row.prompt == prompts[first]


def test_the_widest_margin_comes_first_once_the_run_is_measured(
    prompts: dict[str, Prompt], run: TrainingRun, manager: Member
) -> None:
    PromptAgreement.objects.filter(prompt=prompts["agrees"]).update(margin=4.0)
    browser = sign_in(manager)

    def shown() -> tuple[list[str], str]:
        page = browser.get(URL).content.decode()
        by_key = {prompt.pk: name for name, prompt in prompts.items()}
        links = re.findall(rf'<a dir="auto" href="{URL}(\d+)/', page)
        [chosen] = re.findall(r'<option value="(\w+)" selected>[^<]* people</option>', page)
        return [by_key[int(pk)] for pk in links], chosen

    assert shown() == (["agrees", "against", "learned"], "margin")
    PromptAgreement.objects.update(margin=0)
    assert shown() == (["against", "agrees", "learned"], "share")


def test_a_prompt_that_the_filter_does_not_show_has_no_place(
    prompts: dict[str, Prompt], run: TrainingRun
) -> None:
    assert listing.place(run, Filter(held_out="1"), prompts["learned"].pk) is None


def test_the_export_has_the_prompts_on_screen(
    prompts: dict[str, Prompt], run: TrainingRun, reviewer: Member
) -> None:
    answer = sign_in(reviewer).get(EXPORT, {"q": "egg"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["prompt_id"] for row in rows] == [str(prompts["agrees"].pk)] * 4
    assert [row["response"] for row in rows] == ["A", "B", "C", "D"]
    assert rows[1]["text"] == "'=Boil it!"  # not a formula
    assert rows[0]["ranks"] == "labeller: 1"
    assert (rows[3]["reward"], rows[3]["model_rank"], rows[3]["majority_rank"]) == (
        "-3.0",
        "4",
        "4",
    )
    assert {row["source"] for row in rows} == {f"model-{i}" for i in range(4)}
    assert [row["flags"] for row in rows] == ["", "labeller: Harmful", "", ""]
    assert rows[1]["scores"] == "labeller: 2"


def test_the_export_has_flags_and_notes_of_the_filter(
    prompts: dict[str, Prompt], run: TrainingRun, reviewer: Member
) -> None:
    answer = sign_in(reviewer).get(EXPORT, {"note": "1", "flag": "Harmful"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert {row["prompt_id"] for row in rows} == {str(prompts["against"].pk)}
    assert {row["notes"] for row in rows} == {"manager: Both are wrong."}


def test_a_project_without_flags_has_no_filter_by_them(
    prompts: dict[str, Prompt], run: TrainingRun, manager: Member
) -> None:
    assert 'name="flag"' in sign_in(manager).get(URL).content.decode()
    run.project.flags = []
    run.project.save()
    page = sign_in(manager).get(URL, {"flag": "Harmful"}).content.decode()
    assert 'name="flag"' not in page
    assert "3 of 3 prompts" in page


def test_the_export_is_for_managers_and_reviewers(
    prompts: dict[str, Prompt], labeller: Member, outsider: User
) -> None:
    assert sign_in(labeller).get(EXPORT).status_code == 403
    assert sign_in(outsider).get(EXPORT).status_code == 404
    assert Client().get(EXPORT).status_code == 302


def test_without_a_run_there_is_nothing_to_export(manager: Member) -> None:
    assert sign_in(manager).get(EXPORT).headers["Location"] == URL


@pytest.mark.parametrize("more", [0, 30])
def test_a_filtered_list_makes_the_same_queries_whatever_it_holds(
    prompts: dict[str, Prompt],
    run: TrainingRun,
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    tmp_path: Path,
    more: int,
    django_assert_num_queries: Any,
) -> None:
    for number in range(more):
        add_ranking(add_prompt(f"sky {number}"), labeller, [1, 2, 3, 4])
    labeller.rankings.update(note="Hm.")
    for ranking in labeller.rankings.exclude(ratings__isnull=False):
        response = ranking.placements.order_by("response")[0].response
        Rating.objects.create(ranking=ranking, response=response, flags=["Harmful"])
    keys = [
        pk for p in run.project.prompts.all() for pk in p.responses.values_list("pk", flat=True)
    ]
    score(run, tmp_path / "again", {pk: float(pk) for pk in keys})
    browser = sign_in(manager)
    query = {"q": "sky", "labeller": labeller.pk, "k": 4, "length": "wide", "source": "model-1"}
    query |= {"flag": "Harmful", "note": "1"}
    # A process asks once whether there is an index of texts. With one, a search looks at the first
    # prompts of the project before it chooses how to find the others.
    queries = 22 if has_index() else 20
    with django_assert_num_queries(queries):
        browser.get(URL, query)


@pytest.mark.parametrize("sort", ["", "share", "margin", "agree"])
def test_a_search_reads_an_index_in_order_where_the_database_knows_its_tables(
    run: TrainingRun, sort: str
) -> None:
    """After ANALYZE, SQLite would rather sort all rows, with a search of the texts of each."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads the index without help")
    prompts = Prompt.objects.bulk_create(
        Prompt(project=run.project, content_hash=str(number), messages=[]) for number in range(500)
    )
    PromptAgreement.objects.bulk_create(
        PromptAgreement(
            run=run, prompt=prompt, comparisons=1, against=0, disagreement=0, held_out=True
        )
        for prompt in prompts
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        plan = filtered(run, Filter(q="blue", sort=sort))[:50].explain()
        cursor.execute("DROP TABLE sqlite_stat1")
    index = "agreement_widest_margin" if sort == "margin" else "agreement_worst_first"
    assert f"USING INDEX {index}" in plan
