"""Name Podium in the admin site, and build the search index after each migration."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate

from labelapp.db import text_index


class PodiumConfig(AppConfig):
    name = "labelapp"
    verbose_name = "Podium"

    def ready(self) -> None:
        post_migrate.connect(text_index.ensure, sender=self)
        register(text_index.check_index, Tags.database)
