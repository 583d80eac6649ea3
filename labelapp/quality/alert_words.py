"""The sentences of alerts, in English and without values, so that each reader gets a translation.

Each is a sentence, or a badge with a sentence and with one that compares with the others.
"""

from django.utils.translation import gettext_noop

SPEED = gettext_noop(
    "Takes %(seconds)s per ranking (median of %(rankings)s). The others take %(ratio)s times as "
    "long for as much text."
)
SAME_PLACES = gettext_noop(
    "Ranks the places where responses are shown in nearly the same order every time: the place "
    "decides %(effect)s of what it could, over %(prompts)s prompts. Responses are shuffled, so "
    "%(expected)s is expected."
)
FIRST = (
    gettext_noop("Prefers what came first"),
    gettext_noop(
        "Prefers the response shown first in %(share)s of %(comparisons)s comparisons. Responses "
        "are shuffled, so %(expected)s is expected."
    ),
    gettext_noop(
        "Prefers the response shown first in %(share)s of %(comparisons)s comparisons. Responses "
        "are shuffled, so %(expected)s is expected. For the others it is %(others)s."
    ),
)
LAST = (
    gettext_noop("Prefers what came last"),
    gettext_noop(
        "Prefers the response shown last in %(share)s of %(comparisons)s comparisons. Responses "
        "are shuffled, so %(expected)s is expected."
    ),
    gettext_noop(
        "Prefers the response shown last in %(share)s of %(comparisons)s comparisons. Responses "
        "are shuffled, so %(expected)s is expected. For the others it is %(others)s."
    ),
)
TIED = gettext_noop(
    "Ties %(share)s of %(comparisons)s pairs of responses. The others tie %(others)s."
)
LONGER = (
    gettext_noop("Prefers the longer"),
    gettext_noop(
        "Prefers the longer response in %(share)s of %(comparisons)s comparisons. For the others "
        "it is %(others)s."
    ),
)
SHORTER = (
    gettext_noop("Prefers the shorter"),
    gettext_noop(
        "Prefers the shorter response in %(share)s of %(comparisons)s comparisons. For the others "
        "it is %(others)s."
    ),
)
CHANCE = gettext_noop(
    "Agrees with the others in %(share)s of %(comparisons)s comparisons. They agree with each "
    "other in %(others)s; chance is %(chance)s."
)
MISSES_GOLD = (
    gettext_noop("Misses gold rankings"),
    gettext_noop(
        "Agrees with gold rankings in %(share)s of %(comparisons)s comparisons of %(prompts)s "
        "prompts. Chance is %(chance)s."
    ),
    gettext_noop(
        "Agrees with gold rankings in %(share)s of %(comparisons)s comparisons of %(prompts)s "
        "prompts. For the others it is %(others)s; chance is %(chance)s."
    ),
)
NOT_CONSISTENT = (
    gettext_noop("Not consistent"),
    gettext_noop(
        "Agrees with their own earlier rankings of repeated prompts in %(share)s of "
        "%(comparisons)s comparisons of %(prompts)s prompts. Chance is %(chance)s."
    ),
    gettext_noop(
        "Agrees with their own earlier rankings of repeated prompts in %(share)s of "
        "%(comparisons)s comparisons of %(prompts)s prompts. For the others it is %(others)s; "
        "chance is %(chance)s."
    ),
)
