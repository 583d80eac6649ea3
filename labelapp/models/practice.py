"""Practice prompts, with which labellers begin, and how they did on them.

A practice ranking is never stored among the rankings: only how many of its pairs were as expected.
"""

from django.db import models
from django.db.models import Q

from labelapp.models.projects import Member, Project
from labelapp.models.prompts import Prompt


class PracticePrompt(models.Model):
    """A gold prompt with which a project's labellers practise, instead of the built-in ones."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="practice_prompts")
    prompt = models.OneToOneField(Prompt, models.CASCADE, related_name="practice")
    # Why each response has its rank, by the response's id as text.
    reasons = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"practice with {self.prompt_id}"


class PracticeResult(models.Model):
    """A member's first result on the practice prompts, and when they finished.

    Practising again changes nothing, because they know the answers by then.
    """

    member = models.OneToOneField(Member, models.CASCADE, related_name="practice")
    # The number of practice prompts when the member last ranked one.
    prompts = models.PositiveSmallIntegerField()
    # By the place of the practice prompt, from 1 and as text: [pairs as expected, pairs].
    pairs = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)  # or skipped

    class Meta:
        constraints = [
            models.CheckConstraint(name="practice_has_prompts", condition=Q(prompts__gte=1)),
        ]

    def __str__(self) -> str:
        return f"practice of {self.member_id}"

    @property
    def done(self) -> int:
        """Return the number of practice prompts that were ranked."""
        return len(self.pairs)

    @property
    def agreeing(self) -> int:
        """Return the number of pairs that were ordered as expected."""
        return sum(agreeing for agreeing, _ in self.pairs.values())

    @property
    def compared(self) -> int:
        """Return the number of pairs that have an expected order."""
        return sum(compared for _, compared in self.pairs.values())
