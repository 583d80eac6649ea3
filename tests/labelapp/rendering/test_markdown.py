"""Text: Markdown from strangers as HTML that is safe to show."""

import re
import time

import pytest
from django.utils.html import escape

from labelapp.rendering.markdown import count_words
from labelapp.rendering.math import to_mathml
from labelapp.rendering.texts import MAX_MARKDOWN, render_text


def render(text: str) -> str:
    return str(render_text(text).html)


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


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("[click](//evil.invalid/x)", 'href="https://evil.invalid/x"'),
        ("[click](https://evil.invalid/x)", '<span class="host">evil.invalid</span>'),
        ("[https://bank.example](https://evil.invalid/)", '<span class="host">evil.invalid</span>'),
        ("[bank.example](https://bank.example@evil.invalid/)", ">evil.invalid</span>"),
        ("[evil.invalid.bank.example](https://evil.invalid/)", ">evil.invalid</span>"),
        ("[write](mailto:a@b.example)", '<span class="host">a@b.example</span>'),
        ("[x](https://b\u00fccher.example/)", ">xn--bcher-kva.example</span>"),
    ],
)
def test_a_link_says_where_it_leads(markdown: str, html: str) -> None:
    assert html in render(markdown)


@pytest.mark.parametrize(
    "markdown",
    [
        "<https://example.org/a>",
        "[example.org](https://www.example.org/a)",
        "[see **www.example.org**](https://example.org)",
        "[relative](relative)",
    ],
)
def test_a_link_that_names_its_host_is_left_alone(markdown: str) -> None:
    assert "host" not in render(markdown)


def test_links_tell_nothing_of_where_they_are_opened_from() -> None:
    html = render("[site](https://example.org)")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


@pytest.mark.parametrize("href", ["/admin/", "admin", "#top", "http://[::1"])
def test_a_link_into_podium_itself_is_a_text(href: str) -> None:
    assert "href=" not in render(f"[own]({href})")


def test_a_huge_text_is_shown_as_it_is() -> None:
    html = render("**x** <b>" + "y" * MAX_MARKDOWN)
    assert html.startswith('<pre class="plain">**x** &lt;b&gt;')


def test_words_are_counted() -> None:
    assert count_words(" one  two\nthree ") == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("天空是蓝色的。", 6),
        ("空は、青い", 4),
        ("カタカナ", 4),
        ("用 Python 写的 code", 5),
        ("「天空」", 2),
        ("하늘은 파랗다", 2),  # Korean has spaces
    ],
)
def test_chinese_and_japanese_characters_count_as_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "Euler: $e^{i\\pi} + 1 = 0$.",
        "Euler: \\(e^{i\\pi} + 1 = 0\\).",
        "Euler: $$e^{i\\pi} + 1 = 0$$",
        "\\[\ne^{i\\pi}\n+ 1 = 0\n\\]",
        "$$\ne^{i\\pi} + 1 = 0\n$$",
        "\\begin{align*}\ne^{i\\pi} + 1 &= 0\n\\end{align*}",
        "1. So:\n   \\[ e^{i\\pi} + 1 = 0 \\]\n2. Done.",
        "So:\n\\[\ne^{i\\pi} + 1 = 0\n\\]\nDone.",
        "> $$e^{i\\pi} + 1 = 0$$",
        "the $\\pi$th one",
    ],
)
def test_a_formula_becomes_mathml(text: str) -> None:
    html = render(text)
    assert html.count("<math") == 1
    assert "<mi>π</mi>" in html
    assert "$" not in html.replace("alttext", "")
    assert "<ul>" not in html


def test_a_formula_of_its_own_is_set_larger_than_one_in_a_line() -> None:
    assert 'display="block"' in render("$$x^2$$")
    assert 'display="inline"' in render("so $x^2$ is")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "It costs $5 or 10$ more.",
        "From US$5 to A$6, or 5$ and 10$.",
        "$20 → $30; $5/month, ~$10/month",
        "**$5** and **$10**",
        "echo $HOME/$PATH and $a=$b;",
        "cheap $, dear $$ and dearest $$$",
        "the $$–$$$ range",
        "\\$5 and \\$10",
        "Tom \\[citation needed\\] said so",
        "`$x^2$`",
        "```\n$x^2$\n```",
        "    $x^2$",
        "not closed: $x^2 or \\(x^2 or \\[x^2 or $$x^2",
    ],
)
def test_prices_code_and_loose_signs_make_no_formula(text: str) -> None:
    assert "<math" not in render(text)


def test_markdown_between_two_prices_is_kept() -> None:
    assert "<strong>or</strong>" in render("It costs $5 **or** 10$ more.")


@pytest.mark.parametrize("wrong", ["\\frac{1}", "x^", "\\left( x", "}{", "\\begin{matrix} x"])
def test_a_wrong_formula_is_shown_as_it_was_written(wrong: str) -> None:
    html = render(f"so ${wrong}$ is")
    assert wrong in html or "<math" in html
    assert html.startswith("<p>so ")
    assert html.endswith(" is</p>\n")


def test_a_formula_that_cannot_be_read_keeps_its_delimiters() -> None:
    assert "<code>$\\frac{1}$</code>" in render("so $\\frac{1}$ is")
    assert "<code>$\\ce{H2O}$</code>" in render("so $\\ce{H2O}$ is")


VALID = [
    r"\frac{1}{2}",
    r"\binom{n}{k} + \sqrt{x}",
    r"\sum_{i=1}^{n} x_{i}^{2}",
    r"\left\{ \frac{a}{b} \right\}",
    r"\begin{cases} x & \text{if } y \\ z & \text{else} \end{cases}",
    r"\overline{a + \mathbf{b}}",
]


@pytest.mark.parametrize("source", VALID)
def test_a_formula_with_a_brace_too_few_or_too_many_is_shown_as_it_was_written(source: str) -> None:
    assert to_mathml(source, display=False)
    for place, sign in enumerate(source):
        is_brace = sign in "{}" and source[place - 1] != "\\"
        if is_brace:
            assert to_mathml(source[:place] + source[place + 1 :], display=False) is None
    for place in range(len(source) + 1):
        for brace in "{}":
            if source[max(0, place - 1) : place] != "\\":
                assert to_mathml(source[:place] + brace + source[place:], display=False) is None


@pytest.mark.parametrize(
    "broken",
    [
        r"\frac{1}{2",
        r"\begin{nothing} a \end{nothing}",
        r"\begin{matrix} a \end{pmatrix}",
        r"{\begin{matrix} a } \end{matrix}",
        r"a & b",
        r"a # b",
    ],
)
def test_what_latex_refuses_is_shown_as_it_was_written(broken: str) -> None:
    assert f"<code>${escape(broken)}$</code>" in render(f"so ${broken}$ is")


@pytest.mark.parametrize(
    "name", ["align*", "aligned", "alignedat", "alignat", "eqnarray", "split", "matrix"]
)
def test_columns_of_an_environment_are_columns(name: str) -> None:
    count = "{2}" if name.endswith("at") else ""
    formula = to_mathml(rf"\begin{{{name}}}{count} a &= b \\ c &= d \end{{{name}}}", display=True)
    assert formula is not None
    assert "<mtable" in formula
    assert "&amp;" not in formula.partition(">")[2]
    assert "<mn>2" not in formula


def test_escaped_signs_are_no_columns() -> None:
    assert to_mathml(r"a \& b \# c \$", display=False)


HUGE = {
    "long": "$" + "x+" * 50_000 + "x$",
    "deep": "$" + "\\frac{1}{" * 200 + "x" + "}" * 200 + "$",
    "without braces": "$" + "\\sqrt" * 390 + "x$",
    "many": "$x_1$ " * 20_000,
    "openings": "\\(" * 50_000,
    "dollars": "$x" * 50_000,
    "displays": "$$\n" * 30_000,
    "environments": "\\begin{align}\n" * 7_000,
    "rows": "$$\\begin{matrix}" + "\\\\" * 900 + "\\end{matrix}$$",
}


@pytest.mark.parametrize("name", HUGE)
def test_a_hostile_formula_takes_little_time(name: str) -> None:
    start = time.process_time()
    html = render(HUGE[name])
    assert time.process_time() - start < 5  # a bound for the slowest machine, not a measure
    assert html


@pytest.mark.parametrize(
    "hostile",
    [
        "$\\text{<script>alert(1)</script>}$",
        "$\\text{&lt;img src=x onerror=alert(1)&gt;}$",
        "$\\href{javascript:alert(1)}{x}$",
        "$\\style{color:red}{x}$",
        "$\\class{chip}{x}$",
        "$\\unicode{x3c}script$",
        '$\\mathrm{" onclick="alert(1)}$',
        "$\\color{red}{x}$",
    ],
)
def test_a_hostile_formula_makes_no_live_element(hostile: str) -> None:
    html = re.sub(r'alttext="[^"]*"', "", render(hostile)).lower()
    for live in ("<script", "<img", "href=", "style=", 'class="chip', 'onclick="', "mathcolor"):
        assert live not in html


def test_a_formula_cannot_push_itself_over_the_page() -> None:
    html = render("$x\\hspace{-90em}y\\hspace{1em}z$")
    assert "90em" not in re.sub(r'alttext="[^"]*"', "", html)
    assert 'width="1em"' in html


def test_a_table_stands_in_a_box_that_scrolls() -> None:
    assert '<div class="table-box"><table>' in render("|a|b|\n|-|-|\n|1|2|")


def test_a_column_of_a_table_is_aligned_as_written() -> None:
    assert '<td align="right">2</td>' in render("|a|b|\n|-|-:|\n|1|2|")
