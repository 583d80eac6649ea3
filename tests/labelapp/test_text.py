"""Text: Markdown from strangers as HTML that is safe to show."""

import pytest

from labelapp.text import MAX_MARKDOWN, count_words, render


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**bold** and `code`", "<p><strong>bold</strong> and <code>code</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("~~gone~~", "<p><s>gone</s></p>"),
        ("|a|b|\n|-|-|\n|1|2|", "<td>1</td>"),
        ("3. third", '<ol start="3">'),
    ],
)
def test_markdown_is_shown_as_meant(markdown: str, html: str) -> None:
    assert html in render(markdown)


def test_code_is_highlighted_with_class_names_only() -> None:
    html = render("```python\nif x:\n    pass\n```")
    assert '<span class="k">if</span>' in html
    assert "style=" not in html


def test_an_unknown_language_is_shown_plain() -> None:
    assert "&lt;b&gt;" in render("```nonsense\n<b>\n```")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<style>body{display:none}</style>",
        "<iframe src=//evil.example>",
        "![x](https://evil.example/pixel.png)",
        "```html\n<script>alert(1)</script>\n```",
        "<svg/onload=alert(1)>",
    ],
)
def test_hostile_text_makes_no_live_element(hostile: str) -> None:
    html = render(hostile).lower()
    for live in (
        "<script",
        "<img",
        "<style",
        "<iframe",
        "<svg",
        "<a onclick",
        'href="javascript',
        'href="data',
    ):
        assert live not in html


def test_links_tell_nothing_of_where_they_are_opened_from() -> None:
    html = render("[site](https://example.org)")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


def test_a_huge_text_is_shown_as_it_is() -> None:
    html = render("**x** <b>" + "y" * MAX_MARKDOWN)
    assert html.startswith("<pre>**x** &lt;b&gt;")


def test_words_are_counted() -> None:
    assert count_words(" one  two\nthree ") == 3
