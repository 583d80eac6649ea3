"""Saved models load with stock transformers, and score and tokenise as they did in training."""

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.training.tiny import (
    SCRATCH,
    backbone_of,
    gpt2_like_tokenizer,
    pretrained_backbone,
    random_examples,
    ranking_lines,
    save_pretrained_folder,
    write_rankings,
)
from training.data.dataset import TokenizedPrompt
from training.data.encoder import TextEncoder, prepare_tokenizer
from training.runs.folder import RunFolder
from training.saving.verify import (
    stock_model,
    stock_rewards,
    verify,
    verify_texts,
)
from training.train import main

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n'"
    " + message['content'] | trim + '<|im_end|>\n' }}{% endfor %}\n"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}\n"
)


@pytest.mark.parametrize("kind", [*SCRATCH, "gpt2", "llama", "qwen2", "bert"])
def test_a_folder_says_on_which_sides_padding_may_stand(kind, tmp_path):
    backbone = backbone_of(kind, layout="auto")
    backbone.save(tmp_path)
    found = verify(backbone, tmp_path, random_examples(backbone))
    assert found == (["right"] if kind in ("gpt2", "bert") else ["right", "left"])


@pytest.mark.parametrize("side", [None, "right", "left"])
def test_stock_rewards_are_those_of_each_row_alone(side, tmp_path):
    backbone = pretrained_backbone("llama")
    examples = random_examples(backbone)
    backbone.save(tmp_path)
    model = stock_model(tmp_path)
    found = stock_rewards(model, examples, backbone.pad, side)
    assert found.shape == (9,)
    one_by_one = torch.cat([stock_rewards(model, [e], backbone.pad, side) for e in examples])
    torch.testing.assert_close(found, one_by_one)


@pytest.mark.parametrize("kind", [*SCRATCH, "gpt2"])
def test_a_save_that_scores_differently_fails_loudly(kind, tmp_path):
    backbone = backbone_of(kind)
    backbone.save(tmp_path)
    with torch.no_grad():
        backbone.model.score.weight *= 2.0
    with pytest.raises(RuntimeError, match="gives other scores, one by one: off by"):
        verify(backbone, tmp_path, random_examples(backbone))


def test_a_model_that_pads_with_its_end_fails_loudly(tmp_path):
    """The fault that most trainers had: the last token is looked for, and another one found."""
    backbone = pretrained_backbone("llama")
    backbone.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    end = backbone.tokenizer.eos_token_id
    (tmp_path / "config.json").write_text(json.dumps(config | {"pad_token_id": end}))
    with pytest.raises(RuntimeError, match="gives other scores"):
        verify(backbone, tmp_path, random_examples(backbone))


def chatml_tokenizer():
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.padding_side = "left"
    tokenizer.chat_template = CHATML
    prepare_tokenizer(tokenizer)
    return tokenizer


def prompt_of(messages, texts):
    return TokenizedPrompt(1, "hash", None, messages=messages, texts=texts)


TALK = [
    {"role": "user", "content": " Why is the sky blue?\n"},
    {"role": "assistant", "content": "Why not?"},
    {"role": "user", "content": "Tell me."},
]


def test_texts_through_a_models_own_template_are_what_training_reads(tmp_path):
    tokenizer = chatml_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    prompts = [prompt_of(TALK, ["Air scatters blue light.", " \nspaces ", ""])]
    assert verify_texts(tokenizer, tmp_path, prompts) == (3, 3)


def test_texts_that_read_otherwise_are_counted(tmp_path):
    tokenizer = chatml_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    prompts = [prompt_of(TALK, ["good", "a forged <|im_end|>", "good"])]
    assert verify_texts(tokenizer, tmp_path, prompts) == (3, 2)


def test_a_saved_tokenizer_that_reads_otherwise_fails_loudly(tmp_path):
    tokenizer = chatml_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    tokenizer.chat_template = tokenizer.chat_template.replace("assistant", "helper")
    with pytest.raises(RuntimeError, match="the saved tokenizer gives other tokens"):
        verify_texts(tokenizer, tmp_path, [prompt_of(TALK, ["good"])])


def test_padding_goes_to_the_right():
    assert chatml_tokenizer().padding_side == "right"


@pytest.fixture(scope="module", params=["transformer", "rnn", "gpt2", "chatml"])
def run(request, tmp_path_factory):
    """A finished run: (folder, what it said)."""
    place = tmp_path_factory.mktemp(request.param)
    arguments = ["--rankings", str(write_rankings(place / "rankings.jsonl", ranking_lines()))]
    if request.param in ("transformer", "rnn"):
        arguments += ["--backbone", request.param]
    else:
        base = save_pretrained_folder(
            place / "base", "gpt2" if request.param == "gpt2" else "llama"
        )
        if request.param == "chatml":
            chatml_tokenizer().save_pretrained(base)
        arguments += ["--backbone", "pretrained", "--model", str(base), "--epochs", "1"]
        arguments += ["--max-prompt-tokens", "64", "--max-response-tokens", "64"]
    folder = RunFolder(place / "run")
    assert main([*arguments, "--run-folder", str(folder.path)]) == 0
    return request.param, folder


def test_the_folder_keeps_what_its_users_need(run):
    kind, folder = run
    facts = json.loads((folder.model / "podium.json").read_text())
    held_out = folder.read_metrics()["held_out"]
    config = folder.read_config()
    assert facts["max_prompt_tokens"] == config.max_prompt_tokens
    assert facts["max_response_tokens"] == config.max_response_tokens
    assert facts["padding"] == (["right"] if kind == "gpt2" else ["right", "left"])
    assert facts["texts_compared"] == facts["texts_equal"] > 0
    assert facts["reward_mean"] == pytest.approx(held_out["reward_mean"])
    assert facts["reward_std"] == pytest.approx(held_out["reward_std"])


def test_anybody_gets_the_same_rewards_from_texts(run):
    """Template, tokenizer, model, and nothing of ours; padded on every side that is allowed."""
    kind, folder = run
    ours = kind in ("transformer", "rnn")
    model = AutoModelForSequenceClassification.from_pretrained(
        folder.model, trust_remote_code=ours
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder.model, trust_remote_code=False)
    answers = ["Air scatters blue light more than red light.", "No.", "good good good"]
    texts = [
        tokenizer.apply_chat_template(
            [*TALK, {"role": "assistant", "content": answer}], tokenize=False
        )
        for answer in answers
    ]
    encoder = TextEncoder(tokenizer, max_prompt_tokens=512, max_response_tokens=512)
    read = [[*encoder.prompt(TALK), *tokens] for tokens in encoder.responses(answers)]
    with torch.no_grad():
        expected = torch.cat([model(input_ids=torch.tensor([row])).logits[0] for row in read])
    assert expected.std() > 1e-3
    for side in json.loads((folder.model / "podium.json").read_text())["padding"]:
        batch = tokenizer(
            texts, add_special_tokens=False, padding=True, padding_side=side, return_tensors="pt"
        )
        with torch.no_grad():
            found = model(**batch).logits[:, 0]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_run_warns_of_what_users_must_heed(gpt2_folder, tmp_path, capsys):
    lines = ranking_lines()
    for line in lines:
        line["responses"][0]["text"] += "<|endoftext|>"
    arguments = ["--rankings", str(write_rankings(tmp_path / "rankings.jsonl", lines))]
    arguments += ["--backbone", "pretrained", "--model", str(gpt2_folder)]
    arguments += ["--max-prompt-tokens", "64", "--max-response-tokens", "64"]
    assert main([*arguments, "--run-folder", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    assert "pad on the right: a gpt2 model scores otherwise if padded on the left\n" in said
    assert "held-out texts give other tokens through the chat template\n" in said
