"""Grids, their pages and their results."""

import random
from collections.abc import Callable

from labelapp.models import Grid, Member
from labelapp.runs.grids import grid_results
from labelapp.runs.grids.grid_results import GridResults
from tests.conftest import sign_in

URL = "/projects/kitchen/runs/grids/"
AddGrid = Callable[..., Grid]


def page_of(member: Member, grid: Grid) -> str:
    answer = sign_in(member).get(f"{URL}{grid.pk}/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def found(grid: Grid) -> GridResults:
    return grid_results.results(grid, list(grid.runs.order_by("pk")), with_gains=True)


def noisy(seed: int, level: float, spread: int = 2) -> list[float]:
    """The comparisons of ten agreed on, for each of 60 prompts."""
    dice = random.Random(seed)
    return [level + dice.randint(-spread, spread) for _ in range(60)]
