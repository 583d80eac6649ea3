"""Post the notifications of managers to a project's webhook: each once, with retries."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from labelapp.db.retry import with_retries
from labelapp.models import PERSONAL, Event, Project, Webhook, WebhookCall
from labelapp.notifications import posting

logger = logging.getLogger("labelapp.webhooks")

CLAIM = timedelta(minutes=10)  # for posting; then another worker tries
WAITS = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 2 * 60, 6 * 60, 12 * 60)]
AT_ONCE = 100  # calls that are claimed at a time
TEST = "test"  # the event of a call that a manager asks for
INTERRUPTED = gettext_noop("The worker ended during the call.")


def save(project: Project, url: str) -> Webhook:
    """Set the address of a project's webhook. A new webhook gets a secret, which stays the same."""
    webhook, _ = Webhook.objects.update_or_create(
        project=project,
        defaults={"url": url},
        create_defaults={"url": url, "secret": posting.new_secret()},
    )
    return webhook


def renew_secret(webhook: Webhook) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(secret=posting.new_secret())


def queue(
    *, project: int, event: Event, key: str, path: str, about: Mapping[str, Any] | None
) -> None:
    """Queue a call for an event, if the project has a webhook. Nothing is posted yet."""
    if event.kind in PERSONAL:
        return
    webhook = Webhook.objects.filter(project=project).select_related("project").first()
    if webhook is not None:
        add_call(webhook, event, key, {"link": settings.PUBLIC_URL + path, **(about or {})})


def queue_test(webhook: Webhook) -> None:
    now = timezone.now()
    add_call(webhook, TEST, f"test-{now.isoformat()}", {})


def add_call(webhook: Webhook, event: str, key: str, about: Mapping[str, Any]) -> None:
    now = timezone.now()
    body = {
        "type": event,
        "timestamp": now.isoformat(),
        "data": {"project": webhook.project.slug, **about},
    }
    call = WebhookCall(webhook=webhook, key=key, event=event, body=body, due_at=now)
    WebhookCall.objects.bulk_create([call], ignore_conflicts=True)


def due() -> QuerySet[WebhookCall]:
    """Return the calls that are due, without those of deleted projects."""
    return WebhookCall.objects.filter(due_at__lte=timezone.now(), webhook__project__deleted_at=None)


def is_due() -> bool:
    return due().exists()


def call_due() -> int:
    """Make the calls that are due, and return how many succeeded."""
    with_retries(give_up)
    found = list(due().order_by("due_at").values_list("pk", "due_at")[:AT_ONCE])
    return sum(call(pk) for pk, due_at in found if with_retries(partial(claim, pk, due_at)))


def give_up() -> None:
    """Give up the calls whose last attempt has ended their worker, so that nothing is stored."""
    lost = due().filter(attempts__gt=len(WAITS))
    lost.update(due_at=None, problem=INTERRUPTED, problem_values={})


def claim(pk: int, due_at: datetime | None) -> bool:
    """Claim a call, unless another process has."""
    row = WebhookCall.objects.filter(pk=pk, due_at=due_at)
    later = timezone.now() + CLAIM
    return bool(row.update(due_at=later, attempts=F("attempts") + 1))


def call(pk: int) -> bool:
    """Make a call that is claimed, and store how it went. Return True if it succeeded."""
    made = WebhookCall.objects.select_related("webhook").filter(pk=pk).first()
    if made is None:  # the webhook was removed meanwhile
        return False
    webhook = made.webhook
    values: dict[str, Any] = {"due_at": None, "problem": "", "problem_values": {}}
    try:
        posting.post(webhook.url, webhook.secret, f"podium-{made.pk}", made.body)
    except posting.PostError as error:
        wait = WAITS[made.attempts - 1] if made.attempts <= len(WAITS) else None
        again = timezone.now() + wait if wait else None
        values = {"due_at": again, "problem": error.sentence, "problem_values": error.values}
        logger.warning("A call of webhook %s failed: %s", webhook.pk, error)
    else:
        values["delivered_at"] = timezone.now()
    with_retries(partial(WebhookCall.objects.filter(pk=pk).update, **values))
    return "delivered_at" in values
