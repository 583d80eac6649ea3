"""Ask the reward service for the rewards of a version, as a trainer would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from labelapp.models import ModelVersion

SECONDS = 60.0  # a model may have to be loaded first
STATUS_SECONDS = 2.0


class ServiceError(Exception):
    """The service gives no rewards; the message says why and what to do."""


@dataclass(frozen=True)
class Rewards:
    """The service's answer on the responses to a prompt; None where there is no valid reward."""

    version: ModelVersion
    rewards: list[float | None]
    standardised: list[float | None]
    without_length: list[float | None]  # empty if the run did not learn the part of length
    probabilities: list[list[float | None]]  # row: is preferred to column
    ties: list[list[float | None]]
    intervals: list[tuple[float, float] | None]  # empty if the model did not learn them
    cut: list[list[str]]
    problems: list[str | None]


def is_set_up() -> bool:
    """Return True if there is a service to ask."""
    return bool(settings.REWARD_SERVER_URL)


def is_running() -> bool:
    """Return True if the service answers."""
    if not is_set_up():
        return False
    try:
        with client(STATUS_SECONDS) as asked:
            return asked.get("/health").is_success
    except httpx.HTTPError:
        return False


def score(
    version: ModelVersion, messages: Sequence[Mapping[str, str]], responses: Sequence[str]
) -> Rewards:
    """Return the rewards of responses to a prompt. Raises ServiceError."""
    if not is_set_up():
        raise ServiceError(
            _(
                "The reward service is not running. manage.py serve starts it where PyTorch is "
                "installed."
            )
        )
    path = f"/projects/{version.project.slug}/versions/{version.number}/score"
    body = {"messages": list(messages), "responses": list(responses), "intervals": True}
    try:
        with client(SECONDS) as asked:
            answer = asked.post(path, json=body)
    except httpx.TimeoutException as error:
        raise ServiceError(
            _("The reward service took too long. It may be loading the model: try again.")
        ) from error
    except httpx.HTTPError as error:
        raise ServiceError(
            _("The reward service does not answer. It may be starting: try again in a few seconds.")
        ) from error
    if not answer.is_success:
        raise ServiceError(f"{version.name}: {reason(answer)}.")
    try:
        return rewards_of(version, answer.json())
    except (ValueError, KeyError, TypeError) as error:
        problem = _("Something other than the reward service answered at its address.")
        raise ServiceError(problem) from error


def rewards_of(version: ModelVersion, answer: Mapping[str, Any]) -> Rewards:
    return Rewards(
        version=version,
        rewards=answer["rewards"],
        standardised=answer["standardised"],
        without_length=answer.get("length_partialled", []),
        probabilities=answer["probabilities"],
        ties=answer.get("ties", []),
        intervals=[one and (one[0], one[1]) for one in answer.get("intervals") or []],
        cut=answer["cut"],
        problems=answer["not_valid"],
    )


def reason(answer: httpx.Response) -> str:
    """Return the sentence of a refusal."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return _("the reward service answered with status %(status)s") % {
            "status": answer.status_code
        }


def client(seconds: float) -> httpx.Client:
    """Return a client of the service, with the token of the environment."""
    token = settings.REWARD_SERVER_TOKEN
    return httpx.Client(
        base_url=settings.REWARD_SERVER_URL,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=seconds,
        trust_env=False,  # no proxy on the way to a service of one's own
    )
