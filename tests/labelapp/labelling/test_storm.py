"""Labellers at once, dropped connections and a killed server: never lost and never doubled.

A short run of benchmarks/storm.py, which says what happens in it and what is checked.
"""

import os
from pathlib import Path

import pytest

from benchmarks.installation import Installation, new_database
from benchmarks.storm import storm

HAPPENS = {
    "rankings acknowledged",
    "sent twice at once",
    "connections dropped",
    "leases that ran out",
    "fetched ahead",
    "skipped",
    "undone",
    "answers lost",
    "servers killed",
}


@pytest.mark.database  # on PostgreSQL as well
def test_nothing_is_lost_or_doubled_in_a_storm(tmp_path: Path) -> None:
    url = ""
    if os.environ.get("TEST_DATABASE") == "postgresql":
        url = new_database(os.environ["DATABASE_URL"], "storm")
    with Installation(tmp_path, url) as installation:
        came_out = storm(installation, clients=12, seconds=5, prompts=60, wanted=4, rankings=150)
    assert came_out.faults == []
    assert set(came_out.counts) >= HAPPENS
