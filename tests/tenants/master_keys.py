"""Master keys for tests."""

from __future__ import annotations

import base64
from dataclasses import dataclass


def master_key(key_id: str, byte: int) -> str:
    """One entry of BERTH_MASTER_KEY."""
    return f"{key_id}:{base64.b64encode(bytes([byte]) * 32).decode()}"


@dataclass(frozen=True)
class Keys:
    k1: str = master_key("k1", 1)
    k2: str = master_key("k2", 2)
    false_k1: str = master_key("k1", 9)
