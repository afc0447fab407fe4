"""Starts RabbitMQ and PostgreSQL of our own for a test run: `python tests/fleet/services.py [--install] COMMAND...`.

Both live in a temporary folder on free ports, and end with the command. It finds them in SONIC_TEST_RABBITMQ,
SONIC_TEST_RABBITMQ_RESTART and SONIC_TEST_POSTGRES. `--install` installs Debian's packages where they are missing.
"""

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
}
RABBIT = "/usr/lib/rabbitmq/bin"


def install_missing() -> None:
    missing = [name for name, file in PACKAGES.items() if not glob.glob(file)]
    if shutil.which("chromium") is None:
        missing.append("chromium")
    if missing:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        # The packages' own services must not start: the tests run theirs.
        policy = Path("/usr/sbin/policy-rc.d")
        made = not policy.exists()
        if made:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=True, env=environment)
        finally:
            if made:
                policy.unlink()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[dict[str, str]]:
    port = free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = 127.0.0.1:{port}\n"
        "consumer_timeout = 86400000\n"  # a job may hold its message for a day; the default is half an hour
        "loopback_users = none\n"
    )
    environment = {
        **os.environ,
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"sonic{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    with open(folder / "rabbitmq.log", "wb") as log:
        server = subprocess.Popen([f"{RABBIT}/rabbitmq-server"], env=environment, stdout=log, stderr=log)
    try:
        wait_for(port)
        restart = folder / "restart-rabbitmq"
        exports = "".join(
            f"export {k}='{v}'\n" for k, v in environment.items() if k.startswith(("RABBITMQ", "HOME", "ERL"))
        )
        restart.write_text(f"#!/bin/sh\n{exports}{RABBIT}/rabbitmqctl stop_app && {RABBIT}/rabbitmqctl start_app\n")
        restart.chmod(0o755)
        yield {
            "SONIC_TEST_RABBITMQ": f"amqp://guest:guest@127.0.0.1:{port}//",
            "SONIC_TEST_RABBITMQ_RESTART": str(restart),
        }
    finally:
        subprocess.run([f"{RABBIT}/rabbitmqctl", "stop"], env=environment, capture_output=True, timeout=60)
        server.terminate()
        server.wait(60)


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    programs = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    port, data = free_port(), folder / "postgresql"
    who = []
    if os.getuid() == 0:  # the server refuses to run as root
        who = ["runuser", "-u", "postgres", "--"]
        data.mkdir()
        os.chown(data, pwd.getpwnam("postgres").pw_uid, -1)
        for parent in (folder, *folder.parents):
            if parent != Path("/") and parent.owner() == "root" and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    run = lambda *command: subprocess.run([*who, *command], check=True, capture_output=True)  # noqa: E731
    run(f"{programs}/initdb", "-D", str(data), "-A", "trust", "-U", "postgres")
    options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c max_connections=200"
    control = f"{programs}/pg_ctl"
    subprocess.run(
        [*who, control, "-D", str(data), "-o", options, "-l", f"{data}/log", "-w", "start"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield {"SONIC_TEST_POSTGRES": f"postgresql://postgres@127.0.0.1:{port}/postgres"}
    finally:
        run(control, "-D", str(data), "-m", "immediate", "stop")


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--install"]:
        arguments = arguments[1:]
        install_missing()
    with tempfile.TemporaryDirectory(prefix="sonic-services-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with rabbitmq(folder) as rabbit, postgresql(folder) as postgres:
            environment = {**os.environ, **rabbit, **postgres, "SONIC_TEST_SERVICES": "1"}
            return subprocess.run(arguments, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
