"""The English of the pages: plain, and without the expressions that read as translated."""

import re

import pytest

from tests.messages import DOMAINS, forms, messages_of

# What to say instead, by the expression.
STILTED = {
    r"\banew\b": "again",
    r"\bthose first where\b": "biggest … first",
    r"\bstands?\b(?! out)": "is listed, appears",
    r"\b(?:is|are|was|were|been) made\b": "created",
    r"\bmakes? an? (?:link|account|project|run|file)\b": "create",
    r"(?:\d|\)s|\}\}) [a-z]+s an? (?:prompt|ranking|line|response|row|task)\b": "per",
    r"(?<!here )\bis no (?!longer\b)": "is not a",
    r"\band (?:its|their) like\b": "and similar",
    r"\bElse\b": "Otherwise",
    r"\bmend(?:s|ed)?\b": "fix",
    r"\btake[sn]? out of the queue\b": "remove from the queue",
    r"\bof ours\b": "our",
    r"\bbring\b[^.]*\bin\b(?! again)": "import",
}
# Sentences that users of the pages stumbled over.
GONE = [
    "those first on which",
    "scores stand here",
    "Here stand the prompts",
    "A date cannot be said yet",
    "When it will be done",
    "In hand",
    "Time for one",
    "responses at most in a ranking",
    "Take the rankings with you",
    "and on which prompts they do not",
    "What makes a response better here",
    "wait for your ranking",
    "How it is read",
    "Look again",
    "Read it differently",
    "It cannot be read so",
    "Between the columns",
    "Why it is bad",
    "lines are bad",
    "A file goes when",
    "to who is to join",
    "Make a link",
    "Links made",
    "You would be a",
    "Make the account",
    "You have an account?",
    "What is asked",
    "fill no place of",
    "Lease, in minutes",
    "Start the project",
    "see what is marked below",
    "In other measures",
    "beside all together",
    "hints and no verdicts",
    "two who toss a coin",
    "Skipped by somebody",
    "Names its model",
    "Its tasks and versions",
    "Others are measured by",
    "for those who come after",
    "Store the adjudicated ranking",
    "Rows stand as",
    "Tie them",
    "even the best is not acceptable",
    "Put away",
    "Chosen: now another",
    "Store anew",
    "still to rank",
    "Somebody else gets it",
    "Keys rest",
    "A run is under way",
    "Longer wins / same comparisons",
    "Pretrained, of Hugging Face",
    "Trained, judged and scored",
    "Judging the model",
    "for stock transformers",
    "The values as a table",
    "the loss of guessing",
    "it had come to step",
    "a line a comparison",
    "a row a response",
    "what each labeller says now",
    "Any other has, or is getting",
    "is not open to you",
    "There is nothing here",
]
# What commands print as well, whose output stays as it is.
KEPT = (
    "is of the ranking of line %(first)s, and others stand between them: "
    "the rows of a ranking stand together"
)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """Return every sentence of the templates, the scripts, and the messages of Python."""
    messages = (message for domain in DOMAINS for message in messages_of(domain))
    return [form for message in messages for form in forms(message.id)]


@pytest.mark.parametrize("pattern", STILTED)
def test_no_sentence_is_stilted(pattern: str, sentences: list[str]) -> None:
    found = [
        sentence for sentence in sentences if re.search(pattern, sentence) and sentence != KEPT
    ]
    assert not found, f"say “{STILTED[pattern]}”"


def test_no_sentence_that_users_stumbled_over_is_back(sentences: list[str]) -> None:
    assert len(sentences) > 1000
    said = [(gone, s) for s in sentences for gone in GONE if gone.lower() in s.lower()]
    assert said == []
