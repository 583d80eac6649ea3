"""Every address. The stages' nouns name them: labelling, runs, reviewing."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path

from labelapp.views import labelling, projects

urlpatterns = [
    path("", projects.index, name="projects"),
    path("sign-in/", projects.SignIn.as_view(), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("projects/new/", projects.new, name="project_new"),
    path("projects/<slug:slug>/", projects.detail, name="project"),
    path("projects/<slug:slug>/labelling/", labelling.task, name="labelling"),
    path("admin/", admin.site.urls),
]
