"""The ledger's database: SQLite in a file by default, PostgreSQL for a fleet; migrated when it is opened.

Knows how to connect and migrate, not what the rows mean.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
_MIGRATION_LOCK = 0x50_71_63  # any number, the same for all of us


def ledger_url(url: str | None = None) -> str:
    """The database's address: the argument, SONIC_LEDGER, or a SQLite file in the user's folder."""
    return url or os.environ.get("SONIC_LEDGER") or f"sqlite:///{Path(_DEFAULT).expanduser()}"


def open_database(url: str | None = None) -> Engine:
    """An engine on a migrated database. Raises SettingsError, without the password, when there is none."""
    try:
        parsed = make_url(ledger_url(url))
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            engine = _sqlite_engine(parsed)
        else:
            engine = create_engine(parsed, pool_recycle=300, pool_size=5, max_overflow=20)
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
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

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


def _use_wal(connection: Any) -> None:
    """Readers and a writer side by side. The switch is refused at once, timeout or not, while another one works."""
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


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A connection for single statements, each its own transaction: fewer round trips, no lock held."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
