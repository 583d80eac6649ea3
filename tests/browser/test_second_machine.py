"""From an upload to a second training, on a worker with a data folder of its own.

Nothing is mocked: two task workers are processes of their own, and the browser is a real one.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import expect
from pytest_django.fixtures import Settings

from labelapp.jobs import jobs
from labelapp.models import Member, Origin, Project, Ranking, TrainingRun
from labelapp.runs import process
from tests.browser.conftest import As
from tests.browser.ranking_page import RankingPage
from tests.browser.training import EXAMPLE, PATIENT, await_end, start_worker, train
from tests.waiting import wait_until

AT_ONCE = ("--no-reload", "--no-startup-delay", "--interval", "0.2")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="two machines cannot share a SQLite file"
    ),
]


@pytest.fixture
def shared(settings: Settings, tmp_path: Path) -> Path:
    """The folder of the runs that the machines share."""
    settings.RUNS_DIR = tmp_path / "shared"
    settings.RUNS_DIR.mkdir()
    return settings.RUNS_DIR


@pytest.fixture
def workers(
    shared: Path, project: Project, tmp_path: Path
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """One worker beside the pages for imports, and one on another machine that trains."""
    found = [
        start_worker(tmp_path, "default", *AT_ONCE, runs_dir=shared),
        start_worker(tmp_path / "elsewhere", "training", *AT_ONCE, runs_dir=shared),
    ]
    yield found
    for worker in found:
        worker.kill()
        worker.wait()


def hold(run: TrainingRun, step: int) -> int:
    """Halt the training process of a run at some step or soon after, and return its number.

    So there is time to look and to act, however fast the machine is.
    """
    folder = process.run_folder(run)

    def is_there() -> bool:
        found = folder.read_progress()
        return found is not None and found.state == "training" and found.step >= step

    wait_until(is_there)
    pid = folder.worker()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def is_asked_to_end(pid: int) -> bool:
    """Return True if SIGTERM waits for a process that is halted."""
    status = Path(f"/proc/{pid}/status").read_text()
    waiting = re.search(r"^ShdPnd:\s*(\w+)$", status, re.MULTILINE)
    return waiting is not None and bool(int(waiting[1], 16) & (1 << (signal.SIGTERM - 1)))


def test_from_an_upload_to_a_second_training_on_another_machine(
    live_server: Any,
    sign_in_as: As,
    labeller: Member,
    manager: Member,
    shared: Path,
    workers: list["subprocess.Popen[bytes]"],
) -> None:
    url = f"{live_server.url}/projects/kitchen/"
    # Upload rankings made elsewhere.
    page = sign_in_as(manager)
    page.goto(f"{url}uploads/")
    page.get_by_label("File").set_input_files(EXAMPLE)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Check and import").click()
    expect(page.get_by_role("heading", name="Imported")).to_be_visible(timeout=PATIENT)
    assert Ranking.objects.count() == 219

    # Rank a prompt: one that is asked for once more on its page.
    prompt = Ranking.objects.earliest("pk").prompt
    page.goto(f"{url}prompts/{prompt.pk}/")
    page.get_by_role("button", name="Ask for one more ranking").first.click()
    ranking_page = RankingPage(sign_in_as(labeller), f"{url}labelling/").open()
    letters = ranking_page.letters()
    ranking_page.rank_by_keyboard(dict(zip(letters, range(1, 10), strict=False)))
    page.keyboard.press("Enter")
    expect(ranking_page.said).to_contain_text("Ranking stored.")
    own = Ranking.objects.get(origin=Origin.HERE)

    # Train with changed settings, and follow it live, log and curves, from the shared folder.
    page = sign_in_as(manager)
    small = {"backbone": "transformer", "width": "16", "heads": "2", "vocabulary": "300"}
    first = train(page, url, **small, epochs="15", batching="shuffled")
    pid = hold(first, 3)
    expect(page.get_by_text(re.compile(r"Step [1-9]\d* of"))).to_be_visible(timeout=PATIENT)
    assert process.run_folder(first).path.parent == shared
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator("#log")).to_contain_text("60 steps", timeout=PATIENT)

    # Stop it, which saves, and resume it to the end.
    page.get_by_role("link", name="Overview", exact=True).last.click()
    page.get_by_role("button", name="Stop").click()
    wait_until(lambda: is_asked_to_end(pid))
    os.kill(pid, signal.SIGCONT)
    resume = page.get_by_role("button", name="Resume")
    expect(resume).to_be_visible(timeout=PATIENT)
    expect(page.get_by_text(re.compile(r"it stopped at step \d+ of"))).to_be_visible()
    resume.click()
    pid = hold(first, 12)
    expect(page.get_by_text(re.compile(r"Step 1\d* of"))).to_be_visible(timeout=PATIENT)

    # The worker is killed: the page says so, and another one resumes the run.
    workers[1].kill()
    workers[1].wait()
    os.kill(pid, signal.SIGCONT)  # it ends with its worker
    expect(page.get_by_text(jobs.LOST)).to_be_visible(timeout=60_000)
    workers[1] = start_worker(shared.parent / "third", "training", *AT_ONCE, runs_dir=shared)
    resume.click()
    await_end(page, first)
    assert first.metrics["steps"] == 60  # of 15 epochs
    assert first.metrics["peak_rss"] > 1e8
    page.get_by_role("link", name="Files", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="report.md").click()
    assert "held-out" in download.value.path().read_text()

    # Compare it with a second run.
    second = train(page, url, backbone="features")
    await_end(page, second)
    page.goto(f"{url}runs/compare/?run={first.pk}&run={second.pk}")
    verdict = page.locator("#verdict-title")
    expect(verdict).to_contain_text(re.compile(r"points|equally well|No difference"))
    expect(page.get_by_role("row", name=re.compile(r"^Batching"))).to_contain_text("shuffled")

    # Find a wrong label in review: it returns to its labeller, and the prompt goes to adjudication.
    page.goto(f"{url}reviewing/?labeller={labeller.pk}&run={second.pk}")
    page.locator(f"a[href*='/reviewing/{own.prompt_id}/']").first.click()
    page.get_by_role("button", name="Label is wrong").click()
    expect(page.get_by_text("1 ranking returned to labeller.")).to_be_visible()
    own.refresh_from_db()
    assert not own.is_current
    page.get_by_role("link", name="Adjudicate").click()
    place = page.locator("form.task .response").first  # that of the majority's best
    expect(place).to_have_attribute("aria-current", "true")
    place.focus()
    for number in range(own.prompt.responses.count()):
        page.keyboard.press(str(number + 1))
        page.keyboard.press("j")
    page.get_by_role("button", name="Save decision").click()
    expect(page.get_by_text("Decision saved.")).to_be_visible()
    assert own.prompt.rankings.filter(origin=Origin.ADJUDICATED, is_current=True).exists()

    # Train again, on the decision.
    third = train(page, url, backbone="features", aggregation="adjudicated")
    await_end(page, third)
    assert third.manifest["chosen"] < third.manifest["rankings"] == 220  # without the returned one
    expect(page.get_by_text("on adjudicated rankings where there are some")).to_be_visible()
