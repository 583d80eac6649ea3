"""The tables of the database.

They may import settings, signin, formats, and of training what the web may import.
"""

from labelapp.models.assignments import Assignment, SkipReason
from labelapp.models.files import Export, FileTransfer, Upload
from labelapp.models.grids import Grid
from labelapp.models.invitations import Invitation
from labelapp.models.jobs import ACTIVE, Job, State
from labelapp.models.measurements import AgreementMeasurement, ReviewMeasurement
from labelapp.models.notifications import (
    PERSONAL,
    READERS,
    Event,
    Kind,
    Mail,
    Notification,
    NotificationChoice,
)
from labelapp.models.people import (
    ALTOGETHER,
    Exclusion,
    MemberMessage,
    MemberNote,
    RankingReturn,
    counting,
    counting_changed_since,
    not_excluded,
)
from labelapp.models.practice import PracticePrompt, PracticeResult
from labelapp.models.projects import (
    INSTRUCTGPT_FLAGS,
    MAX_RESPONSES,
    MIN_RESPONSES,
    Member,
    Project,
    Role,
    SetupStep,
    User,
)
from labelapp.models.prompts import (
    MAX_TAG,
    Assignee,
    Prompt,
    PromptChange,
    PromptDeletion,
    PromptTag,
    Response,
    Tag,
    hash_responses,
    hash_text,
)
from labelapp.models.rankings import (
    Comment,
    Disagreement,
    Origin,
    Placement,
    Ranking,
    RankingDisagreement,
    Rating,
)
from labelapp.models.registry import Alias, AliasMove, ModelVersion, PromotionGates, ServiceToken
from labelapp.models.runs import PromptAgreement, Score, TrainingRun
from labelapp.models.signin import SignInFailures
from labelapp.models.webhooks import Webhook, WebhookCall

__all__ = [
    "ACTIVE",
    "ALTOGETHER",
    "INSTRUCTGPT_FLAGS",
    "MAX_RESPONSES",
    "MAX_TAG",
    "MIN_RESPONSES",
    "PERSONAL",
    "READERS",
    "AgreementMeasurement",
    "Alias",
    "AliasMove",
    "Assignee",
    "Assignment",
    "Comment",
    "Disagreement",
    "Event",
    "Exclusion",
    "Export",
    "FileTransfer",
    "Grid",
    "Invitation",
    "Job",
    "Kind",
    "Mail",
    "Member",
    "MemberMessage",
    "MemberNote",
    "ModelVersion",
    "Notification",
    "NotificationChoice",
    "Origin",
    "Placement",
    "PracticePrompt",
    "PracticeResult",
    "Project",
    "PromotionGates",
    "Prompt",
    "PromptAgreement",
    "PromptChange",
    "PromptDeletion",
    "PromptTag",
    "Ranking",
    "RankingDisagreement",
    "RankingReturn",
    "Rating",
    "Response",
    "ReviewMeasurement",
    "Role",
    "Score",
    "ServiceToken",
    "SetupStep",
    "SignInFailures",
    "SkipReason",
    "State",
    "Tag",
    "TrainingRun",
    "Upload",
    "User",
    "Webhook",
    "WebhookCall",
    "counting",
    "counting_changed_since",
    "hash_responses",
    "hash_text",
    "not_excluded",
]
