"""WSGI entry point, for granian."""

import os

from django.core.wsgi import get_wsgi_application

from labelapp.db.writer import wait_briefly
from training.child_process import end_with_parent

THREADS = 45  # of the process, unless granian's own variable says otherwise
READERS = 2  # threads that never wait for a writer
WAIT_SECONDS = 5.0

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")

end_with_parent()  # where granian is run by `manage.py serve`
application = get_wsgi_application()
threads = int(os.environ.get("GRANIAN_BLOCKING_THREADS", THREADS))
wait_briefly(WAIT_SECONDS, threads - READERS)
