#!/usr/bin/env python3
"""Install what Berth needs on this machine: Debian's packages and a virtual environment.

Takes a tenth of a second when nothing is missing. Starts no service.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from berth_local.errors import LocalError
from berth_local.layout import CHECKOUT
from berth_local.service import SEARCH_PATH

ENVIRONMENT = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "requirements-dev.txt"
POLICY = Path("/usr/sbin/policy-rc.d")

# package -> a program it brings, or a file where it brings none of its own
PACKAGES = {
    "docker.io": "dockerd",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "postgresql": "/usr/lib/postgresql/*/bin/postgres",
    "redis-server": "redis-server",
    "nginx-light": "nginx",
    "restic": "restic",
    "openssh-server": "sshd",
    "iproute2": "ip",
    "chromium": "chromium",
    "docker-compose": "docker-compose",
    "prometheus": "promtool",
    "fonts-dejavu-core": "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "fonts-inter": "/usr/share/fonts/opentype/inter/Inter-Regular.otf",
    "fonts-droid-fallback": "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "libpangoft2-1.0-0": "/usr/lib/*/libpangoft2-1.0.so.0",
    "libharfbuzz-subset0": "/usr/lib/*/libharfbuzz-subset.so.0",
}


def main() -> int:
    """Install what is missing; 0 when everything is there afterwards."""
    try:
        install_packages([package for package in PACKAGES if not _installed(package)])
        install_environment()
    except LocalError as error:
        print(f"berth: {error}", file=sys.stderr)
        return 1
    return 0


def install_packages(missing: list[str]) -> None:
    """Install Debian packages; Debian does not start their services meanwhile."""
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise LocalError(f"This machine lacks what Debian's packages bring: {names}.")
    if os.geteuid() != 0:
        raise LocalError(
            f"Debian packages are missing: run 'apt-get install --no-install-recommends {names}' "
            "as root."
        )
    print(f"Installing Debian packages: {names}", flush=True)
    with _no_service_starts():
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *missing)


def install_environment() -> None:
    """Make .venv hold exactly what requirements-dev.txt lists, checked by hash."""
    stamp = ENVIRONMENT / ".berth-stamp"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("Installing Python packages into .venv", flush=True)
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        _make_environment()
    installed = _run([*_uv(), "pip", "sync", "--quiet", "--require-hashes"], python)
    if not installed:
        # pip knows its own configuration of mirrors, which uv does not read.
        _make_environment()
        pip = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes"]
        if subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=False).returncode != 0:
            raise LocalError("The Python packages could not be installed; pip says why above.")
    stamp.write_text(wanted)


def _make_environment() -> None:
    """Make .venv anew, with pip; Debian keeps that part of Python in a package of its own."""
    version = f"python3.{sys.version_info.minor}"
    probe = [sys.executable, "-c", "import ensurepip"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        install_packages([f"{version}-venv"])
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=False)
    if made.returncode != 0:
        raise LocalError(f"{version} could not make a virtual environment; it says why above.")


def _uv() -> list[str | Path]:
    """The command that runs uv: one on the PATH, or our pinned one, installed by pip."""
    if found := shutil.which("uv"):
        return [found]
    python = ENVIRONMENT / "bin" / "python"
    pin = ENVIRONMENT / "uv-requirement.txt"
    pin.write_text(_requirement("uv"))
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pin], check=False
    )
    return [ENVIRONMENT / "bin" / "uv"]


def _requirement(name: str) -> str:
    """One package's lines of requirements-dev.txt: its pin and its hashes."""
    lines = iter(REQUIREMENTS.read_text().splitlines())
    wanted = [next(line for line in lines if line.startswith(f"{name}=="))]
    for line in lines:
        if not line.startswith("    --hash"):
            break
        wanted.append(line)
    return "\n".join(wanted) + "\n"


def _run(uv: list[str | Path], python: Path) -> bool:
    try:
        return subprocess.run([*uv, "--python", python, REQUIREMENTS], check=False).returncode == 0
    except FileNotFoundError:
        return False


def _installed(package: str) -> bool:
    sign = PACKAGES[package]
    if sign.startswith("/"):
        return any(Path("/").glob(sign.lstrip("/")))
    return bool(shutil.which(sign) or shutil.which(sign, path=SEARCH_PATH))


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # apt writes much and means little; what it says is shown where it fails.
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalError(f"'{' '.join(command)}' failed:\n{done.stdout[-2000:]}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Forbid service starts while packages are installed (policy-rc.d answers 101)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
