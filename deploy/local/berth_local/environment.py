"""The development values that a command finds in its environment."""

import base64
import os
import secrets

from berth_local.layout import BYTECODE, CHECKOUT, Layout


def development_environment(layout: Layout) -> dict[str, str]:
    """What the command needs beside the services' addresses; what is set already stays.

    The keys are made once: the database is of no use without its master key.
    """
    backups = layout.var / "backups"
    backups.mkdir(parents=True, exist_ok=True, mode=0o700)
    master_key = f"local1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    values = {
        "DJANGO_SETTINGS_MODULE": "hosting.config.settings",
        "BERTH_DEBUG": "1",
        "BERTH_VAR_DIR": str(layout.var),
        "BERTH_BACKUP_TARGET": str(backups),
        "BERTH_MASTER_KEY": layout.secret("master.key", master_key),
        "BERTH_SECRET_KEY": layout.secret("secret.key", secrets.token_urlsafe(50)),
    }
    missing = {name: value for name, value in values.items() if not os.environ.get(name)}
    scripts = CHECKOUT / ".venv" / "bin"
    if scripts.is_dir():
        missing["PATH"] = f"{scripts}:{os.environ.get('PATH', os.defpath)}"
    return {**missing, **_bytecode()}


def _bytecode() -> dict[str, str]:
    """Have Python keep what it compiled, in var/ alone and for all scopes.

    Else each process compiles Django anew where PYTHONDONTWRITEBYTECODE is set or .venv is not
    ours to write in: that is most of its start.
    """
    directory = Layout().directory(BYTECODE)
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(directory)}
