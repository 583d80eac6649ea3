"""Characters that Markdown would drop although they are meant."""

import re
from collections import Counter
from html import unescape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelapp.rendering.texts import Remark, render_text


def shown(text: str) -> str:
    """Return the text that a reader sees: that of the HTML, with its spaces collapsed."""
    html = re.sub(r"<br>\n|</(?:p|li|h\d|blockquote)>\n", "\n", render_text(text).html)
    return unescape(re.sub(r"<[^>]*>", "", html)).strip("\n")


LITERAL = [
    "x*2*3 and 2**3**4",
    "a*(b)*c*(d)",
    "f(*args, **kwargs) = x**2",
    "__init__ and **kwargs and *args",
    "__all__ = [__name__]",
    "C:\\new\\_files\\*.log and \\\\server\\share",
    "^\\[a-z\\]+\\.txt$",
    "Use \\(\\d{3}\\) \\d{3}-\\d{4}",
    "\\[a-z\\]",
    "¯\\_(ツ)_/¯",
    "curl -s \\\nlocalhost",
    "&lt;b&gt; &amp;lt; &nbsp;x",
    "4 <!-- a remark -->",
    "<think>\nTwo\n</think>\n4",
    ">>> print(1)",
    ">= 5",
    "[1]: https://example.org",
    "[^1]: a note",
    "setext\n===",
    "def f(x):\n    # comment\n    return x*2*3",
    "line one\n  line two",
    "  art |\\_/|",
    "a\tb\n1\t2",
    "wide   spaces",
    "+---+---+\n| a | b |\n+---+---+",
    " /\\_/\\\n( o.o )\n > ^ <",
    "src\n├── a.py\n│   └── b.py\n└── c.py",
    "a % of $x % y$",
]


@pytest.mark.parametrize("text", LITERAL)
def test_what_is_written_is_shown(text: str) -> None:
    assert shown(text) == text
    assert render_text(text).remark == Remark.NONE


WORDS = st.text(
    st.characters(categories=["L", "N"], include_characters=" ,;?'%@/\n"),
    max_size=200,
)


@given(WORDS)
@example("two  spaces\n\n\nthree")
@settings(max_examples=300)
def test_text_without_markdown_is_shown_as_it_is(text: str) -> None:
    rendered = render_text(text)
    assert shown(text).split() == text.split()
    assert rendered.remark in (Remark.NONE, Remark.INVISIBLE)


@given(st.text("abcde *_#>|-[]()\\\n+=<!:.&;$", max_size=80))
@example("|a|b|\n|-|-|\n|a|b|c|")
@settings(max_examples=500)
def test_no_letter_gets_lost_in_silence(text: str) -> None:
    rendered = render_text(text)
    if rendered.remark == Remark.NONE:
        hidden = re.findall(r'(?:href|alttext)="([^"]*)"', rendered.html)
        seen = Counter(re.sub(r"<[^>]*>", "", rendered.html) + "".join(hidden))
        assert [sign for sign in (Counter(text) - seen) if sign.isalpha()] == []


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**bold**, *italic* and ***both***", "<strong>bold</strong>, <em>italic</em>"),
        ("这是**重点**吧", "<strong>重点</strong>"),
        ("이것은 **단어**는", "<strong>단어</strong>"),
        ("__Note__: _so_", "<strong>Note</strong>: <em>so</em>"),
        ("snake\\_case", "<p>snake_case</p>"),
        ("\\*not bold\\*", "<p>*not bold*</p>"),
        ("> quoted", "<blockquote>"),
        ("a\n---\nb", "<hr>"),
        ("3. x\n5. y", '<ol start="3">\n<li>x</li>\n<li value="5">y</li>'),
        ("1. a\n1. b", '<li value="1">b</li>'),
        ("2) a", '<ol start="2" class="bracket">'),
        ("- a\n  1. b\n  3. c\n- d", '<li value="3">c</li>'),
    ],
)
def test_formatting_is_shown_without_a_remark(markdown: str, html: str) -> None:
    rendered = render_text(markdown)
    assert html in rendered.html
    assert rendered.remark == Remark.NONE


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\n- **a**\n* b\n+ c\n\n```python\nx = 1\n```\n\n| a | b |\n|---|:-:|\n| 1 | 2 |",
        "[site](https://example.org/a%20b) and <https://example.org> ~~gone~~ `code`",
        "So $x^2$, \\(y\\) and\n\n$$z = \\frac{1}{2}$$",
        "10. ten\n11. eleven",
        "emoji 👨‍👩‍👧 👍🏽 🏴󠁧󠁢󠁥󠁮󠁧󠁿 and نمی‌خواهم",
    ],
)
def test_ordinary_formatting_needs_no_remark(text: str) -> None:
    assert render_text(text).remark == Remark.NONE


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("2 *3* 4", Remark.FORMATTING),
        ("01. one", Remark.FORMATTING),
        ("```python title=x\nx\n```", Remark.FORMATTING),
        ('[a](https://example.org "a title")', Remark.FORMATTING),
        ("zero\u200bwidth", Remark.INVISIBLE),
        ("abc \u202egnp.exe\u202c def", Remark.INVISIBLE),
        ("soft\u00adhyphen", Remark.INVISIBLE),
        ("\ufeffmark", Remark.INVISIBLE),
        ("hid\U000e0041den", Remark.INVISIBLE),
    ],
)
def test_what_gets_lost_is_remarked_on(text: str, remark: Remark) -> None:
    assert render_text(text).remark == remark


@pytest.mark.parametrize("text", ["|a|b|\n|-|-|\n|1|2|3|", "- " * 30 + "x", "> " * 30 + "x"])
def test_text_whose_letters_would_get_lost_is_shown_as_written(text: str) -> None:
    rendered = render_text(text)
    assert rendered.remark == Remark.PLAIN
    assert shown(text) == text


@pytest.mark.parametrize(
    "link",
    [
        "[x](https://b\u00fccher.example/\u00fc)",
        "[x](<//a.example/b c>)",
        "<https://a.example/\u00fc>",
    ],
)
def test_a_link_in_another_alphabet_stays_a_link(link: str) -> None:
    assert "<a href=" in render_text(link).html


def test_drawings_are_shown_in_columns_but_tables_are_tables() -> None:
    assert '<pre class="drawing">' in render_text("+---+\n| a |\n+---+").html
    assert "<table>" in render_text("| a | b |\n|---|---|\n| + | - |").html
    assert "<li>" in render_text("- **A**\n- **B**").html
