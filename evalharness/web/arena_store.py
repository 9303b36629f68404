"""The arena's votes in a database: SQLite, or what EVALH_DATABASE_URL names. An acknowledged vote is there once.

Of a voter nothing is kept but a hash of the random value in the cookie. A battle has one vote for ever: its row is the
vote's key, so that a vote which is sent again, by whatever way, is the vote that is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa

from evalharness.arena.ratings import style, style_difference
from evalharness.data.files import OWN_FILE, own_folder
from evalharness.errors import UserError

Choice = Literal["model_a", "model_b", "tie", "tie (bothbad)", "skip"]
VOTE_CHOICES: tuple[Choice, ...] = get_args(Choice)
WITHDRAWN = "withdrawn by the voter"
DATABASE_URL = "EVALH_DATABASE_URL"
_MIGRATION_LOCK = 0x65766C68  # any number that is ours

_TABLES = sa.MetaData()
_SETTINGS = sa.Table("settings", _TABLES, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
_VOTERS = sa.Table("voters", _TABLES, sa.Column("id", sa.Text, primary_key=True), sa.Column("joined", sa.Float))
_BATTLES = sa.Table(
    "battles", _TABLES, sa.Column("id", sa.Text, primary_key=True), sa.Column("voter", sa.Text),
    sa.Column("item", sa.Text), sa.Column("category", sa.Text), sa.Column("model_a", sa.Text),
    sa.Column("model_b", sa.Text), sa.Column("turns", sa.Text), sa.Column("drawn", sa.Float),
)  # fmt: skip
_VOTES = sa.Table(
    "votes", _TABLES, sa.Column("battle", sa.Text, primary_key=True), sa.Column("key", sa.Text),
    sa.Column("choice", sa.Text), sa.Column("void", sa.Text), sa.Column("style", sa.Text), sa.Column("voted", sa.Float),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaTurn:
    """What was asked in one turn, and what both sides said."""

    prompt: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBattle:
    """Two models on one item, before a voter; the names stay on this side until the vote is there. `choice` is None
    until then; `void` says why a vote does not count, '' where it does."""

    id: str
    voter: str
    item: str
    category: str
    model_a: str
    model_b: str
    turns: tuple[ArenaTurn, ...]
    drawn: float
    choice: Choice | None = None
    void: str = ""
    voted: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedVote:
    """A vote that counts, without the texts; `style` is the difference of the answers' style, a minus b."""

    voter: str
    item: str
    category: str
    model_a: str
    model_b: str
    choice: Choice
    style: tuple[float, ...]
    seconds: float


class ArenaStore:
    """Votes and what they are about. Every method is one transaction. UserError where the database cannot be had."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        try:
            migrate(self._engine)
        except sa.exc.SQLAlchemyError as error:
            raise UserError(f"{_shown(url)}: the arena's database cannot be opened ({_first_line(error)})") from error
        self.secret = self._setting("secret", secrets.token_hex(32))

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(reads_only=True) as connection:
            yield connection

    def _setting(self, name: str, value: str) -> str:
        with self._writing() as store:
            found = store.scalar(sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == name))
            if found is None:
                store.execute(_SETTINGS.insert().values(name=name, value=value))
            return str(found or value)

    def close(self) -> None:
        self._engine.dispose()

    def join(self) -> str:
        """A new voter: the value for the cookie, of which the database keeps the hash."""
        value = secrets.token_urlsafe(24)
        with self._writing() as store:
            store.execute(_VOTERS.insert().values(id=voter_id(value), joined=time.time()))
        return value

    def knows(self, voter: str) -> bool:
        with self._reading() as store:
            return store.scalar(sa.select(_VOTERS.c.id).where(_VOTERS.c.id == voter)) is not None

    def draw(self, battle: DrawnBattle) -> None:
        """Keep a battle that is put before a voter; not one of a voter who has left meanwhile."""
        with self._writing() as store:
            if store.scalar(sa.select(_VOTERS.c.id).where(_VOTERS.c.id == battle.voter)) is None:
                return
            store.execute(
                _BATTLES.insert().values(
                    id=battle.id, voter=battle.voter, item=battle.item, category=battle.category,
                    model_a=battle.model_a, model_b=battle.model_b, turns=_turns_to_json(battle.turns),
                    drawn=battle.drawn,
                )
            )  # fmt: skip

    def add_turn(self, battle: DrawnBattle, turn: ArenaTurn) -> None:
        """Keep a further turn of a battle that is not voted on yet."""
        with self._writing() as store:
            turns = _turns_to_json((*battle.turns, turn))
            unchanged = (_BATTLES.c.id == battle.id) & (_BATTLES.c.turns == _turns_to_json(battle.turns))
            store.execute(_BATTLES.update().where(unchanged).values(turns=turns))

    def battle(self, identity: str) -> DrawnBattle | None:
        """A battle with its vote, where there is one."""
        return next(iter(self._battles(_BATTLES.c.id == identity)), None)

    def open_battle(self, voter: str) -> DrawnBattle | None:
        """The battle that a voter has not voted on."""
        return next(iter(self._battles((_BATTLES.c.voter == voter) & _VOTES.c.battle.is_(None), most=1)), None)

    def seen(self, voter: str) -> set[tuple[str, frozenset[str]]]:
        """(item, pair of models) that a voter had before."""
        asked = sa.select(_BATTLES.c.item, _BATTLES.c.model_a, _BATTLES.c.model_b).where(_BATTLES.c.voter == voter)
        with self._reading() as store:
            return {(item, frozenset((a, b))) for item, a, b in store.execute(asked)}

    def vote(self, battle: DrawnBattle, key: str, choice: Choice, void: str = "") -> bool:
        """Keep a vote. False where the battle has one already, which stays; the caller shows that one."""
        said = [style("\n".join(getattr(turn, side) for turn in battle.turns)) for side in ("a", "b")]
        values = {"battle": battle.id, "key": key, "choice": choice, "void": void, "voted": time.time()}
        try:
            with self._writing() as store:
                store.execute(_VOTES.insert().values(**values, style=json.dumps(style_difference(*said))))
        except sa.exc.IntegrityError:
            return False
        return True

    def withdraw(self, battle: DrawnBattle) -> None:
        """Let a vote count no more. It cannot be cast again: the names are known by now."""
        with self._writing() as store:
            store.execute(_VOTES.update().where(_VOTES.c.battle == battle.id).values(void=WITHDRAWN))

    def of_voter(self, voter: str) -> list[DrawnBattle]:
        """All battles that were put before a voter, the oldest first."""
        return self._battles(_BATTLES.c.voter == voter)

    def forget(self, voter: str) -> None:
        """Delete a voter with everything that came from there."""
        mine = sa.select(_BATTLES.c.id).where(_BATTLES.c.voter == voter)
        with self._writing() as store:
            store.execute(_VOTES.delete().where(_VOTES.c.battle.in_(mine)))
            store.execute(_BATTLES.delete().where(_BATTLES.c.voter == voter))
            store.execute(_VOTERS.delete().where(_VOTERS.c.id == voter))

    def counted(self) -> list[CountedVote]:
        """The votes that count, the oldest first."""
        names = ("voter", "item", "category", "model_a", "model_b", "drawn")
        asked = (
            sa.select(*(_BATTLES.c[name] for name in names), _VOTES.c.choice, _VOTES.c.style, _VOTES.c.voted)
            .join(_VOTES, _VOTES.c.battle == _BATTLES.c.id)
            .where((_VOTES.c.void == "") & (_VOTES.c.choice != "skip"))
            .order_by(_VOTES.c.voted, _VOTES.c.battle)
        )
        with self._reading() as store:
            return [
                CountedVote(
                    voter=row["voter"], item=row["item"], category=row["category"], model_a=row["model_a"],
                    model_b=row["model_b"], choice=row["choice"], style=tuple(json.loads(row["style"])),
                    seconds=row["voted"] - row["drawn"],
                )
                for row in store.execute(asked).mappings()
            ]  # fmt: skip

    def export(self) -> Iterator[dict[str, object]]:
        """The battles whose vote counts, as `evalh arena rate` reads them; a voter is a number of this export."""
        counts = (_VOTES.c.void == "") & (_VOTES.c.choice != "skip")
        numbers: dict[str, int] = {}
        for battle in self._battles(counts):
            yield {
                "model_a": battle.model_a, "model_b": battle.model_b, "winner": battle.choice, "item": battle.item,
                "category": battle.category, "judge": f"voter {numbers.setdefault(battle.voter, len(numbers) + 1)}",
                "conversation_a": _conversation(battle.turns, "a"), "conversation_b": _conversation(battle.turns, "b"),
            }  # fmt: skip

    def votes(self) -> tuple[int, float]:
        """How many votes there are, and when the latest of them came: what changes when ratings may."""
        asked = sa.select(sa.func.count(), sa.func.max(_VOTES.c.voted), sa.func.sum(sa.func.length(_VOTES.c.void)))
        with self._reading() as store:
            n, latest, voided = store.execute(asked.select_from(_VOTES)).one()
        return int(n), float(latest or 0) + float(voided or 0)

    def _battles(self, condition: Any, most: int | None = None) -> list[DrawnBattle]:
        asked = (
            sa.select(_BATTLES, _VOTES.c.choice, _VOTES.c.void, _VOTES.c.voted)
            .select_from(_BATTLES.outerjoin(_VOTES, _VOTES.c.battle == _BATTLES.c.id))
            .where(condition)
            .order_by(_BATTLES.c.drawn, _BATTLES.c.id)
            .limit(most)
        )
        with self._reading() as store:
            return [_battle_of(row) for row in store.execute(asked).mappings()]


def voter_id(cookie: str) -> str:
    """What the database knows a voter by."""
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


def store_url(file: Path) -> str:
    """The database that EVALH_DATABASE_URL names, else a SQLite file."""
    return os.environ.get(DATABASE_URL) or f"sqlite:///{file}"


def migrate(engine: sa.Engine) -> None:
    """Bring a database to the tables of this version, step by step, in one transaction."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).with_name("migrations")))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # another server may begin at the same time
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        context = MigrationContext.configure(connection)
        steps = list(script.iterate_revisions("head", context.get_current_revision() or "base"))
        with Operations.context(context):
            for step in reversed(steps):
                step.module.upgrade()
                context.stamp(script, step.revision)


def _engine(url: str) -> sa.Engine:
    try:
        found = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise UserError(f"{DATABASE_URL}: not the address of a database; wanted postgresql://USER@HOST/NAME") from error
    if found.drivername in ("postgresql", "postgres"):
        found = found.set(drivername="postgresql+psycopg")
    if found.get_backend_name() != "sqlite":
        return sa.create_engine(found, pool_pre_ping=True, pool_size=16, max_overflow=32, pool_timeout=15)
    if found.database and found.database != ":memory:":
        own_folder(Path(found.database).absolute().parent)
        os.close(os.open(found.database, os.O_RDWR | os.O_CREAT, OWN_FILE))
    made = sa.create_engine(
        found, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=16, max_overflow=32
    )
    sa.event.listen(made, "connect", _prepare)
    sa.event.listen(made, "begin", _begin)
    return made


def _prepare(connection: Any, _: object) -> None:
    """A vote is on the disk before it is acknowledged; readers and the writer do not wait for each other."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql(
        "BEGIN" if reads else "BEGIN IMMEDIATE"
    )  # a writer that began as a reader can be refused


def _conversation(turns: Sequence[ArenaTurn], side: Literal["a", "b"]) -> list[dict[str, str]]:
    said = ((turn.prompt, turn.a if side == "a" else turn.b) for turn in turns)
    return [
        {"role": role, "content": text} for turn in said for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def _turns_to_json(turns: Sequence[ArenaTurn]) -> str:
    return json.dumps([[turn.prompt, turn.a, turn.b] for turn in turns])


def _battle_of(row: Any) -> DrawnBattle:
    turns = tuple(ArenaTurn(prompt=prompt, a=a, b=b) for prompt, a, b in json.loads(row["turns"]))
    named = ("id", "voter", "item", "category", "model_a", "model_b", "drawn", "choice", "voted")
    return DrawnBattle(**{name: row[name] for name in named}, void=row["void"] or "", turns=turns)


def _shown(url: str) -> str:
    """An address without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
