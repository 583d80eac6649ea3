from labelapp.models.files import Export, FileTransfer, Upload
from labelapp.models.jobs import ACTIVE, Job, State
from labelapp.models.measurements import AgreementMeasurement, ReviewMeasurement
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
from labelapp.models.prompts import Prompt, Response, hash_responses, hash_text
from labelapp.models.rankings import (
    Assignment,
    Comment,
    Disagreement,
    Origin,
    Placement,
    Ranking,
    Rating,
    SkipReason,
)
from labelapp.models.registry import (
    Alias,
    AliasMove,
    ModelVersion,
    PromotionGates,
    ServiceToken,
)
from labelapp.models.runs import PromptAgreement, Score, TrainingRun
from labelapp.models.signin import SignInFailures

__all__ = [
    "ACTIVE",
    "INSTRUCTGPT_FLAGS",
    "MAX_RESPONSES",
    "MIN_RESPONSES",
    "AgreementMeasurement",
    "Alias",
    "AliasMove",
    "Assignment",
    "Comment",
    "Disagreement",
    "Export",
    "FileTransfer",
    "Invitation",
    "Job",
    "Member",
    "ModelVersion",
    "Origin",
    "Placement",
    "Project",
    "PromotionGates",
    "Prompt",
    "PromptAgreement",
    "Ranking",
    "Rating",
    "Response",
    "ReviewMeasurement",
    "Role",
    "Score",
    "ServiceToken",
    "SignInFailures",
    "SkipReason",
    "State",
    "TrainingRun",
    "Upload",
    "User",
    "hash_responses",
    "hash_text",
]
