"""Run TensorBoard for `serve`: it ends with `serve`.

python -m training.programs.tensorboard FOLDER

The environment variable TENSORBOARD_URL has its address and its path, which is secret: TensorBoard
asks for no sign-in, and other users of the machine can reach its port.
"""

import os
import sys
from urllib.parse import urlsplit

from tensorboard.main import run_main

from training.child_process import end_with_parent

STOP_SECONDS = 5

if __name__ == "__main__":
    end_with_parent(STOP_SECONDS)
    url = urlsplit(os.environ["TENSORBOARD_URL"])
    sys.argv = [
        "tensorboard",
        f"--logdir={sys.argv[1]}",
        f"--host={url.hostname}",
        f"--port={url.port}",
        f"--path_prefix={url.path}",
        "--reload_interval=15",
    ]
    run_main()
