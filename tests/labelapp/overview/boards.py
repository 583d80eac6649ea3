"""What the tests of a project's first page make and read."""

import re
from typing import Any

from django.utils import timezone

from labelapp.models import (
    AgreementMeasurement,
    AliasMove,
    Member,
    ModelVersion,
    Project,
    State,
    TrainingRun,
    User,
)
from labelapp.quality.results import Alert, Figure, LabellerAgreement, LabellerFigures
from tests.conftest import sign_in

URL = "/projects/kitchen/"
LIVE = f"{URL}live/"
BESIDE = {"accuracy": 0.6, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.2}
HELD_OUT = {
    "prompts": 40, "rankings": 40, "comparisons": 268, "accuracy": 0.683, "accuracy_low": 0.601,
    "accuracy_high": 0.752, "baselines": {"longer_wins": BESIDE, "word_counts": BESIDE},
}  # fmt: skip


def text(person: Member | User, url: str = URL) -> str:
    """Return the words of a page."""
    html = sign_in(person).get(url).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<main") :]).split())


def live(person: Member | User) -> str:
    return sign_in(person).get(LIVE).content.decode()


def decisions(person: Member | User) -> dict[str, str]:
    """Return the sentences that ask for a decision, with the pages they link to."""
    html = live(person)
    part = html[html.index('class="card padded decisions') :].split("</section>")[0]
    found = {}
    for item in re.findall(r"<li.*?</li>", part, re.S):
        sentence, rest = item.split("<a href=")
        words = " ".join(re.sub(r"<[^>]+>", " ", sentence).split())
        found[words] = rest.split('"')[1]
    return found


def links_of(html: str) -> dict[str, str]:
    """Return where the links of a page lead, by their words."""
    return {
        " ".join(re.sub(r"<[^>]+>", "", words).split()): to
        for to, words in re.findall(r'<a [^>]*?href="([^"]+)"[^>]*>(.*?)</a>', html, re.S)
    }


def add_run(project: Project, state: State = State.DONE, **fields: Any) -> TrainingRun:
    over = {"finished_at": timezone.now()} if state not in (State.QUEUED, State.RUNNING) else {}
    return TrainingRun.objects.create(project=project, state=state, **over, **fields)


def figure(value: float | None, **fields: Any) -> Figure:
    return Figure("agreement", "comparisons", 80, 20, value, **fields)


def add_measurement(project: Project, *people: LabellerFigures, **fields: Any) -> None:
    agreement = LabellerAgreement(
        rankings=40,
        labellers=2,
        prompts=20,
        shared_prompts=20,
        figures=[figure(0.81, low=0.79, high=0.83, chance=0.5)],
        people=people,
    )
    values = {"state": State.DONE, "result": agreement.to_json(), "finished_at": timezone.now()}
    AgreementMeasurement.objects.create(project=project, **values | fields)


def figures_of(member: Member, *alerts: Alert) -> LabellerFigures:
    nothing = figure(None)
    own = figure(0.54, low=0.41, high=0.66)
    return LabellerFigures(member.pk, 20, 9.0, own, nothing, nothing, nothing, alerts=alerts)


RANDOM = Alert("chance", "near chance", "Agrees with the others in 54 % of 80 comparisons.")


def add_version(run: TrainingRun, number: int, alias: str = "") -> None:
    version = ModelVersion.objects.create(project=run.project, number=number, run=run)
    if alias:
        AliasMove.objects.create(project=run.project, alias=alias, version=version, reason="Best.")
