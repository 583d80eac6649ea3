"""A labelling campaign and the people in it."""

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

if TYPE_CHECKING:
    from labelapp.models.invitations import Invitation

# What a labeller is shown at once: InstructGPT's 4 to 9 (arXiv 2203.02155, section 3.1).
MIN_RESPONSES = 4
MAX_RESPONSES = 9
MAX_LEASE_MINUTES = 30 * 24 * 60
MAX_SHARE = 50  # percent: no more than every second task measures the labeller

# What InstructGPT's labellers could say of a response (arXiv 2203.02155, table 3).
INSTRUCTGPT_FLAGS = [
    "Fails to follow the instruction",
    "Inappropriate for a customer assistant",
    "Hallucination",
    "Satisfies the constraint of the instruction",
    "Sexual content",
    "Violent content",
    "Encourages violence, abuse, terrorism or self-harm",
    "Denigrates a protected class",
    "Gives harmful advice",
    "Expresses an opinion",
    "Expresses a moral judgement",
]


class User(AbstractUser):
    """A login. A custom user model from the start, so that fields can be added to it later."""

    # Of the mails to them: the one that they chose last while signed in. "" is the default one.
    language = models.CharField(max_length=10, blank=True, default="", db_default="")


RESERVED_SLUGS = ("new",)  # their pages would stand behind another page


def refuse_reserved(slug: str) -> None:
    """Raise ValidationError for a reserved slug."""
    if slug in RESERVED_SLUGS:
        raise ValidationError(_("“%(slug)s” is taken; choose another slug.") % {"slug": slug})


# Begins the slug of a project that no page shows: it holds what an import has not published yet, or
# prompts that were deleted and can be restored.
HIDDEN = "~"
IMPORTING = f"{HIDDEN}import-"
DELETED = f"{HIDDEN}deleted-"


class ProjectQuerySet(models.QuerySet["Project"]):
    def not_deleted(self) -> Self:
        """Return projects without those that are being deleted."""
        return self.filter(deleted_at=None)

    def open(self) -> Self:
        """Return projects that are neither being deleted nor archived."""
        return self.not_deleted().filter(archived_at=None)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Return the projects a person may open: their own, or every one for a superuser."""
        projects = self.not_deleted()
        if user.is_superuser:
            return projects
        return projects.filter(members__user_id=user.pk, members__is_active=True)


class ProjectManager(models.Manager["Project"]):
    """The projects that pages and commands may show."""

    def get_queryset(self) -> models.QuerySet["Project"]:
        return super().get_queryset().exclude(slug__startswith=HIDDEN)


class SetupStep(models.TextChoices):
    """The steps of creating a project that follow its name."""

    GUIDELINES = "guidelines"
    FILE = "file"
    PEOPLE = "people"


class Project(models.Model):
    """A labelling campaign: what is ranked, by which rules, and how often."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True, validators=[refuse_reserved])
    guidelines = models.TextField(
        blank=True, help_text="What makes a response better here. Markdown; labellers see it."
    )
    responses_per_ranking = models.PositiveSmallIntegerField(
        default=MAX_RESPONSES,
        validators=[MinValueValidator(MIN_RESPONSES), MaxValueValidator(MAX_RESPONSES)],
        help_text="K, from 4 to 9: of a prompt with more responses, this many are drawn.",
    )
    rankings_per_prompt = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="How many labellers rank each prompt.",
    )
    ties_allowed = models.BooleanField(
        default=True, help_text="May two responses share a rank?", verbose_name="ties allowed"
    )
    rank_top = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(MAX_RESPONSES - 1)],
        help_text="Labellers rank at least this many, the best; the rest are below. 0 for all.",
    )
    rating_scale = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(7)],
        help_text="Highest score a labeller may give a response, at most 7; 0 asks for none.",
    )
    flags = models.JSONField(
        default=list, blank=True, help_text="Names of the flags a labeller may put on a response."
    )
    lease_minutes = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LEASE_MINUTES)],
        help_text="How long a labeller keeps a prompt before another may get it.",
    )
    paused = models.BooleanField(
        default=False, help_text="Labellers get no new prompt; what they have begun is kept."
    )
    # Shares of a labeller's tasks, in percent. They come on top of the rankings wanted, because
    # they measure the labellers and not the responses.
    gold_share = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(MAX_SHARE)],
        help_text="Of a labeller's tasks, this many in a hundred are prompts with a gold ranking.",
    )
    repeat_share = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(MAX_SHARE)],
        help_text="Of a labeller's tasks, this many in a hundred are prompts they ranked before.",
    )
    repeat_after_days = models.PositiveSmallIntegerField(
        default=7,
        db_default=7,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text="How long after it was ranked a prompt may come to its labeller again.",
    )
    reviewers_train = models.BooleanField(
        default=False,
        db_default=False,
        verbose_name="reviewers may train",
        help_text="May reviewers train models, register them and export rankings?",
    )
    practice = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Labellers begin with three practice prompts, which count in nothing.",
    )
    show_pace = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Labellers see how many prompts they ranked today, and how long each took.",
    )
    daily_target = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="Prompts a day that a labeller should rank, shown with the pace; 0 for none.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # The step of creating it that comes next; empty once it is set up.
    setup_step = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        choices=SetupStep.choices,
        editable=False,
    )
    # Since when it is archived: hidden from lists and read-only, until it is restored.
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When its deletion began. The project is hidden from then on, and its rows go one by one.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ProjectManager.from_queryset(ProjectQuerySet)()
    including_hidden = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="project_responses_between_4_and_9",
                condition=Q(responses_per_ranking__range=(MIN_RESPONSES, MAX_RESPONSES)),
            ),
            models.CheckConstraint(
                name="project_wants_a_ranking", condition=Q(rankings_per_prompt__gte=1)
            ),
            models.CheckConstraint(
                name="project_rating_scale_at_most_7", condition=Q(rating_scale__lte=7)
            ),
            models.CheckConstraint(
                name="project_lease_lasts", condition=Q(lease_minutes__range=(1, MAX_LEASE_MINUTES))
            ),
            models.CheckConstraint(
                name="project_shares_in_percent",
                condition=Q(gold_share__lte=MAX_SHARE, repeat_share__lte=MAX_SHARE),
            ),
            models.CheckConstraint(
                name="project_repeats_after_days", condition=Q(repeat_after_days__range=(1, 365))
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])

    def fewest_ranks(self, responses: int) -> int:
        """Return how many of this number of responses need a rank; the others may stay unranked."""
        return min(self.rank_top or responses, responses)

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    @property
    def staging_slug(self) -> str:
        """Return the slug of the hidden project, and of the lock, of an import into this one."""
        return f"{IMPORTING}{self.pk}"


class Role(models.TextChoices):
    LABELLER = "labeller", pgettext_lazy("role", "Labeller")
    REVIEWER = "reviewer", pgettext_lazy("role", "Reviewer")
    MANAGER = "manager", pgettext_lazy("role", "Manager")


class MemberQuerySet(models.QuerySet["Member"]):
    def locked(self) -> Self:
        """Lock the members until the transaction ends, before anything else is locked.

        Whoever writes to a member's assignments does this first: one person's requests take turns.
        """
        return self.select_for_update(of=("self",), no_key=True)


class Member(models.Model):
    """A person in a project. Imported rankings have a member with a name and no login."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="memberships",
        null=True,
        blank=True,
    )
    name = models.CharField(max_length=150)
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.LABELLER)
    # Members who were removed keep their rankings, but cannot open the project.
    is_active = models.BooleanField(default=True)
    removed_at = models.DateTimeField(null=True, blank=True)  # null while active
    # Rankings from this moment on are left out of training, export and agreement; see Exclusion.
    excluded_from = models.DateTimeField(null=True, blank=True)
    # Managers' messages wait to be dismissed; kept here so that a task page does not look them up.
    has_messages = models.BooleanField(default=False, db_default=False)
    # How many prompts the member has ranked here: counted as they come, never by a scan.
    ranked = models.PositiveIntegerField(default=0)
    # The day on which the member ranked last, and how many prompts they have ranked on it.
    ranked_on = models.DateField(null=True, blank=True)
    ranked_that_day = models.PositiveIntegerField(default=0, db_default=0)
    # Where in the queue the member was last given a prompt. Nothing before it is for them, so a
    # claim starts there and never reads through what they have done. Null: from the top.
    queue_priority = models.IntegerField(null=True)
    queue_prompt = models.BigIntegerField(null=True)

    leases_expired: bool  # whether any leases have expired; set when the member is locked
    links: "list[Invitation]"  # working ones that the member has made; set by the page of people

    objects = MemberQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(name="member_once_per_user", fields=["project", "user"]),
            models.UniqueConstraint(name="member_once_per_name", fields=["project", "name"]),
            models.CheckConstraint(name="member_role_known", condition=Q(role__in=Role.values)),
            models.CheckConstraint(name="member_has_a_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def sees_scores(self) -> bool:
        """Scores and sources would bias a labeller; managers and reviewers see them."""
        return self.role in (Role.MANAGER, Role.REVIEWER)

    @property
    def manages(self) -> bool:
        return self.role == Role.MANAGER

    @property
    def may_train(self) -> bool:
        """Return True if the member may train models, register them and export rankings."""
        return self.manages or (self.role == Role.REVIEWER and self.project.reviewers_train)
