"""Real servers that hold repositories, started on loopback for the tests alone."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hosting.engines.restic import Target

LOOPBACK = "127.0.0.1"
S3_KEYS = {"first-key": "first-secret-Zk81", "second-key": "second-secret-Qm42"}


@dataclass(frozen=True)
class Place:
    """A target, and the directory in which its repositories lie in the end."""

    target: Target
    directory: Path


@dataclass(frozen=True)
class S3Server:
    """rclone's S3 server; it checks signatures and keeps each object as a file."""

    url: str
    directory: Path

    def target(self, key: str = "first-key", secret: str = "") -> Target:
        environment = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret or S3_KEYS[key],
        }
        return Target(f"s3:{self.url}/backups/berth", environment=environment)


@contextmanager
def s3_server(directory: Path) -> Iterator[S3Server]:
    port = free_port()
    (directory / "backups").mkdir(parents=True)
    rclone = Path(sys.executable).with_name("rclone")
    command = [
        *(str(rclone), "serve", "s3", "--addr", f"{LOOPBACK}:{port}", "--config", "/dev/null"),
        *(f"--auth-key={key},{secret}" for key, secret in S3_KEYS.items()),
        *(
            "--vfs-cache-mode",
            "off",
            "--dir-cache-time",
            "10ms",
            "--log-level",
            "ERROR",
            str(directory),
        ),
    ]
    with (directory.parent / "rclone.log").open("wb") as log, running(command, log, port):
        yield S3Server(f"http://{LOOPBACK}:{port}", directory)


@contextmanager
def sftp_server(directory: Path) -> Iterator[Place]:
    """OpenSSH's own server with keys made for it; nothing of the machine's configuration."""
    port = free_port()
    home = directory / "ssh"
    (directory / "backups").mkdir(parents=True)
    home.mkdir(mode=0o700)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where a root sshd drops its rights
    for name in ("host", "user"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)]
        subprocess.run(make, check=True)
    (home / "known").write_text(f"[{LOOPBACK}]:{port} {(home / 'host.pub').read_text()}")
    configuration = home / "sshd_config"
    configuration.write_text(
        f"Port {port}\nListenAddress {LOOPBACK}\nHostKey {home}/host\nPidFile none\n"
        f"AuthorizedKeysFile {home}/user.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n"
    )
    sshd = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin") or "sshd"
    command = [sshd, "-D", "-e", "-f", str(configuration)]
    with (home / "sshd.log").open("wb") as log, running(command, log, port):
        user = f"{getpass.getuser()}@{LOOPBACK}"
        ssh = (
            f"ssh -F none -p {port} -i {home}/user -o IdentitiesOnly=yes -o BatchMode=yes"
            f" -o UserKnownHostsFile={home}/known -o StrictHostKeyChecking=yes {user} -s sftp"
        )
        backups = directory / "backups"
        yield Place(Target(f"sftp:{user}:{backups}", options=(f"sftp.command={ssh}",)), backups)


@contextmanager
def running(command: list[str], log, port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for_port(process, port)
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended at once"
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
