"""What each connection to the database asks for, whatever its address says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASKED = ("idle_in_transaction_session_timeout", "jit", "random_page_cost")
SHOW = f"""
import django
django.setup()
from django.db import connection
for name in {ASKED}:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {{name}}")
        print(cursor.fetchone()[0])
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [("", ["1min", "off", "1.1"]), ("options=-c%20random_page_cost%3D4", ["1min", "off", "4"])],
)
def test_options_of_the_address_win_and_take_none_of_ours_away(
    more: str, expected: list[str]
) -> None:
    address = os.environ["DATABASE_URL"]
    mark = "&" if "?" in address else "?"
    run = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={**os.environ, "DATABASE_URL": f"{address}{mark}{more}", "BERTH_LEASE_SECONDS": "30"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == expected
