"""The data of a run, and its accuracy by groups of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import Exclusion, Member, Project, PromptDeletion, State, TrainingRun
from labelapp.runs import process
from tests.labelapp.runs.pages import get, text_of

pytestmark = pytest.mark.django_db


MANIFEST = {
    "prompts": 73, "rankings": 219, "comparisons": 1589, "all_tied": 8, "duplicates": 2,
    "chosen": 219, "train_prompts": 60, "train_rankings": 180, "held_out_prompts": 13,
    "held_out_rankings": 39, "truncated_prompts": 4, "truncated_responses": 0,
    "dropped_rankings": 5, "refusals": {"No <b>system</b> role": 5}, "cut_equal_rankings": 0,
    "cut_equal_comparisons": 6, "rankings_by_labeller": [100, 79, 40],
    "rankings_sha256": "ab" * 32, "device": "cpu, float32", "versions": {"torch": "2.13.0"},
}  # fmt: skip


def test_the_data_are_counted_and_what_was_left_out_has_a_reason(
    run: TrainingRun, manager: Member
) -> None:
    run.manifest = MANIFEST
    run.metrics["held_out"]["comparisons_sha256"] = "cd" * 32
    run.save()
    page = get(manager, run, "data/")
    words = text_of(page)
    for count in (
        "rankings by 3 labellers: 100, 79, 40 219",
        "prompts cut at their beginning longer than max_prompt_tokens 4",
        "rankings trained on on 60 prompts, 82.2\u202f% 180",
        "rankings held out on 13 prompts, 17.8\u202f% 39",
        "rankings given twice 2",
        "rankings that tie everything 8",
        "rankings whose prompt the chat template refuses “No <b>system</b> role” 5",
        "comparisons whose responses are equal after the cut 6",
        f"SHA-256 of the rankings {'ab' * 32}",
        f"SHA-256 of the held-out comparisons {'cd' * 32}",
    ):
        assert " ".join(count.split()) in words, count
    assert "responses cut" not in words
    assert "<b>system" not in page


def test_the_data_say_who_was_left_out_when_the_run_began(
    run: TrainingRun, manager: Member, project: Project
) -> None:
    run.manifest, run.started_at = MANIFEST, timezone.now()
    run.save()
    hour = timedelta(hours=1)
    for name, begun, ended in (("ann", -2, None), ("bob", -2, -1), ("carl", 1, None)):
        member = Member.objects.create(project=project, name=name)
        Exclusion.objects.create(
            member=member,
            reason="?",
            created_at=run.started_at + begun * hour,
            ended_at=run.started_at + ended * hour if ended else None,
        )
    words = text_of(get(manager, run, "data/"))
    assert "labeller left out by a manager ann 1" in words
    assert "carl" not in words


def test_data_in_a_running_runs_folder_are_shown(run: TrainingRun, manager: Member) -> None:
    process.run_folder(run).write_manifest({"rankings": 7, "prompts": 3})
    TrainingRun.objects.update(state=State.RUNNING, finished_at=None, heartbeat_at=timezone.now())
    assert "prompts with a ranking 3" in text_of(get(manager, run, "data/"))


def entry(name: str, value: Any, comparisons: int, accuracy: float) -> dict[str, Any]:
    ends = {"accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.04}
    return {name: value, "comparisons": comparisons, "accuracy": accuracy, **ends}


def test_the_accuracy_of_each_group_has_its_interval_and_count(
    run: TrainingRun, manager: Member
) -> None:
    run.metrics["held_out"] |= {
        "by_gap": [entry("gap", 1, 192, 0.641), entry("gap", 3, 1370, 0.7)],
        "by_length": [entry("length", "over_twice", 77, 0.935)],
        "by_responses": [{"responses": 4, "comparisons": 60, "accuracy": 0.9}],
        "by_labeller": [
            entry("labeller", f"ann{number}", 10 + number, 0.5) for number in range(25)
        ],
        "by_source": [entry("source", "", 5, 0.8), "odd", {"source": "x"}],
    }
    run.save()
    words = text_of(get(manager, run, "data/"))
    for row in (
        "1 apart · 192 64.1\u202f% 59.1–68.1",
        "3 or more ranks apart · 1,370 70.0\u202f% 65.0–74.0",
        "more than twice as long · 77 93.5\u202f% 88.5–97.5",
        "4 responses · 60 90.0\u202f%",
        "The 20 largest of 25 groups.",
        "unknown source · 5 80.0\u202f%",
    ):
        assert " ".join(row.split()) in words, row
    assert words.index("ann24 · 34") < words.index("ann23 · 33")
    assert "ann4 ·" not in words
    assert "1 apart · 192" in text_of(get(manager, run))
    run.metrics["held_out"]["prompts"] = 3
    run.save()
    assert "1 apart · 192" not in text_of(get(manager, run, "data/"))


def test_the_data_say_which_rankings_were_deleted_since(
    run: TrainingRun, manager: Member, project: Project
) -> None:
    run.manifest, run.started_at = MANIFEST, timezone.now()
    run.save()
    before = PromptDeletion.objects.create(project=project, prompts=9, rankings=9)
    before.created_at = run.started_at - timedelta(hours=1)
    before.save()
    PromptDeletion.objects.create(project=project, prompts=2, rankings=5)
    words = text_of(get(manager, run, "data/"))
    assert "rankings deleted since with 2 prompts that managers deleted 5" in words
