"""The URLs of all pages."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path, register_converter
from django.urls.converters import IntConverter
from django.views.generic import RedirectView

from labelapp.exporting import views as exporting
from labelapp.importing import views as uploading
from labelapp.labelling import views as labelling
from labelapp.labelling import work_views as work
from labelapp.labelling.practice import own_views as own_practice
from labelapp.labelling.practice import views as practice
from labelapp.notifications import views as notifications
from labelapp.notifications import webhook_views as webhook
from labelapp.overview import views as overview
from labelapp.palette import views as palette
from labelapp.people import views as person
from labelapp.projects.views import (
    accounts,
    deleted_prompts,
    invitations,
    progress,
    projects,
    prompts,
    setup,
)
from labelapp.projects.views import members as people
from labelapp.quality.views import adjudication as adjudicating
from labelapp.quality.views import agreement, disagreements
from labelapp.registry import playground_views as playground
from labelapp.registry import service_views as service
from labelapp.registry import views as registry
from labelapp.reviewing import views as reviewing
from labelapp.runs import views as runs
from labelapp.runs.all_runs import list_views as run_list
from labelapp.runs.grids import grid_views as grids
from labelapp.runs.one_run import run_views as one_run
from labelapp.web import languages
from labelapp.web.middleware import translated


class RowConverter(IntConverter):
    """A primary key. Numbers that are too large for a database do not match."""

    regex = "[0-9]{1,18}"


register_converter(RowConverter, "row")

urlpatterns = [
    path("", projects.index, name="projects"),
    path("switch/", projects.switch, name="projects_switch"),
    path("sign-in/", translated(accounts.SignIn.as_view()), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("account/", translated(accounts.account), name="account"),
    path("account/sessions/end/", accounts.sign_out_others, name="sessions_end"),
    path(
        "new-password/<str:uidb64>/<str:token>/",
        translated(accounts.ResetPassword.as_view()),
        name="reset_password",
    ),
    path("account/data/", accounts.download, name="account_data"),
    path("notifications/", notifications.index, name="notifications"),
    path("notifications/bell/", notifications.bell, name="notifications_bell"),
    path("notifications/read/", notifications.mark_read, name="notifications_read"),
    path("notifications/settings/", notifications.choose, name="notification_settings"),
    path("notifications/<row:pk>/", notifications.follow, name="notification"),
    path("account/<row:pk>/anonymise/", accounts.anonymise, name="account_anonymise"),
    path("words/<slug:language>.js", languages.javascript_catalog, name="words"),
    path("language/", languages.choose_language, name="language"),
    path("join/<str:token>/", invitations.join, name="join"),
    path("tensorboard/", runs.tensorboard, name="tensorboard"),
    path("tensorboard/<path:path>", runs.tensorboard),
    path("projects/new/", setup.new, name="project_new"),
    path("projects/<slug:slug>/", overview.detail, name="project"),
    path("projects/<slug:slug>/live/", overview.live, name="project_live"),
    path("projects/<slug:slug>/find/", palette.index, name="find"),
    path("projects/<slug:slug>/find/found/", palette.found, name="found"),
    path("projects/<slug:slug>/settings/", projects.settings, name="project_settings"),
    path(
        "projects/<slug:slug>/settings/preview/", projects.preview, name="project_settings_preview"
    ),
    path("projects/<slug:slug>/webhook/", webhook.index, name="webhook"),
    path("projects/<slug:slug>/webhook/act/", webhook.act, name="webhook_act"),
    path("projects/<slug:slug>/setup/", setup.resume, name="project_setup"),
    path("projects/<slug:slug>/setup/name/", setup.name, name="project_setup_name"),
    path(
        "projects/<slug:slug>/setup/guidelines/", setup.guidelines, name="project_setup_guidelines"
    ),
    path("projects/<slug:slug>/setup/file/", setup.leave_file, name="project_setup_file"),
    path("projects/<slug:slug>/setup/people/", setup.people, name="project_setup_people"),
    path("projects/<slug:slug>/setup/finish/", setup.finish, name="project_setup_finish"),
    path("projects/<slug:slug>/archive/", projects.archive, name="project_archive"),
    path("projects/<slug:slug>/restore/", projects.restore, name="project_restore"),
    path("projects/<slug:slug>/duplicate/", projects.duplicate, name="project_duplicate"),
    path("projects/<slug:slug>/delete/", projects.delete, name="project_delete"),
    path("projects/<slug:slug>/join/", people.join, name="project_join"),
    path("projects/<slug:slug>/people/", people.index, name="people"),
    path("projects/<slug:slug>/people/<row:pk>/", person.detail, name="person"),
    path(
        "projects/<slug:slug>/people/<row:pk>/leave-out/", person.leave_out, name="person_leave_out"
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/count-again/",
        person.count_again,
        name="person_count_again",
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/ask-again/", person.ask_again, name="person_ask_again"
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/ask-again/undo/",
        person.stop_asking,
        name="person_stop_asking",
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/return/",
        person.return_rankings,
        name="person_return",
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/return/<row:returned>/undo/",
        person.undo_return,
        name="person_return_undo",
    ),
    path("projects/<slug:slug>/people/<row:pk>/notes/", person.write_note, name="person_note"),
    path(
        "projects/<slug:slug>/people/<row:pk>/notes/<row:note>/delete/",
        person.delete_note,
        name="person_note_delete",
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/messages/",
        person.send_message,
        name="person_message",
    ),
    path(
        "projects/<slug:slug>/people/<row:pk>/messages/<row:message>/withdraw/",
        person.withdraw_message,
        name="person_message_withdraw",
    ),
    path("projects/<slug:slug>/people/<row:pk>/role/", people.change_role, name="person_role"),
    path(
        "projects/<slug:slug>/people/<row:pk>/new-password/",
        people.reset_password,
        name="person_reset",
    ),
    path("projects/<slug:slug>/people/<row:pk>/remove/", people.remove, name="person_remove"),
    path("projects/<slug:slug>/people/<row:pk>/back/", people.bring_back, name="person_back"),
    path("projects/<slug:slug>/invitations/", invitations.index, name="invitations"),
    path(
        "projects/<slug:slug>/invitations/<row:pk>/revoke/",
        invitations.revoke,
        name="invitation_revoke",
    ),
    path("projects/<slug:slug>/labelling/", labelling.ranking_page, name="labelling"),
    path("projects/<slug:slug>/labelling/draft/", labelling.draft, name="labelling_draft"),
    path("projects/<slug:slug>/labelling/next/", labelling.following, name="labelling_next"),
    path("projects/<slug:slug>/labelling/alive/", labelling.alive, name="labelling_alive"),
    path("projects/<slug:slug>/labelling/skip/", labelling.skip, name="labelling_skip"),
    path(
        "projects/<slug:slug>/labelling/messages/<row:message>/dismiss/",
        labelling.dismiss,
        name="labelling_dismiss",
    ),
    path("projects/<slug:slug>/labelling/undo/", labelling.undo, name="labelling_undo"),
    path("projects/<slug:slug>/practice/", practice.start, name="practice"),
    path("projects/<slug:slug>/practice/<row:place>/", practice.task, name="practice_task"),
    path("projects/<slug:slug>/practice/<row:place>/texts/", practice.texts, name="practice_texts"),
    path("projects/<slug:slug>/practice/skip/", practice.skip, name="practice_skip"),
    path("projects/<slug:slug>/practice/prompts/", own_practice.index, name="practice_prompts"),
    path("projects/<slug:slug>/my-work/", work.index, name="work"),
    path("projects/<slug:slug>/my-work/<uuid:token>/", work.detail, name="work_task"),
    path("projects/<slug:slug>/my-work/<uuid:token>/texts/", work.texts, name="work_texts"),
    path("projects/<slug:slug>/progress/", progress.index, name="progress"),
    path("projects/<slug:slug>/progress/live/", progress.live, name="progress_live"),
    path("projects/<slug:slug>/progress/pause/", progress.pause, name="pause"),
    path("projects/<slug:slug>/prompts/", prompts.index, name="prompts"),
    path("projects/<slug:slug>/prompts/undo/", prompts.undo, name="prompts_undo"),
    path("projects/<slug:slug>/prompts/delete/", deleted_prompts.delete, name="prompts_delete"),
    path("projects/<slug:slug>/prompts/deleted/", deleted_prompts.index, name="prompts_deleted"),
    path(
        "projects/<slug:slug>/prompts/deleted/<row:pk>/restore/",
        deleted_prompts.restore,
        name="prompts_restore",
    ),
    path("projects/<slug:slug>/prompts/wanted/", prompts.wanted, name="prompts_wanted"),
    path("projects/<slug:slug>/prompts/tags/", prompts.list_tags, name="prompt_tags"),
    path("projects/<slug:slug>/prompts/tags/<row:pk>/", prompts.change_tag, name="prompt_tag"),
    path("projects/<slug:slug>/prompts/<row:pk>/", prompts.detail, name="prompt"),
    path("projects/<slug:slug>/prompts/<row:pk>/texts/", prompts.texts, name="prompt_texts"),
    path(
        "projects/<slug:slug>/prompts/<row:pk>/take-back/<row:task>/",
        prompts.take_back,
        name="prompt_take_back",
    ),
    path(
        "projects/<slug:slug>/prompts/<row:pk>/gold/<row:ranking>/",
        prompts.gold,
        name="prompt_gold",
    ),
    path("projects/<slug:slug>/agreement/", agreement.index, name="agreement"),
    path("projects/<slug:slug>/agreement/measured/", agreement.measured, name="agreement_measured"),
    path("projects/<slug:slug>/agreement/measure/", agreement.measure, name="agreement_measure"),
    path("projects/<slug:slug>/agreement/stop/", agreement.stop, name="agreement_stop"),
    path("projects/<slug:slug>/disagreements/", disagreements.index, name="disagreements"),
    path("projects/<slug:slug>/disagreements/<row:pk>/", disagreements.detail, name="disagreement"),
    path(
        "projects/<slug:slug>/disagreements/<row:pk>/texts/",
        disagreements.texts,
        name="disagreement_texts",
    ),
    path(
        "projects/<slug:slug>/disagreements/<row:pk>/comment/",
        disagreements.comment,
        name="disagreement_comment",
    ),
    path(
        "projects/<slug:slug>/disagreements/<row:pk>/comments/<row:comment_pk>/delete/",
        disagreements.delete_comment,
        name="disagreement_comment_delete",
    ),
    path(
        "projects/<slug:slug>/disagreements/<row:pk>/adjudicate/",
        adjudicating.adjudicate,
        name="adjudicate",
    ),
    path(
        "projects/<slug:slug>/disagreements/<row:pk>/take-back/<row:ranking>/",
        adjudicating.withdraw,
        name="adjudication_take_back",
    ),
    path("projects/<slug:slug>/export/", exporting.index, name="export"),
    path("projects/<slug:slug>/export/prepared/", exporting.prepared, name="export_prepared"),
    path("projects/<slug:slug>/export/<row:pk>/file/", exporting.file, name="export_file"),
    path("projects/<slug:slug>/export/<row:pk>/stop/", exporting.stop, name="export_stop"),
    path("projects/<slug:slug>/export/<row:pk>/remove/", exporting.remove, name="export_remove"),
    path("projects/<slug:slug>/uploads/", uploading.index, name="uploads"),
    path("projects/<slug:slug>/uploads/<row:pk>/", uploading.detail, name="upload"),
    path(
        "projects/<slug:slug>/uploads/<row:pk>/progress/",
        uploading.progress,
        name="upload_progress",
    ),
    path(
        "projects/<slug:slug>/uploads/<row:pk>/import/",
        uploading.import_again,
        name="upload_import",
    ),
    path(
        "projects/<slug:slug>/uploads/<row:pk>/anew/", uploading.back_to_preview, name="upload_anew"
    ),
    path("projects/<slug:slug>/uploads/<row:pk>/stop/", uploading.stop, name="upload_stop"),
    path(
        "projects/<slug:slug>/uploads/<row:pk>/discard/", uploading.discard, name="upload_discard"
    ),
    path(
        "projects/<slug:slug>/uploads/<row:pk>/bad-lines.csv",
        uploading.bad_lines_csv,
        name="upload_bad_lines",
    ),
    path("projects/<slug:slug>/runs/", run_list.index, name="runs"),
    path("projects/<slug:slug>/runs/new/", run_list.new, name="run_new"),
    path("projects/<slug:slug>/runs/new/estimate/", run_list.estimate, name="run_estimate"),
    path("projects/<slug:slug>/runs/<row:pk>/state/", run_list.state, name="run_state"),
    path("projects/<slug:slug>/runs/<row:pk>/about/", run_list.about, name="run_about"),
    path("projects/<slug:slug>/runs/<row:pk>/edit/", run_list.edit, name="run_edit"),
    path("projects/<slug:slug>/runs/<row:pk>/pin/", run_list.pin, name="run_pin"),
    path("projects/<slug:slug>/runs/compare/", runs.compare, name="runs_compare"),
    path("projects/<slug:slug>/runs/grids/", grids.index, name="grids"),
    path("projects/<slug:slug>/runs/grids/new/", grids.new, name="grid_new"),
    path("projects/<slug:slug>/runs/grids/new/estimate/", grids.estimate, name="grid_estimate"),
    path("projects/<slug:slug>/runs/grids/<row:pk>/", grids.page, name="grid"),
    path("projects/<slug:slug>/runs/grids/<row:pk>/stop/", grids.stop, name="grid_stop"),
    path("projects/<slug:slug>/runs/grids/<row:pk>/go-on/", grids.resume, name="grid_resume"),
    path("projects/<slug:slug>/runs/grids/<row:pk>/delete/", grids.delete, name="grid_delete"),
    path("projects/<slug:slug>/runs/<row:pk>/", one_run.overview, name="run"),
    path("projects/<slug:slug>/runs/<row:pk>/curves/", one_run.curves, name="run_curves"),
    path("projects/<slug:slug>/runs/<row:pk>/errors/", one_run.errors, name="run_errors"),
    path("projects/<slug:slug>/runs/<row:pk>/data/", one_run.data, name="run_data"),
    path("projects/<slug:slug>/runs/<row:pk>/settings/", one_run.settings, name="run_settings"),
    path("projects/<slug:slug>/runs/<row:pk>/files/", one_run.files, name="run_files"),
    path("projects/<slug:slug>/runs/<row:pk>/files/<str:name>", one_run.file, name="run_file"),
    path("projects/<slug:slug>/runs/<row:pk>/delete/", one_run.delete, name="run_delete"),
    path("projects/<slug:slug>/runs/<row:pk>/progress/", one_run.progress, name="run_progress"),
    path("projects/<slug:slug>/runs/<row:pk>/stop/", one_run.stop, name="run_stop"),
    path("projects/<slug:slug>/runs/<row:pk>/go-on/", one_run.resume, name="run_resume"),
    path("projects/<slug:slug>/runs/<row:pk>/log/", one_run.log, name="run_log"),
    path("projects/<slug:slug>/models/", registry.index, name="models"),
    path("projects/<slug:slug>/models/gates/", registry.set_gates, name="model_gates"),
    path(
        "projects/<slug:slug>/models/no-challenger/",
        registry.no_challenger,
        name="model_no_challenger",
    ),
    path("projects/<slug:slug>/models/roll-back/", registry.roll_back, name="model_roll_back"),
    path("projects/<slug:slug>/runs/<row:pk>/register/", registry.register, name="model_register"),
    path("projects/<slug:slug>/models/playground/", playground.index, name="playground"),
    path("projects/<slug:slug>/models/service/", service.index, name="model_service"),
    path("projects/<slug:slug>/tokens/<row:pk>/revoke/", service.revoke, name="token_revoke"),
    path("projects/<slug:slug>/models/<row:number>/", registry.detail, name="model_version"),
    path(
        "projects/<slug:slug>/models/<row:number>/promote/", registry.promote, name="model_promote"
    ),
    path(
        "projects/<slug:slug>/models/<row:number>/challenger/",
        registry.challenge,
        name="model_challenge",
    ),
    path(
        "projects/<slug:slug>/models/<row:number>/withdraw/",
        registry.withdraw,
        name="model_withdraw",
    ),
    path("projects/<slug:slug>/reviewing/", reviewing.index, name="reviewing"),
    path("projects/<slug:slug>/reviewing/figures/", reviewing.figures, name="reviewing_figures"),
    path("projects/<slug:slug>/reviewing/measure/", reviewing.measure, name="reviewing_measure"),
    path("projects/<slug:slug>/reviewing/prompts.csv", reviewing.export, name="reviewing_export"),
    path("projects/<slug:slug>/reviewing/<row:pk>/", reviewing.detail, name="reviewing_prompt"),
    path("projects/<slug:slug>/reviewing/<row:pk>/texts/", reviewing.texts, name="reviewing_texts"),
    path("admin/login/", accounts.admin_sign_in),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account")),
    path("admin/", admin.site.urls),
]

handler404 = "labelapp.web.navigation.missing_page"
handler500 = "labelapp.web.faults.error_page"
