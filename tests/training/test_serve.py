"""The reward service as a process: its options, its tokens, and how it stops."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from tests.forked import Forked, first_line
from tests.training.tiny import save_pretrained_folder
from tests.waiting import PATIENCE, wait_until
from training import serve, train
from training.child_process import for_child
from training.data.encoder import prepare_tokenizer
from training.programs import serve as program

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
BODY = {"prompt": "Why is the sky blue?", "responses": ["Light scatters.", "I do not know."]}


@pytest.fixture(scope="module")
def folder(rankings_file, tmp_path_factory):
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("served") / "run"
    options = ["--rankings", str(rankings_file), "--run-folder", str(folder)]
    assert train.main([*options, "--backbone", "features", "--vocabulary", "400"]) == 0
    return folder


class Server:
    """A service that runs, and its address."""

    def __init__(self, folder: Path, *options: str, token: str = "", process=Forked) -> None:
        command = [sys.executable, "-m", "training.serve", "--model", str(folder)]
        self.process = process(
            [*command, "--bind", "127.0.0.1:0", "--device", "cpu", *options],
            env=for_child() | {"REWARD_SERVER_TOKEN": token, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = first_line(self.process)
        self.url = self.said.split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def post(self, path: str = "/score", **options) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=BODY, timeout=PATIENCE, **options)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


@pytest.fixture
def start(folder) -> Iterator:
    """Start a service with options and a token."""
    started = []

    def start(*options: str, **more) -> Server:
        server = Server(folder, *options, **more)
        started.append(server)
        return server

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()


def test_it_gives_rewards_until_it_is_stopped(start, folder):
    server = start(process=subprocess.Popen)
    assert server.said.startswith("run run (")
    found = server.post().json()
    assert len(found["rewards"]) == 2
    assert found["run"] == folder.name
    assert server.stop() == 143
    with pytest.raises(httpx.ConnectError):
        server.post()


def test_tokens_come_from_the_environment(start):
    server = start(token="one, two")
    assert server.post().status_code == 401
    for token in ("one", "two"):
        assert server.post(headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_requests_that_have_come_are_answered_before_it_stops(start):
    server = start()
    # The connections are open before the signal: those that come after it are not taken.
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(16)]
    content = json.dumps(BODY | {"responses": ["A word, and more. " * 40] * 8}).encode()
    head = f"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    for connection in connections:
        connection.sendall(head + content[:-1])  # all but the last byte
    assert server.post().status_code == 200
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: is_refused(server.port))
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda one: finish(one, content[-1:]), connections))
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    assert server.process.wait() == 143


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


def finish(connection: socket.socket, rest: bytes) -> bytes:
    """Send the rest of a request, and return the whole answer."""
    connection.sendall(rest)
    answer = b""
    while part := connection.recv(65536):
        answer += part
    connection.close()
    return answer


def documented(heading: str, server: Server) -> dict:
    """Return the names that the code below a heading of the documentation defines."""
    section = DOCUMENT.read_text().partition(f"### {heading}\n")[2].partition("\n### ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(code.replace("http://127.0.0.1:8010", server.url), names)  # noqa: S102 - it is tested
    return names


def test_the_reward_function_for_verl(start, monkeypatch):
    """It is called as verl 0.9.1 calls it.

    The call is that of experimental/reward_loop/reward_manager/naive.py, with the settings of
    `reward_kwargs` among the arguments (trainer/ppo/reward.py).
    """
    server = start(token="one")
    monkeypatch.setenv("TOKEN", "one")
    compute_score = documented("verl", server)["compute_score"]

    def called(text, **reward_kwargs):
        return compute_score(
            data_source="podium",
            solution_str=text,
            ground_truth=None,
            extra_info={
                "messages": np.array([{"role": "user", "content": BODY["prompt"]}]),
                "num_turns": 2,
                "rollout_reward_scores": {},
            },
            **reward_kwargs,
        )

    expected = server.post(headers={"Authorization": "Bearer one"}).json()["rewards"]
    assert [called(text) for text in BODY["responses"]] == pytest.approx(expected, abs=1e-4)
    assert called(" ", invalid_reward=-10) == -10
    with pytest.raises(ValueError, match="not a valid reward: the response is empty"):
        called(" ")


@pytest.mark.parametrize("is_chat", [True, False])
def test_a_policy_learns_from_the_service_in_trl(start, tmp_path, is_chat):
    """A real GRPO step with the reward function of the documentation, on a tiny policy."""
    server = start()
    names = documented("TRL", server)
    tokenizer = AutoTokenizer.from_pretrained(save_pretrained_folder(tmp_path, "llama"))
    prepare_tokenizer(tokenizer)
    policy = AutoModelForCausalLM.from_pretrained(tmp_path)
    policy.resize_token_embeddings(len(tokenizer))
    texts = ("Why is it blue?", "Write.")
    prompts = [[{"role": "user", "content": text}] if is_chat else text for text in texts]
    trainer = GRPOTrainer(
        model=policy,
        reward_funcs=names["podium_reward"],
        args=GRPOConfig(
            output_dir=str(tmp_path / "policy"), per_device_train_batch_size=8, num_generations=4,
            max_completion_length=12, max_steps=1, logging_steps=1, log_completions=True,
            report_to="none", save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    (log,) = (tmp_path / "policy").rglob("*.parquet")
    rows = pd.read_parquet(log)
    assert len(rows) == 8
    for prompt, completion, reward in zip(
        rows["prompt"], rows["completion"], rows["podium_reward"], strict=True
    ):
        if is_chat:
            body = {"messages": list(prompt), "responses": [completion[0]["content"]]}
        else:
            body = {"prompt": prompt, "responses": [completion]}
        (expected,) = httpx.post(f"{server.url}/score", json=body, timeout=PATIENCE).json()[
            "rewards"
        ]
        assert reward == pytest.approx(expected, abs=1e-4)


def test_silent_and_slow_clients_stop_nobody(start):
    server = start()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for connection in silent[:50]:
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
    for connection in silent[50:70]:
        connection.sendall(b"POST /sc")
    assert [server.post().status_code for _ in range(20)] == [200] * 20
    for connection in silent:
        connection.close()


def test_too_many_at_a_time_are_told_when_to_ask_again(start):
    server = start("--most-waiting", "1")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.post(), range(64)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) > 0
    for answer in answers:
        assert answer.status_code == 200 or int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "nowhere"], "--model nowhere is not a folder"),
        (["--model", "tests"], "tests does not hold a model that Podium saved: podium.json cannot"),
        (
            ["--bind", "0.0.0.0:8010"],
            "--bind 0.0.0.0:8010 can be reached by others: set REWARD_SER",
        ),
        (["--bind", "8010"], "--bind 8010 is not HOST:PORT, such as 127.0.0.1:8010"),
        (["--bind", "127.0.0.1:99999"], "--bind 127.0.0.1:99999 is not HOST:PORT"),
        (["--most-waiting", "0"], "--most-waiting must be at least 1"),
        (["--longest-wait", "0"], "--longest-wait must be more than 0"),
        (["--stop-seconds", "0"], "--stop-seconds must be at least 1"),
        (["--invalid-reward", "nan"], "--invalid-reward must be a finite number"),
    ],
)
def test_options_that_cannot_be_served_are_refused(options, said, folder, monkeypatch, capsys):
    monkeypatch.delenv("REWARD_SERVER_TOKEN", raising=False)
    assert serve.main(["--model", str(folder), "--bind", "127.0.0.1:0", *options]) == 2
    assert f"error: {said}" in capsys.readouterr().err


def test_an_address_that_is_taken_is_refused(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        assert serve.main(["--model", str(folder), "--bind", bind]) == 2
    said = f"error: --bind {bind} cannot be used: Address already in use"
    assert said in capsys.readouterr().err


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_a_connection_that_says_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(program, "REQUEST_SECONDS", 0.0)
    listening = program.listen("127.0.0.1", 0)
    config = uvicorn.Config(hello, http=program.TimedProtocol, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        with socket.create_connection(listening.getsockname()) as silent:
            silent.settimeout(PATIENCE)
            assert silent.recv(1) == b""
        monkeypatch.setattr(program, "REQUEST_SECONDS", PATIENCE)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert httpx.get(address, timeout=PATIENCE).text == "hello"
    finally:
        server.should_exit = True
        thread.join()
