"""The list of runs: what it shows, in which order, and who may change what."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import AliasMove, Member, ModelVersion, Project, State, TrainingRun, User
from labelapp.runs.all_runs import list_page
from labelapp.runs.all_runs.listing import Selection, entries_of
from tests.conftest import sign_in
from training.config import TrainConfig

URL = "/projects/kitchen/runs/"
AddRun = Callable[..., TrainingRun]


@pytest.fixture
def add_run(project: Project) -> AddRun:
    """Stores a run; a finished one has an accuracy and a lead over the longer response."""

    def add(
        accuracy: float | None = None, *, digest: str = "same", lead: float = 0.1, **fields: Any
    ) -> TrainingRun:
        config = TrainConfig(**fields.pop("config", {})).to_json()
        if accuracy is None:
            return TrainingRun.objects.create(project=project, config=config, **fields)
        beside = {
            "accuracy": accuracy - lead, "gain": lead, "gain_low": lead - 0.05,
            "gain_high": lead + 0.05,
        }  # fmt: skip
        held_out = {
            "prompts": 20, "rankings": 60, "comparisons": 240, "accuracy": accuracy,
            "accuracy_low": accuracy - 0.08, "accuracy_high": accuracy + 0.07,
            "baselines": {"longer_wins": beside}, "comparisons_sha256": digest,
        }  # fmt: skip
        metrics = {
            "held_out": held_out,
            "seconds": 95.2,
            "labellers_agree": {
                "held_out": {"agreement": 0.9, "agreement_low": 0.85, "agreement_high": 0.95}
            },
        }
        given = {"state": State.DONE, "finished_at": timezone.now(), "metrics": metrics}
        return TrainingRun.objects.create(project=project, config=config, **(given | fields))

    return add


def listed(manager: Member, query: str = "") -> list[int]:
    """The numbers of the runs that the page lists, in its order."""
    page = sign_in(manager).get(f"{URL}?{query}").content.decode()
    return [int(key) for key in re.findall(r'<tr id="run-(\d+)"', page)]


def row_of(page: str, run: TrainingRun) -> str:
    """The words of a run's row."""
    [found] = re.findall(rf'<tr id="run-{run.pk}".*?</tr>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_a_row_says_what_one_decides_by(add_run: AddRun, manager: Member) -> None:
    run = add_run(
        0.7, name="Long <one>", note="For the report.", tags="scratch seed-3",
        created_by=manager.user, config={"backbone": "transformer", "epochs": 8, "seed": 3},
    )  # fmt: skip
    page = sign_in(manager).get(URL).content.decode()
    words = row_of(page, run)
    for part in (
        "Long &lt;one&gt;", f"Run {run.pk} · transformer", "For the report.", "scratch seed-3",
        "✓ done", "backbone transformer epochs 8 seed 3", "70.0\u202f% 62.0–77.0",
        "+10.0 +5.0 to +15.0 over the longer response", "Worth using better than every baseline",
        "1\xa0min 35\xa0s", "manager",
    ):  # fmt: skip
        assert " ".join(part.split()) in words, part


def test_the_dots_of_all_runs_are_on_one_axis(add_run: AddRun, manager: Member) -> None:
    one, other = add_run(0.7), add_run(0.6)
    page = sign_in(manager).get(URL).content.decode()
    ticks = [
        (float(x), int(label))
        for x, label in re.findall(r'<text x="([\d.]+)%" y="12" text-anchor="middle">(\d+)<', page)
    ]
    (left, first), (right, last) = ticks[0], ticks[-1]

    def place(share: float) -> float:
        return left + (right - left) * (100 * share - first) / (last - first)

    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)%"', page)]
    assert dots == pytest.approx([place(0.6), place(0.7)], abs=0.1)  # the newest first
    baselines = [float(x) for x in re.findall(r'class="baseline" x1="([\d.]+)%"', page)]
    assert baselines == pytest.approx([place(0.5), place(0.6)], abs=0.1)
    people = re.findall(r'class="people" x1="([\d.]+)%" x2="([\d.]+)%"', page)
    assert [float(x) for x in people[0]] == pytest.approx([place(0.85), place(0.95)], abs=0.1)
    assert listed(manager) == [other.pk, one.pk]


def test_every_column_sorts_and_says_so(add_run: AddRun, manager: Member) -> None:
    low = add_run(0.6, name="b", config={"seed": 2})
    high = add_run(0.8, name="a", lead=0.02, config={"seed": 1})
    waiting = add_run(name="c")
    TrainingRun.objects.filter(pk=high.pk).update(metrics=high.metrics | {"seconds": 7})
    orders = {
        "name": [high, low, waiting],
        "-name": [waiting, low, high],
        "state": [waiting, high, low],
        "settings": [high, low, waiting],
        "accuracy": [low, high, waiting],
        "-accuracy": [high, low, waiting],
        "lead": [high, low, waiting],
        "-lead": [low, high, waiting],
        "verdict": [low, high, waiting],
        "time": [high, low, waiting],
        "started": [low, high, waiting],
        "-started": [waiting, high, low],
        "nonsense": [waiting, high, low],
    }
    for sort, runs in orders.items():
        assert listed(manager, f"sort={sort}") == [run.pk for run in runs], sort
    page = sign_in(manager).get(f"{URL}?sort=-accuracy").content.decode()
    sorted_by = r'class="of-accuracy" aria-sort="descending">\s*<a href="\?sort=accuracy"'
    assert re.search(sorted_by, page)
    assert page.count("aria-sort") == 1


def test_pinned_runs_are_first_in_every_order(add_run: AddRun, manager: Member) -> None:
    pinned, newer = add_run(0.6, is_pinned=True), add_run(0.8)
    for sort in ("", "-accuracy", "name", "-started"):
        assert listed(manager, f"sort={sort}") == [pinned.pk, newer.pk]


def test_filters_combine_and_survive_sorting_and_paging(add_run: AddRun, manager: Member) -> None:
    wanted = [add_run(0.7, tags="grid x", note=f"Number {n}") for n in range(21)]
    add_run(0.7, tags="gridlock x")
    add_run(tags="grid x", note="Number 1")
    add_run(0.7, tags="grid x", note="Another")
    query = "state=done&tag=grid&q=number&sort=started"
    assert listed(manager, query) == [run.pk for run in wanted[:20]]
    assert listed(manager, f"{query}&page=2") == [wanted[20].pk]
    page = sign_in(manager).get(f"{URL}?{query}").content.decode().replace("&amp;", "&")
    assert f'href="?{query}&page=2"' in page
    assert 'href="?state=done&tag=grid&q=number&sort=-accuracy"' in page
    assert "No run matches" in sign_in(manager).get(f"{URL}?q=none").content.decode()


def test_a_search_finds_settings_and_people(add_run: AddRun, manager: Member) -> None:
    run = add_run(created_by=manager.user, config={"backbone": "rnn", "optimizer": "muon"})
    add_run()
    for words in ("muon", "RNN optimiser", "manager", f"run {run.pk}"):
        assert listed(manager, f"q={words}") == [run.pk], words
    assert listed(manager, "q=%00&tag=%00&page=x&state=gone") != []


def test_runs_on_other_comparisons_are_never_ranked_together(
    add_run: AddRun, manager: Member
) -> None:
    one, other, third = add_run(0.6, digest="a"), add_run(0.9, digest="b"), add_run(0.7, digest="a")
    waiting = add_run()
    page = sign_in(manager).get(f"{URL}?sort=-accuracy").content.decode()
    assert listed(manager, "sort=-accuracy") == [third.pk, one.pk, other.pk, waiting.pk]
    headings = re.findall(r'scope="rowgroup" colspan="\d+">(.*?)<', page)
    judged = "240 comparisons of 20 held-out prompts"
    assert headings == [f"Judged on A, {judged}", f"Judged on B, {judged}", "Not judged"]
    assert "do not compare them" in page
    assert "rowgroup" not in sign_in(manager).get(URL).content.decode()


def test_an_active_run_is_polled_until_it_ends(add_run: AddRun, manager: Member) -> None:
    now = timezone.now()
    run = add_run(
        state=State.RUNNING, stage="training", done=212, total=640, heartbeat_at=now,
        started_at=now - timedelta(seconds=212), seconds=212,
    )  # fmt: skip
    done, client = add_run(0.7), sign_in(manager)
    page = client.get(f"{URL}?q=run").content.decode()
    assert f'hx-get="{URL}{run.pk}/state/?q=run"' in page
    assert f"{URL}{done.pk}/state/" not in page
    words = row_of(page, run)
    assert "step 212 of 640 · about 7 minutes left" in words
    state = client.get(f"{URL}{run.pk}/state/?q=run", headers={"HX-Request": "true"})
    assert "HX-Retarget" not in state
    assert "every 3s" in state.content.decode()
    TrainingRun.objects.filter(pk=run.pk).update(
        state=State.STOPPED, finished_at=now, reason="Stopped on request."
    )
    ended = client.get(f"{URL}{run.pk}/state/?q=run", headers={"HX-Request": "true"})
    assert (ended["HX-Retarget"], ended["HX-Reswap"]) == ("#runs", "outerHTML")
    assert "every 3s" not in ended.content.decode()
    assert f'<tr id="run-{done.pk}"' in ended.content.decode()


def test_a_run_without_figures_says_nothing_of_them(add_run: AddRun, manager: Member) -> None:
    run = add_run(state=State.FAILED, finished_at=timezone.now(), reason="Out of memory.")
    words = row_of(sign_in(manager).get(URL).content.decode(), run)
    assert "Out of memory." in words
    assert "%" not in words


def test_an_empty_list_leads_on(manager: Member, reviewer: Member) -> None:
    assert f'href="{URL}new/"' in sign_in(manager).get(URL).content.decode()
    page = sign_in(reviewer).get(URL).content.decode()
    assert "A manager of the project can start one." in page
    assert f"{URL}new/" not in page


@pytest.mark.parametrize("in_place", [True, False])
def test_a_manager_names_a_run(add_run: AddRun, manager: Member, in_place: bool) -> None:
    run, client = add_run(0.7), sign_in(manager)
    headers = {"HX-Request": "true"} if in_place else {}
    url = f"{URL}{run.pk}/edit/?sort=name"
    shown = client.get(url, headers=headers).content.decode()
    assert ("<html" in shown) is not in_place
    given = {"name": " Best ", "note": "Twice.", "tags": "a, b  a"}
    answer = client.post(url, given, headers=headers)
    run.refresh_from_db()
    assert (run.name, run.note, run.tags, run.tag_list) == ("Best", "Twice.", "a b", ["a", "b"])
    if in_place:
        assert "Best" in answer.content.decode()
        cancelled = client.get(f"{URL}{run.pk}/about/?sort=name", headers=headers).content.decode()
        assert "Best" in cancelled
        assert "<html" not in cancelled
    else:
        assert answer["Location"] == f"{URL}?sort=name"
    refused = client.post(url, given | {"name": "x" * 101}, headers=headers)
    assert refused.status_code == 422
    run.refresh_from_db()
    assert run.name == "Best"


@pytest.mark.parametrize("in_place", [True, False])
def test_a_manager_pins_a_run(add_run: AddRun, manager: Member, in_place: bool) -> None:
    run, newer, client = add_run(0.7), add_run(0.7), sign_in(manager)
    headers = {"HX-Request": "true"} if in_place else {}
    url = f"{URL}{run.pk}/pin/?q=run"
    answer = client.post(url, {"pinned": "yes"}, headers=headers)
    if in_place:
        rows = re.findall(r'<tr id="run-(\d+)"', answer.content.decode())
        assert rows == [str(run.pk), str(newer.pk)]
    else:
        assert answer["Location"] == f"{URL}?q=run"
    assert listed(manager) == [run.pk, newer.pk]
    client.post(url, headers=headers)
    assert listed(manager) == [newer.pk, run.pk]


def test_only_managers_change_what_is_said_of_a_run(
    add_run: AddRun, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    run = add_run(0.7, name="Ours")
    page = sign_in(reviewer).get(URL).content.decode()
    assert "Ours" in page
    assert "/edit/" not in page
    assert "/pin/" not in page
    for person, refused in ((reviewer, 403), (labeller, 403), (outsider, 404)):
        client = sign_in(person)
        for path in ("edit/", "pin/"):
            assert client.post(f"{URL}{run.pk}/{path}", {"name": "x"}).status_code == refused
        assert client.get(f"{URL}{run.pk}/edit/").status_code == refused
        reads = 200 if person == reviewer else refused
        for path in ("state/", "about/"):
            assert client.get(f"{URL}{run.pk}/{path}").status_code == reads
    run.refresh_from_db()
    assert (run.name, run.is_pinned) == ("Ours", False)


def test_a_run_of_another_project_is_not_there(add_run: AddRun, manager: Member) -> None:
    attic = Project.objects.create(name="Attic", slug="attic")
    theirs = TrainingRun.objects.create(project=attic, name="Theirs")
    client = sign_in(manager)
    for path in ("edit/", "pin/"):
        assert client.post(f"{URL}{theirs.pk}/{path}", {"pinned": "yes"}).status_code == 404
    for path in ("state/", "about/", "edit/"):
        assert client.get(f"{URL}{theirs.pk}/{path}").status_code == 404
    theirs.refresh_from_db()
    assert not theirs.is_pinned


def test_the_champion_and_the_challenger_stand_out(
    add_run: AddRun, project: Project, manager: Member
) -> None:
    first, second, third = (add_run(0.7) for _ in range(3))
    versions = [
        ModelVersion.objects.create(project=project, number=number, run=run)
        for number, run in enumerate((first, second, third), start=1)
    ]
    moves = [("champion", 0), ("challenger", 1), ("champion", 1), ("challenger", 2)]
    for alias, place in moves:
        AliasMove.objects.create(
            project=project, alias=alias, version=versions[place], reason="Measured."
        )
    page = sign_in(manager).get(URL).content.decode()

    def badges(run: TrainingRun) -> list[str]:
        return [one for one in ("champion", "challenger") if one in row_of(page, run)]

    assert [badges(run) for run in (first, second, third)] == [[], ["champion"], ["challenger"]]
    about = sign_in(manager).get(f"{URL}{second.pk}/about/").content.decode()
    assert 'class="alias is-champion"' in about
    head = sign_in(manager).get(f"{URL}{third.pk}/").content.decode()
    assert 'class="alias is-challenger"' in head


def test_a_row_says_what_the_run_learned_from(add_run: AddRun, manager: Member) -> None:
    many = add_run(0.7, manifest={"train_rankings": 2140, "train_prompts": 1208})
    one = add_run(0.6, manifest={"train_rankings": 1, "train_prompts": 1})
    unknown = add_run(0.5)
    page = sign_in(manager).get(URL).content.decode()
    assert "2,140 rankings of 1,208 prompts" in row_of(page, many)
    assert "1 ranking of 1 prompt " in row_of(page, one)
    assert "rankings of" not in row_of(page, unknown)
    assert listed(manager, "sort=-learned") == [many.pk, one.pk, unknown.pk]
    assert listed(manager, "sort=learned") == [one.pk, many.pk, unknown.pk]


def test_managers_delete_a_run_from_its_row(
    add_run: AddRun, manager: Member, reviewer: Member
) -> None:
    done, waiting = add_run(0.7), add_run()
    page = sign_in(manager).get(URL).content.decode()
    assert f'href="{URL}{done.pk}/delete/"' in page
    assert f'href="{URL}{waiting.pk}/delete/"' not in page
    assert "/delete/" not in sign_in(reviewer).get(URL).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_runs(
    add_run: AddRun, manager: Member
) -> None:
    client = sign_in(manager)

    def queries() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(URL).status_code == 200
        return len(captured)

    add_run(0.7, created_by=manager.user)
    before = queries()
    for _ in range(15):
        add_run(0.7, created_by=manager.user)
    assert queries() == before


def test_figures_of_another_shape_take_no_run_away(
    add_run: AddRun, project: Project, manager: Member
) -> None:
    for held_out in ("gone", {"accuracy": "high"}, {"accuracy": 0.5, "baselines": [1]}, None):
        add_run(state=State.DONE, finished_at=timezone.now(), metrics={"held_out": held_out})
    add_run(config={}, metrics={"seconds": "long", "held_out": {"accuracy": 0.5}})
    for sort in list_page.listing.COLUMNS:
        assert len(listed(manager, f"sort={sort}")) == 5
    assert len(entries_of(project)) == 5


def test_a_selection_keeps_the_runs_that_are_ticked() -> None:
    query = RequestFactory().get("/?run=3&run=x&run=5&sort=name").GET
    assert Selection.of(query).query(sort="-accuracy") == "sort=-accuracy&run=3&run=5"
