"""NeMo Gym's dialect repeats the request with its reward, and masks what has none.

The body is `BaseVerifyRequest` of NVIDIA-NeMo/Gym at 07d6b0d0, nemo_gym/base_resources_server.py.
"""

from tests.training.serving.asking import near, post


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
