"""Fill a database with people, sessions, prompts and rankings for the benchmarks.

    DATA_DIR=... python -m benchmarks.fill '{"prompts": 1000, "labellers": 8}'

The database makes the rows itself from a pool of texts (INSERT ... SELECT), so that a million
prompts with six responses of 60 to 100 words take minutes. The output is a JSON list with the
session keys of the labellers.

`wanted` is the number of rankings per prompt. With `finished` n, every n-th prompt has been ranked,
by labellers who take turns. `words` is the maximum length of a text, `responses` their number for
each prompt, if not six. With `recent`, the rankings
are from the last sixty days, and their orders and times differ.
"""

import json
import os
import random
import sys
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
    django.setup()

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction

from labelapp.models import Member, Project, User, hash_text

POOL = 20_000
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BEFORE = "2026-01-01 12:00:00"
AFTER = "2026-01-01 13:00:00"
RESPONSES = 6

SQLITE = {
    "prepare": "PRAGMA synchronous=OFF",
    "numbers": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
    "WHERE i + 1 < {count})",
    "from_numbers": "n",
    "messages": "json_array(json_object('role', 'user', 'content', {text}))",
    "hash": "printf('%064x', i)",
    "each": "(SELECT p.id, k.column1 AS k FROM labelapp_prompt p CROSS JOIN (VALUES {ks}) k "
    "WHERE p.project_id = {project})",
    "ids": "(SELECT json_group_array(id) FROM labelapp_response WHERE prompt_id = p.id)",
    "uuid": "lower(hex(randomblob(16)))",
    "recently": "datetime('now', '-' || (p.id * 7 % 5184000) || ' seconds')",
    "finish": "PRAGMA wal_checkpoint(TRUNCATE)",
}
POSTGRESQL = {
    # The role replica skips the check of foreign keys, which are valid by construction.
    "prepare": "SET session_replication_role = replica",
    "numbers": "",
    "from_numbers": "generate_series(0, {count} - 1) AS n(i)",
    "messages": "jsonb_build_array(jsonb_build_object('role', 'user', 'content', {text}))",
    "hash": "lpad(to_hex(i), 64, '0')",
    "each": "(SELECT p.id, k.column1 AS k FROM labelapp_prompt p CROSS JOIN (VALUES {ks}) k "
    "WHERE p.project_id = {project} ORDER BY p.id, k)",
    "ids": "(SELECT jsonb_agg(id) FROM labelapp_response WHERE prompt_id = p.id)",
    "uuid": "gen_random_uuid()",
    "recently": "now() - make_interval(secs => p.id * 7 % 5184000)",
    "finish": "VACUUM ANALYZE",
}


def main() -> None:
    options = json.loads(sys.argv[1])
    project = Project.objects.create(
        name="Bench", slug="bench", guidelines="Prefer what is *right*, then what is short."
    )
    members = [add_labeller(project, f"labeller-{i}") for i in range(options["labellers"])]
    fill(project, members, options)
    print(json.dumps([sign_in(member.name) for member in members]))


def add_labeller(project: Project, name: str) -> Member:
    user = User.objects.create_user(name)
    return Member.objects.create(project=project, user=user, name=name)


def sign_in(name: str) -> str:
    user = User.objects.get(username=name)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def texts(most: int) -> list[str]:
    """Return texts of 60 % to 100 % of `most` words, a third of them with Markdown."""
    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 9))) for _ in range(5000)]
    return [write(rng, words, most, marked=i % 3 == 0) for i in range(POOL)]


def write(rng: random.Random, words: list[str], most: int, *, marked: bool) -> str:
    chosen = rng.choices(words, k=rng.randint(most * 6 // 10, most))
    parts = [" ".join(chosen[start : start + 20]).capitalize() for start in range(0, 100, 20)]
    parts = [f"{part}." for part in parts if part]
    if not marked:
        return "\n\n".join([" ".join(parts[:2]), " ".join(parts[2:])])
    first, *rest = parts
    return "\n".join([f"{first} **{chosen[0]}** and `{chosen[1]}`:", ""] + [f"- {p}" for p in rest])


def fill(project: Project, members: list[Member], options: dict[str, int]) -> None:
    """Insert the prompts with their responses, and the rankings of the finished ones."""
    wanted, finished = options.get("wanted", 1), options.get("finished", 0)
    values = {
        "count": options["prompts"],
        "project": project.pk,
        "ks": ", ".join(f"({k})" for k in range(options.get("responses", RESPONSES))),
        "text": "'Prompt number ' || i || ': ' || t.text",
    }
    own = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(own["prepare"])
        with transaction.atomic():
            make_pool(cursor, options.get("words", 100))
            sql = {name: text.format(**values) for name, text in own.items()}
            recent = bool(options.get("recent"))
            for statement in statements(sql, project, members, wanted, finished, recent):
                cursor.execute(statement)
            cursor.execute("DROP TABLE bench_text")
        cursor.execute(own["finish"])


def statements(
    sql: dict[str, str],
    project: Project,
    members: list[Member],
    wanted: int,
    finished: int,
    recent: bool,
) -> list[str]:
    done = f"i % {finished} = 0" if finished else "1 = 0"
    made_at = sql["recently"] if recent else f"'{AFTER}'"
    seconds = "10 + p.id % 97" if recent else "30"
    order = "(s.id * 31 + r.id * (r.id % 3)) % 7, s.id" if recent else "s.id"
    turn = f"((w.column1 - p.id % {len(members)} + {len(members)}) % {len(members)})"
    workers = ", ".join(f"({n}, {member.pk})" for n, member in enumerate(members))
    return [
        f"""INSERT INTO labelapp_prompt (project_id, messages, content_hash, priority,
            rankings_wanted, rankings_needed, came_back, created_at)
            {sql["numbers"]} SELECT {project.pk}, {sql["messages"]}, {sql["hash"]}, 0, {wanted},
            CASE WHEN {done} THEN 0 ELSE {wanted} END, false, '{BEFORE}'
            FROM {sql["from_numbers"]} JOIN bench_text t ON t.id = i * 31 % {POOL}""",
        f"""INSERT INTO labelapp_response (prompt_id, text, source, external_id, content_hash,
            names_itself) SELECT p.id, t.text, 'model ' || p.k, '', t.hash, false
            FROM {sql["each"]} p JOIN bench_text t ON t.id = (p.id * 31 + p.k * 3331) % {POOL}""",
        f"""INSERT INTO labelapp_assignment (prompt_id, member_id, token, slot, "order", draft,
            seconds, created_at, shown_at, expires_at, submitted_at, skip_reason, skip_note)
            SELECT p.id, w.column2, {sql["uuid"]}, 1 + {turn}, {sql["ids"]}, '{{}}', {seconds},
            {made_at}, {made_at}, {made_at}, {made_at}, '', ''
            FROM labelapp_prompt p JOIN (VALUES {workers}) w ON {turn} < {wanted}
            WHERE p.project_id = {project.pk} AND p.rankings_needed = 0 ORDER BY p.id""",
        f"""INSERT INTO labelapp_ranking (prompt_id, member_id, responses_hash, version,
            is_current, origin, surplus, seconds, all_bad, note, created_at)
            SELECT a.prompt_id, a.member_id, p.content_hash, 1, true, 'here', false, a.seconds,
            false, '', a.submitted_at
            FROM labelapp_assignment a JOIN labelapp_prompt p ON p.id = a.prompt_id
            WHERE p.project_id = {project.pk} ORDER BY a.id""",
        f"""INSERT INTO labelapp_placement (ranking_id, response_id, rank)
            SELECT r.id, s.id, row_number() OVER (PARTITION BY r.id ORDER BY {order})
            FROM labelapp_ranking r JOIN labelapp_prompt p ON p.id = r.prompt_id
            JOIN labelapp_response s ON s.prompt_id = p.id WHERE p.project_id = {project.pk}""",
        f"""UPDATE labelapp_member SET ranked = (SELECT count(*) FROM labelapp_assignment a
            WHERE a.member_id = labelapp_member.id) WHERE project_id = {project.pk}""",
    ]


def make_pool(cursor: Any, most: int) -> None:
    rows = [(i, text, hash_text(text)) for i, text in enumerate(texts(most))]
    cursor.execute("CREATE TABLE bench_text (id integer PRIMARY KEY, text text, hash text)")
    cursor.executemany("INSERT INTO bench_text VALUES (%s, %s, %s)", rows)


if __name__ == "__main__":
    main()
