"""The beginnings of texts in lists."""

import pytest

from labelapp.rendering.excerpts import excerpt, plain_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Proof.** Let\nus `see`.", "Proof. Let us see."),
        ("- one\n- two", "one two"),
        ("| a | b |\n|---|---|\n| c | d |", "a b c d"),
        ("see [this](https://example.org)", "see this"),
        ("1 < 2 & <b>3</b>", "1 < 2 & <b>3</b>"),
        ("$x^2$ is it", "x2 is it"),
        (
            "Why  is #1 so - well - \u201clow\u201d (5 + 3 = 8)? ",
            "Why is #1 so - well - \u201clow\u201d (5 + 3 = 8)?",
        ),
        ("a\nb\n---", "a b"),
        ("1. one", "one"),
        ("", ""),
    ],
)
def test_an_excerpt_is_plain_text(text: str, shown: str) -> None:
    assert excerpt(text) == shown


@pytest.mark.parametrize(
    "text", ["Why #1 - so?", "e.g. +49 (0)30 = x", "Look: http://a.example/b-c!"]
)
def test_a_text_without_markdown_is_the_same_rendered(text: str) -> None:
    assert plain_text(text) == plain_text(f"{text}\n")  # a line end is never passed over


def test_a_long_text_ends_with_an_ellipsis() -> None:
    assert excerpt("word " * 100, length=9) == "word word…"
    assert excerpt("**" + "word " * 1000 + "**").endswith("…")
    assert excerpt("**a** " * 10, read=12) == "a a…"
    assert excerpt("short") == "short"
