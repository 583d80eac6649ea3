r"""A markdown-it plugin that keeps characters which are syntax in Markdown but seldom meant so.

Responses are full of x*2*3, __init__, C:\new\_files, >>> prompts, drawings made of characters and
lists that begin at any number. Where Markdown would drop such characters, they are shown.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import blockquote as quote_rule
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline import escape as escape_rule
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# Names of Python, such as __init__; no more than 40 characters, so that the search stays linear.
DUNDER = re.compile(r"(?<!\w)__(?=[a-z0-9])[a-z0-9_]{0,40}?[a-z0-9]__(?!\w)")

# Something without spaces in which a backslash is no escape: a path, a regular expression, LaTeX.
NO_ESCAPES = re.compile(
    r"\\[A-Za-z0-9]"  # \new, \d, \alpha
    r"|\\\.\w"  # example\.com
    r"|\\[\])}][+*?{]"  # \]+
    r"|\\\[[^\s\\]*(?:a-z|A-Z|0-9)"  # \[a-z\]
)

NOT_A_QUOTATION = re.compile(r">(?:[=\d<]|>>(?: |$))")  # >= 5, or the prompt of Python

LEADING_SPACES = re.compile(r"^[ \t]+")
WIDE_SPACES = re.compile(r"[ \t]{2,}|\t")

STRUCTURE = frozenset("/\\|_+-=<>^~()[]{}")
BOX = re.compile(r"[\u2500-\u259f]")
STRONG_LINE = re.compile(r"[/\\|+<>^~]|__|--|==|\(.*\)")
ALIGNED = re.compile(r" {2,}|[-_=~]{2,}|/\\|\\/|\\_|_/|[\u2500-\u259f]")
MARKED_UP = re.compile(
    r"\*\*|[`$]|\]\(|://|\\[(\[]|\\begin|~~~|^\s*(?:[-*+]|\d+[.)])\s|^\s{0,3}#", re.MULTILINE
)
TABLE_DELIMITERS = re.compile(r"[ |:-]*-[ |:-]*")


def literal_plugin(markdown: MarkdownIt) -> None:
    """Replace the rules of a Markdown parser that drop characters."""
    markdown.disable(["reference", "lheading", "entity"])
    markdown.inline.ruler.at("emphasis", find_delimiters)
    markdown.inline.ruler.at("escape", find_escape)
    markdown.inline.ruler.at("newline", find_line_break)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.at("blockquote", find_quotation, {"alt": interrupts})
    markdown.block.ruler.before("table", "drawing", find_drawing)
    markdown.core.ruler.after("block", "numbers", keep_numbers)
    markdown.core.ruler.after("block", "indents", keep_indents)
    markdown.add_render_rule("drawing", render_drawing)
    markdown.add_render_rule("text", render_text)


# ---- stars and underscores ----


def is_word_character(character: str) -> bool:
    """Return True for letters and digits of scripts that put spaces between words.

    Chinese, Japanese, Korean and Thai writers mark a part of a line as bold without spaces around.
    """
    return character.isalnum() and character < "\u0590"


def find_delimiters(state: StateInline, silent: bool) -> bool:
    """Parse stars and underscores: the inline rule for emphasis, less stars within words."""
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    if marker == "_" and (name := DUNDER.match(state.src, state.pos, state.posMax)):
        state.append_pending(name[0])
        state.pos = name.end()
        return True
    scanned = state.scanDelims(state.pos, marker == "*")
    opens, closes = scanned.can_open, scanned.can_close
    if marker == "*":
        end = state.pos + scanned.length
        before = state.src[state.pos - 1] if state.pos else " "
        after = state.src[end] if end < state.posMax else " "
        if is_word_character(before) and is_word_character(after):
            opens = closes = False
        if scanned.length == 1:  # a*(b)*c
            opens, closes = opens and before not in ")]}", closes and after not in "([{"
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        state.delimiters.append(
            Delimiter(ord(marker), scanned.length, len(state.tokens) - 1, -1, opens, closes)
        )
    state.pos += scanned.length
    return True


# ---- backslashes and spaces ----


def find_escape(state: StateInline, silent: bool) -> bool:
    r"""Parse a backslash that escapes: the inline rule, less paths, patterns and \\."""
    following = state.src[state.pos + 1 : state.pos + 2]
    if not following or state.src[state.pos] != "\\" or following == "\n":
        return False
    if following == "\\" or is_without_escapes(state):
        if not silent:
            state.append_pending("\\" + following)
        state.pos = min(state.pos + 2, state.posMax)
        return True
    return escape_rule(state, silent)


def is_without_escapes(state: StateInline) -> bool:
    """Return True if the parser is in a path, a pattern or LaTeX."""
    known = state.env.setdefault("no_escapes", {})
    if state.src not in known:
        runs = [run for run in re.finditer(r"\S+", state.src) if has_no_escapes(run[0])]
        known[state.src] = [run.start() for run in runs], [run.end() for run in runs]
    starts, ends = known[state.src]
    last = bisect_right(starts, state.pos) - 1
    return last >= 0 and state.pos < ends[last]


def has_no_escapes(run: str) -> bool:
    """Return True for a path, a pattern, LaTeX or a face with two kinds of slashes."""
    return "\\" in run and ("/" in run or NO_ESCAPES.search(run) is not None)


def find_line_break(state: StateInline, silent: bool) -> bool:
    """Parse the end of a line: the inline rule, which keeps the spaces of the next line."""
    if state.src[state.pos] != "\n":
        return False
    if not silent:
        state.pending = state.pending.rstrip(" ")
        state.push("softbreak", "br", 0)
    state.pos += 1
    return True


def keep_indents(state: StateCore) -> None:
    """Put the spaces back that a paragraph begins with."""
    lines: list[str] | None = None
    for opening, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if opening.type == "paragraph_open" and opening.level == 0 and opening.map:
            lines = state.src.split("\n") if lines is None else lines
            spaces = LEADING_SPACES.match(lines[opening.map[0]])
            inline.content = (spaces[0] if spaces else "") + inline.content


def render_text(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    _env: EnvType,
) -> str:
    """Render text with the spaces that a line begins with, and with runs of spaces."""
    text = WIDE_SPACES.sub(keep_spaces, str(escape(tokens[index].content)))
    if index == 0 or tokens[index - 1].type in ("softbreak", "hardbreak"):
        text = LEADING_SPACES.sub(keep_spaces, text)
    return text


def keep_spaces(spaces: re.Match[str]) -> str:
    return f'<span class="spaces">{spaces[0]}</span>'


# ---- quotations and lists ----


def find_quotation(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Parse a quotation: the block rule, less comparisons and prompts of Python."""
    start = state.bMarks[first] + state.tShift[first]
    if NOT_A_QUOTATION.match(state.src, start, state.eMarks[first]):
        return False
    return quote_rule(state, first, last, silent)


def keep_numbers(state: StateCore) -> None:
    """Give list items the numbers that are written, and lists the sign after the number."""
    following: list[int] = []  # of each list around
    for token in state.tokens:
        if token.type == "ordered_list_open":
            start = token.attrGet("start")
            following.append(1 if start is None else int(start))
            if token.markup == ")":
                token.attrSet("class", "bracket")
        elif token.type == "ordered_list_close":
            following.pop()
        elif token.type == "list_item_open" and token.info:
            number = int(token.info)
            if number != following[-1]:
                token.attrSet("value", str(number))
            following[-1] = number + 1


# ---- drawings ----


def find_drawing(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Parse lines that draw with characters, such as a box or a tree: the block rule."""
    if silent or state.level or state.blkIndent:
        return False
    if "drawings" not in state.env:
        state.env["drawings"] = drawings(state.src)
    lines = state.env["drawings"].get(first)
    if lines is None or first + len(lines) > last:
        return False
    token = state.push("drawing", "pre", 0)
    token.content = "\n".join(lines)
    token.block = True
    token.map = [first, first + len(lines)]
    state.line = first + len(lines)
    return True


def drawings(text: str) -> dict[int, list[str]]:
    """Return the lines of each drawing by the number of its first line."""
    found = {}
    chunk: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""]):
        if line.strip():
            chunk.append(line)
        else:
            if is_drawing(chunk):
                found[number - len(chunk)] = chunk
            chunk = []
    return found


def is_drawing(lines: Sequence[str]) -> bool:
    """Return True if most of the lines are made of signs and nothing in them is Markdown."""
    drawn = sum(map(is_drawn, lines))
    if drawn < 2 or 2 * drawn < len(lines):
        return False
    if "|" in lines[0] and TABLE_DELIMITERS.fullmatch(lines[1]):
        return False
    chunk = "\n".join(lines)
    return ALIGNED.search(chunk) is not None and MARKED_UP.search(chunk) is None


def is_drawn(line: str) -> bool:
    """Return True if a line is made of signs for the most part."""
    if BOX.search(line):
        return True
    signs = "".join(line.split())
    if len(signs) < 3 or not STRONG_LINE.search(line):
        return False
    return sum(sign in STRUCTURE for sign in signs) >= 0.4 * len(signs)


def render_drawing(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    _env: EnvType,
) -> str:
    return f'<pre class="drawing">{escape(tokens[index].content)}</pre>\n'
