"""Wait until another thread or process has done something."""

import subprocess
import time
from collections.abc import Callable

PATIENCE = 600.0  # seconds: a bound for the busiest machine, not a measure


def wait_until(
    condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None
) -> None:
    """Wait until a condition is true; fail if the process that is to meet it has ended."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
