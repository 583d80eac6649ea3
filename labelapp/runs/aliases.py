"""The aliases of the registry that point to runs: which model is the champion or the challenger."""

from labelapp.models import Alias, AliasMove, Project
from labelapp.models.runs import TrainingRunQuerySet

Aliases = dict[int, list[str]]
"""The aliases that point to the model of each run, by the run's primary key."""


def aliases_of(project: Project) -> Aliases:
    """Return the aliases that point to the models of a project's runs, in one query."""
    moves = AliasMove.objects.filter(project=project, version__run__isnull=False).latest_moves()
    found: Aliases = {}
    for run, alias in moves.order_by("alias").values_list("version__run", "alias"):
        found.setdefault(run, []).append(alias)
    return found


def champion_of(project: Project) -> TrainingRunQuerySet:
    """Return the run whose model is the champion of a project, or none, as a query."""
    moves = AliasMove.objects.filter(project=project, alias=Alias.CHAMPION).latest_moves()
    return project.runs.filter(pk__in=moves.values("version__run"))
