"""Rankings of the best few: screen, draft, store, files and loss say the same of them."""

import io
import json
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput, close_gaps
from labelapp.models import Member, Project, Ranking
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.labelling.acting import submit
from training.config import TrainConfig
from training.data.file import FileSource
from training.loop.loss import RankingLoss
from training.rankings import UNRANKED, comparisons

URL = "/projects/kitchen/labelling/"
NUMBERS = count()


@st.composite
def partial_rankings(draw: st.DrawFn) -> tuple[int, list[int | None]]:
    """A setting, and a rank or none for each response; as many ranks as the setting asks for."""
    responses = draw(st.integers(4, 9))
    top = draw(st.integers(1, 8))
    ranked = draw(st.integers(min(top, responses), responses))
    ranks = draw(st.lists(st.integers(1, responses), min_size=ranked, max_size=ranked))
    rest: list[int | None] = [None] * (responses - ranked)
    return top, draw(st.permutations([*ranks, *rest]))


def checked(html: str) -> dict[str, int]:
    """The ranks that a page shows, by letter."""
    found = re.findall(r'name="rank-([A-I])" value="(\d)" checked', html)
    return {letter: int(rank) for letter, rank in found}


def stored(ranking: Ranking) -> dict[str, int]:
    """The ranks of a stored ranking, by the text of the response."""
    placements = ranking.placements.select_related("response")
    return {placement.response.text: placement.rank for placement in placements}


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(case=partial_rankings())
def test_screen_draft_store_files_and_loss_say_the_same(
    project: Project,
    labeller: Member,
    add_prompt: AddPrompt,
    tmp_path: Path,
    case: tuple[int, list[int | None]],
) -> None:
    top, ranks = case
    number = next(NUMBERS)
    Project.objects.filter(pk=project.pk).update(rank_top=top)
    labeller = Member.objects.select_related("project").get(pk=labeller.pk)
    prompt = add_prompt(f"Question {number}", [f"{number}, {i}" for i in range(len(ranks))])
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    assert assignment.prompt == prompt
    cards = submissions.cards(assignment)
    entered = {card.letter: rank for card, rank in zip(cards, ranks, strict=True) if rank}
    texts = {card.letter: card.response.text for card in cards}
    given_ranks = close_gaps(entered)
    expected = {text: given_ranks.get(letter, UNRANKED) for letter, text in texts.items()}
    posted: dict[str, Any] = {f"rank-{letter}": rank for letter, rank in entered.items()}
    posted["assignment"] = assignment.token

    client = sign_in(labeller)
    client.post(f"{URL}draft/", posted)
    assert checked(client.get(URL).content.decode()) == entered  # screen and draft
    assert client.post(URL, posted).status_code == 302
    ranking = prompt.rankings.get()
    assert stored(ranking) == expected
    work = client.get(f"/projects/kitchen/my-work/{assignment.token}/").content.decode()
    assert checked(work) == given_ranks

    path = tmp_path / f"{number}.jsonl"
    call_command("export_rankings", "kitchen", str(path), stdout=io.StringIO())
    line = json.loads(path.read_text().splitlines()[-1])
    names = {response["id"]: response["text"] for response in line["responses"]}
    assert {names[i] for i in line.get("unranked") or []} == {
        text for text, rank in expected.items() if rank == UNRANKED
    }
    other = Project.objects.create(name="Other", slug=f"other-{number}")
    call_command("import_rankings", str(path), "--project", other.slug, stdout=io.StringIO())
    imported = Ranking.objects.get(prompt__project=other, prompt__content_hash=prompt.content_hash)
    assert stored(imported) == expected

    *_, read = FileSource(path).prompts()
    learned = read.rankings[0]
    by_id = {response.id: response.text for response in read.responses}
    assert {by_id[i]: rank for i, rank in zip(learned.responses, learned.ranks, strict=True)} == (
        expected
    )
    pairs = {(pair.better, pair.worse) for pair in comparisons(learned.ranks)}
    assert pairs == {
        (i, j)
        for i, better in enumerate(learned.ranks)
        for j, worse in enumerate(learned.ranks)
        if better < worse and better != UNRANKED  # ranked beats unranked
    }
    rewards = torch.linspace(-1, 1, len(ranks), dtype=torch.float64)
    loss = RankingLoss(TrainConfig())(rewards[None], torch.tensor([learned.ranks]))
    terms = [-torch.nn.functional.logsigmoid(rewards[i] - rewards[j]) for i, j in pairs]
    wanted = torch.stack(terms).mean() if terms else torch.tensor(0.0, dtype=torch.float64)
    assert loss.item() == pytest.approx(wanted.item())


def post(labeller: Member, ranks: dict[str, int]) -> Any:
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    posted: dict[str, Any] = {f"rank-{letter}": rank for letter, rank in ranks.items()}
    return sign_in(labeller).post(URL, posted | {"assignment": assignment.token})


def test_too_few_are_refused_in_words_and_kept(
    project: Project, labeller: Member, add_prompt: AddPrompt
) -> None:
    Project.objects.update(rank_top=3)
    add_prompt()
    response = post(labeller, {"A": 1, "C": 2})
    html = response.content.decode()
    assert response.status_code == 422
    assert "Rank at least the best 3 responses; 2 have a rank." in html
    assert checked(html) == {"A": 1, "C": 2}
    assert "Rank the best 3; the rest may stay below them." in html
    assert not Ranking.objects.exists()
    assert post(labeller, {"A": 1, "C": 2, "D": 2}).status_code == 302


def test_a_project_that_ranks_all_refuses_what_is_missing(
    project: Project, labeller: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    response = post(labeller, {"A": 1, "C": 2, "D": 3})
    assert "B has no rank yet." in response.content.decode()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    with pytest.raises(ValueError, match="expected 4 ranks"):
        submit(assignment=assignment, entered=RankingInput({"A": 1, "B": 2, "C": 3}))


def test_another_letter_is_refused(
    project: Project, labeller: Member, add_prompt: AddPrompt
) -> None:
    Project.objects.update(rank_top=1)
    add_prompt()
    assert "not part of this task" in post(labeller, {"A": 1, "Z": 2}).content.decode()


def test_a_second_version_that_ranks_more_counts_instead(
    project: Project, labeller: Member, add_prompt: AddPrompt
) -> None:
    Project.objects.update(rank_top=2)
    prompt = add_prompt()
    post(labeller, {"A": 1, "B": 2})
    token = str(prompt.assignments.get().token)
    client = sign_in(labeller)
    again = {"rank-A": 1, "rank-B": 2, "assignment": token}
    client.post(URL, again)
    assert prompt.rankings.count() == 1  # the same
    client.post(URL, again | {"rank-C": 3})
    assert sorted(stored(prompt.rankings.get(is_current=True)).values()) == [1, 2, 3, UNRANKED]
