"""Ask the reward service, and look at what it answers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>\n"


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


def run(coroutine):
    """Run a coroutine in a thread: a browser test may have left a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
