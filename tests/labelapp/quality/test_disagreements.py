"""Disagreements are counted by prompt and stored."""

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from labelapp.models import Disagreement, Member, Origin, Project
from labelapp.quality import disagreements
from labelapp.quality.coefficients import measure
from labelapp.quality.disagreements import Recorder, count_each, of_prompt
from labelapp.quality.rankings import MeasuredRanking, rankings_by_prompt
from tests.conftest import AddPrompt, AddRanking
from tests.waiting import PATIENCE


def ranked(member: int, *ranks: int) -> MeasuredRanking:
    return MeasuredRanking(member=member, ranks=dict(enumerate(ranks)), prompt=1)


def record(project: Project) -> None:
    with Recorder(project) as recorder:
        list(recorder.record(rankings_by_prompt(project)))
        recorder.store()


def stored(project: Project) -> list[tuple[int, int, int, float]]:
    found = Disagreement.objects.worst_first(project)
    return list(found.values_list("labellers", "comparisons", "against", "share"))


# Counting


def count_comparisons(rankings: list[MeasuredRanking]) -> tuple[int, int]:
    return of_prompt(rankings, count_each(rankings))


@pytest.mark.parametrize(
    ("rankings", "expected"),
    [
        ([ranked(1, 1, 2, 3), ranked(2, 1, 2, 3)], (3, 0)),
        ([ranked(1, 1, 2, 3), ranked(2, 3, 2, 1)], (3, 3)),
        ([ranked(1, 1, 2, 3), ranked(2, 1, 1, 2)], (2, 0)),  # a tie is no preference
        ([ranked(1, 1, 2), ranked(2, 1, 2), ranked(3, 2, 1)], (3, 2)),  # 1-2, 1-3, 2-3
        ([ranked(1, 1, 2), ranked(1, 2, 1)], (0, 0)),  # nobody disagrees with themselves
        ([ranked(1, 1, 2), ranked(1, 2, 1), ranked(2, 1, 2)], (2, 1)),
    ],
)
def test_two_labellers_are_compared_on_what_both_ranked_apart(
    rankings: list[MeasuredRanking], expected: tuple[int, int]
) -> None:
    assert count_comparisons(rankings) == expected


rows = st.lists(
    st.tuples(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=4, max_size=4)), min_size=1
)


@given(rows)
def test_it_is_what_agreement_counts_the_other_way_round(rows: list[Any]) -> None:
    rankings = [ranked(member, *ranks) for member, ranks in rows]
    found = measure([rankings]).named()["agreement"]
    comparisons, against = count_comparisons(rankings)
    assert comparisons == found.count
    if comparisons:
        assert found.value == pytest.approx(1 - against / comparisons)


# Keeping


def test_measuring_keeps_the_disagreement_of_prompts_that_two_share(
    labeller: Member, bob: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    shared, alone, tied = (add_prompt(f"{name}?") for name in ("Shared", "Alone", "Tied"))
    add_ranking(shared, labeller, (1, 2, 3, 4))
    add_ranking(shared, bob, (2, 1, 3, 3))
    add_ranking(alone, labeller, (1, 2, 3, 4))
    add_ranking(tied, labeller, (1, 1, 1, 1))
    add_ranking(tied, bob, (1, 2, 3, 4))
    call_command("measure_agreement", project="kitchen", json=True)
    assert stored(labeller.project) == [(2, 5, 1, 0.2)]
    assert Disagreement.objects.get().prompt == shared


def test_what_was_adjudicated_or_ranked_again_does_not_count(
    labeller: Member, bob: Member, manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, (1, 2, 3, 4))
    add_ranking(prompt, bob, (1, 2, 3, 4))
    add_ranking(prompt, manager, (4, 3, 2, 1), origin=Origin.ADJUDICATED)
    add_ranking(
        prompt, bob, (4, 3, 2, 1), origin=Origin.REPEATED, is_current=False, surplus=True, version=2
    )
    record(labeller.project)
    assert stored(labeller.project) == [(2, 6, 0, 0.0)]


@pytest.fixture
def three(
    labeller: Member,
    bob: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """Three prompts that two labellers rank in opposite order, measured two at a time."""
    monkeypatch.setattr(disagreements, "BATCH", 2)
    for number in range(3):
        prompt = add_prompt(f"Prompt {number}?")
        add_ranking(prompt, labeller, (1, 2, 3, 4))
        add_ranking(prompt, bob, (4, 3, 2, 1))
    record(labeller.project)
    return labeller.project


def test_measured_anew_only_what_changed_is_written(
    three: Project, bob: Member, django_assert_num_queries: Any
) -> None:
    assert stored(three) == [(2, 6, 6, 1.0)] * 3
    kept = set(Disagreement.objects.values_list("pk", flat=True))
    first, second, _ = three.prompts.order_by("pk")
    first.rankings.filter(member=bob).delete()
    second.rankings.get(member=bob).placements.update(rank=1)  # nothing is ranked apart any more
    record(three)
    assert stored(three) == [(2, 6, 6, 1.0)]
    assert set(Disagreement.objects.values_list("pk", flat=True)) < kept
    # Rankings, orders, what is stored of prompts and of rankings; nothing is written.
    with django_assert_num_queries(4):
        record(three)


def test_another_projects_disagreements_stay(
    three: Project, manager: Member, add_prompt: AddPrompt
) -> None:
    other = Project.objects.create(name="Garden", slug="garden")
    three.prompts.update(project=other)
    Disagreement.objects.update(project=other)
    record(three)
    assert len(stored(other)) == 3


def test_what_fails_half_way_changes_nothing(three: Project, bob: Member) -> None:
    three.prompts.earliest("pk").rankings.filter(member=bob).delete()

    def breaking() -> Any:
        yield from list(rankings_by_prompt(three))[:2]
        raise OSError("the disk is full")

    with Recorder(three) as recorder, pytest.raises(OSError, match="disk"):
        list(recorder.record(breaking()))
    assert len(stored(three)) == 3


def test_a_prompt_that_was_deleted_meanwhile_is_passed_over(three: Project) -> None:
    Disagreement.objects.all().delete()
    with Recorder(three) as recorder:
        list(recorder.record(rankings_by_prompt(three)))
        three.prompts.earliest("pk").rankings.all().delete()
        three.prompts.earliest("pk").delete()
        recorder.store()
    assert len(stored(three)) == 2


@pytest.mark.django_db(transaction=True)
def test_two_measurements_at_once_both_come_through(three: Project) -> None:
    Disagreement.objects.all().delete()
    ready = threading.Barrier(2)
    failed: list[Exception] = []

    def measure_at_once() -> None:
        try:
            with Recorder(three) as recorder:
                list(recorder.record(rankings_by_prompt(three)))
                recorder.write_changes()
                ready.wait(PATIENCE)
                recorder.store()
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=measure_at_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert stored(three) == [(2, 6, 6, 1.0)] * 3
