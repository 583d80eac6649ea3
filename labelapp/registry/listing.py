"""The versions of a project as its page lists them, and the runs that may become one."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelapp.models import Alias, ModelVersion, Project, State, TrainingRun
from labelapp.models.jobs import is_number
from labelapp.registry.versions import current_moves
from labelapp.runs import choice, leads
from labelapp.runs.words import span

MOST_CANDIDATES = 5


@dataclass(frozen=True)
class VersionRow:
    """A version with the aliases that point to it, and the figures of its run."""

    version: ModelVersion
    aliases: list[str]
    model_name: str
    interval: str
    comparisons: int | None  # that it was judged on
    verdict: leads.ShortVerdict | None


def version_rows(project: Project) -> list[VersionRow]:
    """Return the versions, the newest first, in two queries."""
    moves = current_moves(project)
    found = ModelVersion.objects.filter(project=project).select_related("run", "created_by")
    return [
        VersionRow(
            version=version,
            aliases=[
                alias
                for alias in Alias.values
                if alias in moves and moves[alias].version_id == version.pk
            ],
            model_name=choice.model_name(version.run)
            if version.run
            else str(version.lineage.get("model", "")),
            interval=accuracy_interval(version.run) if version.run else "",
            comparisons=comparisons_of(version.run) if version.run else None,
            verdict=leads.verdict(version.run.held_out) if version.run else None,
        )
        for version in found
    ]


def accuracy_interval(run: TrainingRun) -> str:
    low, high = run.held_out.get("accuracy_low"), run.held_out.get("accuracy_high")
    return span(low, high) if is_number(low) and is_number(high) else ""


def comparisons_of(run: TrainingRun) -> int | None:
    found = run.held_out.get("comparisons")
    return found if isinstance(found, int) else None


def candidates(project: Project) -> Sequence[TrainingRun]:
    """Return the newest finished runs that are not registered yet."""
    runs = project.runs.filter(state=State.DONE, version=None).order_by("-pk")
    return list(runs[:MOST_CANDIDATES])
