"""The admin site: manage users, projects and members, and view the stored data.

Prompts, rankings and runs are read-only here: a ranking is changed by adding a version.
"""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext, ngettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_tasks_db.admin import DBTaskResultAdmin
from django_tasks_db.models import DBTaskResult

from labelapp.models import Member, Project, Prompt, Ranking, TrainingRun, User
from labelapp.projects import members
from labelapp.projects.accounts import is_taken
from labelapp.projects.forms.projects import ProjectForm
from labelapp.web.versions import VersionedForm

admin.site.site_header = "Podium"
admin.site.site_title = "Podium"
admin.site.index_title = _("Administration")

# The administration alone names rows and fields so; as part of the models, each name would need a
# migration. A name that the pages count as well is looked up as one of many: only newer versions of
# Python 3.11 find it on its own.
MODELS: dict[type[Model], tuple[Any, Any]] = {
    Project: (_("project"), _("projects")),
    Member: (ngettext_lazy("member", "members", 1), _("members")),
    Prompt: (ngettext_lazy("prompt", "prompts", 1), _("prompts")),
    Ranking: (ngettext_lazy("ranking", "rankings", 1), _("rankings")),
    TrainingRun: (ngettext_lazy("training run", "training runs", 1), _("training runs")),
    DBTaskResult: (_("background job"), _("background jobs")),
}
FIELDS = {
    "all_bad": _("all responses are bad"),
    "args_kwargs": _("arguments"),
    "backend_name": _("backend"),
    "came_back": _("put back into the queue"),
    "config": _("settings"),
    "content_hash": _("content hash"),
    "created_at": _("created at"),
    "created_by": _("created by"),
    "done": _("done"),
    "enqueued_at": _("queued at"),
    "exception_class_path": _("exception"),
    "external_id": _("ID in the file"),
    "finished_at": _("finished at"),
    "folder": _("folder"),
    "grid": _("grid"),
    "heartbeat_at": _("last heartbeat"),
    "is_active": _("active"),
    "is_current": _("is the current version"),
    "is_gold": _("gold"),
    "is_pinned": _("pinned"),
    "loss": _("loss"),
    "manifest": _("manifest"),
    "member": ngettext_lazy("member", "members", 1),
    "messages": _("messages"),
    "metadata": _("metadata"),
    "metrics": _("metrics"),
    "name": _("name"),
    "note": _("note"),
    "origin": _("origin"),
    "priority": _("priority"),
    "project": _("project"),
    "prompt": ngettext_lazy("prompt", "prompts", 1),
    "queue_name": _("queue"),
    "rankings_needed": _("rankings needed"),
    "rankings_per_prompt": _("rankings per prompt"),
    "rankings_wanted": _("rankings wanted"),
    "reason": _("reason"),
    "reserved": _("reserved for its assignees"),
    "responses_hash": _("hash of the responses"),
    "return_value": _("result"),
    "role": _("role"),
    "run_after": _("not before"),
    "seconds": _("seconds"),
    "slug": _("slug"),
    "stage": _("stage"),
    "started_at": _("started at"),
    "state": _("state"),
    "status": _("state"),
    "stop_requested": _("stop requested"),
    "surplus": _("surplus"),
    "tags": _("tags"),
    "taken_out": _("removed from the queue"),
    "task_path": _("function"),
    "ties_allowed": _("ties allowed"),
    "total": _("total"),
    "traceback": _("traceback"),
    "upload": _("import file"),
    "user": _("account"),
    "version": _("version"),
    "worker_ids": _("workers"),
}
for model, (one, many) in MODELS.items():
    model._meta.verbose_name, model._meta.verbose_name_plural = one, many
    for field in model._meta.fields:
        field.verbose_name = FIELDS.get(field.name, field.verbose_name)
apps.get_app_config("django_tasks_database").verbose_name = _("Background jobs")
# The package has no catalogue: its own words are looked up in this one.
TASK_STATES = [
    pgettext_lazy("Task", "Ready"),
    pgettext_lazy("Task", "Running"),
    pgettext_lazy("Task", "Failed"),
    pgettext_lazy("Task", "Successful"),
]


CHANGED_MEANWHILE = _(
    "Somebody else has saved this since you opened it, so yours is not saved yet. Save again to "
    "replace it."
)


class RefuseStale(VersionedForm):
    """Refuse to overwrite what somebody else has saved since the form was opened."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.is_stale:
            differences = [
                gettext("%(label)s: saved now “%(stored)s”, yours “%(posted)s”.")
                % {"label": each.label, "stored": each.stored, "posted": each.posted}
                for each in self.differences()
            ]
            raise forms.ValidationError([CHANGED_MEANWHILE, *differences])
        return cleaned


class VersionedAdmin(admin.ModelAdmin):
    """Show the version of a row in its form, so that RefuseStale can compare it."""

    change_form_template = "admin/versioned_change_form.html"


class DeletedElsewhere(admin.ModelAdmin):
    """Offer no bulk deletion, because each row is deleted on a page of its own."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {k: v for k, v in super().get_actions(request).items() if k != "delete_selected"}


class NewUserForm(AdminUserCreationForm):
    """Create an account, whose name must not look like that of another one."""

    def clean_username(self) -> str:
        return free_username(self.cleaned_data["username"])


class ChangedUserForm(RefuseStale, UserChangeForm):
    """Change an account, whose name must not look like that of another one."""

    unversioned = frozenset({"last_login"})

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        return free_username(name, self.instance) if "username" in self.changed_data else name


def free_username(name: str, user: User | None = None) -> str:
    """Return the name. Raises ValidationError if it looks like that of another account."""
    if is_taken(name, besides=user):
        raise forms.ValidationError(
            gettext("Another account has this name, or one that looks like it.")
        )
    return name


@admin.register(User)
class AccountAdmin(DeletedElsewhere, VersionedAdmin, UserAdmin):
    add_form = NewUserForm
    form = ChangedUserForm

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        """Anonymise a member of projects, whose rankings stay; delete another account."""
        user = self.get_object(request, object_id)
        if user is not None and user.memberships.exists():
            return redirect("account_anonymise", user.pk)
        return super().delete_view(request, object_id, *args)


class ProjectAdminForm(RefuseStale, ProjectForm):
    """The settings of a project with its slug; it validates the flags."""


class MemberAdminForm(RefuseStale, forms.ModelForm):
    """A member, without the counters, which an open form would reset."""


@admin.register(Project)
class ProjectAdmin(DeletedElsewhere, VersionedAdmin):
    list_display = ["name", "slug", "rankings_per_prompt", "ties_allowed", "created_at"]
    search_fields = ["name", "slug"]
    form = ProjectAdminForm

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(deleted_at=None)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        """Delete in the background, as on the project's own page."""
        project = self.get_object(request, object_id)
        if project is None:
            raise Http404
        return redirect("project_delete", project.slug)


@admin.register(Member)
class MemberAdmin(VersionedAdmin):
    form = MemberAdminForm
    list_display = ["name", "project", "role", "user", "is_active"]
    list_filter = ["project", "role", "is_active"]
    list_select_related = ["project", "user"]
    search_fields = ["name"]
    fields = ["project", "user", "name", "role", "is_active"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        """Return the members of projects that are not hidden."""
        return super().get_queryset(request).filter(project__in=Project.objects.all())

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        """Change the role, remove and bring back in the same way as the page of people."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        role, is_active = obj.role, obj.is_active
        obj.role, obj.is_active = form.initial["role"], form.initial["is_active"]
        super().save_model(request, obj, form, change)
        try:
            with transaction.atomic():
                if role != obj.role:
                    members.change_role(member=obj, role=role)
                if is_active != obj.is_active:
                    (members.bring_back if is_active else members.remove)(member=obj)
        except members.LastManagerError as problem:
            self.message_user(request, str(problem), messages.ERROR)


class ReadOnlyAdmin(admin.ModelAdmin):
    project = "project"  # the field that leads from a row to its project

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without those of hidden projects."""
        shown = {f"{self.project}__in": Project.objects.all()}
        return super().get_queryset(request).filter(**shown)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Prompt)
class PromptAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "project", "rankings_wanted", "rankings_needed", "priority"]
    list_filter = ["project"]
    list_select_related = ["project"]


@admin.register(Ranking)
class RankingAdmin(ReadOnlyAdmin):
    project = "prompt__project"
    list_display = ["prompt", "member", "origin", "version", "is_current", "surplus", "created_at"]
    list_filter = ["origin", "is_current", "surplus"]
    list_select_related = ["prompt", "member"]


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = ["run", "project", "state", "created_by", "created_at", "finished_at"]
    list_filter = ["project", "state"]
    list_select_related = ["project", "created_by"]

    @admin.display(description=MODELS[TrainingRun][0], ordering="pk")
    def run(self, run: TrainingRun) -> str:
        return run.title


admin.site.unregister(DBTaskResult)


@admin.register(DBTaskResult)
class BackgroundTaskAdmin(DBTaskResultAdmin):
    """The package's own page, with columns whose names are translated."""

    list_display = (
        *("id", "name", "status", "enqueued_at", "started_at", "finished_at", "priority"),
        "queue_name",
    )

    @admin.display(description=_("name"), ordering="task_path")
    def name(self, task: DBTaskResult) -> str:
        return task.task_name

    @admin.display(description=FIELDS["traceback"])
    def formatted_traceback(self, obj: DBTaskResult) -> str:
        return super().formatted_traceback(obj)

    @admin.display(description=FIELDS["run_after"])
    def display_run_after(self, obj: DBTaskResult) -> Any:
        return super().display_run_after(obj)
