"""The pages of the registry: who may do what, and what they say."""

import hashlib
import html
import io
import re
import shutil
import zipfile
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labelapp.models import (
    Alias,
    AliasMove,
    Member,
    ModelVersion,
    Project,
    PromotionGates,
    ServiceToken,
    User,
)
from labelapp.registry import versions
from labelapp.registry.forms import PlaygroundForm
from labelapp.runs.process import run_folder
from tests.conftest import sign_in
from tests.labelapp.registry.conftest import AddRun

pytestmark = pytest.mark.django_db

URL = "/projects/kitchen/models/"
RUNS, TOKENS = "/projects/kitchen/runs/", "/projects/kitchen/tokens/"
READ = ("", "1/", "1/promote/", "playground/")
CHANGE = ("gates/", "roll-back/", "1/challenger/", "1/withdraw/", "service/")


def words(page: Any) -> str:
    text = re.sub(r"<[^>]+>", " ", page.content.decode())
    return " ".join(html.unescape(text).split())


@pytest.fixture
def registered(add_run: AddRun, project: Project) -> list[ModelVersion]:
    """Three versions, of which the first is the champion."""
    found = [versions.register(add_run()) for _ in range(3)]
    versions.move(Alias.CHAMPION, found[0], project=project, seen=None, reason="The first.")
    return found


@pytest.mark.usefixtures("registered")
def test_reviewers_look_and_managers_change(
    manager: Member, reviewer: Member, labeller: Member, outsider: User, add_run: AddRun
) -> None:
    run = add_run()
    for path in READ:
        assert sign_in(reviewer).get(URL + path).status_code == 200, path
        assert sign_in(labeller).get(URL + path).status_code == 403, path
        assert sign_in(outsider).get(URL + path).status_code == 404, path
    for path in (*(URL + path for path in CHANGE), f"{RUNS}{run.pk}/register/"):
        for person, status in ((reviewer, 403), (labeller, 403), (outsider, 404)):
            assert sign_in(person).post(path).status_code == status, path
    page = sign_in(reviewer).get(URL + "2/promote/")
    assert b"A manager of the project can promote it." in page.content
    answer = sign_in(reviewer).post(URL + "2/promote/", {"reason": "Mine.", "seen": 1})
    assert answer.status_code == 403
    assert AliasMove.objects.count() == 1
    assert sign_in(manager).get(URL + "9/").status_code == 404


@pytest.mark.usefixtures("registered")
def test_each_button_is_shown_to_those_whom_its_view_allows(
    manager: Member, reviewer: Member, project: Project
) -> None:
    archive = re.compile(r'href="([^"]+model\.zip)"')

    def shown(person: Member) -> tuple[set[str], list[str]]:
        """The buttons of v2 on its page and in the list, and the archive if it is offered."""
        page, versions = sign_in(person).get(URL + "2/"), sign_in(person).get(URL)
        buttons = {"Promote…", "Evidence", "Withdraw"}
        found = {name for name in buttons if f">{name}<" in page.content.decode()}
        listed = {"Promote… v2", "Evidence v2", "Make challenger : v2"}
        found |= {name for name in listed if name in words(versions)}
        return found, archive.findall(page.content.decode())

    buttons, archives = shown(reviewer)
    assert buttons == {"Evidence", "Evidence v2"}
    assert archives == []
    project.reviewers_train = True
    project.save()
    buttons, [address] = shown(reviewer)
    assert buttons == {"Evidence", "Evidence v2", "Make challenger : v2"}
    assert sign_in(reviewer).get(address).status_code == 200
    assert sign_in(reviewer).post(URL + "2/challenger/").status_code == 302
    sign_in(reviewer).post(URL + "no-challenger/", {"seen": "2"})
    assert sign_in(reviewer).post(URL + "2/withdraw/").status_code == 403
    buttons, archives = shown(manager)
    assert buttons == {"Promote…", "Promote… v2", "Make challenger : v2", "Withdraw"}
    assert len(archives) == 1


def test_the_page_says_what_to_do_first(manager: Member, add_run: AddRun) -> None:
    client = sign_in(manager)
    assert "Train a model first" in words(client.get(URL))
    run = add_run()
    assert f"Register Run {run.pk}" in words(client.get(URL))
    answer = client.post(f"{RUNS}{run.pk}/register/", follow=True)
    assert answer.redirect_chain[-1][0] == f"{URL}1/"
    assert f"Run {run.pk} is v1 now." in words(answer)
    page = words(client.get(URL))
    assert "None yet. Trainers get the champion’s rewards" in page
    assert "Model v1" in words(client.get(f"/projects/kitchen/runs/{run.pk}/"))


def test_a_promotion_is_kept_with_who_when_and_why(
    manager: Member, registered: list[ModelVersion], project: Project
) -> None:
    client = sign_in(manager)
    page = client.get(URL + "2/promote/")
    assert "Promote v2 over v1" in words(page)
    answer = client.post(URL + "2/promote/", {"reason": "", "seen": 1})
    assert (answer.status_code, AliasMove.objects.count()) == (422, 1)
    answer = client.post(URL + "2/promote/", {"reason": "It <wins>.", "seen": 1}, follow=True)
    assert "v2 is the champion. The reward service follows within seconds." in words(answer)
    move = AliasMove.objects.latest("pk")
    assert (move.created_by, move.reason) == (manager.user, "It <wins>.")
    assert move.evidence["headline"].startswith("Not known.")
    assert versions.holder(project, Alias.CHAMPION) == registered[1]
    said = words(client.get(URL))
    assert "v2 became the champion, after v1" in said
    assert "It <wins>." in said


def test_a_form_that_is_out_of_date_promotes_nothing(
    manager: Member, registered: list[ModelVersion], project: Project
) -> None:
    client = sign_in(manager)
    client.post(URL + "2/promote/", {"reason": "It wins.", "seen": 1})
    answer = client.post(URL + "3/promote/", {"reason": "So does it.", "seen": 1}, follow=True)
    assert "Somebody has moved the champion since you opened the page" in words(answer)
    assert versions.holder(project, Alias.CHAMPION) == registered[1]


def test_a_gate_stops_a_promotion_until_somebody_overrides_it(
    manager: Member, registered: list[ModelVersion], project: Project
) -> None:
    client = sign_in(manager)
    answer = client.post(URL + "gates/", {"beats_champion": "on", "most_points_lost": "2.5"})
    assert answer.status_code == 302
    gates = PromotionGates.objects.get()
    assert (gates.beats_champion, gates.beats_baselines, gates.most_points_lost) == (
        True, False, 2.5,
    )  # fmt: skip
    assert client.post(URL + "gates/", {"most_points_lost": "-1"}).status_code == 422
    page = words(client.get(URL + "2/promote/"))
    assert page.count("✗ Not passed:") == 2
    data = {"reason": "It is needed.", "seen": 1}
    assert client.post(URL + "2/promote/", data).status_code == 422
    assert versions.holder(project, Alias.CHAMPION) == registered[0]
    client.post(URL + "2/promote/", data | {"anyway": "on"})
    assert versions.holder(project, Alias.CHAMPION) == registered[1]
    page = words(client.get(URL))
    assert "Gate not passed: Measurably better than the champion" in page
    assert "labeller" not in str(AliasMove.objects.latest("pk").evidence)


def test_one_click_goes_back(
    manager: Member, registered: list[ModelVersion], project: Project
) -> None:
    client = sign_in(manager)
    client.post(URL + "2/promote/", {"reason": "It wins.", "seen": 1})
    assert "Back to v1" in words(client.get(URL))
    client.post(URL + "roll-back/", {"seen": "3"})
    assert versions.holder(project, Alias.CHAMPION) == registered[1]  # out of date
    client.post(URL + "roll-back/", {"seen": "2"})
    assert versions.holder(project, Alias.CHAMPION) == registered[0]
    move = AliasMove.objects.latest("pk")
    assert (move.created_by, move.reason) == (manager.user, "Rolled back.")
    assert "Back to" not in words(client.get(URL))  # v2 was taken away, and v1 was the first
    for number, seen in ((2, 1), (3, 2)):
        data = {"reason": "It wins.", "seen": seen}
        client.post(f"{URL}{number}/promote/", data)
    for seen, back in (("3", 2), ("2", 1)):
        assert f"Back to v{back}" in words(client.get(URL))
        client.post(URL + "roll-back/", {"seen": seen})
    assert versions.holder(project, Alias.CHAMPION) == registered[0]


def test_challenger_and_withdrawal(
    manager: Member, registered: list[ModelVersion], project: Project
) -> None:
    client = sign_in(manager)
    page = client.post(URL + "3/challenger/", follow=True)
    assert "v3 is the challenger." in words(page)
    assert "v1 is the champion" in words(client.post(URL + "1/challenger/", follow=True))
    assert "v3 is the challenger. Move" in words(client.post(URL + "3/withdraw/", follow=True))
    client.post(URL + "no-challenger/", {"seen": "2"})
    assert versions.holder(project, Alias.CHALLENGER) == registered[2]  # out of date
    client.post(URL + "no-challenger/", {"seen": "3"})
    assert versions.holder(project, Alias.CHALLENGER) is None
    client.post(URL + "2/withdraw/")
    page = words(client.get(URL + "2/"))
    assert "v2 was withdrawn" in page
    assert "Promote…" not in page
    assert client.get(URL + "2/promote/").status_code == 302


def test_the_model_downloads_as_one_archive(
    manager: Member, registered: list[ModelVersion]
) -> None:
    client = sign_in(manager)
    page = client.get(URL + "1/").content.decode()
    [address] = re.findall(r'href="([^"]+model\.zip)"', page)
    archive = b"".join(client.get(address).streaming_content)
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert [name.rpartition("/")[2] for name in names] == ["model.safetensors"]
    assert "a" * 64 in page


def test_a_model_of_podiums_own_says_that_vllm_cannot_load_it(
    manager: Member, add_run: AddRun
) -> None:
    for backbone, can in (("transformer", False), ("pretrained", True)):
        version = versions.register(add_run(backbone=backbone))
        page = words(sign_in(manager).get(f"{URL}{version.number}/"))
        assert ("vllm serve ./model --runner pooling" in page) == can
        assert ("vLLM and SGLang cannot load this model" in page) != can
        # Without it, transformers asks at the terminal whether to run the model's code.
        assert page.count("trust_remote_code=True") == (0 if can else 2)


def test_a_token_is_shown_once_and_stored_as_a_hash(
    manager: Member, registered: list[ModelVersion]
) -> None:
    client = sign_in(manager)
    page = client.post(URL + "service/", {"name": "GRPO"})
    [text] = re.findall(r'value="(podium_[^"]+)"', page.content.decode())
    assert f'value="export TOKEN={text}"' in page.content.decode()
    token = ServiceToken.objects.get()
    assert token.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert token.created_by == manager.user
    again = client.get(URL + "service/").content.decode()
    assert text not in again
    assert "GRPO" in again
    client.post(f"{TOKENS}{token.pk}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert ServiceToken.objects.working().count() == 0
    assert client.post(URL + "service/", {"name": ""}).status_code == 422


def test_tokens_of_another_project_are_not_touched(
    manager: Member, registered: list[ModelVersion]
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    token = ServiceToken.objects.create(project=other, name="theirs", sha256="b" * 64)
    assert sign_in(manager).post(f"{TOKENS}{token.pk}/revoke/").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_queries_do_not_grow_with_the_versions(
    manager: Member, registered: list[ModelVersion], add_run: AddRun
) -> None:
    client = sign_in(manager)

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(URL).status_code == 200
        return len(queries)

    before = count()
    for _ in range(5):
        versions.register(add_run())
    assert count() == before
    assert before <= 15


def test_the_playground_says_what_is_missing(
    manager: Member, add_run: AddRun, settings: Any
) -> None:
    client = sign_in(manager)
    assert "No models to try yet" in words(client.get(URL + "playground/"))
    version = versions.register(add_run())
    data = {"version": version.pk, "prompt": "Why?", "response_0": "Because."}
    settings.REWARD_SERVER_URL = ""
    page = client.post(URL + "playground/", data)
    assert page.status_code == 422
    assert "The reward service is not running." in words(page)
    assert "Because." in page.content.decode()
    settings.REWARD_SERVER_URL = "http://127.0.0.1:9"
    assert "does not answer" in words(client.post(URL + "playground/", data))
    page = client.post(URL + "playground/", data | {"response_0": " "})
    assert "Enter at least one response." in words(page)
    other = Project.objects.create(name="Other", slug="other")
    theirs = ModelVersion.objects.create(project=other, number=1, run=add_run())
    page = client.post(URL + "playground/", data | {"version": theirs.pk})
    assert "Select a valid choice" in words(page)


def test_the_playground_begins_with_a_stored_prompt(
    manager: Member, add_run: AddRun, add_prompt: Any
) -> None:
    versions.register(add_run())
    prompt = add_prompt("Why <b>?", ["One.", "Two.", "Three.", "Four.", "Five."])
    client = sign_in(manager)
    page = client.get(f"{URL}playground/?prompt={prompt.pk}").content.decode()
    assert "Why &lt;b&gt;?" in page
    for text in ("One.", "Five."):
        assert text in page
    assert 'name="prompt"' not in page
    for number in ("0", "x", str(prompt.pk + 99)):
        assert client.get(f"{URL}playground/?prompt={number}").status_code == 404


def test_another_response_keeps_what_was_typed(manager: Member, add_run: AddRun) -> None:
    first, second = versions.register(add_run()), versions.register(add_run())
    client = sign_in(manager)
    typed = {f"response_{number}": f"Text <{number}>" for number in range(4)}
    data = typed | {"prompt": "Why?", "version": first.pk, "other": second.pk, "add": "response"}
    answer = client.post(URL + "playground/", data)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("<textarea") == 6
    assert ">\nWhy?</textarea>" in page
    assert ">\nText &lt;3&gt;</textarea>" in page
    assert "errorlist" not in page
    assert [f'value="{one.pk}" selected' in page for one in (first, second)] == [True, True]
    full = {f"response_{number}": "Text" for number in range(20)}
    page = client.post(URL + "playground/", data | full).content.decode()
    assert page.count("<textarea") == 10
    assert "Another response" not in page


def test_a_form_with_more_text_than_it_takes_is_refused_in_a_sentence(
    manager: Member, add_run: AddRun
) -> None:
    version = versions.register(add_run())
    data = {"version": version.pk, "prompt": "Why?", "response_0": "word " * 600_000}
    answer = sign_in(manager).post(URL + "playground/", data)
    assert answer.status_code == 400
    assert "more than the 2.5 MB that a form takes" in words(answer)


def test_a_version_whose_files_are_gone_becomes_nothing(
    manager: Member, registered: list[ModelVersion]
) -> None:
    """The reward service could not load it, and would answer nobody."""
    client = sign_in(manager)
    champion = versions.holder(registered[0].project, Alias.CHAMPION)
    version = next(one for one in registered if one != champion)
    assert version.run is not None
    shutil.rmtree(run_folder(version.run).model)
    seen = champion.number if champion else ""
    data = {"reason": "Better.", "seen": seen, "anyway": "on"}
    for path in ("promote", "challenger"):
        page = client.post(f"{URL}{version.number}/{path}/", data, follow=True)
        assert "is no longer on this server. Train it again." in words(page)
    assert versions.holder(version.project, Alias.CHAMPION) == champion
    assert versions.holder(version.project, Alias.CHALLENGER) is None


def test_typed_texts_reach_the_service_as_they_were_written(project: Project) -> None:
    data = {"version": "", "prompt": "Why?\r\n", "response_0": "one\r\ntwo", "response_2": "three"}
    turns = {
        "role_0": "system", "turn_0": "Be\r\nbrief.",
        "role_1": "user", "turn_1": " ",
        "role_2": "assistant", "turn_2": "Ask me.",
    }  # fmt: skip
    form = PlaygroundForm(
        data | turns, versions=ModelVersion.objects.all(), responses=0, turns=3, has_messages=False
    )
    form.full_clean()
    assert form.responses == {"A": "one\ntwo", "C": "three"}
    assert form.messages == [
        {"role": "system", "content": "Be\nbrief."},
        {"role": "assistant", "content": "Ask me."},
        {"role": "user", "content": "Why?\n"},
    ]


def test_messages_before_the_prompt_are_added_one_by_one(manager: Member, add_run: AddRun) -> None:
    version = versions.register(add_run())
    client = sign_in(manager)
    typed = {"prompt": "And <now>?", "response_0": "So.", "version": version.pk}
    page = client.post(URL + "playground/", typed | {"add": "turn"}).content.decode()
    assert re.findall(r'name="(?:role|turn)_\d+"', page) == ['name="role_0"', 'name="turn_0"']
    assert '<option value="user" selected>' in page
    assert ">\nAnd &lt;now&gt;?</textarea>" in page
    data = typed | {"role_0": "system", "turn_0": "Be <brief>.", "add": "turn"}
    page = client.post(URL + "playground/", data).content.decode()
    assert '<option value="system" selected>' in page
    assert ">\nBe &lt;brief&gt;.</textarea>" in page
    assert 'name="turn_1"' in page
    assert '<option value="assistant" selected>' in page
    many = {f"turn_{number}": "Text" for number in range(40)}
    page = client.post(URL + "playground/", data | many).content.decode()
    assert len(re.findall(r'name="turn_\d+"', page)) == 20
    assert "Add a message before the prompt" not in page
    refused = client.post(URL + "playground/", typed | {"role_0": "root", "turn_0": "Be brief."})
    assert refused.status_code == 422
    assert "Select a valid choice" in words(refused)


def test_the_pages_of_a_prompt_lead_to_the_playground_once_there_is_a_version(
    reviewer: Member, add_run: AddRun, add_prompt: Any
) -> None:
    prompt = add_prompt()
    run = add_run({prompt: [4.0, 3.0, 2.0, 1.0]})
    client = sign_in(reviewer)
    pages = [f"/projects/kitchen/{room}/{prompt.pk}/" for room in ("prompts", "reviewing")]
    address = f"{URL}playground/?prompt={prompt.pk}"
    for page in pages:
        assert "Try in the playground" not in client.get(page).content.decode(), page
    versions.register(run)
    for page in pages:
        assert f'href="{address}"' in client.get(page).content.decode(), page
    assert client.get(address).status_code == 200
