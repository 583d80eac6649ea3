"""Run granian for `serve`: it ends with `serve`, and its processes end with it.

python -m labelapp.management.granian ARGUMENTS OF GRANIAN
"""

import os

from granian.cli import entrypoint

from training.child_process import end_with_parent, for_child

STOP_SECONDS = 10  # more than granian gives open requests

if __name__ == "__main__":
    end_with_parent(STOP_SECONDS)
    os.environ.update(for_child({}))  # labelapp/wsgi.py reads it in every process of granian
    entrypoint()
