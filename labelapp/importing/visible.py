"""Find what can be seen of a text."""

import re

# Controls, and the characters that Unicode calls default ignorable: they are drawn as nothing.
UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Return a text without the characters that cannot be seen, and without space around it."""
    return UNSEEN.sub("", text).strip()
