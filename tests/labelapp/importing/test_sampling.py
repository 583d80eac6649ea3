"""Sampling fills prompts with responses of models and queues them for labellers."""

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from transformers import AutoTokenizer

from labelapp.importing.sampling import Settings, fill
from labelapp.labelling.assignments import current_assignment
from labelapp.models import Member, Project, Prompt, Response
from tests.conftest import AddPrompt, AddRanking
from tests.training.tiny import save_pretrained_folder
from tests.waiting import PATIENCE

Reply = tuple[int, dict[str, Any], dict[str, str]]


class Endpoint(ThreadingHTTPServer):
    """A server that answers like OpenAI's chat completions, or as a test tells it to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.written = 0
        self.lock = threading.Lock()
        self.reply: Callable[[dict[str, Any]], Reply] = self.answer

    def answer(self, body: dict[str, Any]) -> Reply:
        texts = [self.text(body) for _ in range(body.get("n", 1))]
        return 200, {"choices": [choice(text) for text in texts]}, {}

    def text(self, body: dict[str, Any]) -> str:
        with self.lock:
            self.written += 1
            return f"{body['model']} {self.written}"


def choice(text: str | None, reason: str = "stop") -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "finish_reason": reason}


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body | {"path": self.path})
            self.server.keys.append(self.headers["Authorization"])
        status, answer, headers = self.server.reply(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prompts(project: Project, add_prompt: AddPrompt) -> list[Prompt]:
    """Prompts without responses, outside the queue."""
    return [add_prompt(f"Number {number}?", [], wanted=0) for number in range(3)]


def sample(*options: str, model: tuple[str, ...] = ("gpt",)) -> str:
    out = io.StringIO()
    words = ("--project", "kitchen", "--model", *model, *options)
    call_command("sample_responses", *words, stdout=out, stderr=out)
    return out.getvalue()


def refused(*options: str, model: tuple[str, ...] = ("gpt",)) -> str:
    with pytest.raises(CommandError) as error:
        sample(*options, model=model)
    assert "\n" not in str(error.value)
    return str(error.value)


def counts() -> list[int]:
    return [prompt.responses.count() for prompt in Prompt.objects.order_by("pk")]


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


def test_the_key_comes_from_the_environment_and_shows_nowhere(
    project: Project, prompts: list[Prompt], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITCHEN_KEY", "sk-secret")
    endpoint.reply = lambda body: (422, {"error": {"message": "sk-secret is not good"}}, {})
    out = sample("--endpoint", endpoint.url, "--key-variable", "KITCHEN_KEY")
    assert set(endpoint.keys) == {"Bearer sk-secret"}
    assert "... is not good" in out
    assert "sk-secret" not in out


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refuses a request without a key; put one into the environment variable OPENAI_API"),
        (404, "has no model 'gpt', or is not there"),
        (307, "redirects elsewhere (status 307): give the final address"),
        (200, "does not answer as OpenAI's chat completions do"),
    ],
)
def test_what_no_prompt_can_get_over_is_one_clear_sentence(
    project: Project, prompts: list[Prompt], endpoint: Endpoint, status: int, message: str
) -> None:
    endpoint.reply = lambda body: (status, {"error": "?"}, {"Location": "http://elsewhere/"})
    assert message in refused("--endpoint", endpoint.url)
    assert counts() == [0, 0, 0]


def test_an_endpoint_that_is_not_there_is_one_clear_sentence(
    project: Project, prompts: list[Prompt]
) -> None:
    message = refused("--endpoint", "http://127.0.0.1:9/v1")
    assert "http://127.0.0.1:9/v1/chat/completions cannot be reached: Connection refused" in message
    for wrong in ("localhost:8000", "http://localhost:80o0/v1", "http://[::1/v1"):
        assert "is not an address" in refused("--endpoint", wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--responses", "3"), "--responses takes 4 to 9"),
        (("--temperature", "3"), "--temperature takes numbers from 0 to 2"),
        (("--top-p", "0"), "--top-p takes a number above 0"),
        (("--tries", "0"), "--tries takes a number above 0"),
        (("--responses", "0"), "--responses takes 4 to 9"),
        (("--limit", "-1"), "--limit takes a number above 0"),
        (("--timeout", "nan"), "--timeout takes a number above 0"),
        (("--retries", "-1"), "--retries takes a number from 0"),
        (("--temperature", "0"), "at temperature 0 a model always gives the same response"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    project: Project, options: tuple[str, ...], message: str
) -> None:
    assert message in refused(*options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "p.jsonl",
            '{"prompt": "Why?", "id": "a"}\n{"prompt": [{"role": "user", "content": "Who?"}]}',
        ),
        ("p.csv", "prompt_id,instruction\na,Why?\n,Who?\n"),
        ("p.csv", "prompt\nWhy?\nWho?\n"),
        ("p.txt", "Why?\n\nWho?\n"),
    ],
)
def test_prompts_come_from_a_file(
    project: Project, endpoint: Endpoint, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    words = ("--endpoint", endpoint.url, "--responses", "4", "--prompts", str(tmp_path / name))
    assert "2 lines: added 2 prompts" in sample(*words)
    assert [str(prompt) for prompt in Prompt.objects.order_by("pk")] == ["Why?", "Who?"]
    assert counts() == [4, 4]
    assert "2 had already been imported" in sample(*words)
    assert counts() == [4, 4]


def test_responses_in_a_file_of_prompts_count(
    project: Project, endpoint: Endpoint, tmp_path: Path
) -> None:
    four = [{"text": text} for text in "abcd"]
    path = tmp_path / "prompts.jsonl"
    lines = [{"prompt": "One?", "responses": four[:1]}, {"prompt": "All?", "responses": four}]
    path.write_text("\n".join(map(json.dumps, lines)))
    sample("--endpoint", endpoint.url, "--responses", "4", "--prompts", str(path))
    assert counts() == [4, 4]
    assert Response.objects.filter(source="gpt").count() == 3
    assert Prompt.objects.waiting().count() == 2


def test_a_bad_file_of_prompts_imports_and_samples_nothing(
    project: Project, endpoint: Endpoint, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Why?"}\n{"prompt": ""}')
    message = refused("--endpoint", endpoint.url, "--prompts", str(path))
    assert message.startswith("1 bad line; nothing was imported")
    assert (counts(), endpoint.asked) == ([], [])
    sample("--endpoint", endpoint.url, "--prompts", str(path), "--skip-bad-lines")
    assert counts() == [9]


def test_a_limit_fills_the_first_prompts(
    project: Project, prompts: list[Prompt], endpoint: Endpoint
) -> None:
    sample("--endpoint", endpoint.url, "--responses", "4", "--limit", "2")
    assert counts() == [4, 4, 0]


def test_a_labeller_who_is_further_down_the_queue_gets_what_was_filled(
    project: Project, prompts: list[Prompt], add_prompt: AddPrompt, labeller: Member,
    endpoint: Endpoint,
) -> None:  # fmt: skip
    task = current_assignment(add_prompt("Last?") and labeller)
    assert task is not None
    task.skipped_at, task.skip_reason, task.slot = task.created_at, "other", None
    task.save()
    assert current_assignment(labeller) is None
    sample("--endpoint", endpoint.url, "--responses", "4")
    found = current_assignment(labeller)
    assert found is not None
    assert found.prompt in prompts


def test_a_local_model_writes_responses(
    project: Project, prompts: list[Prompt], tmp_path: Path
) -> None:
    folder = save_pretrained_folder(tmp_path / "tiny", "gpt2")
    words = ("--responses", "4", "--max-new-tokens", "8", "--temperature", "0.9", "1.3")
    out = sample(*words, "--batch-size", "5", model=(str(folder),))
    assert counts() == [4, 4, 4]
    sources = Response.objects.values_list("source", flat=True)
    assert set(sources) == {"tiny (temperature 0.9)", "tiny (temperature 1.3)"}
    assert "3 prompts now wait for labellers" in out


def test_a_model_that_fails_on_the_way_says_why(
    project: Project, prompts: list[Prompt], tmp_path: Path
) -> None:
    folder = save_pretrained_folder(tmp_path / "tiny", "gpt2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["Number"])  # which the model has never heard of
    tokenizer.save_pretrained(folder)
    message = refused("--responses", "4", "--max-new-tokens", "8", model=(str(folder),))
    assert "unexpected IndexError: index out of range" in message
    assert "0 responses are stored; run the command again" in message


def test_a_model_that_is_not_there_is_one_clear_sentence(
    project: Project, prompts: list[Prompt], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "cannot be loaded" in refused(model=(str(tmp_path / "empty"),))
