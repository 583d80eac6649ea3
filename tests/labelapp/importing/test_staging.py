"""While a file is imported others write and see nothing of it; what is left of it is deleted."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from django.db.models import Model

from labelapp.db.locks import WorkLock
from labelapp.importing import staging
from labelapp.importing.batches import BATCH
from labelapp.importing.importer import import_lines
from labelapp.jobs.environment import database_url
from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    AgreementMeasurement,
    AliasMove,
    Disagreement,
    Exclusion,
    Export,
    Grid,
    Invitation,
    Member,
    MemberMessage,
    MemberNote,
    ModelVersion,
    Notification,
    Placement,
    PracticePrompt,
    PracticeResult,
    Project,
    PromotionGates,
    Prompt,
    PromptAgreement,
    PromptChange,
    PromptDeletion,
    Ranking,
    RankingDisagreement,
    RankingReturn,
    Response,
    ReviewMeasurement,
    ServiceToken,
    Tag,
    TrainingRun,
    Upload,
    User,
    Webhook,
)
from labelapp.projects import deletion
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.importing.uploads import line, lines
from tests.labelapp.labelling.acting import submit
from tests.waiting import wait_until
from training.formats.ranking_file import FileResponse, Line

TEXTS = ("Scattering.", "Paint.", "The sea.", "Nobody knows.")
BATCHES = 3


def new_line(number: int, labeller: str | None = None) -> Line:
    responses = [FileResponse(str(i), f"text {i}") for i in range(4)]
    ranking = [[str(i)] for i in range(4)] if labeller else None
    messages = [{"role": "user", "content": f"New {number}?"}]
    return Line(number, messages, responses, ranking=ranking, labeller=labeller)


def line_of(prompt: Prompt, *order: int, labeller: str = "ann", number: int = 1) -> Line:
    """Return a line that ranks the responses of a stored prompt; more than four are new ones."""
    texts = (*TEXTS, "Nitrogen.")
    responses = [FileResponse(str(i), texts[i]) for i in sorted(order)]
    ranking = [[str(i)] for i in order]
    return Line(number, prompt.messages, responses, ranking=ranking, labeller=labeller)


def in_between(act: Callable[[], object], labeller: str | None = None) -> Iterator[Line]:
    """Yield lines of several batches, and after the first call `act` in a thread."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            connections.close_all()

    for number in range(1, BATCHES * BATCH + 1):
        yield new_line(number, labeller)
        if number == BATCH + 1:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
            if failures:
                raise failures[0]


def left() -> int:
    """Return the number of hidden projects."""
    return Project.including_hidden.count() - Project.objects.count()


@pytest.fixture
def sqlite_only(on_postgresql: bool) -> None:
    if on_postgresql:
        pytest.skip("PostgreSQL needs no staging: an import is one transaction")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("author", [None, "labeller"])
def test_a_labeller_submits_while_a_file_is_imported_and_no_page_shows_it(
    project: Project, add_prompt: AddPrompt, labeller: Member, root: User, author: str | None
) -> None:
    add_prompt()
    before = []

    def act() -> None:
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        submit(
            assignment=assignment,
            entered=RankingInput(dict(zip("ABCD", (1, 2, 3, 4), strict=True))),
        )
        before.append((Ranking.objects.filter(member=labeller).count(), project.prompts.count()))
        client = sign_in(root)
        for url in ("/", "/admin/labelapp/project/", "/admin/labelapp/prompt/"):
            page = client.get(url).content.decode()
            assert "Kitchen" in page
            assert "Import into" not in page

    summary = import_lines(project, in_between(act, author), report=print)
    assert before == [(1, 1)]
    assert summary.prompts == BATCHES * BATCH
    assert project.prompts.count() == 1 + BATCHES * BATCH
    ranked = BATCHES * BATCH if author else 0
    assert Ranking.objects.filter(member=labeller).count() == 1 + ranked
    assert project.members.count() == 1
    assert left() == 0


def test_rankings_of_stored_prompts_come_to_them_with_new_responses_and_people(
    project: Project, add_prompt: AddPrompt, labeller: Member, add_ranking: AddRanking
) -> None:
    prompt, other = add_prompt(), add_prompt("Other?", wanted=0)
    add_ranking(prompt, labeller, (1, 2, 3, 4))
    reasons: list[str] = []
    summary = import_lines(
        project,
        [
            line_of(prompt, 0, 1, 2, 3, labeller="labeller"),
            line_of(prompt, 4, 3, 1, 0, labeller="labeller"),
            line_of(prompt, 4, 3, 1, 0, labeller="ann"),
            line_of(prompt, 1, 3, 0, 2, labeller="ann"),
            line_of(prompt, 0, 3, 1, 2, labeller="ann", number=5),
            Line(6, other.messages, [FileResponse(t, t) for t in TEXTS], external_id="p"),
        ],
        report=lambda bad: reasons.append(str(bad)),
        skip_bad_lines=True,
    )
    assert reasons == ["line 5: is a second, different ranking of these responses by 'ann'"]
    assert (summary.prompts, summary.responses, summary.rankings) == (0, 1, 3)
    assert (summary.already_there, summary.queued) == (1, 1)
    assert (Prompt.objects.count(), Response.objects.count()) == (2, 9)
    assert prompt.rankings.filter(member=labeller).count() == 2
    assert prompt.rankings.filter(member__name="ann").count() == 2
    assert project.members.count() == 2
    assert Placement.objects.get(response__text="Nitrogen.", ranking__member=labeller).rank == 1
    other.refresh_from_db()
    assert (other.external_id, other.rankings_needed, other.came_back) == ("p", 1, True)
    assert other.messages[0]["content"] == "Other?"
    assert left() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqlite_only")
@pytest.mark.parametrize("change", ["ranked", "deleted", "project deleted"])
def test_an_import_that_no_longer_fits_leaves_nothing(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, change: str
) -> None:
    prompt = add_prompt()
    ann = Member.objects.create(project=project, name="ann")

    def act() -> None:
        if change == "ranked":
            add_ranking(prompt, ann, (1, 2, 3, 4))
        elif change == "deleted":
            prompt.delete()
        else:
            deletion.begin(project, by="a test")

    own = line_of(prompt, 3, 2, 1, 0)
    if change == "deleted":
        own = Line(0, prompt.messages, new_line(0).responses)
    with pytest.raises(OperationalError, match="The project was changed"):
        import_lines(project, chain([own], in_between(act)), report=print)
    assert project.prompts.count() == (change != "deleted")
    staging.delete_abandoned()
    assert Ranking.objects.count() == (change == "ranked")
    assert Prompt.objects.count() == (change != "deleted")
    assert left() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqlite_only")
@pytest.mark.parametrize("by", ["the next import", "the next worker", "clean_up"])
def test_what_a_killed_import_leaves_is_hidden_and_deleted(
    project: Project, by: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_rankings", "-", "--project", "kitchen"],
        cwd=settings.BASE_DIR,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(settings.DATA_DIR),
            "DATABASE_URL": database_url(connection.settings_dict),
        },
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(lines(*(line(number) for number in range(2 * BATCH))))
    process.stdin.flush()
    wait_until(lambda: Ranking.objects.exists())
    staging.delete_abandoned()  # of an import that runs nothing is deleted
    assert left() == 1
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (project.prompts.count(), project.members.count(), left()) == (0, 0, 1)
    if by == "the next import":
        path = tmp_path / "rankings.jsonl"
        path.write_bytes(lines(line(1)))
        call_command("import_rankings", str(path), "--project", "kitchen")
    elif by == "clean_up":
        call_command("clean_up")
    else:
        staging.delete_abandoned()
    assert left() == 0
    assert Ranking.objects.count() == project.prompts.count() == (by == "the next import")


def test_what_belongs_to_a_prompt_or_a_member_goes_to_the_original() -> None:
    """A new model with such a key is added to what is handed over, or here if no import adds it."""

    def referring(model: type[Model]) -> set[Any]:
        return {relation.related_model for relation in model._meta.related_objects}

    assert referring(Prompt) - {Disagreement, PracticePrompt, PromptAgreement} == set(
        staging.OF_PROMPT
    )
    of_managers = {
        Exclusion,
        MemberMessage,
        MemberNote,
        RankingReturn,
    }  # on those who are there already
    assert referring(Member) - of_managers - {PracticeResult, RankingDisagreement} == set(
        staging.OF_MEMBER
    )
    jobs = {AgreementMeasurement, Export, Grid, ReviewMeasurement, TrainingRun, Upload}
    registry = {AliasMove, ModelVersion, PromotionGates, ServiceToken}
    others = {
        Disagreement, Invitation, Notification, PromptChange, PromptDeletion, RankingDisagreement,
        Webhook,
    }  # fmt: skip
    assert referring(Project) - jobs - registry - others - {PracticePrompt} == {Member, Prompt, Tag}


@pytest.mark.usefixtures("sqlite_only")
def test_one_import_into_a_project_runs_at_a_time(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelapp.db.locks.WAIT_SECONDS", 0)
    path = tmp_path / "rankings.jsonl"
    path.write_bytes(lines(line(1)))
    lock = WorkLock(project.staging_slug)
    with lock.held(), pytest.raises(CommandError, match="Another import into this project"):
        call_command("import_rankings", str(path), "--project", "kitchen")
    assert not Prompt.objects.exists()
    call_command("import_rankings", str(path), "--project", "kitchen")
    assert Prompt.objects.count() == 1
