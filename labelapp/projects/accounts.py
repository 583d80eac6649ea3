"""Accounts: which names are free.

Names that look alike are one name: nobody can be “admın” beside “admin”.
"""

import unicodedata

from labelapp.models import User

# Letters and digits that look like others, after case folding; from Unicode's confusables
# (Unicode Technical Standard 39), those of scripts that names are often mixed with.
LOOKALIKES = {
    "a": "аαɑ",
    "b": "вβьƅ",
    "c": "с",
    "d": "ԁ",
    "e": "еεҽ",
    "g": "ɡց",
    "h": "һнհ",
    "j": "јϳȷ",
    "k": "кκ",
    "l": "1iıіιɩӏɪ|ו",
    "m": "мϻ",
    "n": "пηո",
    "o": "0оοσօ",
    "p": "рρ",
    "q": "ԛգ",
    "r": "гᴦ",
    "s": "ѕꜱ",
    "t": "тτ",
    "u": "υս",
    "v": "ѵν",
    "w": "ѡωԝ",
    "x": "хχ×",
    "y": "уγү",
    "z": "ζᴢ",
}
TO_LATIN = str.maketrans({letter: to for to, letters in LOOKALIKES.items() for letter in letters})
PAIRS = (("rn", "m"), ("vv", "w"))


def skeleton(name: str) -> str:
    """Return a form of `name` that is the same for all names that look like it.

    It is a comparison key, not a name to show.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    letters = unicodedata.normalize("NFD", folded)
    shape = "".join(one for one in letters if unicodedata.category(one) != "Mn")
    shape = shape.translate(TO_LATIN)
    for pair, letter in PAIRS:
        shape = shape.replace(pair, letter)
    return shape


def is_taken(name: str, besides: User | None = None) -> bool:
    """Return whether another account than `besides` has this name, or one that looks like it."""
    others = User.objects.exclude(pk=besides.pk) if besides else User.objects.all()
    wanted = skeleton(name)
    names = others.values_list("username", flat=True)
    return any(skeleton(other) == wanted for other in names.iterator())
