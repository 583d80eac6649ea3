from labelapp.models.projects import (
    INSTRUCTGPT_FLAGS,
    MAX_RESPONSES,
    MIN_RESPONSES,
    Invitation,
    Member,
    Project,
    Role,
    User,
)
from labelapp.models.prompts import (
    Prompt,
    Response,
    hash_responses,
    hash_text,
)
from labelapp.models.rankings import (
    Assignment,
    Origin,
    Placement,
    Ranking,
    Rating,
    SkipReason,
)
from labelapp.models.runs import PromptAgreement, Score, State, TrainingRun

__all__ = [
    "INSTRUCTGPT_FLAGS",
    "MAX_RESPONSES",
    "MIN_RESPONSES",
    "Assignment",
    "Invitation",
    "Member",
    "Origin",
    "Placement",
    "Project",
    "Prompt",
    "PromptAgreement",
    "Ranking",
    "Rating",
    "Response",
    "Role",
    "Score",
    "SkipReason",
    "State",
    "TrainingRun",
    "User",
    "hash_responses",
    "hash_text",
]
