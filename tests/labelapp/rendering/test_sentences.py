"""Sentences of `training` in the page's language, from the database as well."""

import json

from django.db import connection
from django.utils import timezone
from django.utils.translation import override

from labelapp.jobs.process import describe_end
from labelapp.models import Member, Project, State, TrainingRun
from labelapp.rendering.sentences import translated
from labelapp.runs.process import failure
from tests.conftest import sign_in
from training.sentences import Sentence, plural_sentence, sentence


def failed(project: Project, reason: str) -> TrainingRun:
    run = TrainingRun.objects.create(
        project=project, state=State.FAILED, reason=reason, finished_at=timezone.now()
    )
    return TrainingRun.objects.get(pk=run.pk)


def test_numbers_plurals_and_inner_sentences_are_translated() -> None:
    said = plural_sentence("%(count)s ranking", "%(count)s rankings", 12345)
    whole = sentence("%(first)s; %(second)s", first=said, second="the prompt")
    with override("de"):
        assert translated(said) == "12.345 Rangfolgen"
        assert translated(whole) == "12.345 Rangfolgen; the prompt"  # the text of a file stays
    assert translated(whole) == "12,345 rankings; the prompt"


def test_the_reason_of_a_run_is_stored_with_its_template(manager: Member, tmp_path) -> None:
    log = tmp_path / "log"
    log.touch()
    run = failed(manager.project, failure(3, None, log, 0))
    assert run.reason == "The training process ended with exit status 3. See its log for details."
    assert isinstance(run.reason, Sentence)
    url = f"/projects/{manager.project.slug}/runs/{run.pk}/"
    client = sign_in(manager)
    german = client.get(url, HTTP_ACCEPT_LANGUAGE="de").content.decode()
    assert "Der Trainingsprozess endete mit Exit-Status 3. Näheres steht" in german
    assert "ended with exit status 3" in client.get(url).content.decode()


def test_other_reasons_are_stored_as_they_are(project: Project) -> None:
    for reason in ("torch finds no cuda device", '{"template": 7}', '{"template": "x"', "{"):
        assert failed(project, reason).reason == reason
    with connection.cursor() as cursor:
        cursor.execute("SELECT reason FROM labelapp_trainingrun ORDER BY id LIMIT 1")
        assert cursor.fetchone() == ("torch finds no cuda device",)
        failed(project, describe_end(-9))
        cursor.execute("SELECT reason FROM labelapp_trainingrun ORDER BY id DESC LIMIT 1")
        [stored] = cursor.fetchone()
    assert json.loads(stored) == {"template": "signal %(number)s", "values": {"number": "9"}}
