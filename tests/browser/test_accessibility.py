"""axe-core finds no serious fault on any page, in any state: wide and narrow, light and dark."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize, expect

from labelapp.exporting import exports
from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    INSTRUCTGPT_FLAGS,
    AgreementMeasurement,
    AliasMove,
    Event,
    Export,
    Grid,
    Member,
    ModelVersion,
    Project,
    PromotionGates,
    Prompt,
    PromptAgreement,
    ReviewMeasurement,
    Score,
    SkipReason,
    State,
    Tag,
    TrainingRun,
    Upload,
    User,
)
from labelapp.notifications import webhooks
from labelapp.notifications.telling import notify
from labelapp.people import records
from labelapp.projects import assignees, invitations
from labelapp.quality.coefficients import measure
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.reviewing.figures import measure as measure_review
from labelapp.runs import process
from tests.browser.conftest import As, from_menu
from tests.browser.ranking_page import RankingPage
from tests.browser.test_pages import HELD_OUT, second_run, start_run
from tests.conftest import PASSWORD, sign_in
from tests.labelapp.importing.uploads import confirm, line, lines, send
from tests.labelapp.labelling.acting import skip, submit
from training.rankings import UNRANKED

WIDE: ViewportSize = {"width": 1280, "height": 844}
PHONE: ViewportSize = {"width": 390, "height": 844}
# Everything is looked at once at each width; the colours once more in the other scheme.
ALL: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
COLOURS = ALL | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
LOOKS: list[tuple[ViewportSize, Any, dict[str, Any]]] = [
    (WIDE, "light", ALL),
    (WIDE, "dark", COLOURS),
    (PHONE, "dark", ALL),
    (PHONE, "light", COLOURS),
]

RICH = """A **list** with a [link](https://example.org/):

1. `code` in a line
2. > a quotation

| wide | table |
|---|---|
| 1 | 2 |

```python
def sky(colour="blue"):  # why?
    return f"{colour} {1 + 2}"
```

And $x^2$."""
BESIDE = {"accuracy": 0.6, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.2}
JUDGED = {
    "baselines": {"longer_wins": BESIDE | {"near_equal": BESIDE}, "word_counts": BESIDE},
    "near_equal": {"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7, "comparisons": 4},
    "by_gap": [{"gap": 1, "comparisons": 6, "accuracy": 0.6}],
    "by_labeller": [
        {"labeller": "ann", "comparisons": 6, "accuracy": 0.6, "accuracy_low": 0.5,
         "accuracy_high": 0.7},
    ],
    "calibration": {
        "ece": 0.1,
        "bins": [{"low": 0.5, "high": 0.6, "comparisons": 6, "confidence": 0.5, "accuracy": 0.6}],
    },
}  # fmt: skip
PEOPLE = {"agreement": 0.8, "agreement_low": 0.7, "agreement_high": 0.9}
LONG = "\n\n".join(["A long paragraph of several words."] * 120)
RESPONSES = (RICH, LONG, "I am ChatGPT, a large language model.", "Short\u200b, 2 *3*.\t")
CHAT = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": RICH},
]


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return browser_context_args | {"reduced_motion": "reduce"}  # no colour half way to another


TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Faults:
    """Gathers what axe-core finds in the states of pages, to be empty in the end."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: list[str] = []

    def look(self, state: str) -> None:
        """Look at the page as it stands; `state` names it."""
        self.page.evaluate(AXE_SCRIPT)  # not a script of the page: the policy would refuse that
        for viewport, colours, options in LOOKS:
            self.page.set_viewport_size(viewport)
            self.page.emulate_media(color_scheme=colours)
            self.page.evaluate(TWO_FRAMES)  # what the page does on a resize is done
            results = self.page.evaluate(f"axe.run({json.dumps(options)})")
            where = f"{state}, {viewport['width']} px, {colours}"
            self.found += [f"{where}: {fault}" for fault in serious(results["violations"])]
        self.page.set_viewport_size(WIDE)

    def visit(self, url: str, paths: Iterable[str]) -> None:
        for path in paths:
            self.page.goto(f"{url}/{path}")
            self.look(path)


def serious(violations: list[dict[str, Any]]) -> Iterator[str]:
    for violation in violations:
        if violation["impact"] in ("serious", "critical"):
            for node in violation["nodes"]:
                reasons = [check["message"] for check in node["any"] + node["all"] + node["none"]]
                yield f"{violation['id']} at {node['target'][-1]}: {'; '.join(reasons)}"


@pytest.fixture
def faults(page: Page) -> Iterator[Faults]:
    page.set_viewport_size(WIDE)
    faults = Faults(page)
    yield faults
    assert faults.found == []


@pytest.fixture
def campaign(project: Project, labeller: Member, add_prompt: Any) -> list[Prompt]:
    """One prompt ranked, one skipped, one in work, two waiting; with scores and flags."""
    project.rating_scale, project.flags = 7, list(INSTRUCTGPT_FLAGS)
    project.guidelines = RICH
    project.save()
    names = ("ranked", "skipped", "begun", "next", "last")
    prompts = [add_prompt(f"The {name} prompt?", RESPONSES) for name in names]
    prompts[2].messages = CHAT
    prompts[2].save()
    prompts[0].responses.filter(text=RESPONSES[2]).update(names_itself=True)
    submit(assignment=task_of(labeller), entered=verdict(note="Hard."), seconds=42)
    skip(assignment=task_of(labeller), reason=SkipReason.UNSUITABLE, note="No.")
    task_of(labeller)
    return prompts


def task_of(labeller: Member) -> Any:
    task = assignments.current_assignment(labeller)
    assert task is not None
    return task


def verdict(**more: Any) -> RankingInput:
    return RankingInput(
        ranks={"A": 1, "B": 2, "C": 2, "D": 3},
        scores={"A": 7, "B": 4},
        flags={"D": list(INSTRUCTGPT_FLAGS[:2])},
        **more,
    )


@pytest.fixture
def run(campaign: list[Prompt], manager: Member, add_ranking: Any) -> TrainingRun:
    """A finished run with a curve, and one that failed; a prompt with a partial ranking."""
    done, prompt = {"state": State.DONE, "finished_at": timezone.now()}, campaign[0]
    run = start_run(
        manager,
        metrics={"held_out": HELD_OUT | JUDGED, "labellers_agree": {"held_out": PEOPLE}},
        manifest={"prompts": 9, "rankings": 9, "train_prompts": 6, "all_tied": 1},
        folder="runs/1",
        **done,
    )
    folder = process.run_folder(run).path
    folder.mkdir(parents=True)
    lines = [
        {"step": n, "loss": 0.7 / n, "accuracy": 0.5, "learning_rate": 1e-5, "gradient_norm": n}
        for n in (1, 2)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    carl = Member.objects.create(project=manager.project, name="carl")
    add_ranking(prompt, carl, [1, 2, *[UNRANKED] * (prompt.responses.count() - 2)])
    for reward, response in enumerate(prompt.responses.order_by("pk")):
        Score.objects.create(run=run, response=response, reward=reward)
    PromptAgreement.objects.create(
        run=run, prompt=prompt, comparisons=5, against=3, disagreement=0.6, held_out=True
    )
    start_run(manager, **done | {"state": State.FAILED, "reason": "Too few prompts."})
    return run


@pytest.fixture
def disputed(manager: Member, add_prompt: Any, add_ranking: Any) -> list[Prompt]:
    """Two prompts that three ranked differently, one in part, with all else a verdict can say."""
    prompts = [add_prompt(f"The {name} prompt?", RESPONSES) for name in ("disputed", "other")]
    given = {"ann": (1, 2, 2, 3), "bob": (3, 1, 2, 2), "carl": (1, 2, UNRANKED, UNRANKED)}
    for name, ranks in given.items():
        member = Member.objects.create(project=manager.project, name=name)
        for prompt in prompts:
            ranking = add_ranking(prompt, member, ranks, note="Hard.", all_bad=name == "bob")
            ranking.ratings.create(
                response_id=min(ranking.ranks()), score=3, flags=list(INSTRUCTGPT_FLAGS[:2])
            )
    return prompts


@pytest.fixture
def link(project: Project, manager: Member, live_server: Any) -> str:
    """An invitation's path."""
    week = timedelta(days=7)
    made = invitations.create(
        project=project, role="labeller", lasts=week, single=False, user=manager.user
    )
    return f"join/{invitations.token(made)}/"


def test_a_visitors_pages(
    faults: Faults, page: Page, live_server: Any, link: str, expected_errors: list[str]
) -> None:
    expected_errors.append("Failed to load resource")
    faults.visit(live_server.url, [f"{link[:-4]}/", "sign-in/"])
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="correct username")).to_be_visible()
    faults.look("sign-in refused")
    faults.visit(live_server.url, [link])
    page.get_by_label("Username").fill("newcomer")
    page.get_by_label("Password", exact=True).fill("a quite long passphrase")
    page.get_by_label("Password again").fill("another")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator(".errorlist")).to_be_visible()
    faults.look("joining refused")


def look_at_setup_and_practice(faults: Faults, page: Page, url: str, project: Project) -> None:
    page.goto(f"{url}/projects/new/")
    page.get_by_text("Advanced").click()
    faults.look("a new project, unfolded")
    page.goto(f"{url}/projects/kitchen/setup/guidelines/")
    page.get_by_role("button", name="Writing").click()
    faults.look("guidelines from a template")
    page.goto(f"{url}/projects/kitchen/settings/")
    page.get_by_label("Rankings per prompt").fill("7")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("that are here?").or_(page.get_by_text("are saved."))).to_be_visible()
    faults.look("settings that ask about prompts")
    Project.objects.filter(pk=project.pk).update(setup_step="file")
    faults.visit(url, ["projects/kitchen/uploads/", ""])
    page.goto(f"{url}/projects/kitchen/practice/3/")
    faults.look("a practice prompt")
    for card in page.get_by_role("article").all():
        card.get_by_role("radio", name="2", exact=True).last.check()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("You gave them the same rank.").first).to_be_visible()
    faults.look("a practice prompt, marked")
    Project.objects.filter(pk=project.pk).update(setup_step="", archived_at=timezone.now())
    faults.visit(url, ["", "projects/kitchen/", "projects/kitchen/settings/"])
    Project.objects.filter(pk=project.pk).update(archived_at=None)


def test_a_managers_pages(
    faults: Faults, page: Page, live_server: Any, sign_in_as: As, run: TrainingRun, link: str
) -> None:
    manager = run.project.members.get(name="manager")
    manager.user.is_superuser = True
    manager.user.save()
    sign_in_as(manager)
    prompt = run.agreements.get().prompt_id
    project = run.project
    first, second = (
        ModelVersion.objects.create(
            project=project, number=number, run_id=run.pk + number - 1,
            lineage={"title": "Run", "digest": "0123", "accuracy": 0.7},
        )
        for number in (1, 2)
    )  # fmt: skip
    for alias, version in (("champion", first), ("challenger", second)):
        AliasMove.objects.create(project=project, alias=alias, version=version, reason="Better.")
    PromotionGates.objects.create(project=project, beats_champion=True, most_points_lost=2)
    of_project = (
        "", "find/?q=a", "settings/", "people/", "invitations/", "progress/", "export/",
        "prompts/", "prompts/?show=done&q=none", f"prompts/{prompt}/", f"prompts/{prompt + 2}/",
        "runs/", f"runs/{run.pk + 1}/", f"runs/{run.pk}/log/",
        f"runs/{run.pk}/errors/", f"runs/{run.pk}/data/", f"runs/{run.pk}/settings/",
        f"runs/{run.pk}/files/", f"runs/{run.pk + 1}/delete/",
        "reviewing/", "reviewing/?q=none", f"reviewing/{prompt}/", "reviewing/figures/",
        "agreement/",
        "setup/name/", "setup/guidelines/", "setup/people/", "duplicate/", "practice/prompts/",
        "models/", "models/1/", "models/2/promote/", "models/service/", "models/playground/",
    )  # fmt: skip
    faults.visit(live_server.url, ["", "projects/new/", "account/"])
    faults.visit(live_server.url, [f"projects/kitchen/{path}" for path in of_project])
    look_at_setup_and_practice(faults, page, live_server.url, project)
    page.goto(f"{live_server.url}/projects/kitchen/prompts/{prompt}/")
    page.keyboard.press("w")
    expect(page.locator("article .written")).to_have_count(4)
    faults.look("a prompt, as written")
    page.keyboard.press("w")
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/")
    for table in page.get_by_text("Show table").all():
        table.click()
    faults.look("a run, unfolded")
    page.goto(f"{live_server.url}/projects/kitchen/runs/{run.pk}/curves/")
    for table in page.get_by_text("Show table").all():
        table.click()
    faults.look("the curves of a run, unfolded")
    other = second_run(run)
    waiting = start_run(manager, name="Waits", note="For a worker.", tags="one two", is_pinned=True)
    of_runs = ("", "?sort=-accuracy", "?q=none", f"{run.pk}/edit/", "compare/", "new/")
    faults.visit(live_server.url, [f"projects/kitchen/runs/{path}" for path in of_runs])
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.get_by_label("Backbone").select_option("pretrained")
    faults.look("a new run, unfolded")
    page.goto(f"{live_server.url}/projects/kitchen/runs/")
    page.get_by_role("link", name=f"Edit run {run.pk}").click()
    expect(page.get_by_label("Note")).to_be_visible()
    faults.look("a run, edited in its row")
    waiting.delete()
    page.goto(f"{live_server.url}/projects/kitchen/runs/compare/?run={run.pk}&run={other.pk}")
    page.get_by_text("Show table").click()
    expect(page.get_by_role("article").first).to_be_visible()
    faults.look("runs, compared")
    look_at_grids(faults, page, live_server.url, [run, other])
    other.delete()
    look_at_review(faults, live_server.url, run)
    page.goto(f"{live_server.url}/projects/kitchen/agreement/")
    page.get_by_role("button", name="Measure agreement").click()
    expect(page.get_by_text("Measuring")).to_be_visible()
    faults.look("agreement, being measured")
    found = measure(rankings_by_prompt(run.project)).to_json()
    text = "Ties 92 % of 578 pairs of responses. The others tie 11 %."
    found["people"][0]["alarms"] = [{"kind": "ties", "badge": "Ties a lot", "text": text}]
    AgreementMeasurement.objects.update(state=State.DONE, result=found, finished_at=timezone.now())
    expect(page.get_by_text("All together", exact=True).first).to_be_visible()  # it asks for itself
    page.get_by_text("All figures of each labeller").click()
    faults.look("agreement, measured")


def look_at_grids(faults: Faults, page: Page, url: str, runs: list[TrainingRun]) -> None:
    """Look at the list of grids without and with one, at the form, and at a grid's states."""
    project = runs[0].project
    faults.visit(url, [f"projects/kitchen/runs/grids/{path}" for path in ("", "new/")])
    for summary in page.locator("summary:visible").all():
        summary.click()
    faults.look("a new grid, unfolded")
    grid = Grid.objects.create(project=project, varied={"epochs": [1, 2], "seed": [0, 1]})
    of_grid = ("", f"{grid.pk}/", f"{grid.pk}/delete/")
    project.runs.filter(pk__in=[run.pk for run in runs]).update(grid=grid)
    faults.visit(url, [f"projects/kitchen/runs/grids/{path}" for path in of_grid])
    page.goto(f"{url}/projects/kitchen/runs/grids/{grid.pk}/")
    for table in page.get_by_text("Show table").all():
        table.click()
    faults.look("a grid, unfolded")
    project.runs.filter(pk=runs[1].pk).update(state=State.QUEUED, finished_at=None)
    faults.visit(url, [f"projects/kitchen/runs/grids/{grid.pk}/"])
    project.runs.filter(pk=runs[1].pk).update(state=State.DONE, finished_at=timezone.now())


def look_at_review(faults: Faults, url: str, run: TrainingRun) -> None:
    """Look at the review once it is measured, and at two responses side by side."""
    review, _ = measure_review(run)
    values: dict[str, Any] = {"state": State.DONE, "finished_at": timezone.now()}
    ReviewMeasurement.objects.all().delete()
    ReviewMeasurement.objects.create(
        project=run.project, run=run, result=review.to_json(), started_at=timezone.now(), **values
    )
    faults.visit(url, [f"projects/kitchen/reviewing/{path}" for path in ("", "figures/")])
    page = faults.page
    for summary in page.get_by_text("Show table").all():
        summary.click()
    faults.look("figures of a run, unfolded")
    page.goto(f"{url}/projects/kitchen/reviewing/{run.agreements.get().prompt_id}/")
    page.locator("#response-A").focus()
    for key in ("c", "k", "c"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).to_contain_text("of words shared")
    faults.look("a reviewed prompt, comparison")


def test_pages_that_refuse(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    link: str,
    expected_errors: list[str],
) -> None:
    """Settings that somebody else has saved, a role, a password, and too many attempts."""
    expected_errors.append("Failed to load resource")
    sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/settings/")
    Project.objects.update(guidelines="Theirs.\n\n" * 40)
    page.get_by_label("Guidelines", exact=True).fill("Mine.")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_role("heading", name="Somebody else has changed")).to_be_visible()
    faults.look("settings, saved by somebody else")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    page.goto(f"{live_server.url}/projects/kitchen/people/")
    expect(page.get_by_text("Can still invite people")).to_be_visible()
    Member.objects.filter(pk=labeller.pk).update(role="manager")
    page.get_by_label("Role of labeller").select_option("reviewer")
    page.get_by_role("button", name="Change the role of labeller").click()
    expect(page.get_by_text("Somebody else has made labeller a manager")).to_be_visible()
    faults.look("a role, changed by somebody else")
    page.get_by_role("button", name="New password… for labeller").click()
    reset_link = page.get_by_label("Link to set a new password").input_value()
    faults.look("a link to set a new password")
    page.goto(f"{live_server.url}/account/")
    for menu in ("manager", "Kitchen", "Quality", "Menu"):
        page.set_viewport_size(PHONE if menu == "Menu" else WIDE)
        page.goto(f"{live_server.url}/projects/kitchen/people/")
        from_menu(page, menu, "x")
        faults.look(f"the menu {menu}, open")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="Overview")).to_be_visible()
    faults.look("the palette")
    page.keyboard.type("nothing like this")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    faults.look("the palette, nothing found")
    page.goto(f"{live_server.url}/account/")
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password", exact=True).fill("several words to remember")
    page.get_by_label("New password again").fill("several words")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".errorlist").first).to_be_visible()
    faults.look("account, refused")
    page.context.clear_cookies()
    page.goto(reset_link)
    expect(page.get_by_text("For the account labeller")).to_be_visible()
    faults.look("a new password")
    page.goto(f"{live_server.url}/sign-in/")
    for _ in range(6):
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="Too many attempts")).to_be_visible()
    faults.look("sign-in, too many attempts")


def test_a_labellers_pages(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    campaign: list[Prompt],
    labeller: Member,
    manager: Member,
    link: str,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")
    sign_in_as(labeller)
    ranked = labeller.assignments.get(prompt=campaign[0])
    of_project = ("", "work/", "work/?skipped=1", f"work/{ranked.token}/", "people/")
    faults.visit(live_server.url, ["", "nowhere/"])
    faults.visit(live_server.url, [f"projects/kitchen/{path}" for path in of_project])
    Project.objects.update(paused=True)
    labeller.assignments.filter(submitted_at=None).delete()
    faults.visit(live_server.url, ["projects/kitchen/", "projects/kitchen/labelling/"])
    labeller.is_active = False
    labeller.save()
    faults.visit(live_server.url, [link, ""])


def test_the_pages_on_which_an_administrator_deletes(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    run: TrainingRun,
    labeller: Member,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")
    sign_in_as(User.objects.create_superuser("root", password=PASSWORD))
    for slug in ("attic", "cellar"):
        other = Project.objects.create(name=slug, slug=slug)
        Member.objects.create(project=other, name="labeller")
    anonymise = f"account/{labeller.user_id}/anonymise/"
    paths = ["projects/kitchen/settings/", "projects/kitchen/people/", anonymise]
    faults.visit(live_server.url, paths)
    page.get_by_label("Type “labeller” to confirm").fill("labeller")
    page.get_by_role("button", name="Anonymise").click()
    expect(page.get_by_text(f"labeller is now removed-{labeller.user_id}.")).to_be_visible()
    faults.visit(live_server.url, ["projects/kitchen/people/?show=removed"])
    page.goto(f"{live_server.url}/projects/kitchen/settings/")
    page.get_by_role("link", name="Delete project…").click()
    page.get_by_label("Type “Kitchen” to confirm").fill("kitchen")
    page.get_by_role("button", name="Delete project").click()
    expect(page.locator(".errorlist")).to_be_visible()
    faults.look("deletion, refused")
    page.get_by_label("Type “Kitchen” to confirm").fill("Kitchen")
    page.get_by_role("button", name="Delete project").click()
    expect(page.get_by_text("Kitchen is being deleted.")).to_be_visible()
    faults.look("projects, one being deleted")


def test_the_ranking_page_in_its_states(
    faults: Faults, ranking_page: RankingPage, campaign: list[Prompt], expected_errors: list[str]
) -> None:
    expected_errors.append("Failed to load resource")
    page = ranking_page.open().ready().page
    faults.look("ranking, fresh")
    page.keyboard.press("?")
    faults.look("ranking, keys")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    expect(page.locator(".response .written")).to_have_count(4)
    faults.look("ranking, as written")
    for key in ("p", "j", "p"):
        page.keyboard.press(key)
    expect(page.locator(".likeness")).to_contain_text("% of words shared")
    page.get_by_role("button", name="Mark words").click()
    faults.look("ranking, comparison as written")
    page.keyboard.press("w")
    expect(page.locator(".response .written")).to_have_count(0)
    faults.look("ranking, comparison")
    for key in ("Escape", "k", "g", "1", "j", "2", "j", "2", "j", "3"):
        page.keyboard.press(key)
    for details in page.locator("details:not([open])").all():
        if details.is_visible():
            details.locator("summary").click()
    page.locator("[name=score-A][value='1']").check(force=True)
    page.locator("[name=score-D][value='7']").check(force=True)
    faults.look("ranking, ranked and unfolded, with a contradiction")
    ranking_page.chip("D").click()
    page.get_by_role("button", name="Insert D before A").hover()
    faults.look("ranking, with places to insert")
    page.keyboard.press("Escape")
    Project.objects.update(ties_allowed=False)
    page.get_by_text("Skip…").click()  # folded again
    page.keyboard.press("Escape")
    ranking_page.submit.click()
    expect(page.get_by_text("Nothing was stored yet.")).to_be_visible()
    faults.look("ranking, refused")


def test_the_ranking_page_after_a_submit_and_in_german(
    faults: Faults, ranking_page: RankingPage, campaign: list[Prompt]
) -> None:
    page = ranking_page.open().ready().page
    for key in ("1", "j", "2", "j", "2", "j", "3", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Undo the submit")).to_be_visible()
    faults.look("ranking, done")
    page.set_extra_http_headers({"Accept-Language": "de"})
    page.reload()
    expect(page.get_by_role("heading", name="Deine Rangfolge")).to_be_attached()
    faults.look("ranking, in German")
    for key in ("1", "j", "2", "j", "2", "j", "3", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Undo the submit")).not_to_be_visible()
    page.keyboard.press("s")
    faults.look("ranking, skipping in German")


def test_a_labellers_pages_from_right_to_left(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    campaign: list[Prompt],
    labeller: Member,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # what is not found
    page.set_extra_http_headers({"Accept-Language": "ar"})
    faults.visit(live_server.url, ["sign-in/"])
    sign_in_as(labeller)
    of_project = ("", "labelling/", "my-work/", "nowhere/")
    faults.visit(live_server.url, ["", "account/", "notifications/settings/"])
    faults.visit(live_server.url, [f"projects/kitchen/{path}" for path in of_project])


def test_the_pages_of_disagreements(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    disputed: list[Prompt],
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # a refusal is no success
    sign_in_as(disputed[0].project.members.get(name="manager"))
    of_project = f"{live_server.url}/projects/kitchen/disagreements"
    page.goto(f"{of_project}/")
    faults.look("disagreements, not measured")
    with Recorder(disputed[0].project) as recorder:
        list(recorder.record(rankings_by_prompt(disputed[0].project)))
        recorder.store()
    faults.visit(of_project, ["", "?show=adjudicated", f"{disputed[0].pk}/"])
    page.get_by_label("Comment for reviewers and managers").fill(RICH)
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".comments > li")).to_have_count(1)
    page.wait_for_load_state()
    page.get_by_label("Reason (for other reviewers)").fill("Because.")
    page.get_by_role("button", name="Save decision").click()
    page.get_by_text("Change or withdraw the decision").click()
    faults.look("rankings, adjudicated")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Change or withdraw the decision")).to_have_count(0)
    page.wait_for_load_state()
    faults.look("rankings, withdrawn")
    Project.objects.update(ties_allowed=False)
    for letter in "AB":
        page.locator(f"input[name=rank-{letter}][value='1']").check(force=True)
    page.get_by_role("button", name="Save decision").click()
    expect(page.get_by_role("alert")).to_contain_text("allows no ties")
    faults.look("rankings, refused")


def test_the_pages_of_files_in_their_states(
    faults: Faults, page: Page, live_server: Any, sign_in_as: As, manager: Member
) -> None:
    sign_in_as(manager)
    browser = sign_in(manager)
    table = b"prompt,response,rank\nWhy?,Scattering.,1\nWhy?,Paint.,2\nHow?,Slowly.,\n"
    uploads = [
        send(browser, lines(line(1, labeller="ann"), line(2, ranking=None), b"{")),  # not confirmed
        send(browser, table, "table.csv"),
        send(browser, b"nothing;of;use\n", "table.tsv"),  # cannot be read
        confirm(browser, send(browser, lines(*(line(n) for n in range(3)), *[b"{"] * 120))),
        confirm(browser, send(browser, lines(line(1)))),
    ]
    for state in (State.QUEUED, State.RUNNING, State.FAILED):
        upload = send(browser, lines(line(1)))
        now = timezone.now()
        over = {"reason": "The disk is full.", "finished_at": now} if state == State.FAILED else {}
        Upload.objects.filter(pk=upload.pk).update(state=state, heartbeat_at=now, **over)
        uploads.append(upload)
    faults.visit(live_server.url, ["projects/kitchen/uploads/"])
    faults.visit(live_server.url, [f"projects/kitchen/uploads/{u.pk}/" for u in uploads])
    for format_ in ("jsonl", "csv", "trl", "nemo"):
        browser.post("/projects/kitchen/export/", {"format": format_})
    done, running, failed, _ = Export.objects.order_by("pk")
    exports.execute(done)
    Export.objects.filter(pk=running.pk).update(state=State.RUNNING, heartbeat_at=timezone.now())
    Export.objects.filter(pk=failed.pk).update(
        state=State.FAILED, reason="The disk is full.", finished_at=timezone.now()
    )
    faults.visit(live_server.url, ["projects/kitchen/export/"])


def test_the_page_of_a_labeller(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    disputed: list[Prompt],
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # a refusal is no success
    project = disputed[0].project
    ranking = disputed[0].rankings.filter(is_current=True).earliest("pk")
    person = ranking.member
    with Recorder(project) as recorder:
        found = measure(recorder.record(rankings_by_prompt(project))).to_json()
        recorder.store()
    alert = {"kind": "ties", "badge": "Ties a lot", "text": "Ties 92 % of 578 pairs."}
    for one in found["people"]:
        one["alarms"] = [alert]
    AgreementMeasurement.objects.create(
        project=project, state=State.DONE, result=found, finished_at=timezone.now()
    )
    sign_in_as(project.members.get(name="manager"))
    url = f"{live_server.url}/projects/kitchen/people/{person.pk}/"
    page.goto(url)
    expect(page.get_by_text("Ties a lot")).to_be_visible()
    page.get_by_text("Show table").first.click()
    faults.look("a labeller")
    page.get_by_label("Add a note").fill("Talked on Monday.")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("Talked on Monday.")).to_be_visible()
    page.get_by_role("checkbox", name="Select “").first.check()
    page.get_by_role("button", name="Have the selected ranked again").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    faults.look("a labeller, with a note, asked again")
    page.goto(url)
    page.get_by_label("Rankings submitted or changed").check()
    page.get_by_label("Reason").fill("Ties too much.")
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(page.get_by_text("Enter the first day")).to_be_visible()
    faults.look("a labeller, not left out without a day")
    page.get_by_label("All their rankings").check()
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(page.get_by_role("button", name="Count them again")).to_be_visible()
    faults.look("a labeller, left out")
    faults.visit(f"{live_server.url}/projects/kitchen", ["export/", "agreement/"])


def test_a_message_above_a_task(
    faults: Faults, page: Page, live_server: Any, ranking_page: RankingPage, prompt: Prompt,
    labeller: Member, manager: Member,
) -> None:  # fmt: skip
    assert manager.user is not None
    records.send(member=labeller, by=manager.user, text="Please read all of them.")
    ranking_page.open()
    faults.look("a task, with a message")
    page.get_by_role("button", name="Got it").click()
    expect(page.get_by_text("Please read all of them.")).to_have_count(0)
    faults.look("a task, with the message dismissed")


def test_the_notifications(
    faults: Faults,
    page: Page,
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    settings: Any,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource")  # a refusal is no success
    settings.EMAIL_HOST = "mail.example.org"
    sign_in_as(manager)
    faults.visit(live_server.url, ["notifications/"])
    assert manager.user_id
    for event in Event:
        notify(
            project=manager.project_id,
            event=event,
            key=event,
            path="/",
            to=[manager.user_id],
            about={"name": "ann", "number": 7, "count": 1, "names": ["ann"]},
        )
    page.goto(f"{live_server.url}/notifications/")
    expect(page.get_by_role("link", name=re.compile(f"{len(Event)} unread"))).to_be_visible()
    faults.look("notifications, unread")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark")).to_have_count(0)
    faults.look("notifications, read")
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("A training run has finished or failed: By mail").select_option("daily")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Enter the address")).to_be_visible()
    faults.look("notification settings, without an address")
    faults.visit(live_server.url, ["projects/kitchen/webhook/"])
    webhook = webhooks.save(manager.project, "https://example.org/hook")
    webhooks.queue_test(webhook)
    faults.visit(live_server.url, ["projects/kitchen/webhook/"])


def test_the_pages_of_tags_and_assigning(
    faults: Faults, page: Page, live_server: Any, campaign: list[Prompt], sign_in_as: As,
    manager: Member, labeller: Member, expected_errors: list[str],
) -> None:  # fmt: skip
    url = f"{live_server.url}/projects/kitchen/prompts"
    expected_errors.append("Failed to load resource")  # a refusal is no success
    sign_in_as(manager)
    faults.visit(url, ["tags/"])
    tag = Tag.objects.create(project=manager.project, name="hard")
    tag.prompt_tags.create(prompt=campaign[3])
    assignees.assign(
        project=manager.project, prompts=Prompt.objects.filter(pk=campaign[3].pk),
        members=[labeller], evenly=False, only=True,
    )  # fmt: skip
    faults.visit(url, ["tags/", "?tag=hard", f"?assigned={labeller.pk}", "?show=stuck"])
    for path in ("", f"{campaign[3].pk}/"):
        page.goto(f"{url}/{path}")
        page.get_by_text("Assign to…").click()
        faults.look(f"assigning, {path or 'the list'}")
    page.goto(f"{url}/tags/")
    page.locator('input[name="name"]').fill("a, b")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("A tag cannot contain a comma.")).to_be_visible()
    faults.look("a tag refused")
