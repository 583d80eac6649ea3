"""The service asks for tokens, counts, and refuses what is no request in a sentence."""

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.training.serving.asking import near, post, refusal, run
from training.serving.application import DIALECTS, Service, Settings, hash_token
from training.serving.batcher import Batcher
from training.serving.metrics import Metrics
from training.serving.store import OneModel, Served


def test_a_token_opens_the_service(serve, one):
    client = serve(tokens=(hash_token("first"), hash_token("second")))
    body = {"prompt": one[0], "responses": one[1]}
    for headers in ({}, {"Authorization": "Bearer third"}, {"Authorization": "Basic first"}):
        for path in DIALECTS:
            answer = client.post(path, json=body, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/metrics", headers=headers).status_code == 401
    for token in ("first", "second"):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.post("/score", json=body, headers=headers).status_code == 200
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").status_code == 200


def test_answers_name_the_run_and_its_digest(client, model, one):
    answers = [
        client.post("/slime", json={"prompt": one[0], "response": one[1][0]}),
        client.post("/slime", json={}),
        client.get("/ready"),
    ]
    for answer in answers:
        assert answer.headers["x-podium-run"] == model.run
        assert answer.headers["x-podium-digest"] == model.digest


def test_metrics_count_requests_and_responses(client, one):
    post(client, "/score", prompt=one[0], responses=["Yes.", "No.", ""])
    refusal(client, "/score", {})
    lines = client.get("/metrics").text.splitlines()
    assert 'podium_responses_total{result="valid"} 2.0' in lines
    assert 'podium_responses_total{result="empty"} 1.0' in lines
    assert 'podium_request_seconds_count{path="/score",status="422"} 1.0' in lines
    assert "podium_batch_responses_sum 3.0" in lines
    assert "podium_waiting_responses 0.0" in lines


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/score", {"responses": ["a"]}, "give either prompt (the text of one message) or"),
        (
            "/score",
            {"prompt": "a", "responses": []},
            "responses must be a list of at least one text",
        ),
        (
            "/score",
            {"prompt": "a", "responses": "b"},
            "responses must be a list of at least one text",
        ),
        ("/score", {"prompt": 1, "responses": ["b"]}, "prompt must be a text"),
        ("/score", [], "the request should be a valid dictionary"),
        (
            "/classify",
            {"input": 5},
            "input must be a text, a list of texts, token ids or a list of",
        ),
        ("/classify", {"input": []}, "give input (text in a chat template) or messages"),
        ("/classify", {"text": []}, "text must be a text or a list of texts"),
        (
            "/classify",
            {"messages": [{"role": "user"}, 3]},
            "messages must be a list of objects with",
        ),
        ("/get_reward", {"prompts": ["a"]}, "query is missing: a list of at least one text"),
        (
            "/get_reward",
            {"query": ["a"], "prompts": ["a", "b"]},
            "query has 1 texts and prompts has 2",
        ),
        ("/slime", {"prompt": "a"}, "response is missing: a text"),
        ("/llamafactory", {"messages": [[]]}, "messages must be a list of at least one text"),
        ("/verify", {"response": {}}, "responses_create_params is missing: an object with input"),
    ],
)
def test_a_request_that_is_wrong_is_told_what_to_send(client, path, body, said):
    assert said in refusal(client, path, body)


def test_what_is_no_json_is_refused(client):
    for content in (b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000):
        answer = client.post("/score", content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == "the request is not valid JSON"


def test_what_is_too_large_is_refused(serve, one):
    client = serve(most_bytes=1000)
    body = {"prompt": one[0], "responses": ["a" * 1000]}
    assert refusal(client, "/score", body, 413) == "a request has at most 1000 bytes"


@pytest.mark.parametrize(
    ("path", "key", "entry"),
    [
        ("/score", "responses", "b"),
        ("/score", "messages", {"role": "user", "content": "a"}),
        ("/classify", "input", "a"),
        ("/classify", "input", [1]),
        ("/classify", "text", "a"),
        ("/v1/embeddings", "input", "a"),
        ("/get_reward", "query", "a"),
        ("/llamafactory", "messages", "a"),
        ("/slime", "prompt", {"role": "user", "content": "a"}),
    ],
)
def test_a_list_with_too_many_entries_is_refused(client, path, key, entry):
    found = refusal(client, path, {key: [entry] * 1025}, 413)
    assert found == f"{key} is too long: a list has at most 1024 entries"


def test_too_many_token_ids_or_messages_of_a_response_are_refused(client):
    found = refusal(client, "/classify", {"input": [1] * 200_000}, 413)
    assert found == "input is too long: a list has at most 131072 entries"
    asked = {"input": [{"role": "user", "content": "a"}] * 1025}
    body = {"responses_create_params": asked, "response": {"output": []}}
    found = refusal(client, "/verify", body, 413)
    assert found == "responses_create_params is too long: a list has at most 1024 entries"


def test_a_request_with_much_text_does_not_stop_the_others(serve):
    """It is encoded a piece at a time, and the other request has its turn in between."""
    much = {"prompt": "a", "responses": ["word " * 800] * 400}
    little = {"prompt": "a", "responses": ["b"]}

    async def first_answered():
        transport = httpx.ASGITransport(serve().app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            asked = [
                asyncio.create_task(client.post("/score", json=body)) for body in (much, little)
            ]
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            first = min(asked.index(one) for one in done)
            answers = await asyncio.gather(*asked)
        return first, [answer.json() for answer in answers]

    first, (long, short) = run(first_answered())
    assert first == 1
    assert short["rewards"][0] is not None
    assert long["not_valid"] == ["the response is longer than 64 tokens"] * 400


def test_of_a_text_that_is_far_too_long_no_more_is_encoded_than_is_read(serve):
    far = 5_000_000
    client = serve(score_cut=True)
    body = {
        "messages": [
            {"role": "user", "content": "x" * far},
            {"role": "assistant", "content": "What?"},
            {"role": "user", "content": "why " * 20_000},
        ],
        "responses": [" " * far + "yes", "word " * 20_000],
    }
    found = post(client, "/score", **body)
    assert found["cut"] == [[], ["prompt", "response"]]
    assert found["not_valid"] == ["the response is empty", None]
    near_by = {
        "messages": [{"role": "user", "content": "why " * 500}],
        "responses": ["word " * 500],
    }
    assert found["rewards"][1] == near(post(client, "/score", **near_by)["rewards"][0])


def test_another_path_or_method_is_refused(client):
    assert "/get_reward" in client.get("/nothing").json()["error"]["message"]
    assert client.get("/score").status_code == 405


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = (
    *("input", "text", "messages", "query", "prompts", "prompt", "response", "responses", "model"),
    *("responses_create_params", "use_activation", "label"),
)
ODD = st.sampled_from(
    ["", " ", "\x00", "\ud800", "\u202e", "<|im_start|>user\n", "[INST]", "[/INST]", "<|end|>", "a"]
)
TEXT = st.lists(ODD | st.text(max_size=5), max_size=4).map("".join)
SHAPES = TEXT | st.lists(TEXT, max_size=2) | JSON


@pytest.mark.parametrize(
    "unseen",
    ["", " \n", "\x00", "\x1b\x7f", "\u202e", "\ufeff", "\u200b\u2060", "\u2028\x85"],
)
def test_a_text_that_nobody_can_see_has_no_reward(client, one, unseen):
    found = post(client, "/score", prompt=one[0], responses=[unseen, one[1][0]])
    assert found["not_valid"] == ["the response is empty", None]
    found = post(client, "/score", prompt=unseen, responses=[one[1][0]])
    assert found["not_valid"] == ["the prompt is empty"]
    said = refusal(client, "/slime", {"prompt": one[0], "response": unseen})
    assert said == "not a valid reward: the response is empty"


def deep(before, after):
    return before * 100_000 + after * 100_000


@pytest.mark.parametrize("path", sorted(DIALECTS))
@pytest.mark.parametrize(
    "body",
    [
        "", "{", "null", "[]", "1", "NaN", '{"input": 1e999}', '{"input": ' + "9" * 5000 + "}",
        b"\xff\xfe", deep("[", "]"), deep('{"input":', "}"), '{"messages":' + deep("[", "]") + "}",
        '{"input":' + "[" * 500 + "]" * 500 + "}",
    ],
    ids=range(13),
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused_in_a_sentence(client, path, body):
    answer = client.post(path, content=body)
    assert answer.status_code in (400, 422)
    assert 0 < len(answer.json()["error"]["message"]) < 400


@given(st.sampled_from(sorted(DIALECTS)), st.dictionaries(st.sampled_from(KEYS), SHAPES))
def test_no_request_is_answered_with_an_error_of_the_server(served_client, path, body):
    answer = served_client.post(path, content=json.dumps(body))
    assert answer.status_code in (200, 413, 422), answer.text
    answer.json()


@pytest.fixture(scope="module")
def served_client(model):
    batcher = Batcher(model.rewards, most_tokens=4096, most_waiting=4096)
    batcher.start()
    models = OneModel(Served(model, batcher))
    yield TestClient(Service(models, Settings(), Metrics()).application())
    batcher.stop()
