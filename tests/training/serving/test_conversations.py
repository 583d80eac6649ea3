"""Texts in the chat templates of policies are taken apart, or refused with the reason."""

import contextlib

import pytest
from jinja2 import Template as Jinja

from training.data.tokenizer import CHAT_TEMPLATE
from training.serving.conversations import (
    NotUnderstoodError,
    read_conversation,
    read_prompt,
    read_response,
)

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "Why\nblue?"}
ANSWER = {"role": "assistant", "content": "Light scatters."}
MORE = {"role": "user", "content": "And red?"}
TEXTS = {
    "ChatML": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy\nblue?<|im_end|>\n"
        "<|im_start|>assistant\nLight scatters.<|im_end|>\n"
    ),
    "ChatML without an end": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy\nblue?<|im_end|>\n"
        "<|im_start|>assistant\nLight scatters."
    ),
    "ChatML, padded": (
        "<|endoftext|><|endoftext|><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy"
        "\nblue?<|im_end|>\n<|im_start|>assistant\nLight scatters.<|im_end|>"
        "<|endoftext|><|endoftext|>"
    ),
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWhy\nblue?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nLight scatters.<|eot_id|>"
    ),
    "Llama 2": (
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhy\nblue? [/INST] Light scatters. </s>"
    ),
    "DeepSeek": (
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Why\nblue?<｜Assistant｜>"
        "Light scatters.<｜end▁of▁sentence｜>"
    ),
    "Zephyr": (
        "<|system|>\nBe brief.</s>\n<|user|>\nWhy\nblue?</s>\n<|assistant|>\nLight scatters.</s>"
    ),
    "Phi": (
        "<|system|>\nBe brief.<|end|>\n<|user|>\nWhy\nblue?<|end|>\n<|assistant|>\n"
        "Light scatters.<|end|>\n"
    ),
    "Command R": (
        "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Why\nblue?<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Light scatters."
    ),
    "Podium": ("<|system|>Be brief.<|user|>Why\nblue?<|response|>Light scatters.<|end|>"),
    "plain": ("System:\nBe brief.\n\nUser:\nWhy\nblue?\n\nAssistant:\nLight scatters.</s>"),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_conversation_is_read_from_its_template(text):
    assert read_conversation(text) == [SYSTEM, QUESTION, ANSWER]


def test_gemma_calls_the_assistant_model():
    text = (
        "<bos><start_of_turn>user\nWhy\nblue?<end_of_turn>\n"
        "<start_of_turn>model\nLight scatters.<end_of_turn>\n"
    )
    assert read_conversation(text) == [QUESTION, ANSWER]


def test_several_turns_are_read():
    text = "<s>[INST] Why\nblue? [/INST] Light scatters. </s><s>[INST] And red? [/INST] Less. </s>"
    less = {"role": "assistant", "content": "Less."}
    assert read_conversation(text) == [QUESTION, ANSWER, MORE, less]


def test_the_template_of_our_own_models_is_read():
    messages = [SYSTEM, QUESTION, ANSWER, MORE, {"role": "assistant", "content": "Less."}]
    text = Jinja(CHAT_TEMPLATE).render(messages=messages, add_generation_prompt=False)
    assert read_conversation(text) == messages


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("The sky is blue.", "in no chat template"),
        ("", "in no chat template"),
        ("<|endoftext|></s>", "in no chat template"),
        ("<|fim_prefix|>a<|fim_suffix|>b", "does not know: it contains <|fim_prefix|>"),
        ("<|im_start|>user\nWhy?<|im_end|>\n", "ends without an answer"),
        ("<|im_start|>assistant\nBecause.<|im_end|>\n", "nothing before the answer"),
        (
            "<|im_start|>user\nWhy?<|im_start|>assistant\nBecause.",
            "of the ChatML template does not",
        ),
        (
            "Hi <|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nOh.",
            "before the first turn",
        ),
        ("<|im_start|>user\nA <|eot_id|> b<|im_end|>\n<|im_start|>assistant\nC", "<|eot_id|>"),
        ("a [INST] Why? [/INST] Because.", "text before the first [INST]"),
        ("[INST] Why? [/INST]", "ends without an answer"),
    ],
)
def test_a_text_that_is_not_understood_is_refused(text, why):
    with pytest.raises(NotUnderstoodError) as found:
        read_conversation(text)
    assert why in str(found.value)


def test_a_prompt_is_read_up_to_where_the_answer_begins():
    for text in TEXTS.values():
        prompt = text[: text.index("Light scatters")]
        assert read_prompt(prompt) == [SYSTEM, QUESTION]
    assert read_prompt("Why? 3 < 4 and <b>") == [{"role": "user", "content": "Why? 3 < 4 and <b>"}]


def test_a_prompt_with_an_answer_that_has_begun_is_refused():
    with pytest.raises(NotUnderstoodError, match="begun already"):
        read_prompt("<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nBecause")


def test_a_response_loses_the_tokens_that_end_it():
    assert read_response("Because.<|im_end|>\n<|endoftext|>") == "Because."
    assert read_response("Because.\n\n") == "Because.\n\n"
    with pytest.raises(NotUnderstoodError, match=r"the control token <\|im_end\|>"):
        read_response("Because.<|im_end|>\n<|im_start|>user\nThanks")


@pytest.mark.parametrize(
    "text",
    [
        "</s>" * 60_000 + "x",
        "x" + "</s> " * 60_000,
        "[INST]" * 60_000,
        "[/INST]" * 30_000 + "[INST]" * 30_000,
        f"Human: {' ' * 300_000}x\n\nAssistant: y",
        " " * 300_000 + "x",
        "<|im_start|>user\n" + " " * 300_000 + "x<|im_end|>\n<|im_start|>assistant\ny",
    ],
    ids=range(7),
)
def test_texts_that_repeat_themselves_are_read_in_time_that_grows_with_their_length(text):
    """With the square of it, each would take an hour, and the test would not end."""
    for read in (read_conversation, read_prompt, read_response):
        with contextlib.suppress(NotUnderstoodError):
            read(text)


@pytest.mark.parametrize("turn", ["<|im_start|>user\nWhy?<|im_end|>\n", "[INST] Why? [/INST] So. "])
def test_a_conversation_of_very_many_turns_is_refused(turn):
    with pytest.raises(NotUnderstoodError, match="more than 1024 messages"):
        read_conversation(turn * 1100)
