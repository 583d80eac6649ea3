"""axe-core on the states of pages: wide and narrow, light and dark; and a project to look at."""

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    INSTRUCTGPT_FLAGS,
    Member,
    Project,
    Prompt,
    PromptAgreement,
    Score,
    SkipReason,
    State,
    TrainingRun,
)
from labelapp.projects import invitations
from labelapp.runs import process
from tests.browser.finished_runs import HELD_OUT, start_run
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
CALIBRATION = {
    "ece": 0.1,
    "bins": [{"low": 0.5, "high": 0.6, "comparisons": 6, "confidence": 0.5, "accuracy": 0.6}],
}
JUDGED = {
    "baselines": {"longer_wins": BESIDE | {"near_equal": BESIDE}, "word_counts": BESIDE},
    "near_equal": {"accuracy": 0.6, "accuracy_low": 0.5, "accuracy_high": 0.7, "comparisons": 4},
    "loss_low": 0.55, "loss_high": 0.67, "by_gap": [{"gap": 1, "comparisons": 6, "accuracy": 0.6}],
    "by_labeller": [
        {"labeller": "ann", "comparisons": 6, "accuracy": 0.6, "accuracy_low": 0.5,
         "accuracy_high": 0.7},
    ],
    "calibration": CALIBRATION,
    "temperature": {"value": 2.0, "log_loss": 0.6, "calibration": CALIBRATION},
}  # fmt: skip

PEOPLE = {"agreement": 0.8, "agreement_low": 0.7, "agreement_high": 0.9}
# Long, but of few elements: axe-core takes its time for the colours of each.
LONG = "\n\n".join(["A long paragraph of several words. " * 6] * 20)
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
        if not self.page.evaluate("'axe' in window"):  # of an earlier state of the same page
            self.page.evaluate(AXE_SCRIPT)  # not a script of the page: the policy would refuse that
        for viewport, colours, options in LOOKS:
            self.page.set_viewport_size(viewport)
            self.page.emulate_media(color_scheme=colours)
            self.page.evaluate(TWO_FRAMES)  # what the page does on a resize is done
            run = f"axe.run({json.dumps(options)}).then(found => found.violations)"
            where = f"{state}, {viewport['width']} px, {colours}"
            self.found += [f"{where}: {fault}" for fault in described(self.page.evaluate(run))]
        self.page.set_viewport_size(WIDE)

    def visit(self, url: str, paths: Iterable[str]) -> None:
        for path in paths:
            self.page.goto(f"{url}/{path}")
            self.look(path)


def described(violations: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each fault, of any impact, with where it is and why it is one."""
    for violation in violations:
        for node in violation["nodes"]:
            reasons = [check["message"] for check in node["any"] + node["all"] + node["none"]]
            yield f"{violation['id']} at {node['target'][-1]}: {'; '.join(reasons)}"


@pytest.fixture
def faults(page: Page) -> Iterator[Faults]:
    page.set_viewport_size(WIDE)
    faults = Faults(page)
    yield faults
    assert not faults.found, "\n".join(faults.found)


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
