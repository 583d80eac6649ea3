from labelapp.models.projects import MAX_RESPONSES, MIN_RESPONSES, Member, Project, Role, User
from labelapp.models.prompts import (
    Prompt,
    Response,
    hash_responses,
    hash_text,
)
from labelapp.models.rankings import Assignment, Origin, Placement, Ranking, Rating
from labelapp.models.runs import PromptAgreement, Score, State, TrainingRun

__all__ = [
    "MAX_RESPONSES",
    "MIN_RESPONSES",
    "Assignment",
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
    "State",
    "TrainingRun",
    "User",
    "hash_responses",
    "hash_text",
]
