"""Every address. The stages' nouns name them: labelling, runs, reviewing."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path

from labelapp.middleware import translated
from labelapp.views import (
    exporting,
    invitations,
    labelling,
    languages,
    people,
    progress,
    projects,
    prompts,
    reviewing,
    runs,
    work,
)

urlpatterns = [
    path("", projects.index, name="projects"),
    path("sign-in/", translated(projects.SignIn.as_view()), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("words/<slug:language>.js", languages.words, name="words"),
    path("language/", languages.choose, name="language"),
    path("join/<str:token>/", invitations.join, name="join"),
    path("guidelines/preview/", projects.preview, name="guidelines_preview"),
    path("projects/new/", projects.new, name="project_new"),
    path("projects/<slug:slug>/", projects.detail, name="project"),
    path("projects/<slug:slug>/settings/", projects.settings, name="project_settings"),
    path("projects/<slug:slug>/people/", people.index, name="people"),
    path("projects/<slug:slug>/people/<int:pk>/role/", people.change_role, name="person_role"),
    path("projects/<slug:slug>/people/<int:pk>/remove/", people.remove, name="person_remove"),
    path("projects/<slug:slug>/people/<int:pk>/back/", people.bring_back, name="person_back"),
    path("projects/<slug:slug>/invitations/", invitations.index, name="invitations"),
    path(
        "projects/<slug:slug>/invitations/<int:pk>/revoke/",
        invitations.revoke,
        name="invitation_revoke",
    ),
    path("projects/<slug:slug>/labelling/", labelling.task, name="labelling"),
    path("projects/<slug:slug>/labelling/draft/", labelling.draft, name="labelling_draft"),
    path("projects/<slug:slug>/labelling/next/", labelling.following, name="labelling_next"),
    path("projects/<slug:slug>/labelling/alive/", labelling.alive, name="labelling_alive"),
    path("projects/<slug:slug>/labelling/skip/", labelling.skip, name="labelling_skip"),
    path("projects/<slug:slug>/labelling/undo/", labelling.undo, name="labelling_undo"),
    path("projects/<slug:slug>/my-work/", work.index, name="work"),
    path("projects/<slug:slug>/my-work/<uuid:token>/", work.detail, name="work_task"),
    path("projects/<slug:slug>/progress/", progress.index, name="progress"),
    path("projects/<slug:slug>/progress/pause/", progress.pause, name="pause"),
    path("projects/<slug:slug>/prompts/", prompts.index, name="prompts"),
    path("projects/<slug:slug>/prompts/wanted/", prompts.wanted, name="prompts_wanted"),
    path("projects/<slug:slug>/prompts/<int:pk>/", prompts.detail, name="prompt"),
    path(
        "projects/<slug:slug>/prompts/<int:pk>/take-back/<int:task>/",
        prompts.take_back,
        name="prompt_take_back",
    ),
    path("projects/<slug:slug>/export/", exporting.index, name="export"),
    path("projects/<slug:slug>/export/file/", exporting.file, name="export_file"),
    path("projects/<slug:slug>/runs/", runs.index, name="runs"),
    path("projects/<slug:slug>/runs/<int:pk>/", runs.detail, name="run"),
    path("projects/<slug:slug>/runs/<int:pk>/progress/", runs.progress, name="run_progress"),
    path("projects/<slug:slug>/runs/<int:pk>/stop/", runs.stop, name="run_stop"),
    path("projects/<slug:slug>/runs/<int:pk>/go-on/", runs.go_on, name="run_go_on"),
    path("projects/<slug:slug>/runs/<int:pk>/log/", runs.log, name="run_log"),
    path("projects/<slug:slug>/reviewing/", reviewing.index, name="reviewing"),
    path("projects/<slug:slug>/reviewing/<int:pk>/", reviewing.detail, name="reviewing_prompt"),
    path("admin/", admin.site.urls),
]
