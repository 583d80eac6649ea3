"""Uploads and exports, which are processed in the background."""

from django.db import models

from labelapp.models.jobs import Job, JobQuerySet, ObjectField


class FileTransfer(Job):
    """A job that reads or writes a file, as a whole or not at all."""

    RETRIED = True

    name = models.CharField(max_length=255)  # of the file, as a person knows it
    folder = models.CharField(max_length=200, blank=True)  # below DATA_DIR
    format = models.CharField(max_length=20)
    options = ObjectField(default=dict, blank=True)
    outcome = ObjectField(default=dict, blank=True)  # counts of what was read or written

    class Meta(Job.Meta):
        abstract = True

    def __str__(self) -> str:
        return self.name


class Upload(FileTransfer):
    """An uploaded file, from its preview to its import."""

    TASK = "import_upload"

    size = models.BigIntegerField(default=0)  # bytes

    objects = JobQuerySet["Upload"].as_manager()


class Export(FileTransfer):
    """A file that is written in the background, and downloaded once it is complete."""

    TASK = "write_export"

    objects = JobQuerySet["Export"].as_manager()
