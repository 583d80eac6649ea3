"""Read the conversation in a text that a chat template wrote.

Trainers send what their policy read and wrote, in the policy's template and with its control
tokens. The reward model was trained with another template, so the text is taken apart, and the
model's own template puts it together again. A text that cannot be taken apart for certain is
refused: its reward would be a number without a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from training.rankings import Message
from training.serving.items import MOST

ROLES = {
    "assistant": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "response": "assistant",
    "developer": "system",
    "human": "user",
}
"""The names of roles in templates, where they are not Podium's own."""

CONTROL = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|</?s>|<(?:bos|eos|pad|unk)>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
)
"""Control tokens of the families of models in use."""
FILLERS = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|endoftext|>", "<|finetune_right_pad_id|>"),
    *("<|eom_id|>", "<|eot|>", "<|END_OF_TURN_TOKEN|>"),
    *("<|pad|>", "<|eot_id|>", "<|im_end|>", "<|end|>", "<s>", "</s>", "<bos>", "<eos>", "<pad>"),
    *("<unk>", "[gMASK]", "<sop>", "<end_of_turn>", "[PAD]", "<｜begin▁of▁sentence｜>"),
    *("<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"),
)
"""Control tokens that begin or end a text, or pad it."""
LEADING = re.compile(rf"(?:\s*(?:{'|'.join(map(re.escape, FILLERS))}))+")
BEGIN, END = "[INST]", "[/INST]"
"""Beginning and end of an instruction of Llama 2 and Mistral."""

TOO_LONG = f"the conversation has more than {MOST} messages"


class NotUnderstoodError(ValueError):
    """Raised for a text that cannot be read as a conversation; the message says why."""


class Template(NamedTuple):
    """A family of chat templates in which each turn begins with a header."""

    name: str
    header: re.Pattern[str]
    """The beginning of a turn, with a group for the role."""
    end: str = ""
    """A pattern for the end of a turn; empty if the next header ends it."""
    sign: str = ""
    """What a text in this template contains, where others have headers like these."""


class Headed(NamedTuple):
    """A template without control tokens, in which words stand before the question and answer."""

    name: str
    asks: str
    answers: str
    preamble: str
    """The beginning of the system message that its policies were trained with."""


TEMPLATES = (
    Template("ChatML", re.compile(r"<\|im_start\|>([\w-]+)\n"), r"<\|im_end\|>"),
    Template(
        "Llama 3",
        re.compile(r"<\|start_header_id\|>([\w-]+)<\|end_header_id\|>\n\n"),
        r"<\|eo[tm]_id\|>",
    ),
    Template(
        "Llama 4", re.compile(r"<\|header_start\|>([\w-]+)<\|header_end\|>\n\n"), r"<\|eot\|>"
    ),
    Template("Gemma", re.compile(r"<start_of_turn>(\w+)\n"), r"<end_of_turn>"),
    Template(
        "Command R",
        re.compile(r"<\|START_OF_TURN_TOKEN\|><\|(\w+)_TOKEN\|>"),
        r"<\|END_OF_TURN_TOKEN\|>",
    ),
    Template("DeepSeek", re.compile(r"<｜(User|Assistant)｜>")),
    Template("Podium", re.compile(r"<\|(user|assistant|system|response)\|>"), sign="<|response|>"),
    Template(
        "Phi, Zephyr or GLM",
        re.compile(r"<\|(user|assistant|system)\|>\n"),
        r"(?:<\|end\|>|</s>|<\|endoftext\|>)?",
    ),
)
PLAIN = (
    Template("Human and Assistant", re.compile(r"(?:\A\s*|\n\n)(Human|Assistant): ?")),
    Template("Podium's plain", re.compile(r"(?:\A\s*|\n\n)(User|Assistant|System):\n")),
)
"""Templates without control tokens. A text is in one of them if it begins with its header."""
HEADED = (
    Headed("Alpaca", "### Instruction:", "### Response:", "Below is an instruction"),
    Headed("Vicuna", "USER:", "ASSISTANT:", "A chat between a "),
    Headed("Human and Assistant", "### Human:", "### Assistant:", "A chat between a "),
    Headed("User and Assistant", "User:", "Assistant:", "A conversation between "),
)
INPUT = "### Input:"
"""The header of Alpaca's second part of a question, which no other template has."""
SYSTEM = re.compile(r"\s*<<SYS>>\n?(.*?)\n?<</SYS>>\s*", re.DOTALL)


def read_conversation(text: str) -> list[Message]:
    """Return the messages of a text, of which the last is the assistant's.

    Raises NotUnderstoodError.
    """
    messages = read_turns(text)
    if messages[-1]["role"] != "assistant":
        raise NotUnderstoodError("the conversation ends without an answer of the assistant")
    if len(messages) == 1:
        raise NotUnderstoodError("there is nothing before the answer of the assistant")
    return messages


def read_prompt(text: str) -> list[Message]:
    """Return the messages of a prompt, which ends where the assistant's answer begins.

    A text without control tokens is one message of the user. Raises NotUnderstoodError.
    """
    if is_headed(text):
        return read_headed(text)
    if not CONTROL.search(text) and not any(plain.header.match(text) for plain in PLAIN):
        return [{"role": "user", "content": text}]
    messages = read_turns(text)
    if messages[-1]["role"] == "assistant":
        if messages[-1]["content"].strip():
            raise NotUnderstoodError("the prompt ends with an answer that has begun already")
        messages.pop()
    if not messages:
        raise NotUnderstoodError("the prompt is empty")
    return messages


def read_response(text: str) -> str:
    """Return a response without the control tokens that end it.

    Raises NotUnderstoodError if others are left.
    """
    response = without_end(text)
    if found := CONTROL.search(response):
        raise NotUnderstoodError(f"the response contains the control token {found[0]}")
    return response


def begins_turn(prompt: str, rest: str) -> bool:
    """Return True if what follows a prompt begins with the header of the next turn.

    It does where the prompt ends before the assistant's header.
    """
    rest = rest.lstrip()
    for template in (*TEMPLATES, *PLAIN):
        if template.header.match(rest) and template.header.search(prompt):
            *_, last = template.header.split(prompt)
            return bool(without_beginning(without_end(last)).strip())
    return any(rest.startswith(one.answers) and is_headed(prompt + one.answers) for one in HEADED)


def without_beginning(text: str) -> str:
    """Return a text without the control tokens that begin it."""
    leading = LEADING.match(text)
    return text[leading.end() :] if leading else text


def without_end(text: str, fillers: Sequence[str] = FILLERS) -> str:
    """Return a text without the control tokens that end it.

    From the end, because a regular expression would try each place, which takes the square of the
    time for a text that repeats one of them.
    """
    end = len(text)
    while True:
        place = end
        while place and text[place - 1].isspace():
            place -= 1
        filler = next((one for one in fillers if text.endswith(one, 0, place)), None)
        if filler is None:
            return text[:end]
        end = place - len(filler)


def read_turns(text: str) -> list[Message]:
    """Return the messages of a text in any template that is known. Raises NotUnderstoodError."""
    begin = text.find(BEGIN)
    if begin >= 0 and END in text[begin:]:
        return read_instructions(text)
    for template in TEMPLATES:
        if template.sign in text and template.header.search(text):
            return split_turns(template, text)
    bare = without_beginning(without_end(text))
    if found := CONTROL.search(bare):
        raise NotUnderstoodError(
            f"the text is in a chat template that Podium does not know: it contains {found[0]};"
            " send messages instead"
        )
    for plain in PLAIN:
        if plain.header.match(bare):
            return split_turns(plain, bare)
    if headed_template(bare):
        return read_headed(bare)
    raise NotUnderstoodError(
        "the text is in no chat template, so where the response begins is unknown;"
        " send messages, or a prompt and a response"
    )


def headed_template(text: str) -> Headed | None:
    """Return the template without control tokens that a text with a question and answer is in."""
    text = text.lstrip()
    if any(plain.header.match(text) for plain in PLAIN):
        return None
    for one in HEADED:
        begins = text.startswith(one.asks) or (text.startswith(one.preamble) and one.asks in text)
        if begins and one.answers in text:
            return one
    return None


def is_headed(text: str) -> bool:
    """Return True for a prompt that ends with the header of the answer in such a template."""
    bare = without_beginning(text).rstrip()
    return any(bare.endswith(one.answers) for one in HEADED) and headed_template(bare) is not None


def read_headed(text: str) -> list[Message]:
    """Return the messages of a text in a template of HEADED. Raises NotUnderstoodError."""
    bare = without_beginning(text)
    template = headed_template(bare)
    if template is None:
        raise NotUnderstoodError("the text is in no chat template")
    before, _, rest = bare.partition(template.asks)
    question, _, answer = rest.partition(template.answers)
    if template.asks in rest or template.answers in answer or INPUT in question:
        raise NotUnderstoodError(
            f"the text is in the {template.name} template and has more than a question and an"
            " answer; send messages instead"
        )
    if found := CONTROL.search(before + question):
        raise NotUnderstoodError(f"the prompt contains the control token {found[0]}")
    messages = [{"role": "user", "content": question.strip()}]
    if before.strip():
        messages.insert(0, {"role": "system", "content": before.strip()})
    if answer.strip():
        messages.append({"role": "assistant", "content": read_response(answer).strip()})
    return messages


def split_turns(template: Template, text: str) -> list[Message]:
    """Return the messages between the headers of a template. Raises NotUnderstoodError."""
    before, *rest = template.header.split(text, maxsplit=MOST + 1)
    if len(rest) > 2 * MOST:
        raise NotUnderstoodError(TOO_LONG)
    system = without_beginning(before)
    messages: list[Message] = []
    if system.strip():
        if template.name != "DeepSeek":
            raise NotUnderstoodError(
                f"there is text before the first turn of the {template.name} template"
            )
        messages.append({"role": "system", "content": system.strip()})
    turns = list(zip(rest[::2], rest[1::2], strict=True))
    for place, (name, content) in enumerate(turns):
        role = role_of(name)
        last = place == len(turns) - 1
        # The last turn ends where the policy was cut off; but what it was asked is whole.
        if last and role != "assistant" and not ends_turn(template, content):
            raise NotUnderstoodError(f"a turn of the {template.name} template does not end")
        messages.append({"role": role, "content": content_of(template, content, last=last)})
    return messages


def role_of(name: str) -> str:
    return ROLES.get(name.lower(), name.lower())


def ends_turn(template: Template, content: str) -> bool:
    """Return True if the control tokens at the end of a turn have its end among them."""
    return bool(re.search(template.end, content[len(without_end(content)) :]))


def content_of(template: Template, content: str, *, last: bool) -> str:
    """Return a turn's content without its end. Raises NotUnderstoodError if it has none."""
    if last:
        return read_response(content)
    content = content.rstrip()
    found = re.search(rf"{template.end}\Z", content)
    if template.end and not found:
        raise NotUnderstoodError(f"a turn of the {template.name} template does not end")
    return read_response(content[: found.start()] if found else content)


def split_instructions(text: str) -> list[str]:
    """Return what is before, in and after each instruction, in turn."""
    parts: list[str] = []
    place = 0
    while (begin := text.find(BEGIN, place)) >= 0 and len(parts) <= MOST:
        end = text.find(END, begin)
        if end < 0:
            break
        parts += [text[place:begin], text[begin + len(BEGIN) : end]]
        place = end + len(END)
    return [*parts, text[place:]]


def read_instructions(text: str) -> list[Message]:
    """Return the messages of Llama 2 and Mistral. Raises NotUnderstoodError."""
    before, *rest = split_instructions(text)
    if len(rest) > MOST:  # two for each instruction, which is followed by an answer
        raise NotUnderstoodError(TOO_LONG)
    if without_beginning(before).strip():
        raise NotUnderstoodError("there is text before the first [INST]")
    messages: list[Message] = []
    for asked, answer in zip(rest[::2], rest[1::2], strict=True):
        if system := SYSTEM.match(asked):
            messages.append({"role": "system", "content": system[1].strip()})
            asked = asked[system.end() :]
        messages.append({"role": "user", "content": asked.strip()})
        messages.append({"role": "assistant", "content": read_response(answer).strip()})
    if not messages[-1]["content"]:
        messages.pop()
    return messages


def text_of(content: str | Sequence[object] | None) -> str:
    """Return the text of a message's content, which may be a list of parts.

    Raises NotUnderstoodError for parts that are not text.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise NotUnderstoodError("a message has a part that is not text")
        parts.append(text)
    return "".join(parts)
