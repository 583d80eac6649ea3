"""Every dialect gives the model's rewards, or says that there is no valid one.

The bodies are those that the clients post; each test names the source that it was written from.
"""

import math

import pytest

from tests.training.serving.asking import CHATML, END, near, post, refusal


def test_vllm(client, one):
    """The request and response of vllm 0.33.0, entrypoints/pooling/classify/protocol.py."""
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


def test_verl(client, one):
    """RewardLoopWorker of verl 0.9.1, experimental/reward_loop/reward_loop.py."""
    prompt, texts, rewards = one
    for text, reward in zip(texts, rewards, strict=True):
        whole = CHATML.format(prompt) + text + END
        found = post(client, "/classify", model="model", input=whole, use_activation=False)
        assert found["data"][-1]["probs"][-1] == near(reward)
        found = post(client, "/v1/embeddings", model="model", input=whole)
        assert found["data"][-1]["embedding"][-1] == near(reward)


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
    """The requests of sglang 0.5.23, srt/entrypoints/http_server.py and openai/protocol.py."""
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
    """The body of `_fetch_rewards_via_http` of openrlhf 0.11.2, utils/agent.py.

    It has one text there, and was that of a whole batch up to 0.9.0 (utils/remote_rm_utils.py).
    """
    prompt, texts, rewards = one
    for before in (CHATML.format(prompt), prompt):
        query = [before + text + "<|endoftext|>" for text in texts]
        body = {"query": query, "prompts": [before] * len(texts), "labels": [""] * len(texts)}
        found = post(client, "/get_reward", **body)
        assert found["rewards"] == found["scores"] == near(rewards)
        assert found["extra_logs"]["valid"] == [1.0] * len(texts)
    for text, reward in zip(texts, rewards, strict=True):
        before = CHATML.format(prompt)
        body = {"query": [before + text + END], "prompts": [before], "labels": [None]}
        found = post(client, "/get_reward", **body)
        assert found["scores"] == found["rewards"] == near([reward])
    found = post(client, "/get_reward", query=[CHATML.format(prompt) + texts[0]], prompts=[])
    assert found["rewards"] == near([rewards[0]])


@pytest.mark.parametrize(
    ("before", "header"),
    [
        ("<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant\n"),
        ("Human: {}", "\n\nAssistant: "),
        ("User:\n{}", "\n\nAssistant:\n"),
    ],
)
def test_openrlhf_with_a_prompt_that_ends_before_the_header_of_the_answer(
    client, one, before, header
):
    prompt, texts, rewards = one
    asked = before.format(prompt)
    query = [asked + header + text for text in texts]
    assert post(client, "/get_reward", query=query, prompts=[asked] * len(query))[
        "rewards"
    ] == near(rewards)
    query = [asked + header + "Assistant: " + text for text in texts]
    found = post(client, "/get_reward", query=query, prompts=[asked + header] * len(query))
    of_model = post(client, "/score", prompt=prompt, responses=[f"Assistant: {t}" for t in texts])
    assert found["rewards"] == near(of_model["rewards"])


def test_slime_gets_a_bare_number(client, one):
    """The body of `remote_rm` of THUDM/slime at 624b824a, slime/rollout/rm_hub/__init__.py."""
    prompt, texts, rewards = one
    for asked in (prompt, CHATML.format(prompt), [{"role": "user", "content": prompt}]):
        body = {"prompt": asked, "response": texts[0] + END, "label": "4"}
        assert client.post("/slime", json=body).json() == near(rewards[0])


def test_llama_factory(client, one):
    """`get_rewards_from_server` of llamafactory 0.9.5, train/ppo/ppo_utils.py."""
    prompt, texts, rewards = one
    whole = [CHATML.format(prompt) + text + END for text in texts]
    assert post(client, "/llamafactory", model="model", messages=whole)["scores"] == near(rewards)


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
