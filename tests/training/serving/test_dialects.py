"""Every dialect gives the model's rewards, or says that there is no valid one."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.training.serving.conftest import SMALL
from training import train
from training.data.file import FileSource
from training.runs.folder import RunFolder
from training.runs.length import LengthPart
from training.runs.outcomes import OutcomeModel
from training.serving.application import DIALECTS, Service, Settings, hash_token
from training.serving.batcher import Batcher
from training.serving.items import Item
from training.serving.metrics import Metrics
from training.serving.model import ServedModel
from training.serving.store import OneModel, Served

CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>\n"


@pytest.fixture(scope="module")
def model(served_run):
    return ServedModel.load(served_run.path, "cpu")


@pytest.fixture
def serve(model):
    """Serve with settings, and return the client."""
    started = []

    def serve(model=model, **settings):
        metrics = Metrics()
        batcher = Batcher(
            model.rewards, most_tokens=4096, most_waiting=4096, on_batch=metrics.batch
        )
        batcher.start()
        started.append(batcher)
        service = Service(OneModel(Served(model, batcher)), Settings(**settings), metrics)
        return TestClient(service.application(), raise_server_exceptions=False)

    yield serve
    for batcher in started:
        batcher.stop()


@pytest.fixture
def client(serve):
    return serve()


@pytest.fixture(scope="module")
def known(served_run, rankings_file):
    """Prompts and responses with the rewards that were stored when they were scored."""
    scores = iter(
        json.loads(line)["score"]
        for line in (served_run.path / "scores-of-rankings.jsonl").read_text().splitlines()
    )
    return [
        (
            line.messages[0]["content"],
            [(response.text, next(scores)) for response in line.responses],
        )
        for line in FileSource(rankings_file).lines(rankings=False)
    ]


@pytest.fixture(scope="module")
def one(known):
    """A prompt, its responses and their rewards."""
    prompt, responses = known[0]
    return prompt, [text for text, _ in responses], [reward for _, reward in responses]


def near(rewards):
    return pytest.approx(rewards, abs=1e-4)


def post(client, path, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(client, path, body, status=422):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_our_own_answers_are_the_stored_scores(client, known):
    for prompt, responses in known:
        texts, rewards = zip(*responses, strict=True)
        assert post(client, "/score", prompt=prompt, responses=texts)["rewards"] == near(rewards)


def test_our_own_answer_says_everything(client, model, one):
    prompt, texts, rewards = one
    found = post(client, "/score", prompt=prompt, responses=[*texts[:2], " "])
    assert found["not_valid"] == [None, None, "the response is empty"]
    assert found["rewards"][2] is found["standardised"][2] is None
    assert found["standardised"][:2] == near(
        [(reward - model.mean) / model.std for reward in rewards[:2]]
    )
    win, tie, loss = (
        found["probabilities"][0][1],
        found["ties"][0][1],
        found["probabilities"][1][0],
    )
    lead = (rewards[0] - rewards[1]) / model.outcomes.temperature
    weights = np.array([math.exp(lead / 2), model.outcomes.nu, math.exp(-lead / 2)])
    assert [win, tie, loss] == near(list(weights / weights.sum()))
    assert found["probabilities"][0][0] is None
    assert (found["run"], found["digest"]) == (model.run, model.digest)


@pytest.fixture(scope="module")
def much_held_out(rankings_file, tmp_path_factory):
    """A run with at least ten held-out prompts; the model of the other tests has two."""
    folder = RunFolder(tmp_path_factory.mktemp("much") / "run")
    options = ["--rankings", str(rankings_file), "--run-folder", str(folder.path), *SMALL]
    assert train.main([*options, "--held-out-fraction", "0.8"]) == 0
    return folder


def test_a_model_that_learned_the_part_of_length_gives_rewards_without_it(
    client, serve, one, much_held_out
):
    prompt, texts, _ = one
    assert "length_partialled" not in post(client, "/score", prompt=prompt, responses=texts)
    folder = much_held_out
    found = folder.read_metrics()["held_out"]["length_partialled"]
    part = LengthPart(tuple(found["coefficients"]), found["shortest"], found["longest"])
    served = serve(model=ServedModel.load(folder.path, "cpu"))
    asked = [*texts, "a" * (part.longest + 1), "a" * (part.longest + 500), " "]
    answer = post(served, "/score", prompt=prompt, responses=asked)
    assert answer["length_partialled"][-1] is None
    assert answer["length_partialled"][:-1] == near(
        [
            reward - part.of(len(text))
            for reward, text in zip(answer["rewards"][:-1], asked[:-1], strict=True)
        ]
    )


def test_intervals_hold_the_rewards_and_widen_the_probabilities(serve, one, much_held_out):
    prompt, texts, _ = one
    model = ServedModel.load(much_held_out.path, "cpu")
    served = serve(model=model)
    without = post(served, "/score", prompt=prompt, responses=[*texts, " "])
    found = post(served, "/score", prompt=prompt, responses=[*texts, " "], intervals=True)
    assert "intervals" not in without
    assert found["intervals"][-1] is None
    for reward, interval in zip(found["rewards"][:-1], found["intervals"][:-1], strict=True):
        low, high = interval
        assert (low + high) / 2 == pytest.approx(reward, abs=1e-6)
        assert low < reward < high
    assert found["rewards"] == near(without["rewards"])
    [first, second] = found["rewards"][:2]
    items = [Item([{"role": "user", "content": prompt}], text) for text in texts]
    encoded = model.encode(items, score_cut=False, features=True)
    variance = model.spread(model.rewards(encoded)).variances[0, 1]
    aware = OutcomeModel(temperature=0.7)
    for outcomes, expected in (
        (aware, aware.outcome(first - second, variance)),
        (None, model.outcomes.outcome(first - second)),
    ):
        certain = replace(model, certainty=replace(model.certainty, outcomes=outcomes))
        client = serve(model=certain)
        found = post(client, "/score", prompt=prompt, responses=texts, intervals=True)
        assert found["probabilities"][0][1] == near(expected.win)
    assert found["probabilities"][0][1] + found["probabilities"][1][0] == pytest.approx(1.0)


def test_there_are_no_intervals_of_one_reward_or_of_a_model_that_did_not_learn_them(
    client, serve, one, much_held_out
):
    prompt, texts, _ = one
    served = serve(model=ServedModel.load(much_held_out.path, "cpu"))
    alone = post(served, "/score", prompt=prompt, responses=texts[:1], intervals=True)
    assert alone["intervals"] is None
    unlearned = post(client, "/score", prompt=prompt, responses=texts, intervals=True)
    assert unlearned["intervals"] is None
    assert refusal(served, "/score", {"prompt": "a", "responses": ["b"], "intervals": 1}) == (
        "intervals must be true or false"
    )


def test_messages_and_a_prompt_are_the_same(client, one):
    prompt, texts, rewards = one
    for content in (prompt, [{"type": "text", "text": prompt}]):
        messages = [{"role": "user", "content": content}]
        assert post(client, "/score", messages=messages, responses=texts)["rewards"] == near(
            rewards
        )


def test_vllm(client, one):
    prompt, texts, rewards = one
    whole = [CHATML.format(prompt) + text + END for text in texts]
    for path in ("/classify", "/v1/classify"):
        found = post(client, path, model="m", input=whole, use_activation=False)
        assert [row["probs"][-1] for row in found["data"]] == near(rewards)
    assert found["object"] == "list"
    assert found["usage"]["total_tokens"] == found["usage"]["prompt_tokens"] > 0
    squashed = post(client, "/classify", input=whole[0], use_activation=True)
    assert squashed["data"][0]["probs"] == near([1 / (1 + math.exp(-rewards[0]))])
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": texts[0]}]
    found = post(client, "/classify", model="m", messages=messages)
    assert found["data"][0]["probs"] == near([rewards[0]])


def test_token_ids_are_those_of_the_model(client, model, one):
    prompt, texts, rewards = one
    tokenizer = model.backbone.tokenizer
    rows = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}],
            tokenize=True,
            return_dict=False,
        )
        for text in texts
    ]
    found = post(client, "/classify", input=rows)
    assert [row["probs"][-1] for row in found["data"]] == near(rewards)
    assert post(client, "/classify", input=rows[0])["data"][0]["probs"] == near([rewards[0]])


def test_sglang(client, one):
    prompt, texts, rewards = one
    whole = [CHATML.format(prompt) + text for text in texts]
    found = client.post("/classify", json={"model": "m", "text": whole}).json()
    assert [row["embedding"][0] for row in found] == near(rewards)
    assert client.post("/classify", json={"text": whole[0]}).json()["embedding"] == near(
        [rewards[0]]
    )
    found = post(client, "/v1/embeddings", model="m", input=whole)
    assert [row["embedding"][-1] for row in found["data"]] == near(rewards)


def test_openrlhf(client, model, one):
    prompt, texts, rewards = one
    for before in (CHATML.format(prompt), prompt):
        query = [before + text + "<|endoftext|>" for text in texts]
        body = {"query": query, "prompts": [before] * len(texts), "labels": [""] * len(texts)}
        found = post(client, "/get_reward", **body)
        assert found["rewards"] == found["scores"] == near(rewards)
        assert found["extra_logs"]["valid"] == [1.0] * len(texts)
    found = post(client, "/get_reward", query=[CHATML.format(prompt) + texts[0]], prompts=[])
    assert found["rewards"] == near([rewards[0]])


def test_slime_gets_a_bare_number(client, one):
    prompt, texts, rewards = one
    for asked in (prompt, CHATML.format(prompt), [{"role": "user", "content": prompt}]):
        body = {"prompt": asked, "response": texts[0] + END, "label": "4"}
        assert client.post("/slime", json=body).json() == near(rewards[0])


def test_llama_factory(client, one):
    prompt, texts, rewards = one
    whole = [CHATML.format(prompt) + text + END for text in texts]
    assert post(client, "/llamafactory", model="model", messages=whole)["scores"] == near(rewards)


def nemo_gym(prompt, *texts):
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    thought = {"type": "reasoning", "summary": []}
    message = {"type": "message", "role": "assistant", "content": content, "status": "completed"}
    return {
        "responses_create_params": {"input": prompt, "temperature": 1.0},
        "response": {"id": "r", "output": [thought, message], "model": "policy"},
        "task": 7,
    }


def test_nemo_gym_repeats_the_request(client, one):
    prompt, texts, rewards = one
    for asked in (prompt, [{"role": "user", "content": prompt}]):
        body = nemo_gym(asked, texts[0])
        found = post(client, "/verify", **body)
        assert found.pop("reward") == near(rewards[0])
        assert (found.pop("mask_sample"), found.pop("failure_kind")) == (False, None)
        assert found.pop("failure_reason") is None
        found["responses_create_params"].pop("instructions")
        assert found == body


def test_nemo_gym_masks_what_has_no_valid_reward(client, one):
    found = post(client, "/verify", **nemo_gym(one[0], ""))
    assert (found["reward"], found["mask_sample"], found["failure_kind"]) == (0.0, True, "empty")
    found = post(client, "/verify", **nemo_gym(one[0], "long " * 400))
    assert (found["mask_sample"], found["failure_kind"]) == (True, "cut")
    assert found["failure_reason"] == "the response is longer than 64 tokens"
    called = nemo_gym([{"type": "function_call_output", "output": "4"}], "Four.")
    found = post(client, "/verify", **called)
    assert (found["mask_sample"], found["failure_kind"]) == (True, "not_understood")


def test_a_reward_that_is_not_valid_is_refused_where_it_cannot_be_told(client, one):
    whole = CHATML.format(one[0])
    found = refusal(client, "/get_reward", {"query": [whole + "Yes.", whole + END]})
    assert found == "not a valid reward: input 1: the response is empty"
    found = refusal(client, "/slime", {"prompt": one[0], "response": "long " * 400})
    assert found == "not a valid reward: the response is longer than 64 tokens"
    found = refusal(client, "/classify", {"input": "Is the sky blue? Yes."})
    assert found.startswith("not a valid reward: the text is in no chat template")


def test_such_rewards_can_be_given_a_value(serve, one):
    client = serve(invalid_reward=-5.0)
    whole = CHATML.format(one[0])
    found = post(client, "/get_reward", query=[whole + one[1][0], whole, "?"])
    assert found["rewards"] == near([one[2][0], -5.0, -5.0])
    assert found["extra_logs"]["valid"] == [1.0, 0.0, 0.0]


def test_cut_responses_can_be_scored_and_are_marked(client, serve, one):
    body = {"prompt": one[0], "responses": ["long " * 400, one[1][0]]}
    strict = post(client, "/score", **body)
    assert (strict["rewards"][0], strict["cut"]) == (None, [["response"], []])
    assert strict["not_valid"] == ["the response is longer than 64 tokens", None]
    lenient = post(serve(score_cut=True), "/score", **body)
    assert (type(lenient["rewards"][0]), lenient["cut"]) == (float, [["response"], []])
    assert lenient["not_valid"] == [None, None]
    assert lenient["rewards"][1] == strict["rewards"][1] == near(one[2][0])


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
    client = serve()
    found = refusal(client, "/score", {"prompt": "a", "responses": ["b"] * 1025}, 413)
    assert found == "a request has at most 1024 responses, not 1025"


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


def test_each_prompt_is_computed_once_for_all_requests(model, one, monkeypatch):
    prompt, texts, rewards = one
    sizes = []
    compute = model.backbone.rewards

    def counting(examples):
        sizes.append([len(example.responses) for example in examples])
        return compute(examples)

    monkeypatch.setattr(model.backbone, "rewards", counting)
    messages = [{"role": "user", "content": prompt}]
    items = [Item(messages, text) for text in [*texts, texts[0]]]
    scored = model.rewards(model.encode(items, score_cut=False))
    assert sizes == [[len(texts)]]
    assert [one.reward for one in scored] == near([*rewards, rewards[0]])
