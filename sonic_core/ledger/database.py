"""The ledger's database: SQLite in a file by default, PostgreSQL for a fleet; migrated when it is opened.

Knows how to connect and migrate, not what the rows mean.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from sonic_core.errors import MissingExtraError, SettingsError

_DEFAULT = "~/.local/share/sonic-studio/ledger.sqlite"
_MIGRATION_LOCK = 0x50_71_63  # an arbitrary number that every process uses
_SUBMISSION_LOCK = 0x50_71_64
# More connections than the service has threads, so that none waits for one. Messages omit values: they are personal.
_POOL: dict[str, Any] = {"pool_size": 5, "max_overflow": 60, "hide_parameters": True}
_MEASURE_SECONDS = 60.0  # seconds between two readings of the database's clock


def ledger_url(url: str | None = None) -> str:
    """The database's address: the argument, SONIC_LEDGER, or a SQLite file in the user's folder."""
    return url or os.environ.get("SONIC_LEDGER") or f"sqlite:///{Path(_DEFAULT).expanduser()}"


def open_database(url: str | None = None) -> Engine:
    """An engine on a migrated database. Raises SettingsError, without the password, when it cannot be opened."""
    try:
        parsed = make_url(ledger_url(url))
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            engine = _sqlite_engine(parsed)
        else:
            engine = create_engine(parsed, pool_recycle=300, **_POOL)
    except (ArgumentError, NoSuchModuleError):
        raise SettingsError("SONIC_LEDGER is not a database address such as sqlite:///ledger.sqlite.") from None
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"This ledger needs {error.name}: pip install 'sonic-studio[fleet]'.") from None
    try:
        migrate(engine)
    except OperationalError as error:
        where = parsed.render_as_string(hide_password=True)
        raise SettingsError(f"The ledger {where} cannot be opened: {type(error.orig).__name__}.") from None
    return engine


def _sqlite_engine(url: Any) -> Engine:
    if url.database and url.database != ":memory:":
        _make_private(Path(url.database))
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, **_POOL)
    else:
        engine = create_engine(url, connect_args={"check_same_thread": False}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, below
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail when another one wrote in between.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _make_private(path: Path) -> None:
    """Creates the file readable by its owner only: it says whose face was animated. Side files inherit this."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise SettingsError(f"The ledger {path} cannot be opened: {error.strerror}.") from None
    with suppress(OSError):  # another user's
        for file in (path, *path.parent.glob(f"{path.name}-*")):
            file.chmod(0o600)


def _use_wal(connection: Any) -> None:
    """Lets readers work beside a writer. The switch fails at once, whatever the timeout, if another is busy."""
    for wait in (0.01, 0.05, 0.2, 1.0, 5.0):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            time.sleep(wait)
    connection.execute("PRAGMA journal_mode=WAL")


def migrate(engine: Engine) -> None:
    """Brings the tables to the newest revision; safe when several processes start at once."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    head = ScriptDirectory.from_config(config).get_current_head()
    with autocommit(engine) as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


class DatabaseClock:
    """Seconds since 1970 by the database's clock, so that no machine's wrong clock ends another's lease.

    Asked once a minute and carried on by this machine's monotonic clock in between.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._asked: float | None = None
        self._offset = 0.0
        sqlite = engine.dialect.name == "sqlite"
        self._query = text(
            "SELECT (julianday('now') - 2440587.5) * 86400.0"
            if sqlite
            else "SELECT extract(epoch FROM clock_timestamp())"
        )

    def __call__(self) -> float:
        now = time.monotonic()
        if self._asked is None or now - self._asked > _MEASURE_SECONDS:
            with autocommit(self._engine) as connection:
                told = float(connection.execute(self._query).scalar_one())
            self._asked, self._offset = now, told - (now + time.monotonic()) / 2
        return time.monotonic() + self._offset


def one_at_a_time(connection: Connection) -> None:
    """Serialises submissions (count, then insert) until the transaction ends. SQLite's transactions do so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SUBMISSION_LOCK})


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A connection for single statements, each its own transaction: fewer round trips, no lock held."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
