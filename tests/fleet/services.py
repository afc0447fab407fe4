"""Starts RabbitMQ and PostgreSQL of our own for a test run: `services.py [--install] [--seconds N] COMMAND...`.

Both live in a temporary folder on free ports and end with the command, whatever happens to it. The command finds
them in SONIC_TEST_RABBITMQ, SONIC_TEST_RABBITMQ_RESTART and SONIC_TEST_POSTGRES. `--install` installs Debian's
packages where they are missing. What cannot be had is an error, or, where SONIC_SERVICES_OPTIONAL is set (CI on a
machine without root or without a mirror), one line that says which tests are skipped for it.
"""

import argparse
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RABBIT = "/usr/lib/rabbitmq/bin"
FILES = {  # Debian's package: (a file of it, what cannot be tested without)
    "rabbitmq-server": (f"{RABBIT}/rabbitmq-server", "the kill test on RabbitMQ, the load test"),
    "postgresql": (
        "/usr/lib/postgresql/*/bin/initdb", "the ledger on PostgreSQL, the kill test on RabbitMQ, the load test"
    ),
    "chromium": ("/usr/bin/chromium", "the page in a browser"),
}  # fmt: skip
APT = (
    "apt-get", "-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "DPkg::Lock::Timeout=60"
)  # fmt: skip
UPDATE_SECONDS, INSTALL_SECONDS = 90, 420
START_SECONDS, STOP_SECONDS = 120, 30


class ServiceError(Exception):
    """A server or its package cannot be had; the sentence says which and why."""


def missing() -> list[str]:
    return [name for name, (file, _) in FILES.items() if not glob.glob(file)]


def install(names: list[str]) -> None:
    """Raises ServiceError when the packages cannot be had here, within a bounded time."""
    if shutil.which("apt-get") is None or os.getuid() != 0:
        raise ServiceError("installing needs Debian's apt-get and root")
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:  # the packages' own services must not start: the tests run theirs
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        bounded([*APT, "update"], UPDATE_SECONDS)
        bounded([*APT, "install", "-y", "--no-install-recommends", *names], INSTALL_SECONDS)
    finally:
        if made:
            policy.unlink()


def bounded(command: list[str], seconds: float, environment: dict[str, str] | None = None) -> None:
    """Runs a command with all its children; raises ServiceError when it fails or does not end in time."""
    name = " ".join(part for part in command if not part.startswith(("-", "Acquire", "DPkg")))
    environment = {**(environment or os.environ), "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"{name} did not end within {seconds:g} s") from None
        finally:
            end_group(process)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    if code:
        raise ServiceError(f"{name} failed: {lines[-1] if lines else f'exit code {code}'}")


def end_group(process: subprocess.Popen) -> None:
    """Ends a process that leads its own group, and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(name: str, port: int, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    why = f"did not answer within {START_SECONDS} s" if process.poll() is None else "ended at once"
    raise ServiceError(f"{name} {why}; the end of its log:\n{log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen]:
    """A server for the length of the block; killed at its end, for its data are thrown away with the folder."""
    with open(log, "ab") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        end_group(process)


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[dict[str, str]]:
    port, mapper = free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = 127.0.0.1:{port}\n"
        "consumer_timeout = 86400000\n"  # a job may hold its message for a day; the default is half an hour
        "loopback_users = none\n"
    )
    own = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"sonic{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
    }
    environment, log = {**os.environ, **own}, folder / "rabbitmq.log"
    with contextlib.ExitStack() as stack:
        # A port mapper of our own, too: the one that Erlang starts by itself would outlive us.
        names = stack.enter_context(started(["epmd", "-port", str(mapper)], environment, log))
        wait_for("Erlang's port mapper", mapper, names, log)
        server = stack.enter_context(started([f"{RABBIT}/rabbitmq-server"], environment, log))
        wait_for("RabbitMQ", port, server, log)
        restart = folder / "restart-rabbitmq"
        exports = "".join(f"export {name}='{value}'\n" for name, value in own.items())
        restart.write_text(f"#!/bin/sh\n{exports}{RABBIT}/rabbitmqctl stop_app && {RABBIT}/rabbitmqctl start_app\n")
        restart.chmod(0o755)
        yield {
            "SONIC_TEST_RABBITMQ": f"amqp://guest:guest@127.0.0.1:{port}//",
            "SONIC_TEST_RABBITMQ_RESTART": str(restart),
        }


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    programs = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    port, data, who = free_port(), folder / "postgresql", []
    if os.getuid() == 0:  # the server refuses to run as root
        who = ["runuser", "-u", "postgres", "--"]
        folder.chmod(0o711)
        data.mkdir()
        os.chown(data, pwd.getpwnam("postgres").pw_uid, -1)
    control = [*who, f"{programs}/pg_ctl", "-D", str(data), "-t", str(START_SECONDS)]
    options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off"
    bounded([*who, f"{programs}/initdb", "--no-sync", "-D", str(data), "-A", "trust", "-U", "postgres"], START_SECONDS)
    try:
        # The server itself leaves the group of this command; it is ended by `stop`.
        bounded([*control, "-o", options, "-l", f"{data}/log", "-w", "start"], START_SECONDS + STOP_SECONDS)
        yield {"SONIC_TEST_POSTGRES": f"postgresql://postgres@127.0.0.1:{port}/postgres"}
    finally:
        with contextlib.suppress(ServiceError):
            bounded([*control, "-m", "immediate", "stop"], STOP_SECONDS)


def run(command: list[str], environment: dict[str, str], seconds: float) -> int:
    """The command's exit code; 124 when it was ended after `seconds`. Nothing it started lives on."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"test-services: the tests did not end within {seconds:g} s and were stopped\n")
        return 124
    finally:
        end_group(process)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--seconds", type=float, default=900, help="limit for the command (900)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an ordinary exit: every server is stopped
    why = "not installed"
    if args.install and missing():
        try:
            install(missing())
        except ServiceError as error:
            why = str(error)
    lacking = missing()
    if lacking:
        skipped = sorted({test for name in lacking for test in FILES[name][1].split(", ")})
        sys.stderr.write(f"test-services: no {', '.join(lacking)} ({why}); skipped: {', '.join(skipped)}\n")
        if not os.environ.get("SONIC_SERVICES_OPTIONAL"):
            return 1
    servers = {"rabbitmq-server": rabbitmq, "postgresql": postgresql}
    environment = {**os.environ, "SONIC_TEST_SERVICES": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="sonic-services-", ignore_cleanup_errors=True) as name,
        contextlib.ExitStack() as stack,
    ):
        try:
            for package in servers.keys() - set(lacking):
                environment |= stack.enter_context(servers[package](Path(name)))
        except ServiceError as error:
            sys.stderr.write(f"test-services: {error}\n")
            return 1
        return run(args.command, environment, args.seconds)


if __name__ == "__main__":
    sys.exit(main())
