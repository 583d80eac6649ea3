"""Limits: no text keeps a page busy, and what is rendered is kept."""

import time

import pytest

from labelapp.rendering.code import ALIASES, MAX_SECONDS, Highlighter
from labelapp.rendering.texts import (
    MAX_MARKUP,
    MAX_PAGE_MARKUP,
    Kept,
    Remark,
    RenderedText,
    format_now,
    render_prompt,
    render_text,
    render_texts,
    sources,
)

CODE = "```python\nif x:\n    pass\n```\n"
MUCH_CODE = "```python\n" + "x = 1\n" * 1_800 + "```\n"  # 10,800 characters
N = 200_000
HOSTILE = {
    "brackets": "[" * N,
    "links": "[a](b) " * (N // 7),
    "nested links": "[a" * (N // 2),
    "stars": "*a " * (N // 3),
    "fences": "```py\n```\n" * (N // 10),
    "lists": "- a\n" * (N // 4),
    "quotations": "> a\n" * (N // 4),
    "nested quotations": "".join(">" * n + "a\n" for n in range(1, 600)),
    "lines": "a\n" * (N // 2),
    "a sparse table": "|" * 600 + "\n" + "|-" * 600 + "|\n" + "|a\n" * 60_000,
    "a long table": "|a|b|\n|-|-|\n" + "|1|2|\n" * (N // 6),
    "names": "__a" * (N // 3),
    "backslashes": "\\a\\*" * (N // 4),
    "slashes": "/" * N,
    "spaces": "a" + " " * (N - 2) + "a",
    "drawings": "/\\__\n|  |\n\n" * (N // 11),
    "lexer c": "```c\n" + "\n" * 19_000 + "```",
    "lexer html": "```html\n" + "<!--" * 4_900 + "```",
    "lexer of Angular": "```ng2\n" + "(" * 19_000 + "```",
    "lexer of make": "```make\n" + "(" * 19_000 + "```",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_takes_little_time(name: str) -> None:
    start = time.process_time()
    rendered = render_text(HOSTILE[name])
    assert time.process_time() - start < 3  # a bound for the slowest machine, not a measure
    assert rendered.html


def test_a_page_of_hostile_texts_takes_little_time() -> None:
    texts = [f"{n}\n" + "[" * (MAX_MARKUP - 2) for n in range(9)]
    start = time.process_time()
    rendered = render_texts(texts)
    assert time.process_time() - start < 5
    plain = [text.remark for text in rendered].count(Remark.PLAIN)
    assert plain == 9 - MAX_PAGE_MARKUP // MAX_MARKUP


def test_text_with_too_much_markdown_is_shown_as_written_with_a_remark() -> None:
    rendered = render_text("**a** <b>\n" + "[" * MAX_MARKUP)
    assert rendered.remark == Remark.PLAIN
    assert rendered.html.startswith('<pre class="plain">**a** &lt;b&gt;')


def test_other_texts_of_the_page_stay_formatted() -> None:
    hostile, ordinary = render_texts(["[" * N, "**a**"])
    assert (hostile.remark, ordinary.html) == (Remark.PLAIN, "<p><strong>a</strong></p>\n")


def test_all_code_of_a_page_is_highlighted_or_none() -> None:
    assert all('class="k"' in text.html for text in render_texts([CODE, "none", CODE])[::2])
    assert all("<span" not in text.html for text in render_texts([MUCH_CODE, CODE, MUCH_CODE]))
    assert "<span" not in render_text(CODE * 101).html


def test_code_in_other_languages_costs_nothing() -> None:
    other = MUCH_CODE.replace("python", "brainfuck")
    assert 'class="k"' in render_texts([other, other, CODE])[2].html


def test_code_that_takes_too_long_is_plain() -> None:
    highlighter = Highlighter()
    assert "<span" not in highlighter.highlight("\n" * 19_000 + "int x;", "c")
    assert highlighter.seconds > MAX_SECONDS
    assert highlighter.highlight("int x;", "c") == "int x;"


def test_common_languages_are_highlighted_by_the_names_that_people_use() -> None:
    common = "bash c cpp csharp css diff go html java javascript js json kotlin php py python"
    assert set(f"{common} ruby rust sh sql swift ts typescript xml yaml".split()) <= ALIASES


def test_what_was_rendered_is_kept_up_to_a_size() -> None:
    kept = Kept(limit=25)
    for number in range(4):
        kept.put((bytes([number]), True), format_now(f"{number}", coloured=True))  # 9 characters
        kept.get((b"\0", True))
    assert [number for number in range(4) if kept.get((bytes([number]), True))] == [0, 3]
    assert kept.size == 18


def test_the_same_text_is_rendered_once() -> None:
    first: RenderedText = render_text("once")
    assert render_text("once") is first


def test_messages_and_responses_have_keys_for_their_sources() -> None:
    messages = [{"role": "user", "content": "*Hi*\r\n"}, {"role": "assistant", "content": "Ho"}]
    shown, responses = render_prompt(messages, ["_a_", "b"])
    assert [message["key"] for message in shown] == ["message-1", "message-2"]
    assert responses[0].html == "<p><em>a</em></p>\n"
    assert sources(messages, {"A": "_a_"}) == {
        "message-1": "*Hi*\r\n",
        "message-2": "Ho",
        "A": "_a_",
    }
