"""Child processes end with their parent, also where it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from training.child_process import PARENT, for_child

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds: a bound for the busiest machine, not a measure

CHILD = """
import signal, sys, time
from training.child_process import end_with_parent
{handler}
end_with_parent({pauses})
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""
PARENT_PROGRAM = """
import subprocess, sys, time
from training.child_process import for_child
program = [sys.executable, "-c", sys.argv[1]]
child = subprocess.Popen(program, env=for_child(), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody waits for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start_family(child: str) -> tuple["subprocess.Popen[str]", int]:
    """Start a parent with a child, and return the parent and the process of the child."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT_PROGRAM, child], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def test_a_child_ends_when_its_parent_is_killed() -> None:
    parent, child = start_family(CHILD.format(handler="", pauses=""))
    assert is_running(child)
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not is_running(child))


def test_a_child_that_does_not_hear_is_killed(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    handler = (
        f"signal.signal(signal.SIGTERM, lambda *_: open({str(heard)!r}, 'a').write('terminated '))"
    )
    parent, child = start_family(CHILD.format(handler=handler, pauses="0.5, 0.5"))
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not is_running(child))
    assert heard.read_text() == "terminated terminated "


def test_a_child_whose_parent_ended_before_it_began_ends() -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    environment = {**os.environ, PARENT: gone.stdout.decode().strip()}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(handler="", pauses="")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    assert child.wait(PATIENCE) == -signal.SIGTERM


def test_a_grandchild_does_not_take_the_parent_for_its_own() -> None:
    program = (
        "import os; from training.child_process import PARENT, end_with_parent; end_with_parent();"
        "print(PARENT in os.environ)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=for_child(), capture_output=True, check=True
    )
    assert done.stdout == b"False\n"
