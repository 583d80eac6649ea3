"""Text in a policy's template is rendered in the model's own, or refused, in every dialect."""

import contextlib

import pytest

from tests.training.serving.asking import near, post
from tests.training.serving.test_nemo_gym import nemo_gym
from training.serving.conversations import NotUnderstoodError, read_conversation, read_prompt
from training.serving.foreign import check_messages, read_answer, read_asked
from training.serving.items import Encoded

LLAMA = "<|start_header_id|>{}<|end_header_id|>\n\n"
ALPACA = "### Instruction:\n{}\n\n### Response:\n"
TEMPLATES = {
    "ChatML": ("<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
    "Llama 3": (
        f"<|begin_of_text|>{LLAMA.format('user')}{{}}<|eot_id|>{LLAMA.format('assistant')}",
        "<|eot_id|>",
    ),
    "Llama 2": ("<s>[INST] {} [/INST]", "</s>"),
    "Gemma": (
        "<bos><start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
        "<end_of_turn>\n",
    ),
    "Llama 4": (
        (
            "<|header_start|>user<|header_end|>\n\n{}<|eot|>"
            "<|header_start|>assistant<|header_end|>\n\n"
        ),
        "<|eot|>",
    ),
    "Command R": (
        (
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{}<|END_OF_TURN_TOKEN|>"
            "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
        ),
        "<|END_OF_TURN_TOKEN|>",
    ),
    "DeepSeek": ("<｜begin▁of▁sentence｜><｜User｜>{}<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    "Phi": ("<|user|>\n{}<|end|>\n<|assistant|>\n", "<|end|><|endoftext|>"),
    "Podium": ("<|user|>{}<|response|>", "<|end|>"),
    "Human and Assistant": ("Human: {}\n\nAssistant:", ""),
    "Alpaca": (ALPACA, "</s>"),
    "Vicuna": ("USER: {} ASSISTANT:", "</s>"),
    "Guanaco": ("### Human: {}\n### Assistant:", ""),
}
"""The prompt of each template, up to the answer, and the end of the answer."""
QUESTIONS = ("Why is it blue?", "为什么天空是蓝色的？", "لماذا السماء زرقاء؟", "Варум 🌊?")
HALF = {
    "no end of the turn": "<|im_start|>user\nWhy?",
    "no beginning": "Why?<|im_end|>\n<|im_start|>assistant\n",
    "no answer's header": "Why?<|im_end|>",
    "only the answer's header": "Why?\n<|im_start|>assistant\n",
    "Llama 3 without roles": "<|begin_of_text|>Why?",
    "Llama 3 without a beginning": "y?<|eot_id|>" + LLAMA.format("assistant"),
    "Llama 2 without an end": "<s>[INST] Why?",
    "Llama 2 without a beginning": "Why? [/INST]",
    "Gemma without a beginning": "Why?<end_of_turn>\n<start_of_turn>model\n",
    "unknown": "<|start_of_role|>user<|end_of_role|>Why?<|end_of_text|>",
    "Arabic": "<|im_start|>user\nلماذا؟",
    "Chinese": "为什么？<|im_end|>",
}
TEXTS = {
    "struck out": "<s>Blue.</s>",
    "struck out at the end": "It is blue, not <s>red</s>",
    "a mention": "Llama 2 puts [INST] and [/INST] around what is asked.",
    "code": 'text.split("[/INST]")[-1].removeprefix("<|im_end|>") or "<unk>"',
    "unknown word": "<unk> is blue",
    "a heading": "### Instruction:\nName a colour.",
    "a template that is explained": "Write:\n<|im_start|>user\nHi<|im_end|>\nand no more.",
    "a label": "Assistant: a noun; User: another.",
    "Chinese": "天空是蓝色的，因为空气散射蓝光。",
    "Arabic": "لأن الهواء يشتت الضوء الأزرق.",
}
"""What people may write, and what is no template."""


def messages(prompt, response=None):
    asked = [{"role": "user", "content": prompt}]
    return asked if response is None else [*asked, {"role": "assistant", "content": response}]


def score(client, prompt, response):
    found = post(client, "/score", prompt=prompt, responses=[response])
    return found["rewards"][0], found["not_valid"][0]


def score_messages(client, prompt, response):
    found = post(client, "/score", messages=messages(prompt), responses=[response])
    return found["rewards"][0], found["not_valid"][0]


def verify(client, prompt, response):
    found = post(client, "/verify", **nemo_gym(prompt, response))
    return None if found["mask_sample"] else found["reward"], found["failure_reason"]


def verify_messages(client, prompt, response):
    found = post(client, "/verify", **nemo_gym(messages(prompt), response))
    return None if found["mask_sample"] else found["reward"], found["failure_reason"]


def told(client, path, body, read):
    answer = client.post(path, json=body)
    if answer.status_code == 422:
        return None, answer.json()["error"]["message"]
    assert answer.status_code == 200, answer.text
    return read(answer.json()), None


def classify_messages(client, prompt, response):
    body = {"messages": messages(prompt, response)}
    return told(client, "/classify", body, lambda found: found["data"][0]["probs"][0])


def classify(client, prompt, response):
    body = {"input": [prompt + response]}
    return told(client, "/classify", body, lambda found: found["data"][0]["probs"][0])


def sglang(client, prompt, response):
    body = {"text": [prompt + response]}
    return told(client, "/classify", body, lambda found: found[0]["embedding"][0])


def embeddings(client, prompt, response):
    body = {"input": [prompt + response]}
    return told(client, "/v1/embeddings", body, lambda found: found["data"][0]["embedding"][0])


def openrlhf(client, prompt, response):
    body = {"query": [prompt + response], "prompts": [prompt], "labels": [None]}
    return told(client, "/get_reward", body, lambda found: found["rewards"][0])


def openrlhf_query(client, prompt, response):
    body = {"query": [prompt + response]}
    return told(client, "/get_reward", body, lambda found: found["rewards"][0])


def slime(client, prompt, response):
    body = {"prompt": prompt, "response": response, "label": ""}
    return told(client, "/slime", body, lambda found: found)


def slime_messages(client, prompt, response):
    body = {"prompt": messages(prompt), "response": response}
    return told(client, "/slime", body, lambda found: found)


def llama_factory(client, prompt, response):
    body = {"model": "model", "messages": [prompt + response]}
    return told(client, "/llamafactory", body, lambda found: found["scores"][0])


PROMPTED = (score, verify, openrlhf, slime)
"""Dialects with a prompt that is a text."""
WHOLE = (classify, sglang, embeddings, openrlhf_query, llama_factory)
"""Dialects with one text of the prompt and the response."""
STRUCTURED = (score_messages, verify_messages, classify_messages, slime_messages)
"""Dialects with messages."""
each_of = pytest.mark.parametrize


@each_of("question", QUESTIONS)
@each_of("template", TEMPLATES)
@each_of("ask", [*PROMPTED, *WHOLE], ids=lambda ask: ask.__name__)
def test_a_text_in_a_foreign_template_has_the_reward_of_its_messages(
    client, ask, template, question
):
    before, end = TEMPLATES[template]
    found, why = ask(client, before.format(question), f"Blue light, {question}{end}")
    expected = post(client, "/score", prompt=question, responses=[f"Blue light, {question}"])
    assert why is None
    assert found == near(expected["rewards"][0])


@each_of("template", [name for name in TEMPLATES if "<" in TEMPLATES[name][0]])
@each_of("ask", STRUCTURED, ids=lambda ask: ask.__name__)
def test_a_message_in_a_template_is_refused(client, ask, template):
    found, why = ask(client, TEMPLATES[template][0].format("Why?"), "Yes.")
    assert found is None
    assert "a message of the user contains" in why
    assert "of a chat template; send its text alone" in why


@each_of("half", HALF)
@each_of("ask", [*PROMPTED, *WHOLE, *STRUCTURED], ids=lambda ask: ask.__name__)
def test_half_a_template_is_refused_with_the_reason(client, ask, half):
    found, why = ask(client, HALF[half], "Yes.")
    assert found is None
    assert len(why) > 20


@each_of("response", ["<|im_start|>assistant\nYes.", "Yes.<|im_end|>\n<|im_start|>user\nMore?"])
@each_of("ask", [*PROMPTED, *STRUCTURED], ids=lambda ask: ask.__name__)
def test_a_response_with_turns_in_it_is_refused(client, ask, response):
    found, why = ask(client, "Why?", response)
    assert found is None
    assert "<|im_start|>" in why or "<|im_end|>" in why


@each_of("end", ["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>\n", "<|endoftext|>" * 3])
@each_of("ask", [*PROMPTED, *STRUCTURED], ids=lambda ask: ask.__name__)
def test_the_tokens_that_end_a_response_are_no_part_of_it(client, ask, end):
    expected = ask(client, "Why?", "Light scatters.")
    assert expected[0] is not None
    assert ask(client, "Why?", f"Light scatters.{end}") == (near(expected[0]), None)


@each_of("text", TEXTS)
@each_of("ask", [score, verify, *STRUCTURED[:3]], ids=lambda ask: ask.__name__)
def test_ordinary_texts_are_scored_as_they_are(client, model, ask, text):
    """As the pages store them: the reward is that of every character."""
    text = TEXTS[text]
    encoder = model.encoder
    example = encoder.prompt(messages(text)), encoder.responses([text])[0]
    (own,) = model.rewards([Encoded(*example)])
    found, why = ask(client, text, text)
    assert why is None
    assert found == near(own.reward)


def test_the_part_of_length_is_that_of_the_response_without_its_end():
    assert read_answer("Because.<|im_end|>\n") == "Because."
    assert read_answer("Because.\n") == "Because.\n"
    assert read_answer("not <s>red</s>") == "not <s>red</s>"
    assert read_answer("not <s>red</s><|im_end|>") == "not <s>red</s>"
    assert read_answer("red</s>") == "red"


def test_a_template_with_more_than_a_question_and_an_answer_is_refused():
    for text in (
        "### Instruction:\nAdd.\n\n### Input:\n1, 2\n\n### Response:\n",
        "USER: Hi ASSISTANT: Hello</s>USER: Why? ASSISTANT:",
    ):
        for read in (read_asked, read_prompt):
            with pytest.raises(NotUnderstoodError, match="more than a question and an answer"):
                read(text)


def test_the_system_message_of_such_a_template_is_kept():
    system = "A chat between a curious user and an assistant."
    found = read_conversation(f"{system} USER: Why? ASSISTANT: Because.</s>")
    assert found == [{"role": "system", "content": system}, *messages("Why?", "Because.")]
    assert read_asked(f"{system} USER: Why? ASSISTANT:") == found[:2]


def test_a_header_that_the_response_begins_with_is_no_part_of_it(client):
    expected = post(client, "/score", prompt="Why?", responses=["Light."])["rewards"][0]
    for prompt, response in (
        ("### Instruction:\nWhy?\n\n", "### Response:\nLight."),
        ("<|im_start|>user\nWhy?<|im_end|>\n", "<|im_start|>assistant\nLight."),
    ):
        for ask in (openrlhf, slime):
            assert ask(client, prompt, response) == (near(expected), None)


@each_of(
    "text",
    [
        *("<|im_end|>" * 40_000 + "x", "x" + "<|im_end|> " * 40_000, "<s>" * 100_000),
        *("<|im_start|>user\n" * 30_000, "USER: ASSISTANT: " * 30_000, "Human: \n\n" * 50_000),
        *("<|" * 200_000, " " * 300_000 + "x", "### Instruction:" * 30_000 + "### Response:"),
    ],
    ids=range(9),
)
def test_the_time_grows_with_the_length_of_a_text(text):
    """With the square of it, each would take an hour, and the test would not end."""
    for read in (read_asked, read_answer, lambda text: check_messages(messages(text))):
        with contextlib.suppress(NotUnderstoodError):
            read(text)
