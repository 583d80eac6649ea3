"""The results of a grid: the best settings, their lead, and what is chance."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labelapp.models import Member, TrainingRun
from labelapp.runs.grids import grid_verdict
from tests.conftest import sign_in
from tests.labelapp.runs.gridded import URL, AddGrid, found, noisy, page_of
from tests.labelapp.runs.pages import AddRun, text_of, verdict_of

pytestmark = pytest.mark.django_db


def test_the_best_settings_are_named_with_their_paired_lead(
    add_grid: AddGrid, manager: Member
) -> None:
    usual = noisy(1, 5)
    better = [hits + (place % 3 == 0) for place, hits in enumerate(usual)]
    grid = add_grid(
        {"ties": ["drop", "half", "davidson"]},
        ({}, usual),
        ({"ties": "half"}, better),
        ({"ties": "davidson"}, noisy(2, 3)),
    )
    page = page_of(manager, grid)
    assert verdict_of(page).startswith(
        "Ties half: best, and measurably better than the default: 3.3 points ahead"
        " (95\u00a0% interval +"
    )
    assert "not corrected for the 2 pairs" in text_of(page)
    assert "it is not known how much of a difference is due to the seed" in text_of(page)
    assert "Ties: drop, half, davidson".casefold() in text_of(page).casefold()
    for run in grid.runs.all():
        assert f'name="run" value="{run.pk}" checked' in page
    assert "Is more time worth it?" in page


def test_a_lead_that_may_be_chance_is_called_so(add_grid: AddGrid) -> None:
    grid = add_grid({"ties": ["drop", "half"]}, ({}, noisy(1, 5)), ({"ties": "half"}, noisy(7, 5)))
    results = found(grid)
    verdict = grid_verdict.verdict(results)
    assert verdict is not None
    assert verdict.tone == "open"
    assert "but not measurably better than" in verdict.headline


def test_a_lead_within_the_spread_of_the_seeds_is_not_sure(add_grid: AddGrid) -> None:
    usual = noisy(1, 5)
    lucky = [hits + 1.0 for hits in usual]
    slightly = [hits + 0.9 for hits in usual]
    grid = add_grid(
        {"ties": ["drop", "half"], "seed": [0, 1]},
        ({"seed": 0}, usual),
        ({"seed": 1}, lucky),
        ({"seed": 0, "ties": "half"}, slightly),
        ({"seed": 1, "ties": "half"}, slightly),
    )
    verdict = grid_verdict.verdict(found(grid))
    assert verdict is not None
    assert verdict.headline.startswith("Ties half: 4.0 points ahead of the default (95")
    assert verdict.headline.endswith(
        "but not surely better: the seed alone changes the accuracy by 10.0 points."
    )
    assert verdict.details == ["With the same settings, the seeds differ by up to 10.0 points."]


def test_the_default_may_be_the_best(add_grid: AddGrid) -> None:
    usual = noisy(1, 6)
    grid = add_grid(
        {"ties": ["drop", "half"]}, ({"ties": "half"}, [hits - 2 for hits in usual]), ({}, usual)
    )
    verdict = grid_verdict.verdict(found(grid))
    assert verdict is not None
    assert verdict.headline == "Ties drop: best, and measurably better than every other."
    assert verdict.tone == "clear"


def test_several_seeds_say_how_much_is_chance(add_grid: AddGrid, manager: Member) -> None:
    usual = noisy(1, 5)
    grid = add_grid(
        {"seed": [0, 1, 2]},
        ({"seed": 0}, usual),
        ({"seed": 1}, [hits + 0.3 for hits in usual]),
        ({"seed": 2}, [hits - 0.3 for hits in usual]),
    )
    page = page_of(manager, grid)
    assert verdict_of(page).startswith("The seed alone changes the accuracy by 6.0 points: from ")
    assert verdict_of(page).endswith("over 3 seeds.")


def test_too_few_held_out_prompts_give_no_verdict(add_grid: AddGrid) -> None:
    grid = add_grid({"ties": ["drop", "half"]}, ({}, [9.0] * 3), ({"ties": "half"}, [1.0] * 3))
    verdict = grid_verdict.verdict(found(grid))
    assert verdict is not None
    assert verdict.headline.startswith("Not known which settings are best: from 3 held-out prompts")


def test_runs_judged_on_other_comparisons_are_set_apart(
    add_grid: AddGrid, add_run: AddRun, manager: Member
) -> None:
    grid = add_grid({"split": [0, 1]}, ({}, noisy(1, 5)), ({"ties": "half"}, noisy(2, 5)))
    other = add_run([9.0] * 9, digest="other", split=1)
    TrainingRun.objects.filter(pk=other.pk).update(grid=grid)
    assert found(grid).apart == [other]
    assert "judged on other comparisons: do not compare it" in page_of(manager, grid)


def test_the_page_asks_no_more_queries_for_more_runs(add_grid: AddGrid, manager: Member) -> None:
    client, queries = sign_in(manager), []
    for number in (2, 8):
        seeds = [({"seed": seed}, noisy(seed, 5)) for seed in range(number)]
        grid = add_grid({"seed": list(range(number))}, *seeds)
        client.get(f"{URL}{grid.pk}/")
        with CaptureQueriesContext(connection) as counted:
            client.get(f"{URL}{grid.pk}/")
        queries.append(len(counted))
    assert queries[0] == queries[1]
