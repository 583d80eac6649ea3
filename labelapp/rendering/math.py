r"""LaTeX between the delimiters that people and models use, as MathML: $, $$, \( \), \[ \], \begin.

A plugin for markdown-it. Formulas come from strangers: one that is too long, too deep or wrong is
shown as it was written, and what comes out still passes the allow-list of
labelapp/rendering/markdown.py.
"""

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element, tostring

from django.utils.html import escape
from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# Past these a formula is shown as it was written. Real ones stay far below them.
MAX_FORMULA = 2_000  # characters
MAX_DEPTH = 30  # braces within braces
MAX_TOGETHER = 20_000  # characters of all formulas of one text

TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot"),
    *("mstyle", "mpadded", "mphantom", "msub", "msup", "msubsup", "munder", "mover"),
    *("munderover", "mmultiscripts", "mtable", "mtr", "mtd", "menclose"),
}
LENGTHS = {"width", "height", "depth", "lspace", "rspace", "minsize", "maxsize", "linethickness"}
ATTRIBUTES: dict[str, set[str]] = {
    "math": {"display", "alttext"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mo": {
        *("stretchy", "fence", "form", "separator", "largeop", "movablelimits", "symmetric"),
        *("accent", "mathvariant", "lspace", "rspace", "minsize", "maxsize"),
    },
    "mtext": {"mathvariant"},
    "mfrac": {"linethickness"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mspace": {"width", "height", "depth"},
    "mpadded": {"width", "height", "depth"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mtd": {"columnalign"},
    "mtable": {"columnalign"},
    "menclose": {"notation"},
}

# How many children these must have, to be shown as meant.
CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3}
CHILDREN |= {"munder": 2, "mover": 2, "munderover": 3}

# What \hspace and its like may ask for: less than ten units forwards, less than two back.
LENGTH = re.compile(r"(-[01]?(\.\d+)?|\d?(\.\d+)?)(em|ex|mu|pt|px|mm|cm)?")

CLOSING = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
# A price is none: "$5 and $10", "US$5", "5$". But "the $n$th" is one.
DOLLARS = re.compile(
    rf"(?<![\w$])\$(?P<source>(?! )(?:[^$\\]|\\.){{1,{MAX_FORMULA}}}(?<!\s))\$"
    r"(?:(?=(?:th|st|nd|rd|s)\b)|(?![\w$]))",
    re.DOTALL,
)
ENVIRONMENT = re.compile(r"\\begin\{((?:equation|align|alignat|gather|multline|eqnarray)\*?)\}")

SIGN = re.compile(r"[\\^_=<>+*/|{}]|\S\s*[-−–]\s*\S")
COMMAND = re.compile(r"\\[A-Za-z]+(\{[^{}]*\})?")
WORD = re.compile(r"[^\W\d_]{2,}")


def formulas_plugin(markdown: MarkdownIt) -> None:
    markdown.inline.add_terminator_char("$")
    markdown.inline.ruler.before("escape", "formula_inline", find_in_line)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "formula", find_block, {"alt": interrupts})
    markdown.add_render_rule("formula", render_token)
    markdown.add_render_rule("formula_inline", render_token)


def may_hold(text: str) -> bool:
    """Whether it is worth looking for formulas: cheap, and false for most texts."""
    return "$" in text or "\\(" in text or "\\[" in text or "\\begin" in text


def is_formula(source: str, display: bool) -> bool:
    """Whether this looks like mathematics, and not like prose between two prices."""
    words = WORD.findall(COMMAND.sub(" ", source))
    if source[:1].isdigit() and words and "\\" not in source:
        return False
    if SIGN.search(source) is None:
        if not any(letter.isalnum() for letter in source):
            return False
        return not words or (not display and len(words) == 1 and len(words[0]) <= 4)
    return len(words) <= 3 or "\\" in source


def find_in_line(state: StateInline, silent: bool) -> bool:
    """The inline rule: a formula that begins where the parser stands."""
    found = formula_at(state.src, state.pos)
    if found is None or found[1] > state.posMax:
        return False
    source, end, display = found
    if not silent:
        token = state.push("formula_inline", "math", 0)
        token.content, token.info = source, state.src[state.pos : end]
        token.meta = {"display": display}
    state.pos = end
    return True


def formula_at(text: str, start: int) -> tuple[str, int, bool] | None:
    """The source of the formula that begins here, where it ends, whether it stands by itself."""
    opening = text[start : start + 2]
    if opening in CLOSING:
        begin, bound = start + 2, start + 4 + MAX_FORMULA
        end = text.find(CLOSING[opening], begin, bound)
        display = opening != r"\("
        if end < 0 or not is_formula(text[begin:end].strip(), display):
            return None
        if opening == "$$" and (is_word(text, start - 1) or is_word(text, end + 2)):
            return None
        return text[begin:end].strip(), end + 2, display
    if opening[:1] == "$" and (match := DOLLARS.match(text, start)):
        source = match["source"]
        return (source, match.end(), False) if is_formula(source, display=False) else None
    return None


def is_word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] in "$_")


def find_block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """The block rule: a formula over one or several lines, which nothing else shares."""
    if state.is_code_block(first):
        return False
    opening = line(state, first)
    if (environment := ENVIRONMENT.match(opening)) is not None:
        begin, closing = 0, rf"\end{{{environment[1]}}}"
    elif (closing := CLOSING.get(opening[:2], "")) and opening[:2] != r"\(":
        begin = 2
    else:
        return False
    if (
        state.src.find(closing, state.bMarks[first] + begin, state.bMarks[first] + 2 * MAX_FORMULA)
        < 0
    ):
        return False  # before the lines are looked at one by one
    lines = [opening[begin:]]
    length = 0
    while closing not in lines[-1]:
        following = first + len(lines)
        if following >= last or state.sCount[following] < state.blkIndent:
            return False
        lines.append(line(state, following))
        length += len(lines[-1])
        if not lines[-1] or length > MAX_FORMULA:
            return False
    source, _, rest = "\n".join(lines).partition(closing)
    if rest.strip() or not is_formula(source.strip(), display=True):
        return False
    if silent:
        return True
    token = state.push("formula", "math", 0)
    token.info = opening[:begin] + source + closing
    token.content = token.info if environment else source.strip()
    token.meta = {"display": True}
    token.block = True
    token.map = [first, first + len(lines)]
    state.line = first + len(lines)
    return True


def line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].rstrip()


def render_token(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    env: EnvType,
) -> str:
    token = tokens[index]
    display = token.meta["display"]
    env["formulas"] = env.get("formulas", 0) + len(token.content)
    mathml = to_mathml(token.content, display) if env["formulas"] <= MAX_TOGETHER else None
    inside = mathml or f"<code>{escape(token.info)}</code>"
    long = "" if display or len(token.content) <= 40 else " long"
    span = f'<span class="formula{" display" if display else long}">{inside}</span>'
    return f"<p>{span}</p>\n" if token.block else span


@lru_cache(maxsize=4096)
def to_mathml(source: str, display: bool) -> str | None:
    """MathML of a formula; None for one that cannot be, or is not to be, converted."""
    if len(source) > MAX_FORMULA or depth(source) > MAX_DEPTH:
        return None
    try:
        math = convert_to_element(source, display="block" if display else "inline")
        math.set("alttext", source)
        if not all(is_understood(element) for element in math.iter()):
            return None
        for element in math.iter():
            clean(element)
        return tostring(math, encoding="unicode")
    except Exception:  # noqa: BLE001 - a wrong formula can break the converter in any way
        return None


def depth(source: str) -> int:
    deepest = now = 0
    for sign in re.findall(r"\\.|[{}]", source):
        now += {"{": 1, "}": -1}.get(sign, 0)
        deepest = max(deepest, now)
    return deepest


def is_understood(element: Element) -> bool:
    """False for a command that the converter does not know, or a fraction of one part."""
    unknown = element.tag == "mi" and (element.text or "").startswith("\\")
    return not unknown and len(element) == CHILDREN.get(element.tag, len(element))


def clean(element: Element) -> None:
    """Text as text (the converter leaves references such as &#x3C; in it), lengths in bounds."""
    if element.text:
        element.text = html.unescape(element.text)
    if element.tag == "mi" and element.text in {"±", "∓"}:
        element.tag = "mo"  # the converter's mistake: set without room around it
    for name in LENGTHS & element.attrib.keys():
        value: Any = element.attrib[name]
        if not LENGTH.fullmatch(value):
            del element.attrib[name]
