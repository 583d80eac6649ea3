#!/usr/bin/env python
"""The command line of Podium: `python manage.py help` lists the commands."""

import os
import sys

from django.core.management import execute_from_command_line

from training.child_process import end_with_parent

# A task worker ends its task at the second signal. `serve` stops its workers in the same way.
STOP_SECONDS = (1, 15)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
    end_with_parent(*STOP_SECONDS)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
