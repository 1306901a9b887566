"""The base of all images: Debian 12, pulled where a registry answers, else bootstrapped."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from builder import docker_cli, host_config
from builder.docker_cli import BuildError
from builder.recipes import BASE

PULL_SECONDS = 60.0
BOOTSTRAP_SECONDS = 600.0
FINGERPRINT_LABEL = "berth.image.fingerprint"
# What Debian's own slim image leaves out.
LEFT_OUT = (
    "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/linda/*",
    "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/groff/*",
)  # fmt: skip
OPTIONS = [
    "--variant=minbase",
    "--include=ca-certificates",
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
]


def ensure(reference: str) -> str:
    """Make the base image unless it is there; returns how: unchanged, pulled or built."""
    found = docker_cli.inspect(reference)
    expected = hashlib.sha256(repr(OPTIONS).encode()).hexdigest()
    if found is not None:
        label = (found["Config"].get("Labels") or {}).get(FINGERPRINT_LABEL, expected)
        if label == expected:
            return "unchanged"
    if docker_cli.pull(BASE, timeout_seconds=PULL_SECONDS):
        docker_cli.tag(BASE, reference)
        return "pulled"
    _bootstrap(reference, f"LABEL {FINGERPRINT_LABEL}={expected}")
    return "built"


def _bootstrap(reference: str, label: str) -> None:
    if shutil.which("mmdebstrap") is None:
        raise BuildError(
            f"{BASE} can't be pulled and mmdebstrap, which would make it, is not installed "
            "(apt-get install mmdebstrap)."
        )
    with tempfile.TemporaryDirectory(prefix="berth-base-") as directory:
        archive = Path(directory) / "base.tar"
        done = subprocess.run(
            _command(archive), capture_output=True, text=True, check=False,
            timeout=BOOTSTRAP_SECONDS,
        )  # fmt: skip
        if done.returncode:
            raise BuildError(f"mmdebstrap failed:\n{done.stderr[-2000:]}")
        docker_cli.import_tree(archive, reference, changes=['CMD ["bash"]', label])


def _command(archive: Path) -> list[str]:
    """Return the bootstrap command, with the host's mirror and proxy if the host is Debian 12."""
    acquire = [f"--aptopt={line}" for line in host_config.apt_acquire_lines()]
    mirrors = [str(path) for path in host_config.debian_sources()]
    # The host's way to the mirror is needed here and is nobody's business in the image.
    forget = ["--customize-hook=rm -f $1/etc/apt/apt.conf.d/99mmdebstrap"]
    return ["mmdebstrap", *OPTIONS, *acquire, *forget, "bookworm", str(archive), *mirrors]
