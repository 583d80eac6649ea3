"""Blinding: responses that name their own model are found, and mere mentions are not."""

import io
import json
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from labelapp.labelling.blinding import giveaways, names_itself
from labelapp.models import Project, Response

NAMES_ITSELF = [
    "I am ChatGPT.",
    "I'm ChatGPT, a large language model.",
    "i am chatgpt and i can help",
    "Hello! I’m Claude, an AI assistant made by Anthropic.",
    "My name is Claude.",
    "I'm Bard, a large language model from Google AI, trained on many texts.",
    "Hi, I am **Gemini**, how can I help?",
    "I am “Vicuna”, trained by researchers.",
    "I am Claude Sonnet.",
    "I am an AI assistant called Claude.",
    "I am a helpful and harmless AI assistant named ChatGPT.",
    "I'm based on GPT-4.",
    "I am an AI chatbot powered by OpenAI's GPT-3.5",
    "I am a large language model trained by Google.",
    "I am a language model, trained and developed by OpenAI.",
    "I'm an AI model created by the team at Anthropic.",
    "I was created by OpenAI.",
    "I have been trained by Meta to follow instructions.",
    "OpenAI trained me on texts until 2021.",
    "My creators at Anthropic want me to be honest.",
    "As Claude, I try to be helpful.",
    "That is a hard question. As ChatGPT, it is not in my power to say.",
    "Well, as Claude, I cannot see pictures.",
    "As an AI language model developed by OpenAI, I cannot have opinions.",
    "I am sorry, but as an AI assistant created by Anthropic, I will not do that.",
    "As a large language model from Google, my knowledge ends in 2023.",
    "You are talking to ChatGPT.",
    "Ich bin ChatGPT, ein Sprachmodell.",
    "Mein Name ist Claude.",
    "Je suis ChatGPT, un modèle de langage.",
    "Soy ChatGPT.",
    "Soy un modelo de lenguaje entrenado por OpenAI.",
    "Je suis un modèle de langage développé par OpenAI.",
    "Als ChatGPT, kann ich das nicht.",
    "我是ChatGPT，一个语言模型。",
    "A story first.\n\nI'm Qwen, made by Alibaba Cloud.",
]

ONLY_MENTIONS = [
    "ChatGPT is a product of OpenAI.",
    "Claude was developed by Anthropic.",
    "I am using ChatGPT to write this.",
    "I am not ChatGPT.",
    "I'm a fan of Claude.",
    "I am ChatGPT's biggest critic.",
    "I am Claude Monet, and I paint water lilies.",
    "I am a bard, and I sing of heroes.",
    "I'm a Gemini, born in June.",
    "I am a koala.",
    "I work at Google as an engineer.",
    "I am from Google, and I have a question.",
    "I am a user of the AI assistant made by Google.",
    "I am a researcher who works on a model trained by OpenAI.",
    "When I use tools such as ChatGPT, I check what they say.",
    "Models such as Claude, GPT-4 and Gemini differ.",
    "It knows as much as Claude, I think.",
    "As Claude walked in, I stood up.",
    "As ChatGPT grew, so did its costs.",
    "As an AI language model developed by OpenAI, ChatGPT answers questions.",
    "As an AI language model, I cannot have opinions.",
    "I am an AI assistant and I am happy to help.",
    "My name is Anna. I asked ChatGPT.",
    "She said that GPT-4 is a language model trained by OpenAI.",
    "Google it, or ask me.",
    "I was made in Google Docs.",
    "The bard Claude lives in Bloom Street.",
    "I am based in Berlin and I read about Llama.",
    "",
]


@pytest.mark.parametrize("text", NAMES_ITSELF)
def test_a_response_that_names_its_model_is_found(text: str) -> None:
    assert names_itself(text)


@pytest.mark.parametrize("text", ONLY_MENTIONS)
def test_a_response_that_only_mentions_a_model_is_left_alone(text: str) -> None:
    assert not names_itself(text)
    assert giveaways(text) == []


def test_the_words_that_give_it_away_are_shown_with_what_stands_around_them() -> None:
    text = f"{'x' * 100} Hello. I am ChatGPT, and I was created by OpenAI."
    first, second = giveaways(text)
    assert first.words == "I am ChatGPT"
    assert first.before.endswith("x Hello. ")
    assert len(first.before) == 60
    assert first.after.startswith(", and I was")
    assert second.words == "I was created by OpenAI"
    assert second.after == "."


@pytest.mark.parametrize(
    "text",
    [
        "I am a " * 20_000 + "ChatGPT",
        "I am an AI model, " * 10_000 + "ChatGPT",
        "as an AI model from " * 10_000 + "google",
        "a " * 50_000 + "gpt",
        "I am " + "," * 100_000 + "gpt",
        "soy un modelo " * 10_000 + "gpt",
        "I am " + "a-" * 50_000 + " gpt",
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_text_takes_no_longer_than_another(text: str) -> None:
    start = time.process_time()
    names_itself(text)
    assert time.process_time() - start < 2  # seconds; a bound, not a measure


def import_texts(tmp_path: Path, *texts: str) -> str:
    responses = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "Who are you?", "responses": responses}))
    out = io.StringIO()
    call_command("import_prompts", str(path), "--project", "kitchen", stdout=out)
    return out.getvalue()


def test_an_import_counts_and_marks_them(project: Project, tmp_path: Path) -> None:
    said = import_texts(tmp_path, "I am ChatGPT.", "As Claude, I know.", "ChatGPT?", "A cook.")
    assert "2 responses reveal their model" in said
    named = Response.objects.filter(names_itself=True).order_by("pk")
    assert [response.text for response in named] == ["I am ChatGPT.", "As Claude, I know."]


def test_an_import_without_them_says_nothing_of_it(project: Project, tmp_path: Path) -> None:
    assert "reveal their model" not in import_texts(tmp_path, "a", "b", "c", "ChatGPT?")
