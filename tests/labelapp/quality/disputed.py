"""Prompts on which labellers disagree, and their adjudication."""

from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member, Project, Prompt, Ranking
from labelapp.quality import adjudication
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.side_by_side import side_by_side

URL = "/projects/kitchen/disagreements/"


def record(project: Project) -> None:
    with Recorder(project) as recorder:
        list(recorder.record(rankings_by_prompt(project)))
        recorder.store()


def adjudicated(
    prompt: Prompt, member: Member, ranks: dict[str, int], instead_of: int | None = None
) -> Ranking:
    table = side_by_side(prompt).tables[0]
    return adjudication.adjudicate(
        prompt=prompt,
        responses_hash=table.responses_hash,
        member=member,
        by_letter=table.by_letter,
        entered=RankingInput(ranks),
        instead_of=instead_of,
    )


FIRST = {"A": 1, "B": 2, "C": 2, "D": 3}
SECOND = {"A": 2, "B": 1, "C": 3, "D": 4}
