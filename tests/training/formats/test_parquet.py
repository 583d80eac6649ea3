"""Parquet files, read through a process of their own."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.formats.ranking_file import (
    BadLine,
    RankingFileError,
    ReadOptions,
    open_ranking_file,
)

CHAT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
ROWS = [
    {"prompt": "Why?", "response": "Paint.", "rank": 2, "annotator": 7},
    {"prompt": "Why?", "response": "Scattering.", "rank": 1, "annotator": 7},
    {"prompt": "Who?", "response": "Me.", "rank": None, "annotator": None},
    {"prompt": "Who?", "response": "You.", "rank": None, "annotator": None},
]


@pytest.fixture
def write(tmp_path):
    def write(rows, name="rankings.parquet", **options):
        path = tmp_path / name
        pq.write_table(pa.Table.from_pylist(rows), path, **options)
        return str(path)

    return write


def read(path, **options):
    with open_ranking_file(path, ReadOptions(**options)) as file:
        return list(file)


def test_rows_in_long_form_are_rankings(write):
    ranked, unranked = read(write(ROWS))
    assert ranked.number == 1
    assert ranked.labeller == "7"
    assert ranked.ranking == [["1"], ["0"]]
    assert unranked.ranking is None


def test_the_columns_are_known_before_the_rows_are_read(write):
    path = write(ROWS)
    with open_ranking_file(path) as file:
        assert file.reading.container == "Parquet"
        assert file.columns == ["prompt", "response", "rank", "annotator"]


def test_columns_can_be_named(write):
    path = write([{"q": "Why?", "a": text, "r": rank} for rank, text in enumerate("xyz")])
    with pytest.raises(RankingFileError, match="has the columns 'q', 'a', 'r'"):
        read(path)
    (line,) = read(path, columns={"prompt": "q", "response": "a", "rank": "r"})
    assert line.ranking == [["0"], ["1"], ["2"]]


def test_messages_are_a_list_of_structs(write):
    (line,) = read(write([{"messages": CHAT, "response": text} for text in "ab"]))
    assert line.messages == CHAT


def test_pairs_are_rankings_of_two(write):
    said = {"chosen": [{"role": "assistant", "content": "So."}],
            "rejected": [{"role": "assistant", "content": "Ah."}]}  # fmt: skip
    (line,) = read(write([{"prompt": CHAT, "score": 0.5} | said]))
    assert line.messages == CHAT
    assert [response.text for response in line.responses] == ["So.", "Ah."]


def test_a_row_may_hold_a_whole_ranking(write):
    responses = [{"id": "a", "text": "So."}, {"id": "b", "text": "Ah."}, {"id": "c", "text": "Oh."}]
    row = {"prompt": "Why?", "responses": responses, "ranking": [["b", "c"], ["a"]]}
    (line,) = read(write([row | {"at": datetime(2026, 1, 1, tzinfo=UTC)}]))
    assert line.ranking == [["b", "c"], ["a"]]


def test_row_groups_come_one_after_another(write):
    rows = [{"prompt": f"{n}?", "response": f"{i}", "rank": i} for n in range(500) for i in (0, 1)]
    path = write(rows, row_group_size=7)
    with open_ranking_file(path) as file:
        lines = list(file)
        assert file.raw.tell() == file.size == Path(path).stat().st_size
    assert len(lines) == 500
    assert lines[-1].number == 999


def test_a_bad_row_is_named(write):
    lines = read(write([*ROWS, {"prompt": "How?", "response": "", "rank": 1, "annotator": 1}]))
    assert [str(line) for line in lines if isinstance(line, BadLine)] == [
        "line 5: has an empty response: '0'"
    ]


def test_a_row_that_is_too_long_is_named_and_the_others_are_read(write):
    long = {"prompt": "Long?", "response": "x" * (2**24 + 1), "rank": 1, "annotator": 7}
    *bad, good = read(write([long, *ROWS], compression="zstd"))
    assert [str(line) for line in bad] == [
        "line 1: is longer than 16 MiB",
        "line 2: may lack the row of line 1, which cannot be read",
    ]
    assert good.messages[0]["content"] == "Who?"


def test_a_file_that_is_cut_is_refused_in_one_line(write, tmp_path):
    path = Path(write(ROWS))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        RankingFileError, match=r"is a Parquet file that cannot be opened: .*Parquet"
    ) as error:
        read(str(path))
    assert "\n" not in str(error.value)


def test_a_pipe_is_refused(write, tmp_path):
    source = Path(write(ROWS))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    writer.start()
    with pytest.raises(RankingFileError, match="give the name of a file"):
        read(str(pipe))
    writer.join()


def test_a_machine_without_pyarrow_is_told_what_it_needs(write, tmp_path, monkeypatch):
    path = write(ROWS)
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RankingFileError, match=r"pyarrow: install it with pip install -r require"):
        read(path)


def test_reading_loads_no_pyarrow_here(write):
    program = (
        "import sys\n"
        "from training.formats.ranking_file import open_ranking_file\n"
        f"with open_ranking_file({write(ROWS)!r}) as file: print(len(list(file)))\n"
        "print('pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["2", "False"], done.stderr


def test_a_reader_that_stops_early_leaves_no_process(write):
    rows = [{"prompt": f"{n}?", "response": "x" * 1000} for n in range(3000)]
    with open_ranking_file(write(rows)) as file:
        assert next(iter(file)).number == 1
        process = file.raw.process
    assert process.returncode is not None
