"""Read prompts and responses from texts, transcripts and messages in their many forms.

Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from training.formats.record import NAMES, Record, normal
from training.formats.values import blank, unfolded
from training.sentences import plural_sentence, sentence

ROLES = {
    "human": "user", "user": "user", "prompter": "user", "customer": "user", "question": "user",
    "instruction": "user", "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant",
    "bot": "assistant", "ai": "assistant", "model": "assistant", "bing": "assistant",
    "bard": "assistant", "agent": "assistant", "system": "system", "developer": "system",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool",
}  # fmt: skip
ROLE_KEYS = ("role", "from", "speaker", "author")
CONTENT_KEYS = ("content", "value", "text", "message", "utterance")
TURN = re.compile(r"(?:^|\n\n)\s*(Human|Assistant|H|A|User):(?=\s|$)")
SPEAKERS = {"Human": "user", "H": "user", "User": "user", "Assistant": "assistant",
            "A": "assistant"}  # fmt: skip

Messages = list[dict[str, str]]
RESPONSE = plural_sentence("response", "responses", 1)


def is_transcript(text: str) -> bool:
    """Return True if a text is a transcript of turns, "\\n\\nHuman: ...\\n\\nAssistant: ..."."""
    if TURN.match(text.lstrip(" \t")) is None:
        return False
    turns = TURN.findall(text)
    return (
        len(turns) > 1
        and SPEAKERS[turns[0]] == "user"
        and "assistant" in {SPEAKERS[turn] for turn in turns}
    )


def transcript(text: str) -> Messages:
    """Return the turns of a transcript as messages, without an empty one at its end."""
    _, *parts = TURN.split(text)
    messages = [
        {"role": SPEAKERS[who], "content": said.strip()}
        for who, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    if len(messages) > 1 and not messages[-1]["content"]:
        messages.pop()
    return messages


def messages_of(value: Any, record: Record) -> Messages:
    """Return a prompt as messages. Raises ValueError if it is neither a text nor messages."""
    value = messages_in(value)
    if isinstance(value, str):
        if is_transcript(value):
            record.reading.notes[sentence("transcripts were split into messages")] += 1
            return transcript(value)
        return [{"role": "user", "content": value}]
    if isinstance(value, Mapping):
        return mapping_messages(value, record)
    if isinstance(value, list) and value:
        if all(isinstance(item, Mapping) for item in value):
            return [message_of(item, record) for item in value]
        if all(isinstance(item, str) for item in value) and len(value) == 1:
            return [{"role": "user", "content": value[0]}]
        if all(isinstance(item, list | tuple) and len(item) == 2 for item in value):
            return turns(value)
    raise ValueError(sentence("has a prompt that is neither a text nor a list of messages"))


def messages_in(value: Any) -> Any:
    """Return the messages that a text holds as JSON, or the value as it is."""
    found = unfolded(value)
    if isinstance(found, Mapping):
        found = found.get("messages")
    is_messages = isinstance(found, list) and found and all(map(is_message, found))
    return found if is_messages and isinstance(value, str) else value


def is_message(value: Any) -> bool:
    """Return True if a value looks like a message: an object with a role."""
    return isinstance(value, Mapping) and not set(ROLE_KEYS).isdisjoint(value)


def mapping_messages(value: Mapping[str, Any], record: Record) -> Messages:
    """Return the messages that an object holds: itself one, a list of them, or a text."""
    if any(key in value for key in ROLE_KEYS):
        return [message_of(value, record)]
    inner = Record(value, record.reading, path="prompt.")
    names = ("messages", "conversation", "full_text", *NAMES["prompt"], "text", "content")
    found = inner.take("prompt", names)
    if found is None:
        raise ValueError(sentence("has a prompt that is an object without messages or text"))
    messages = messages_of(found, record)
    system = inner.take("system")
    if isinstance(system, str) and system.strip():
        messages = with_system(messages, system)
    return messages


def turns(pairs: Sequence[Sequence[Any]]) -> Messages:
    """Return pairs of a question and its answer as messages."""
    messages: Messages = []
    for question, answer in pairs:
        if not isinstance(question, str) or not isinstance(answer, str):
            raise ValueError(sentence("has a history that is not pairs of texts"))
        messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    return messages


def message_of(data: Mapping[str, Any], record: Record) -> dict[str, str]:
    """Return a message with role and content, tool calls written in it. Raises ValueError."""
    said = next((data[key] for key in ROLE_KEYS if not blank(data.get(key))), None)
    if isinstance(said, Mapping):
        said = said.get("role")
    if not isinstance(said, str):
        raise ValueError(sentence("has a prompt message without role and content"))
    role = ROLES.get(normal(said), said)
    calls = data.get("tool_calls") or data.get("function_call") or []
    content = next((data[key] for key in CONTENT_KEYS if data.get(key) is not None), None)
    text = "" if content is None and calls else content_text(content, record)
    if text is None:
        raise ValueError(sentence("has a prompt message without role and content"))
    if calls:
        record.reading.notes[sentence("tool calls, written as <tool_call> with their JSON")] += 1
        written = map(call_text, calls if isinstance(calls, list) else [calls])
        text = "\n".join(filter(None, [text, *written]))
    if data.get("name") and role == "tool":
        record.reading.notes[sentence("names of tools in their answers, left out")] += 1
    return {"role": role, "content": text}


def content_text(content: Any, record: Record) -> str | None:
    """Return the text of a message's content, which may come in parts; None if it has none."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    parts = []
    for part in content:
        text = part if isinstance(part, str) else None
        if isinstance(part, Mapping):
            text = part.get("text")
            kind = str(part.get("type", "part"))
            if not isinstance(text, str):
                text = f"[{kind}]"
                note = sentence("parts that are not text, shown as %(shown)s", shown=text)
                record.reading.notes[note] += 1
        if text is None:
            return None
        parts.append(text)
    return "\n\n".join(parts)


def with_system(messages: Messages, system: str) -> Messages:
    """Return the messages with a system message before them, unless they have one."""
    if messages and messages[0]["role"] == "system":
        return messages
    return [{"role": "system", "content": system}, *messages]


def prompt_of(record: Record, *, required: bool = True) -> Messages:
    """Return the prompt of a record: its texts and messages put together.

    The parts are a system message, the history, and the instruction with its input or context.
    Without a prompt the list is empty, unless one is `required`. Raises ValueError.
    """
    system = record.take("system")
    main = record.take("prompt")
    messages: Messages = []
    if main is None:
        main = record.take("conversation")
        messages = [] if main is None else messages_of(main, record)
    else:
        messages = messages_of(main, record)
        if len(messages) == 1:
            messages[0]["content"] = with_input(messages[0]["content"], record)
        history = record.take("history")
        if isinstance(history, str):
            history = unfolded(history)
        if isinstance(history, list) and history:
            messages = messages_of(history, record) + messages
    if not messages and required:
        raise ValueError(sentence("has no prompt; its other keys are %(keys)s", keys=record.keys()))
    if system is not None:
        if not isinstance(system, str):
            raise ValueError(sentence("has a system message that is not a text"))
        messages = with_system(messages, system)
    return messages


def with_input(instruction: str, record: Record) -> str:
    """Return an instruction with the input below it, or the context above it, if there is one."""
    for field in ("input", "context"):
        key = record.key(field)
        if key is None or not isinstance(record.data[key], str) or not record.data[key].strip():
            continue
        more = record.read(key, field)
        if more == instruction:
            continue
        parts = (instruction, more) if field == "input" else (more, instruction)
        record.reading.notes[sentence("prompts joined with their %(field)s", field=field)] += 1
        return "\n\n".join(parts)
    return instruction


def response_text(value: Any, record: Record, name: str) -> str:
    """Return the text of a response: a text, or one message of the assistant. Raises ValueError."""
    value = messages_in(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        if isinstance(value, str):
            return value
    if (
        isinstance(value, list)
        and value
        and all(
            isinstance(part, Mapping) and "type" in part and not set(part) & set(ROLE_KEYS)
            for part in value
        )
    ):
        return content_text(value, record) or ""
    if isinstance(value, list):
        raise ValueError(
            sentence(
                "has a %(name)s of %(count)s messages beyond what both share; a response is one",
                name=name,
                count=str(len(value)),
            )
        )
    if not isinstance(value, Mapping):
        raise ValueError(sentence("has a %(name)s that is neither a text nor a message", name=name))
    if not set(value) & set(ROLE_KEYS):
        value = {"role": "assistant", **value}
    message = message_of(value, record)
    if message["role"] != "assistant":
        raise ValueError(
            sentence("has a %(name)s that does not end with a message of the assistant", name=name)
        )
    return message["content"]


def call_text(call: Any) -> str:
    """Return a tool call as text, in the form in which open models are trained to write it."""
    function = call.get("function", call) if isinstance(call, Mapping) else call
    if isinstance(function, Mapping) and isinstance(function.get("arguments"), str):
        function = {**function, "arguments": unfolded(function["arguments"])}
    return f"<tool_call>\n{json.dumps(function, ensure_ascii=False)}\n</tool_call>"
