"""Sampling: keys, endpoints and local models, files of prompts, and what is refused."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from labelapp.labelling.assignments import current_assignment
from labelapp.models import Member, Project, Prompt, Response
from tests.conftest import AddPrompt
from tests.labelapp.importing.sampled import Endpoint, counts, refused, sample
from tests.training.tiny import save_pretrained_folder


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
