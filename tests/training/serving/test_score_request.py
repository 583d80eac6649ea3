"""Podium's own dialect gives the stored rewards, and all that is known of them."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.training.serving.asking import near, post, refusal
from training.evaluation import posterior
from training.runs.length import LengthPart
from training.runs.outcomes import OutcomeModel
from training.serving.items import Item
from training.serving.model import ServedModel


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


def test_cut_responses_can_be_scored_and_are_marked(client, serve, one):
    body = {"prompt": one[0], "responses": ["long " * 400, one[1][0]]}
    strict = post(client, "/score", **body)
    assert (strict["rewards"][0], strict["cut"]) == (None, [["response"], []])
    assert strict["not_valid"] == ["the response is longer than 64 tokens", None]
    lenient = post(serve(score_cut=True), "/score", **body)
    assert (type(lenient["rewards"][0]), lenient["cut"]) == (float, [["response"], []])
    assert lenient["not_valid"] == [None, None]
    assert lenient["rewards"][1] == strict["rewards"][1] == near(one[2][0])


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


def test_with_intervals_too_each_response_is_computed_once(much_held_out, one, monkeypatch):
    prompt, texts, _ = one
    model = ServedModel.load(much_held_out.path, "cpu")
    items = [Item([{"role": "user", "content": prompt}], text) for text in [*texts, texts[0]]]
    plain = model.rewards(model.encode(items, score_cut=False))
    sizes = []
    read = model.backbone.last_hidden

    def counting(examples):
        sizes.append([len(example.responses) for example in examples])
        return read(examples)

    monkeypatch.setattr(model.backbone, "last_hidden", counting)
    monkeypatch.setattr(model.backbone, "rewards", None)
    scored = model.rewards(model.encode(items, score_cut=False, features=True))
    assert sizes == [[len(texts)]]
    assert [one.reward for one in scored] == near([one.reward for one in plain])
    assert scored[-1].reward == scored[0].reward


def test_a_damaged_file_of_intervals_leaves_the_rewards(
    serve, one, much_held_out, tmp_path, capsys
):
    prompt, texts, _ = one
    copy = shutil.copytree(much_held_out.model, tmp_path / "model")
    (copy / posterior.FOLDER / posterior.FILE).write_bytes(b"damaged")
    client = serve(model=ServedModel.load(copy, "cpu"))
    said = capsys.readouterr().err
    assert "warning: rewards have no intervals: " in said
    assert "posterior.safetensors is damaged; copy it again, or train again" in said
    found = post(client, "/score", prompt=prompt, responses=texts, intervals=True)
    assert found["intervals"] is None
    assert None not in found["rewards"]
