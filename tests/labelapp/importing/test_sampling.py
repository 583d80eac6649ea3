"""Sampling fills prompts with responses of models and queues them for labellers."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labelapp.importing.sampling import fill
from labelapp.importing.sampling_jobs import Settings
from labelapp.labelling.assignments import current_assignment
from labelapp.models import Member, Project, Prompt, Response
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.importing.sampled import Endpoint, Reply, choice, counts, refused, sample
from tests.waiting import PATIENCE


def test_prompts_are_filled_and_wait_for_labellers(
    project: Project, prompts: list[Prompt], endpoint: Endpoint, labeller: Member
) -> None:
    Project.objects.update(rankings_per_prompt=2)
    out = sample("--endpoint", endpoint.url, "--responses", "4", "--temperature", "0.7")
    assert counts() == [4, 4, 4]
    assert "12 responses to 3 prompts" in out
    assert "3 prompts now wait for labellers" in out
    assert set(Response.objects.values_list("source", flat=True)) == {"gpt"}
    assert set(Prompt.objects.values_list("rankings_wanted", "rankings_needed")) == {(2, 2)}
    assert current_assignment(labeller) is not None
    asked = endpoint.asked[0]
    assert (asked["path"], asked["temperature"], asked["model"]) == (
        "/v1/chat/completions",
        0.7,
        "gpt",
    )
    assert asked["messages"][0]["content"].startswith("Number ")


def test_as_many_responses_as_the_project_shows_are_sampled_by_default(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    Project.objects.update(responses_per_ranking=6)
    sample("--endpoint", endpoint.url)
    assert counts() == [6, 6, 6]


def test_models_and_temperatures_take_turns(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    words = ("--endpoint", endpoint.url, "--responses", "5", "--temperature", "0.5", "1")
    sample(*words, model=("gpt", "llama"))
    for prompt in prompts:
        sources = sorted(prompt.responses.values_list("source", flat=True))
        assert len(sources) == 5
        assert set(sources) == {
            "gpt (temperature 0.5)",
            "gpt (temperature 1)",
            "llama (temperature 0.5)",
            "llama (temperature 1)",
        }


def test_only_prompts_that_nobody_has_ranked_or_been_lent_are_filled(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    labeller: Member,
    endpoint: Endpoint,
) -> None:
    lent = add_prompt("Lent?")
    assert current_assignment(labeller).prompt == lent  # type: ignore[union-attr]
    ranked = add_prompt("Ranked?", ["a", "b"], wanted=0)
    add_ranking(ranked, ann, [1, 2])
    taken_out = add_prompt("Taken out?", [], wanted=0, taken_out=True)
    partly = add_prompt("Partly?", ["human a", "human b"], wanted=0)
    sample("--endpoint", endpoint.url, "--responses", "5")
    assert [p.responses.count() for p in (lent, ranked, taken_out, partly)] == [4, 2, 0, 5]
    assert partly.responses.filter(source="gpt").count() == 3


def test_the_same_text_is_stored_once_and_asked_for_again(
    project: Project, add_prompt: AddPrompt, endpoint: Endpoint
) -> None:
    prompt = add_prompt("Why?", ["gpt 1"], wanted=0)
    first = iter([" Same.\n", "Same.", None, "gpt 1"])
    endpoint.reply = lambda body: (
        200,
        {"choices": [choice(next(first, endpoint.text(body))) for _ in range(body["n"])]},
        {},
    )
    out = sample("--endpoint", endpoint.url, "--responses", "4")
    texts = list(prompt.responses.order_by("pk").values_list("text", flat=True))
    assert texts[:2] == ["gpt 1", "Same."]
    assert len({*texts}) == 4
    assert "texts were empty or repeated" in out


def test_prompts_that_stay_short_are_counted_and_do_not_wait(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    endpoint.reply = lambda body: (200, {"choices": [choice("Same.", "length")]}, {})
    out = sample("--endpoint", endpoint.url, "--tries", "2")
    assert counts() == [1, 1, 1]
    assert "3 prompts still have fewer than 9 responses: not queued" in out
    assert "cut at --max-new-tokens" in out
    assert not Prompt.objects.waiting().exists()


def test_a_server_that_gives_one_response_at_a_time_is_asked_several_times(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    def strict(body: dict[str, Any]) -> Reply:
        if "n" in body or "seed" in body:
            return 400, {"error": {"message": "extra fields not permitted"}}, {}
        return endpoint.answer(body)

    endpoint.reply = strict
    sample("--endpoint", endpoint.url, "--responses", "4")
    assert counts() == [4, 4, 4]


def test_a_busy_server_is_asked_again_and_a_fault_in_the_middle_costs_nothing(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    busy = iter([429, 503, 500])

    def reply(body: dict[str, Any]) -> Reply:
        status = next(busy, 200)
        if status == 200:
            return endpoint.answer(body)
        return status, {"error": {"message": "later"}}, {"Retry-After": "0"}

    endpoint.reply = reply
    sample("--endpoint", endpoint.url, "--responses", "4")
    assert counts() == [4, 4, 4]


def test_a_second_start_goes_on_where_the_first_was(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    def breaks(body: dict[str, Any]) -> Reply:
        if endpoint.written >= 4:
            return 503, {"error": {"message": "gone"}}, {"Retry-After": "0"}
        return endpoint.answer(body)

    endpoint.reply = breaks
    words = ("--endpoint", endpoint.url, "--responses", "4", "--concurrency", "1")
    message = refused(*words, "--retries", "1")
    assert "answers with status 503, 2 times in a row" in message
    assert "4 responses are stored; run the command again to continue" in message
    assert counts() == [4, 0, 0]
    assert Prompt.objects.waiting().count() == 1
    before = list(Response.objects.order_by("pk").values_list("pk", flat=True))
    endpoint.reply = endpoint.answer
    sample(*words)
    assert counts() == [4, 4, 4]
    assert list(Response.objects.order_by("pk").values_list("pk", flat=True))[:4] == before
    asked = len(endpoint.asked)
    assert "0 responses to 0 prompts" in sample(*words)
    assert len(endpoint.asked) == asked


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Handle Ctrl-C as in a terminal: processes started in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_what_has_come(
    project: Project, prompts: list[Prompt], endpoint: Endpoint, ctrl_c: None
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if endpoint.written >= 4:
            os.kill(os.getpid(), signal.SIGINT)
            return 503, {}, {"Retry-After": "60"}
        return endpoint.answer(body)

    endpoint.reply = reply
    words = ("--endpoint", endpoint.url, "--responses", "4", "--concurrency", "1")
    assert refused(*words) == "stopped. 4 responses are stored; run the command again to continue"
    assert counts() == [4, 0, 0]


def test_what_one_prompt_is_refused_does_not_stop_the_others(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if "1" in body["messages"][0]["content"]:
            return 400, {"error": {"message": "content filter", "code": "filtered"}}, {}
        return endpoint.answer(body)

    endpoint.reply = reply
    out = sample("--endpoint", endpoint.url, "--responses", "4")
    assert counts() == [4, 0, 4]
    assert "1 request was refused because: status 400: content filter" in out


def test_prompts_that_are_refused_do_not_stop_a_second_start(
    project: Project, add_prompt: AddPrompt, endpoint: Endpoint
) -> None:
    for number in range(7):
        add_prompt(f"Bad {number}?" if number < 6 else "Good?", [], wanted=0)

    def reply(body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"].startswith("Bad"):
            return 400, {"error": {"message": "content filter"}}, {}
        return endpoint.answer(body)

    endpoint.reply = reply
    words = ("--endpoint", endpoint.url, "--responses", "4", "--concurrency", "1")
    assert "none of the first 5 prompts was answered: status 400" in refused(*words)
    Response.objects.create(
        prompt=Prompt.objects.get(messages__0__content="Good?"), text="x", source="gpt",
        content_hash="x",
    )  # fmt: skip
    assert "6 requests were refused" in sample(*words)
    assert counts() == [0] * 6 + [4]


def test_a_prompt_that_always_fails_does_not_end_what_is_asked_beside_it(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    others = threading.Event()

    def reply(body: dict[str, Any]) -> Reply:
        if "0" in body["messages"][0]["content"]:
            others.wait(PATIENCE)
            return 500, {"error": {"message": "broken"}}, {"Retry-After": "0"}
        answer = endpoint.answer(body)
        if endpoint.written >= 8:
            others.set()
        return answer

    endpoint.reply = reply
    words = ("--endpoint", endpoint.url, "--responses", "4", "--retries", "30")
    assert "1 request was refused because: answers with status 500, 31 times in a row" in sample(
        *words
    )
    assert counts() == [0, 4, 4]


def test_texts_that_have_come_are_kept_when_the_next_is_refused(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if "n" in body:
            return 400, {"error": {"message": "n is not supported"}}, {}
        if endpoint.written == 2:
            return 400, {"error": {"message": "enough"}}, {}
        return endpoint.answer(body)

    endpoint.reply = reply
    sample("--endpoint", endpoint.url, "--responses", "4", "--limit", "1", "--tries", "1")
    assert counts() == [2, 0, 0]


def test_an_answer_without_a_text_is_an_empty_one(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    nothing = {"message": None, "finish_reason": "length"}
    endpoint.reply = lambda body: (200, {"choices": [nothing, choice(None)] * 2}, {})
    out = sample("--endpoint", endpoint.url, "--responses", "4", "--tries", "2")
    assert "24 texts were empty or repeated" in out
    assert len(endpoint.asked) == 6


def test_without_temperature_a_model_is_asked_once(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    sample("--endpoint", endpoint.url, "--responses", "4", "--temperature", "0", "1")
    assert counts() == [4, 4, 4]
    assert Response.objects.filter(source="gpt (temperature 0)").count() == 3


def test_prompts_wait_as_the_settings_are_when_they_are_filled(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    Project.objects.update(rankings_per_prompt=3)  # after `project` was read
    asked = ("gpt", ("--model", "gpt", "--endpoint", endpoint.url))
    fill(project, Settings(4, "endpoint", (asked,), rows=0))
    assert project.rankings_per_prompt == 1
    assert set(Prompt.objects.values_list("rankings_wanted", flat=True)) == {3}


def test_prompts_that_have_enough_and_never_waited_wait(
    project: Project, endpoint: Endpoint, tmp_path: Path
) -> None:
    lines = [{"prompt": "Why?", "responses": [{"text": text}]} for text in "abcd"]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    out = sample("--endpoint", endpoint.url, "--responses", "4", "--prompts", str(path))
    assert "1 prompt now waits for labellers" in out
    assert (counts(), endpoint.asked) == ([4], [])
