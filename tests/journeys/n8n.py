"""Using n8n as its editor does: through the edge, by its own REST API."""

from __future__ import annotations

from typing import Any

import httpx

ALICE = {
    "email": "alice@acme.example",
    "firstName": "Alice",
    "lastName": "Acme",
    "password": "Correct-horse-8",
}


def workflow(path: str) -> dict[str, Any]:
    """Answers a webhook with a sum that a Code node reckons, in n8n's task runner."""

    def node(name: str, kind: str, version: float, at: int, **parameters: object) -> dict[str, Any]:
        return {
            "id": name,
            "name": name,
            "type": f"n8n-nodes-base.{kind}",
            "typeVersion": version,
            "position": [at, 0],
            "parameters": parameters,
        }

    hook = node("Hook", "webhook", 2, 0, path=path, httpMethod="GET", responseMode="lastNode")
    hook["webhookId"] = path
    code = node("Sum", "code", 2, 200, jsCode="return [{json: {sum: 40 + 2}}];")
    return {
        "name": f"Sums for {path}",
        "nodes": [hook, code],
        "connections": {"Hook": {"main": [[{"node": "Sum", "type": "main", "index": 0}]]}},
        "settings": {"saveDataSuccessExecution": "all"},
        "active": False,
    }


def data(response: httpx.Response) -> Any:
    """What a successful answer holds."""
    assert response.is_success, f"{response.status_code}: {response.text[:500]}"
    return response.json()["data"]


def assert_usable(browser: httpx.Client) -> None:
    """Asked once: the page is the editor, and the API speaks."""
    page = browser.get("/")
    assert page.status_code == 200
    assert "n8n" in page.text
    assert "starting up" not in page.text
    assert "userManagement" in data(browser.get("/rest/settings"))
    assert browser.get("/rest/login").status_code == 401


def automate(browser: httpx.Client, path: str) -> str:
    """Make the workflow, let it listen, and call it; return its id."""
    made = listen(browser, workflow(path))
    read = data(browser.get(f"/rest/workflows/{made}"))
    assert read["name"] == f"Sums for {path}"
    answer = browser.get(f"/webhook/{path}")
    assert (answer.status_code, answer.json()) == (200, {"sum": 42})
    return made


def listen(browser: httpx.Client, wanted: dict[str, Any]) -> str:
    """Make that workflow and let it listen; return its id."""
    made = data(browser.post("/rest/workflows", json=wanted))
    change = {"active": True, "versionId": made["versionId"]}
    assert data(browser.patch(f"/rest/workflows/{made['id']}", json=change))["active"]
    return str(made["id"])


def guarded(browser: httpx.Client, path: str, *, user: str, password: str) -> dict[str, Any]:
    """A workflow whose webhook answers who knows that password, which is kept as a credential."""
    secret = {"user": user, "password": password}
    said = {"name": f"Key of {path}", "type": "httpBasicAuth", "data": secret}
    credential = data(browser.post("/rest/credentials", json=said))
    made = workflow(path)
    hook = made["nodes"][0]
    hook["parameters"]["authentication"] = "basicAuth"
    hook["credentials"] = {
        "httpBasicAuth": {"id": credential["id"], "name": credential["name"]},
    }
    return made


def log_in(browser: httpx.Client) -> None:
    """As the owner."""
    login = {"emailOrLdapLoginId": ALICE["email"], "password": ALICE["password"]}
    data(browser.post("/rest/login", json=login))
