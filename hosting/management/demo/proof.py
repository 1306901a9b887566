"""Proving that an n8n is really there: its page, its own API, and the row in its own database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from hosting.flows.engines import engine_for
from hosting.models import Instance

_OWNER = {"email": "alice@acme.example", "firstName": "Alice", "lastName": "Acme"}
_WORKFLOW = "Berth's proof"


class ProofFailed(Exception):
    """What did not hold, in one sentence."""


def prove(instance: Instance, *, edge: str, host: str, password: str) -> list[tuple[str, float]]:
    """Do it all; return what was shown and the seconds that each took. Raises ``ProofFailed``."""
    with httpx.Client(
        base_url=edge,
        headers={"Host": host, "browser-id": "berth-demo"},
        timeout=30,
        trust_env=False,
    ) as web:
        workflow: dict[str, str] = {}
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            (f"n8n's page opens at {host}", lambda: _page(web)),
            ("Alice owns it and is logged in", lambda: _log_in(web, password)),
            (
                "a workflow is created and read back by n8n's API",
                lambda: workflow.update(_workflow(web)),
            ),
            (
                "the workflow is a row in this instance's PostgreSQL",
                lambda: _row(instance, workflow["id"]),
            ),
        )
        shown = []
        for what, step in steps:
            began = time.monotonic()
            step()
            shown.append((what, time.monotonic() - began))
        return shown


def _page(web: httpx.Client) -> None:
    page = web.get("/")
    _expect(page, "the page")
    if "starting up" in page.text or "n8n" not in page.text:
        raise ProofFailed("The page that opened is not n8n's editor.")


def _log_in(web: httpx.Client, password: str) -> None:
    """As the owner, who is made the first time."""
    settings = _expect(web.get("/rest/settings"), "the settings")
    if settings["data"]["userManagement"]["showSetupOnFirstLoad"]:
        _expect(web.post("/rest/owner/setup", json={**_OWNER, "password": password}), "the setup")
    else:
        email = _OWNER["email"]
        body = {"email": email, "emailOrLdapLoginId": email, "password": password}
        _expect(web.post("/rest/login", json=body), "the log-in")


def _workflow(web: httpx.Client) -> dict[str, str]:
    created = _expect(
        web.post(
            "/rest/workflows",
            json={
                "name": _WORKFLOW,
                "nodes": [],
                "connections": {},
                "settings": {},
                "active": False,
            },
        ),
        "the new workflow",
    )["data"]
    read = _expect(web.get(f"/rest/workflows/{created['id']}"), "the workflow")["data"]
    if read["name"] != _WORKFLOW:
        raise ProofFailed("The workflow that was read back is not the one that was created.")
    return {"id": str(read["id"])}


def _row(instance: Instance, workflow: str) -> None:
    """Look into the database from inside its own container; nobody else can reach it."""
    if not workflow.isalnum():
        raise ProofFailed(f"n8n gave the workflow a strange id: {workflow!r}.")
    query = f"SELECT name FROM workflow_entity WHERE id = '{workflow}'"  # noqa: S608  (checked above)
    result = engine_for(instance.server).run(
        str(instance.pk),
        "db",
        ("psql", "-U", "n8n", "-d", "n8n", "-At", "-c", query),
        timeout=timedelta(seconds=20),
    )
    if result.exit_code != 0 or result.output.strip() != _WORKFLOW:
        raise ProofFailed(f"The workflow is not in the database: {result.output.strip()}")


def _expect(response: httpx.Response, what: str) -> Any:
    """The answer's JSON, if it is a good one that has any."""
    if not response.is_success:
        raise ProofFailed(f"n8n answered {response.status_code} for {what}: {response.text[:200]}")
    is_json = "json" in response.headers.get("content-type", "")
    return response.json() if is_json else {}
