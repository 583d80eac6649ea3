"""Find what pages say outside of translated sentences, in templates, Python and scripts."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from django.template.base import Lexer, TokenType

from tests.messages import FUNCTIONS

NAMES = {"Podium", "InstructGPT", "Ouyang", "et", "al", "arXiv", "SHA", "JSON", "ID", "Ctrl", "css"}
PRODUCTS = {"Label Studio", "Open Assistant", "Hugging Face"}
SPOKEN = {"alt", "aria-label", "aria-description", "placeholder", "title"}  # attributes
UNSPOKEN = {"script", "style", "code", "kbd", "pre"}  # elements
VOID = {"meta", "link", "input", "img", "br", "hr", "path", "line", "circle", "rect"}
WORD = re.compile(r"[^\W\d_]{2,}")
LITERAL = r"\"([^\"]*)\"|'([^']*)'"
WITH_WORDS = re.compile(rf"\|(?:default|default_if_none|yesno|pluralize|join|add):(?:{LITERAL})")
ARGUMENT = re.compile(rf"\b\w+=(?:{LITERAL})")
SENTENCE = re.compile(r"[A-Z“][\w’'\-]*,? \S|[A-Z][a-z]+…?$")


class Spoken(HTMLParser):
    """Collects the text of a page that people read or hear, without code and what is English."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []  # elements, and whether their text is left out
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        silent = tag in UNSPOKEN or values.get("translate") == "no"
        silent = silent or (tag != "html" and values.get("lang") == "en")
        if tag not in VOID:
            self.open.append((tag, silent))
        if not silent and not any(skipped for _, skipped in self.open):
            for name, value in values.items():
                is_shown = name.startswith("data-") and re.match(r"[A-Z][a-z]|\w+ \w+ \w", value)
                if name in SPOKEN or is_shown:
                    self.texts.append(value)

    def handle_endtag(self, tag: str) -> None:
        places = [place for place, (name, _) in enumerate(self.open) if name == tag]
        if places:
            del self.open[places[-1] :]

    def handle_data(self, data: str) -> None:
        if not any(silent for _, silent in self.open):
            self.texts.append(data)


def bare_words(path: Path) -> list[str]:
    """Return the words of a template that are outside of translated sentences, tags and code."""
    source = re.sub(r"{% block main_class %}.*?{% endblock[^%]*%}", "", path.read_text("utf-8"))
    text, translated = "", False
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.BLOCK:
            tag = token.contents.split()[0]
            if tag in {"blocktranslate", "endblocktranslate", "comment", "endcomment"}:
                translated = not tag.startswith("end")
            elif tag in {"include", "with"}:
                arguments = ("".join(found) for found in ARGUMENT.findall(token.contents))
                spoken = [one for one in arguments if SENTENCE.match(one)]
                text += "".join(f"<p>{one}</p>" for one in spoken)
        elif token.token_type == TokenType.TEXT and not translated:
            text += token.contents
        elif token.token_type == TokenType.VAR and not translated:
            text += " ".join(["0", *map("".join, WITH_WORDS.findall(token.contents))])
    page = Spoken()
    page.feed(text)
    page.close()
    return [word for word in WORD.findall(" ".join(page.texts)) if word not in NAMES]


# Calls whose sentences only developers read.
INTERNAL = {
    *("ValueError", "TypeError", "KeyError", "RuntimeError", "AssertionError", "Http404"),
    *("ImproperlyConfigured", "CommandError", "NotImplementedError", "AttributeError"),
    *("debug", "info", "warning", "error", "exception", "getLogger", "compile", "execute"),
}
LABELS = {"label", "help_text", "verbose_name", "verbose_name_plural", "empty_label"}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|SET|DISCARD|DELETE|WITH|CREATE|DROP|PRAGMA)\b")


def bare_sentences(path: Path) -> list[str]:
    """Return the sentences of a Python file that are not marked for translation."""
    return list(Unmarked(path).found)


class Unmarked(ast.NodeVisitor):
    """Collects the strings that look like sentences, outside of docstrings and marked calls."""

    def __init__(self, path: Path) -> None:
        self.found: list[str] = []
        self.visit(ast.parse(path.read_text("utf-8")))

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "messages":
                name = ""  # messages.info is shown, and logger.info is not
        if name not in FUNCTIONS and name not in INTERNAL:
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
        self.take("".join(map(str, parts)))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.take(node.value)

    def visit_keyword(self, node: ast.keyword) -> None:
        value = node.value
        if node.arg in LABELS and isinstance(value, ast.Constant) and isinstance(value.value, str):
            self.found += [value.value] if WORD.search(value.value) else []
        else:
            self.generic_visit(node)

    def take(self, text: str) -> None:
        is_sentence = re.match(r"[A-Z“][\w’'\-]*,? \S", text) and not SQL.match(text)
        if is_sentence and text not in PRODUCTS:
            self.found.append(text)


def bare_words_of_script(path: Path) -> Iterator[str]:
    """Yield the sentences of a script that are not marked, and calls that no tool finds."""
    text = path.read_text("utf-8")
    text = re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", text, flags=re.S)
    yield from re.findall(r"\$\{[^}`]*gettext\([^)]*\)", text)
    marked = re.sub(r"gettext\((?:\s*\"(?:[^\"\\]|\\.)*\",?)+", "", text)
    yield from re.findall(r"[\"`]([A-Z][a-z’]+,? [a-z][^\"`\n]*|[A-Z][a-z]+…)[\"`]", marked)
