"""Blinding: which responses say themselves what wrote them.

Shuffled letters hide a source only as long as the response does not tell it. "I am ChatGPT" and
"As an AI language model developed by OpenAI, I ..." tell it; "ChatGPT is a product of OpenAI"
does not. So a name alone is never enough: somebody has to speak of themselves.
"""

import re
from dataclasses import dataclass

AROUND = 60  # characters shown before and after the words that give a response away

# Most texts name no model and no maker, and this tells so in a few microseconds: a capital letter
# is rare, so little is looked at twice.
CAPITALISED = re.compile(
    r"GPT|Gpt|Claude|Bard|Gemini|L[Ll]a[Mm][Aa]|Alpaca|Vicuna|Mi[sx]tral|Qwen|Deep|Gemma|Grok|"
    r"Copilot|Bing|ChatGLM|Open ?A|Anthropic|Google|Meta|Microsoft|Alibaba|Baidu"
)
CHINESE = ("通义", "文心", "阿里", "百度")

PLAIN_NAMES = (
    r"chat-?gpt|instruct-?gpt|gpt-?[2-9](?:\.\d)?(?:-turbo|o)?|vicuna|mixtral|qwen|deep-?seek|"
    r"open ?assistant|chatglm|通义千问|文心一言"
)
# Words that are also names of people, beasts and stars: with a capital letter and no article.
SPELT_NAMES = r"Claude|Bard|Gemini|L[Ll]a[Mm][Aa]|Alpaca|Mistral|Gemma|Grok|Copilot|Bing"
# "I am Claude Monet" is a painter, "I am Claude Sonnet" is not.
SURNAME = r"(?-i: (?!Opus|Sonnet|Haiku|Instant|Pro|Ultra|Nano|Flash|Chat|AI\b)[A-Z][a-z])"
NAME = rf"(?:(?:{PLAIN_NAMES})|(?-i:{SPELT_NAMES})(?!{SURNAME}))(?![A-Za-z0-9]|['’]s)"
MAKER = (
    r"(?-i:Open ?AI|Anthropic|Google|DeepMind|Meta|Microsoft|Mistral|Alibaba|DeepSeek|Baidu|"
    r"阿里云|百度)(?![A-Za-z0-9])"
)
MACHINE = (
    r"(?:AI|LLM|language model|model|chatbot|assistant|bot|program|"
    r"(?:KI-)?(?:Sprach)?modell|Assistent|(?:modèle|modelo)(?: \w+){0,3})"
)
MADE = r"(?:developed|created|trained|made|built|designed)"
BY_A_MAKER = rf"{MADE} (?:and {MADE} )?(?:by|at) (?:\w+ ){{0,4}}?{MAKER}"
OF_A_MAKER = (
    rf"(?:(?:that was |which was )?{BY_A_MAKER}|(?:from|von|par|por|de) (?:\w+ ){{0,4}}?{MAKER})"
)
AND_I = r"[^.!?\n]{0,40}?\b(?:(?-i:I)|my|ich|je|yo)\b"
QUOTE = r"[\"'“*_]*"

I_AM = (
    r"(?:\b(?:I am|I['’]m|my name is|you can call me|ich bin|ich heiße|"
    r"you(?: a|['’])re (?:talking|chatting) (?:to|with)|mein name ist|je suis|je m['’]appelle|"
    r"soy|me llamo|mi nombre es|sono|mi chiamo|eu sou|meu nome é|ik ben),? |(?:我是|我叫|私は))"
)
# A few more words about the speaker, none of which turns to somebody else: "I am a helpful and
# harmless assistant", but not "I am a user of the assistant".
A_SORT_OF = (
    r"(?:(?:an?|the|eine?|une?|una?|um) )?"
    r"(?:(?!(?:of|on|with|who|using|at|for|like|about|not|never)\b)[\w-]+,? ){0,6}?"
)

PATTERNS = (
    # I am ChatGPT. I'm Bard, a large language model. Ich bin ChatGPT.
    rf"{I_AM}(?:just |actually )?{QUOTE}{NAME}",
    # I am an AI assistant called Claude.
    rf"{I_AM}{A_SORT_OF}{MACHINE},? (?:called|named|known as|namens|nommé) {QUOTE}{NAME}",
    # I am based on GPT-4.
    rf"{I_AM}{A_SORT_OF}(?:based|built|powered) (?:on|by) (?:the )?(?:{MAKER}['’]s )?{NAME}",
    # I am a large language model trained by Google.
    rf"{I_AM}{A_SORT_OF}{MACHINE},? {OF_A_MAKER}",
    # I was created by OpenAI. OpenAI trained me. My developers at Anthropic.
    rf"\bI(?: am|['’]m| was| have been|['’]ve been) {BY_A_MAKER}",
    rf"{MAKER} (?:has )?{MADE} me\b",
    rf"\bmy (?:creator|developer|maker)s?,? (?:at |is |are )?{MAKER}",
    # As Claude, I ... Only where a sentence begins: "tools such as ChatGPT, I think" says nothing.
    rf"(?:^|(?<=[.!?:,\n] )|(?<=[\n\"“]))(?:as|als|en tant que|como) {QUOTE}{NAME}{QUOTE},{AND_I}",
    # As an AI language model developed by OpenAI, I ...
    rf"\b(?:as|als|en tant que|como) {A_SORT_OF}{MACHINE},? {OF_A_MAKER}{AND_I}",
    rf"作为(?:一个)?{NAME}",
)
NAMES_ITSELF = re.compile("|".join(PATTERNS), re.IGNORECASE)


@dataclass(frozen=True)
class Giveaway:
    """Where a response names its own model, with some words before and after."""

    before: str
    words: str
    after: str


def names_itself(text: str) -> bool:
    """Return whether a response says which model, or whose model, wrote it."""
    return speaks_of_models(text) and NAMES_ITSELF.search(text) is not None


def speaks_of_models(text: str) -> bool:
    """Return whether a text has the name of a model at all: a quick check before the full one."""
    return (
        "gpt" in text
        or CAPITALISED.search(text) is not None
        or (not text.isascii() and any(name in text for name in CHINESE))
    )


def giveaways(text: str) -> list[Giveaway]:
    """Return every place at which a response names its own model."""
    if not speaks_of_models(text):
        return []
    return [
        Giveaway(
            before=text[max(0, match.start() - AROUND) : match.start()],
            words=match.group(),
            after=text[match.end() : match.end() + AROUND],
        )
        for match in NAMES_ITSELF.finditer(text)
    ]
