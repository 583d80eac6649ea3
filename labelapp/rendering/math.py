r"""A markdown-it plugin that renders LaTeX as MathML: $, $$, \( \), \[ \] and \begin.

Formulas are untrusted. One that is too long, nested too deeply or invalid is shown as it was
written, and the MathML passes the allow-list of labelapp/rendering/markdown.py.
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

# Formulas beyond these limits are shown as they were written. Real ones stay far below.
MAX_FORMULA = 2_000  # characters
MAX_DEPTH = 30  # nested braces
MAX_TOTAL = 20_000  # characters of all formulas in one text

TOKEN_TAGS = {"mi", "mn", "mo", "ms", "mtext", "mspace"}
LAYOUT_TAGS = {"math", "mrow", "mfrac", "msqrt", "mroot", "mstyle", "mpadded", "mphantom"}
SCRIPT_TAGS = {"msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts"}
TABLE_TAGS = {"mtable", "mtr", "mtd", "menclose"}
TAGS = TOKEN_TAGS | LAYOUT_TAGS | SCRIPT_TAGS | TABLE_TAGS

OPERATOR_ATTRIBUTES = {"stretchy", "fence", "form", "separator", "largeop", "movablelimits"}
LENGTHS = {"width", "height", "depth", "lspace", "rspace", "minsize", "maxsize", "linethickness"}
ATTRIBUTES: dict[str, set[str]] = {
    "math": {"display", "alttext"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mo": OPERATOR_ATTRIBUTES
    | {"symmetric", "accent", "mathvariant", "lspace", "rspace", "minsize", "maxsize"},
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

# Elements that MathML defines for exactly this number of children.
CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3}
CHILDREN |= {"munder": 2, "mover": 2, "munderover": 3}

# A length, as in \hspace: less than ten units forwards or two backwards.
LENGTH = re.compile(r"(-[01]?(\.\d+)?|\d?(\.\d+)?)(em|ex|mu|pt|px|mm|cm)?")

CLOSING = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
# A formula in dollars, such as "the $n$th", but no prices: "$5 and $10", "US$5", "5$".
DOLLARS = re.compile(
    rf"(?<![\w$])\$(?P<source>(?! )(?:[^$\\]|\\.){{1,{MAX_FORMULA}}}(?<!\s))\$"
    r"(?:(?=(?:th|st|nd|rd|s)\b)|(?![\w$]))",
    re.DOTALL,
)
ENVIRONMENT = re.compile(r"\\begin\{((?:equation|align|alignat|gather|multline|eqnarray)\*?)\}")

# Environments that are shown as they mean to be: tables, and those that only give a number.
ENVIRONMENTS = {"array", "cases", "matrix", "smallmatrix", "pmatrix", "bmatrix", "Bmatrix"}
ENVIRONMENTS |= {"vmatrix", "Vmatrix", "align", "split", "gathered", "equation", "gather"}
ENVIRONMENTS |= {"multline", "displaymath", "math", "dcases", "rcases"}
# What the converter does not know, or not with its columns: to a reader it is the same as a split.
ALIGNED = re.compile(
    r"\\(begin|end)\{(?:aligned|alignedat|alignat\*?|eqnarray\*?)\}"
    r"(?:(?<=at\})\s*\{\d+\}|(?<=at\*\})\s*\{\d+\})?"
)
OPENED_OR_CLOSED = re.compile(r"\\(begin|end)\s*\{([^{}]*)\}|\\.|([{}])", re.DOTALL)

SIGN = re.compile(r"[\\^_=<>+*/|{}]|\S\s*[-−–]\s*\S")
COMMAND = re.compile(r"\\[A-Za-z]+(\{[^{}]*\})?")
COMMENT = re.compile(r"(?<!\\)%")  # the rest of the line would be lost
WORD = re.compile(r"[^\W\d_]{2,}")

# Parts of regular expressions: a shorthand such as \d, a repeated dot, a class of characters.
PATTERN_PART = re.compile(r"\\[dDwWsS](?![A-Za-z])|\.[*+]|\[\^?\w-\w")
CHARACTER_CLASS = re.compile(r"\^?[\w.]*(?:a-z|A-Z|0-9)[\w.-]*")


def formulas_plugin(markdown: MarkdownIt) -> None:
    """Add the rules for formulas to a Markdown parser."""
    markdown.inline.add_terminator_char("$")
    markdown.inline.ruler.before("escape", "formula_inline", find_in_line)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "formula", find_block, {"alt": interrupts})
    markdown.add_render_rule("formula", render_token)
    markdown.add_render_rule("formula_inline", render_token)


def may_contain_formula(text: str) -> bool:
    """Return False for text without a delimiter of formulas, which is most text."""
    return "$" in text or "\\(" in text or "\\[" in text or "\\begin" in text


def is_formula(source: str, display: bool) -> bool:
    """Return True if the source looks like mathematics rather than prose between two prices."""
    words = WORD.findall(COMMAND.sub(" ", source))
    if source[:1].isdigit() and words and "\\" not in source:
        return False
    if SIGN.search(source) is None:
        if not any(letter.isalnum() for letter in source):
            return False
        return not words or (not display and len(words) == 1 and len(words[0]) <= 4)
    return len(words) <= 3 or "\\" in source


def find_in_line(state: StateInline, silent: bool) -> bool:
    """Parse a formula that begins at the parser's position: the inline rule."""
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
    """Return the source, the end and the display mode of the formula that begins at `start`."""
    opening = text[start : start + 2]
    if opening in CLOSING:
        begin, bound = start + 2, start + 4 + MAX_FORMULA
        end = text.find(CLOSING[opening], begin, bound)
        display = opening != r"\("
        if end < 0 or not is_formula(text[begin:end].strip(), display):
            return None
        around = text[max(0, start - 1) : start], text[end + 2 : end + 3]
        if opening != "$$" and is_pattern(text[begin:end], *around):
            return None
        if opening == "$$" and (is_word(text, start - 1) or is_word(text, end + 2)):
            return None
        return text[begin:end].strip(), end + 2, display
    if opening[:1] == "$" and (match := DOLLARS.match(text, start)):
        source = match["source"]
        return (source, match.end(), False) if is_formula(source, display=False) else None
    return None


def is_pattern(source: str, before: str = "", after: str = "") -> bool:
    """Return True if escaped brackets and what is around them are of a regular expression."""
    if before == "^" or after in ("*", "+", "?", "{"):
        return True
    return bool(CHARACTER_CLASS.fullmatch(source) or PATTERN_PART.search(source))


def is_word(text: str, index: int) -> bool:
    """Return True if the character at `index` belongs to a word."""
    return 0 <= index < len(text) and (text[index].isalnum() or text[index] in "$_")


def find_block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Parse a formula on one or more lines of its own: the block rule."""
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
        return False  # a quick check before reading line by line
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
    if closing == r"\]" and is_pattern(source):
        return False
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
    """Return a line without its indentation."""
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].rstrip()


def render_token(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    env: EnvType,
) -> str:
    """Render a formula as MathML, or its source as code if it cannot be converted."""
    token = tokens[index]
    display = token.meta["display"]
    env["formulas"] = env.get("formulas", 0) + len(token.content)
    mathml = to_mathml(token.content, display) if env["formulas"] <= MAX_TOTAL else None
    if mathml:
        env.setdefault("shown_formulas", []).append(token.info)
    inside = mathml or f"<code>{escape(token.info)}</code>"
    long = "" if display or len(token.content) <= 40 else " long"
    span = f'<span class="formula{" display" if display else long}">{inside}</span>'
    return f"<p>{span}</p>\n" if token.block else span


@lru_cache(maxsize=4096)
def to_mathml(source: str, display: bool) -> str | None:
    """Return a formula as MathML, or None if it exceeds the limits or cannot be converted."""
    if len(source) > MAX_FORMULA or depth(source) > MAX_DEPTH or COMMENT.search(source):
        return None
    if not is_closed(known := ALIGNED.sub(r"\\\1{split}", source)):
        return None
    try:
        math = convert_to_element(known, display="block" if display else "inline")
        math.set("alttext", source)
        if not all(is_converted(element) for element in math.iter()) or has_stray(math, known):
            return None
        for element in math.iter():
            clean(element)
        return tostring(math, encoding="unicode")
    except Exception:  # noqa: BLE001 - the converter raises all kinds of errors for invalid LaTeX
        return None


def depth(source: str) -> int:
    """Return how deeply the braces of a formula are nested."""
    deepest = level = 0
    for sign in re.findall(r"\\.|[{}]", source):
        level += {"{": 1, "}": -1}.get(sign, 0)
        deepest = max(deepest, level)
    return deepest


def is_closed(source: str) -> bool:
    """Return True if braces and environments are closed, in order, and the environments known."""
    opened: list[str] = []
    for begin_or_end, environment, brace in OPENED_OR_CLOSED.findall(source):
        if begin_or_end == "begin" or brace == "{":
            if begin_or_end and environment.removesuffix("*") not in ENVIRONMENTS:
                return False
            opened.append(environment or brace)
        elif (begin_or_end or brace) and (not opened or opened.pop() != (environment or "{")):
            return False
    return not opened


def has_stray(math: Element, source: str) -> bool:
    """Return True for a sign that LaTeX refuses where it is: & outside a table, #, or a dollar."""
    letters = [html.unescape(element.text or "") for element in math.iter("mi")]
    return any(letters.count(sign) > source.count(f"\\{sign}") for sign in "&#$")


def is_converted(element: Element) -> bool:
    """Return False for an unknown LaTeX command or an element with too few children."""
    unknown = element.tag == "mi" and (element.text or "").startswith("\\")
    return not unknown and len(element) == CHILDREN.get(element.tag, len(element))


def clean(element: Element) -> None:
    """Replace character references such as &#x3C; by their text, and remove excessive lengths."""
    if element.text:
        element.text = html.unescape(element.text)
    if element.tag == "mi" and element.text in {"±", "∓"}:
        element.tag = "mo"  # latex2mathml makes it an identifier, without space around it
    for name in LENGTHS & element.attrib.keys():
        value: Any = element.attrib[name]
        if not LENGTH.fullmatch(value):
            del element.attrib[name]
