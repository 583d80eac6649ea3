"""The beginnings of texts in lists."""

import pytest

from labelapp.rendering.excerpts import excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Proof.** Let\nus `see`.", "Proof. Let us see."),
        ("- one\n- two", "one two"),
        ("| a | b |\n|---|---|\n| c | d |", "a b c d"),
        ("see [this](https://example.org)", "see this"),
        ("1 < 2 & <b>3</b>", "1 < 2 & <b>3</b>"),
        ("$x^2$ is it", "x2 is it"),
        ("", ""),
    ],
)
def test_an_excerpt_is_plain_text(text: str, shown: str) -> None:
    assert excerpt(text) == shown


def test_a_long_text_ends_with_an_ellipsis() -> None:
    assert excerpt("word " * 100, length=9) == "word word…"
    assert excerpt("**" + "word " * 1000 + "**").endswith("…")
    assert excerpt("short") == "short"
