"""Versions and the aliases that point to them."""

import hashlib
import io
import shutil
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import override
from pytest_django.fixtures import Settings

from labelapp.models import (
    Alias,
    AliasMove,
    ModelVersion,
    Project,
    PromotionGates,
    State,
    User,
)
from labelapp.registry import lineage, versions
from labelapp.runs import lifecycle
from labelapp.runs.process import run_folder
from tests.labelapp.registry.conftest import AddRun

pytestmark = pytest.mark.django_db


def move(alias: Alias, version: ModelVersion | None, project: Project, seen: int | None) -> None:
    versions.move(alias, version, project=project, seen=seen, reason="Because.")


def test_a_run_gets_the_next_number_once(add_run: AddRun, project: Project, root: User) -> None:
    first, second = add_run(), add_run()
    one = versions.register(first, root)
    assert versions.register(first) == one
    two = versions.register(second)
    assert (one.number, two.number) == (1, 2)
    assert one.created_by == root
    assert one.lineage["rankings_sha256"] == "a" * 64
    assert one.lineage["digest"] == "0123456789abcdef"
    other = Project.objects.create(name="Other", slug="other")
    third = add_run()
    third.project = other
    third.save()
    assert versions.register(third).number == 1


def test_the_manifest_and_the_versions_of_the_rankings_are_kept(
    add_run: AddRun, settings: Settings
) -> None:
    settings.TIME_ZONE = "UTC"
    run = add_run()
    day = "2026-03-0{}T12:00:00+00:00"
    run.manifest["ranking_versions"] = [
        {"version": 1, "rankings": 210, "first": day.format(1), "last": day.format(4)},
        {"version": 2, "rankings": 7, "first": day.format(2), "last": day.format(5)},
        {"version": 3, "rankings": 2, "first": day.format(3), "last": day.format(3)},
    ]
    run.save()
    folder = run_folder(run)
    folder.write_manifest(run.manifest)
    sha256 = hashlib.sha256((folder.path / "manifest.json").read_bytes()).hexdigest()
    version = versions.register(run)
    assert version.lineage["manifest_sha256"] == sha256
    versions.withdraw(version)
    shutil.rmtree(folder.path)
    version.refresh_from_db()
    shown = {fact.label: fact.value for fact in lineage.facts(version)}
    assert shown["SHA-256 of manifest.json"] == sha256
    assert shown["Versions of the rankings"] == ("210 of version 1, 9 of later versions, up to 3")
    assert shown["First ranking"].startswith("1 Mar 2026")
    assert shown["Last ranking"].startswith("5 Mar 2026")


def test_a_version_names_its_run_in_the_readers_language(add_run: AddRun) -> None:
    run = add_run()
    version = versions.register(run)
    with override("de"):
        assert version.run_title == f"Lauf {run.pk}"
    versions.withdraw(version)
    version.refresh_from_db()
    assert version.run_title == f"Run {run.pk}"  # as it was


@pytest.mark.parametrize("stored", [[], "?", [{"version": "1"}], [None], {"version": 1}])
def test_versions_that_cannot_be_read_are_not_shown(stored: Any) -> None:
    assert lineage.versions_read(stored) == []


def test_only_the_model_of_a_finished_run_is_registered(add_run: AddRun) -> None:
    run = add_run()
    run.state, run.finished_at = State.RUNNING, None
    with pytest.raises(versions.RegistryError, match="has not finished"):
        versions.register(run)
    gone = add_run()
    gone.folder = "runs/elsewhere"
    with pytest.raises(versions.RegistryError, match="no longer on this server"):
        versions.register(gone)


def test_an_alias_points_where_its_last_move_says(add_run: AddRun, project: Project) -> None:
    one, two = versions.register(add_run()), versions.register(add_run())
    assert versions.holder(project, Alias.CHAMPION) is None
    move(Alias.CHAMPION, one, project, None)
    move(Alias.CHALLENGER, two, project, None)
    assert versions.holder(project, Alias.CHAMPION) == one
    move(Alias.CHAMPION, two, project, 1)
    assert versions.holder(project, Alias.CHAMPION) == two
    assert versions.holder(project, Alias.CHALLENGER) is None  # it is the champion now
    assert versions.earlier_champion(project) == one
    moves = [(m.alias, m.version_id, m.previous_id) for m in AliasMove.objects.order_by("pk")]
    assert moves == [
        ("champion", one.pk, None),
        ("challenger", two.pk, None),
        ("champion", two.pk, one.pk),
        ("challenger", None, two.pk),
    ]


def test_a_page_that_is_out_of_date_moves_nothing(add_run: AddRun, project: Project) -> None:
    one, two = versions.register(add_run()), versions.register(add_run())
    move(Alias.CHAMPION, one, project, None)
    with pytest.raises(versions.RegistryError, match="is v1 now"):
        move(Alias.CHAMPION, two, project, None)
    with pytest.raises(versions.RegistryError, match="already"):
        move(Alias.CHAMPION, one, project, 1)
    assert versions.holder(project, Alias.CHAMPION) == one
    assert AliasMove.objects.count() == 1


def test_a_withdrawn_version_keeps_its_number_and_its_history(
    add_run: AddRun, project: Project
) -> None:
    one, two = versions.register(add_run()), versions.register(add_run())
    move(Alias.CHAMPION, one, project, None)
    with pytest.raises(versions.RegistryError, match="v1 is the champion"):
        versions.withdraw(one)
    move(Alias.CHAMPION, two, project, 1)
    versions.withdraw(one)
    one.refresh_from_db()
    assert one.run is None
    assert one.withdrawn_at is not None
    assert versions.earlier_champion(project) is None
    assert one.moves.count() == 1
    with pytest.raises(versions.RegistryError, match="has been withdrawn"):
        move(Alias.CHAMPION, one, project, 2)
    versions.withdraw(versions.register(add_run()))
    assert versions.register(add_run()).number == 4


def test_the_run_of_a_version_is_not_deleted(add_run: AddRun) -> None:
    run = add_run()
    add_run()  # the newest, whose scores Review shows
    version = versions.register(run)
    with pytest.raises(lifecycle.CannotDeleteError, match="is v1 on the page Models"):
        lifecycle.delete(run)
    assert run_folder(run).model.is_dir()
    versions.withdraw(version)
    lifecycle.delete(run)
    assert ModelVersion.objects.filter(pk=version.pk).exists()


# The command


def run_command(*options: str) -> str:
    out = io.StringIO()
    call_command(
        "promote_model", "--project", "kitchen", "--reason", "Nightly.", *options, stdout=out
    )
    return out.getvalue()


def test_the_command_promotes_the_newest_run_once(add_run: AddRun, project: Project) -> None:
    with pytest.raises(CommandError, match="has no finished run"):
        run_command()
    first, second = add_run(), add_run()
    assert run_command() == f"v1 (run {second.pk}) is the champion.\n"
    assert "is the champion already" in run_command()
    said = run_command("--run", str(first.pk))
    assert said.startswith("Not known. Only 0 ranked prompts")
    assert said.endswith(f"v2 (run {first.pk}) is the champion.\n")
    move_made = AliasMove.objects.latest("pk")
    assert (move_made.reason, move_made.created_by) == ("Nightly.", None)
    for reason in (" ", "x" * 1001):
        with pytest.raises(CommandError, match="1 to 1000 characters"):
            run_command("--reason", reason)
    with pytest.raises(CommandError, match="has no run 99"):
        run_command("--run", "99")


def test_the_command_stops_at_a_gate(add_run: AddRun, project: Project) -> None:
    PromotionGates.objects.create(project=project, beats_champion=True)
    one = versions.register(add_run())
    move(Alias.CHAMPION, one, project, None)
    add_run()
    with pytest.raises(CommandError, match="v2 does not pass every gate"):
        run_command()
    assert versions.holder(project, Alias.CHAMPION) == one
    assert "Gate not passed: Measurably better than the champion" in run_command("--anyway")
    holder = versions.holder(project, Alias.CHAMPION)
    assert holder is not None
    assert holder.number == 2
