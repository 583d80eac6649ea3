"""Register the models of runs, and move the aliases that say which one trainers get."""

import logging
from collections.abc import Mapping
from typing import Any

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp.db.writer import write
from labelapp.models import Alias, AliasMove, ModelVersion, Project, State, TrainingRun, User
from labelapp.registry.lineage import lineage_of
from labelapp.runs.process import run_folder

logger = logging.getLogger("labelapp.audit")


class RegistryError(Exception):
    """The registry cannot be changed in this way; the message says why and what to do."""


# Versions


def reason_not_to_register(run: TrainingRun) -> str:
    """Return why a run cannot become a version, or be served as one, as a sentence, or ""."""
    if run.state != State.DONE:
        return _(
            "Run %(number)s has not finished. Only the model of a finished run can be registered."
        ) % {"number": run.pk}
    if not run.folder or not run_folder(run).model.is_dir():
        return _("The model of run %(number)s is no longer on this server. Train it again.") % {
            "number": run.pk
        }
    return ""


def register(run: TrainingRun, user: User | None = None) -> ModelVersion:
    """Give the model of a run the next number of its project, or return the version that it is.

    Raises RegistryError.
    """
    if reason := reason_not_to_register(run):
        raise RegistryError(reason)
    with write():
        project = Project.objects.select_for_update().get(pk=run.project_id)
        if not TrainingRun.objects.filter(pk=run.pk).exists():
            raise RegistryError(_("Run %(number)s has been deleted.") % {"number": run.pk})
        known = ModelVersion.objects.filter(run=run).first()
        if known is not None:
            return known
        numbers = ModelVersion.objects.filter(project=project).aggregate(highest=Max("number"))
        version = ModelVersion.objects.create(
            project=project,
            number=(numbers["highest"] or 0) + 1,
            run=run,
            lineage=lineage_of(run),
            created_by=user,
        )
    logger.info(
        "%s registered run %s of %s as %s", user or "a command", run.pk, project.slug, version
    )
    return version


def withdraw(version: ModelVersion, user: User | None = None) -> None:
    """Take a version out of the registry; its number stays its own. Raises RegistryError."""
    with write():
        Project.objects.select_for_update().get(pk=version.project_id)
        for alias, move in current_moves(version.project).items():
            if move.version_id == version.pk:
                raise RegistryError(
                    _("%(name)s is the %(alias)s. Move the alias first, then withdraw it.")
                    % {"name": version.name, "alias": _(alias)}
                )
        withdrawn = ModelVersion.objects.registered().filter(pk=version.pk)
        if not withdrawn.update(run=None, withdrawn_at=timezone.now()):
            raise RegistryError(_("%(name)s has been withdrawn already.") % {"name": version.name})
    logger.info("%s withdrew %s of %s", user or "a command", version, version.project.slug)


# Aliases


def current_moves(project: Project) -> dict[str, AliasMove]:
    """Return the last move of each alias that has been moved."""
    moves = AliasMove.objects.filter(project=project).latest_moves()
    found = moves.select_related("version__run", "previous", "created_by")
    return {move.alias: move for move in found}


def holder(project: Project, alias: str) -> ModelVersion | None:
    """Return the version that an alias points to."""
    move = current_moves(project).get(alias)
    return move.version if move is not None else None


def move(
    alias: Alias,
    version: ModelVersion | None,
    *,
    project: Project,
    seen: int | None,
    reason: str,
    is_roll_back: bool = False,
    user: User | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> AliasMove:
    """Point an alias to a version, or to nothing.

    `seen` is the number of the version that it pointed to on the page. Raises RegistryError where
    somebody has moved it since, or where nothing would change.
    """
    with write():
        Project.objects.select_for_update().get(pk=project.pk)
        moves = current_moves(project)
        now = moves[alias].version if alias in moves else None
        if problem := reason_not_to_move(alias, now, version, seen):
            raise RegistryError(problem)
        made = AliasMove.objects.create(
            project=project,
            alias=alias,
            version=version,
            previous=now,
            reason=reason,
            is_roll_back=is_roll_back,
            evidence=dict(evidence or {}),
            created_by=user,
        )
        challenger = moves.get(Alias.CHALLENGER)
        if alias == Alias.CHAMPION and challenger and challenger.version == version:
            AliasMove.objects.create(
                project=project,
                alias=Alias.CHALLENGER,
                version=None,
                previous=version,
                reason=gettext_noop("It became the champion."),
                created_by=user,
            )
    logger.info("%s moved the %s of %s: %s", user or "a command", alias, project.slug, made)
    return made


def reason_not_to_move(
    alias: Alias, now: ModelVersion | None, version: ModelVersion | None, seen: int | None
) -> str:
    """Return why an alias cannot move from the version that it points to `now`, or ""."""
    words = {"alias": _(alias), "name": now.name if now else ""}
    if now == version:
        problem = _("%(name)s is the %(alias)s already.") if now else _("There is no %(alias)s.")
        return problem % words
    if (now.number if now else None) != seen:
        problem = (
            _(
                "Somebody has moved the %(alias)s since you opened the page: it is %(name)s "
                "now. Nothing was changed."
            )
            if now
            else _(
                "Somebody has moved the %(alias)s since you opened the page: it points to no "
                "version now. Nothing was changed."
            )
        )
        return problem % words
    if version and not ModelVersion.objects.registered().filter(pk=version.pk).exists():
        return _("%(name)s has been withdrawn. Choose another version.") % {"name": version.name}
    return reason_not_to_register(version.run) if version and version.run else ""


def earlier_champion(project: Project) -> ModelVersion | None:
    """Return the version to roll back to: the champion before the present one was promoted.

    A roll-back takes the last promotion away, so that the next one goes a step further back.
    """
    champions: list[ModelVersion | None] = []
    moves = AliasMove.objects.filter(project=project, alias=Alias.CHAMPION).order_by("pk")
    for move in moves.select_related("version"):
        if move.is_roll_back and champions:
            champions.pop()
            while champions and champions[-1] != move.version:
                champions.pop()
        else:
            champions.append(move.version)
    before = (one for one in champions[-2::-1] if one is not None and one.withdrawn_at is None)
    return next((one for one in before if one != champions[-1]), None)
