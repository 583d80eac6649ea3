"""Reviewing: scores beside human ranks, for those who may see them."""

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labelapp.models import Member, Project, PromptAgreement, TrainingRun, User
from labelapp.rendering.letters import letter
from labelapp.reviewing.review import review
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.reviewing.scored import URL, score, score_in_order
from training.rankings import UNRANKED


def test_responses_come_by_reward_with_human_ranks_and_marked_disagreement(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    add_ranking(prompt, manager, [2, 1, 3, 3])
    score_in_order(run, tmp_path, prompt, 3.0, 2.0, 0.0, 1.0)
    [reviewed] = review(run, list(PromptAgreement.objects.select_related("prompt")))
    assert [r.letter for r in reviewed.responses] == ["A", "B", "D", "C"]
    assert [r.reward for r in reviewed.responses] == [3.0, 2.0, 1.0, 0.0]
    assert [r.centred for r in reviewed.responses] == [2.5, 1.5, 0.5, -0.5]
    assert [[h.rank for h in r.ranks] for r in reviewed.responses] == [
        [1, 2],
        [2, 1],
        [4, 3],
        [3, 3],
    ]
    # labeller: c over d is ordered otherwise; manager: b over a. Neither is a majority.
    assert reviewed.agreement.against == 2
    assert not reviewed.contested
    assert not any(response.contested for response in reviewed.responses)
    page = sign_in(manager).get(URL).content.decode()
    assert "never against the majority" in page
    assert "≠" not in page
    places = [r.percent for r in reviewed.responses]
    assert places == sorted(places, reverse=True)
    assert 0 < places[-1] < reviewed.zero_percent < places[0] < 100


def test_a_pair_that_most_people_order_otherwise_is_marked(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    reviewer: Member,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    prompt = add_prompt()
    for member, ranks in ((labeller, [1, 2, 3, 4]), (reviewer, [1, 2, 3, 4])):
        add_ranking(prompt, member, ranks)
    add_ranking(prompt, manager, [2, 1, 3, 4])
    score_in_order(run, tmp_path, prompt, 2.0, 3.0, 1.0, 0.0)
    [reviewed] = review(run, list(PromptAgreement.objects.select_related("prompt")))
    contested = {response.letter for response in reviewed.responses if response.contested}
    assert contested == {"A", "B"}
    assert (reviewed.agreement.against, reviewed.agreement.comparisons) == (2, 18)
    assert "against the majority on 1 of 6 pairs" in sign_in(manager).get(URL).content.decode()


def test_the_list_begins_with_the_worst_disagreement(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    reviewer: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    agreed, contested = add_prompt("Agreed on?"), add_prompt("Contested?")
    rewards = {}
    for prompt, signs in ((agreed, -1.0), (contested, 1.0)):
        add_ranking(prompt, labeller, [1, 2, 3, 4])
        for i, response in enumerate(prompt.responses.order_by("pk")):
            rewards[response.pk] = signs * i
    score(run, tmp_path, rewards)
    page = sign_in(reviewer).get(URL).content.decode()
    assert page.index("Contested?") < page.index("Agreed on?")
    assert "against the majority on 6 of 6 pairs" in page
    assert "model-0" in page  # reviewers see sources
    assert "62.5" in page


def test_rankings_made_since_the_scores_were_stored_count_as_well(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    prompt = add_prompt()
    score_in_order(run, tmp_path, prompt, 1.0, 2.0, 3.0, 4.0)
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "against the majority" not in page
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "against the majority on 6 of 6 pairs" in page


def test_held_out_prompts_can_be_seen_alone(
    add_prompt: AddPrompt, reviewer: Member, run: TrainingRun, tmp_path: Path
) -> None:
    seen, unseen = add_prompt("Learned from?"), add_prompt("Held out?")
    score(run, tmp_path, {r.pk: 0.0 for p in (seen, unseen) for r in p.responses.all()})
    PromptAgreement.objects.filter(prompt=unseen).update(held_out=True)
    page = sign_in(reviewer).get(URL, {"held_out": "1"}).content.decode()
    assert "Held out?" in page
    assert "Learned from?" not in page


def test_a_prompt_is_shown_in_full(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    prompt = add_prompt(responses=["word " * 200, "**bold**", "c", "<script>x</script>"])
    score_in_order(run, tmp_path, prompt, 1.0, 2.0, 3.0, 4.0)
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert "word " * 199 in page
    assert "<strong>bold</strong>" in page
    assert "<script>x" not in page


def test_a_response_that_was_left_unranked_is_shown_as_such(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, UNRANKED, UNRANKED])
    score_in_order(run, tmp_path, prompt, 1.0, 3.0, 2.0, 2.0)
    (reviewed,) = review(run, PromptAgreement.objects.select_related("prompt"))
    assert (reviewed.agreement.against, reviewed.agreement.comparisons) == (3, 5)
    ranks = {one.letter: [given.rank for given in one.ranks] for one in reviewed.responses}
    assert ranks == {"A": [1], "B": [2], "C": [None], "D": [None]}
    page = sign_in(manager).get(f"{URL}{prompt.pk}/").content.decode()
    assert page.count("not ranked") == 4  # in the table, and below the responses


def test_notes_of_labellers_are_shown_to_those_who_review(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    reviewer: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4], note="All <b>wrong</b>.")
    score_in_order(run, tmp_path, prompt, 1.0, 2.0, 3.0, 4.0)
    page = sign_in(reviewer).get(f"{URL}{prompt.pk}/").content.decode()
    assert "All &lt;b&gt;wrong&lt;/b&gt;." in page
    assert f'/people/{labeller.pk}/"><bdi>labeller</bdi></a> notes' in page


def test_without_scores_the_page_says_what_to_do(manager: Member) -> None:
    page = sign_in(manager).get(URL).content.decode()
    assert "/projects/kitchen/runs/" in page


def test_scores_are_for_managers_and_reviewers(
    add_prompt: AddPrompt, labeller: Member, outsider: User, run: TrainingRun, tmp_path: Path
) -> None:
    prompt = add_prompt()
    score_in_order(run, tmp_path, prompt, 1.0, 2.0, 3.0, 4.0)
    for url in (URL, f"{URL}{prompt.pk}/"):
        assert sign_in(labeller).get(url).status_code == 403
        assert sign_in(outsider).get(url).status_code == 404
        assert Client().get(url).status_code == 302
        assert sign_in(labeller).post(url).status_code in (403, 405)


def test_what_is_not_there_is_not_found(
    add_prompt: AddPrompt, manager: Member, run: TrainingRun
) -> None:
    elsewhere = Project.objects.create(name="Attic", slug="attic")
    foreign = elsewhere.prompts.create(messages=[], content_hash="x")
    client = sign_in(manager)
    for url in (
        f"{URL}{foreign.pk}/",
        f"{URL}99999/",
        f"{URL}?run=99999",
        f"{URL}?run=x",
        f"{URL}?run={'9' * 5000}",
    ):
        assert client.get(url).status_code == 404, url


@pytest.mark.parametrize("prompts", [2, 25])
def test_the_list_makes_the_same_queries_whatever_it_holds(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
    prompts: int,
) -> None:
    rewards = {}
    for i in range(prompts):
        prompt = add_prompt(f"{i}?")
        add_ranking(prompt, manager, [1, 2, 3, 4])
        rewards |= {r.pk: float(i) for r in prompt.responses.all()}
    score(run, tmp_path, rewards)
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(URL).status_code == 200
    assert len(queries) == 19


def test_a_run_to_choose_says_what_it_was_and_how_well_it_did(
    add_prompt: AddPrompt, manager: Member, run: TrainingRun, tmp_path: Path
) -> None:
    prompt = add_prompt()
    score(run, tmp_path, {r.pk: 1.0 for r in prompt.responses.all()})
    run.config = {"backbone": "transformer", "epochs": 150}
    run.name = "Long"
    few = run.held_out["prompts"]
    named = f"Run {run.pk} · Long · backbone transformer · epochs 150"
    # An accuracy on few prompts would need a sentence beside it.
    for prompts, expected in ((few, named), (200, f"{named} · 62.5\u202f%")):
        run.held_out["prompts"] = prompts
        run.save()
        page = sign_in(manager).get(URL).content.decode()
        [option] = re.findall(rf'<option value="{run.pk}" selected>([^<]+)</option>', page)
        assert option == expected


def test_letters_go_on_after_z() -> None:
    assert [letter(i) for i in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
