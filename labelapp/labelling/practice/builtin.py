"""The built-in practice prompts: everyday tasks whose responses differ clearly in quality."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class GradedResponse:
    """A response with the rank that it is expected to get, and why."""

    text: str | Promise
    rank: int  # 1 is best; those that share one are equally good
    why: str | Promise
    is_spare: bool = False  # left out where the project shows fewer responses


@dataclass(frozen=True)
class GradedPrompt:
    """A prompt with graded responses, the best first."""

    text: str | Promise
    responses: tuple[GradedResponse, ...]


BUILTIN = (
    GradedPrompt(
        _("I’ve just spilled red wine on a white cotton shirt. How do I get it out?"),
        (
            GradedResponse(
                _(
                    "Act now, while it is wet:\n\n"
                    "1. Blot it with a clean cloth. Don’t rub.\n"
                    "2. Rinse it with cold water from the back.\n"
                    "3. Cover it with washing-up liquid and baking soda for half an hour.\n"
                    "4. Wash it as usual, and keep it out of the dryer until the stain is gone: "
                    "heat sets it."
                ),
                1,
                _(
                    "It can be done at once, in the right order, and it warns of the mistake that "
                    "makes the stain permanent."
                ),
            ),
            GradedResponse(
                _("Rinse it with cold water, put some washing-up liquid on it, and wash it."),
                2,
                _("Right and short, but it doesn’t say to blot first and to keep it from heat."),
            ),
            GradedResponse(
                _(
                    "Red wine owes its colour to anthocyanins, pigments from the skin of the "
                    "grape. Stains of this kind have troubled people for centuries, and there are "
                    "many home remedies."
                ),
                3,
                _("What it says is true, but it doesn’t answer: nobody can act on it."),
            ),
            GradedResponse(
                _("Wash it as hot as you can, then put it straight into the tumble dryer."),
                4,
                _("It is wrong and does harm: heat sets the stain for good."),
            ),
        ),
    ),
    GradedPrompt(
        _(
            "Write to Mrs Okafor in two sentences: we can’t deliver on Friday, but she will "
            "certainly have it on Monday."
        ),
        (
            GradedResponse(
                _(
                    "Dear Mrs Okafor, I am sorry that we can’t deliver on Friday. You will have "
                    "your order on Monday, and can rely on that."
                ),
                1,
                _("Two sentences, as asked, polite, and with both facts."),
            ),
            GradedResponse(
                _(
                    "Dear Mrs Okafor, thank you for your order. I am sorry to tell you that we "
                    "can’t deliver on Friday. You will certainly have it on Monday. If you have "
                    "any questions, please write to me at any time. I wish you a pleasant week."
                ),
                2,
                _("Both facts are there, but it has five sentences and not two."),
            ),
            GradedResponse(
                _(
                    "Dear Mrs Okafor, there will unfortunately be a delay. We will deliver as "
                    "soon as we can."
                ),
                3,
                _("Two sentences, but neither of the two days: she doesn’t learn what matters."),
            ),
            GradedResponse(
                _("Dear Mrs Okafor, you will have your order on Friday. Monday is not possible."),
                4,
                _("It says the opposite of what was asked, which is worse than saying nothing."),
            ),
        ),
    ),
    GradedPrompt(
        _("What is 15% of 240?"),
        (
            GradedResponse(
                _("15% of 240 is **36**."),
                1,
                _("Right, and nothing else is needed."),
            ),
            GradedResponse(
                _("36: 10% of 240 is 24, and another 5% is 12."),
                1,
                _("Right and short as well, with a way to check it. These two are equally good."),
            ),
            GradedResponse(
                _(
                    "Great question! Percentages are everywhere, from sales to statistics. To "
                    "find a percentage of a number, we turn it into a decimal number, so 15% "
                    "becomes 0.15, and multiply: 240 × 0.15 = 36. So the answer to your question "
                    "is 36. I hope this helps, and feel free to ask me anything else!"
                ),
                2,
                _("Right, too, but the answer is buried in filler."),
            ),
            GradedResponse(
                _("15% of 240 is 38."),
                3,
                _("Wrong, though close. A wrong answer ranks below every right one."),
                is_spare=True,
            ),
            GradedResponse(
                _("15% of 240 is 3,600, because 15 × 240 = 3,600."),
                4,
                _("Wrong, and it can’t be: a part of 240 is not larger than 240."),
            ),
        ),
    ),
)
