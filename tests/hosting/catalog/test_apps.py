"""What holds for every app that comes with Berth, and for the guestbook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hosting.catalog.compose_schema import CAPABILITIES, ServiceFile
from hosting.catalog.interpolation import BERTH_VARIABLES
from hosting.catalog.loader import BUILT_IN, app_from_source, load_app
from hosting.catalog.schema import App, Berth
from hosting.catalog.source import parse_source

GUESTBOOK = Path(__file__).parents[2] / "catalog" / "guestbook.yaml"
FILES = [*sorted(BUILT_IN.glob("*.yaml")), GUESTBOOK]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def app(path: Path) -> App:
    return load_app(path)


def test_the_database_and_redis_have_no_way_out(app: App) -> None:
    for name in ("db", "redis"):
        assert list(app.services[name].networks) == ["backend"]
    assert app.networks["backend"].internal
    assert not app.networks["front"].internal


def test_every_service_is_checked_and_is_not_root(app: App) -> None:
    for service in app.services.values():
        assert service.healthcheck is not None
        assert service.user is not None
        assert not service.user.startswith("0")
        assert not service.cap_add


def test_the_database_is_ready_only_over_tcp(app: App) -> None:
    check = app.services["db"].healthcheck
    assert check is not None
    assert check.command[0] == "pg_isready"
    assert check.command[check.command.index("-h") + 1] == "127.0.0.1"


def test_no_secret_stands_in_an_environment(app: App) -> None:
    for service in app.services.values():
        for name, value in service.environment.items():
            secret = re.search("(PASSWORD|SECRET|TOKEN|KEY)(_FILE)?$", name)
            assert not secret or value.startswith("/run/secrets/"), name


def test_every_backup_holds_the_data_and_the_keys(app: App) -> None:
    backup = app.berth.backup
    assert [each.service for each in backup.postgres] == ["db"]
    assert backup.checks
    assert backup.secrets
    app_volumes = {
        mount.source
        for name, service in app.services.items()
        if name not in ("db", "redis")
        for mount in service.volumes
    }
    assert set(backup.volumes) == app_volumes


def test_the_guestbook_has_an_old_and_a_new_version_to_upgrade_between() -> None:
    assert len(load_app(GUESTBOOK).versions) >= 2


def test_n8n_is_ready_once_its_settings_are_served() -> None:
    """Its health paths say 200 for seconds while page and API still answer 404."""
    for slug in ("n8n", "n8n-queue"):
        app = load_app(BUILT_IN / f"{slug}.yaml")
        check = app.services["web"].healthcheck
        assert check is not None
        assert "/rest/settings" in check.command[-1]
        assert '"data"' in check.command[-1]
        assert app.berth.web.readiness == "/rest/settings"
        assert app.berth.web.readiness_type == "application/json"


def test_n8n_calls_nobody_unasked() -> None:
    for slug in ("n8n", "n8n-queue"):
        environment = load_app(BUILT_IN / f"{slug}.yaml").services["web"].environment
        for name in ("DIAGNOSTICS", "VERSION_NOTIFICATIONS", "TEMPLATES", "PERSONALIZATION"):
            assert environment[f"N8N_{name}_ENABLED"] == "false"


def test_n8ns_worker_differs_from_its_web_service_in_its_command_alone() -> None:
    services = load_app(BUILT_IN / "n8n-queue.yaml").services
    web, worker = services["web"], services["worker"]

    assert worker.command == ("worker", "--concurrency=10")
    assert worker.environment == web.environment
    assert (worker.image, worker.secrets) == (web.image, web.secrets)


def test_plain_compose_takes_the_file(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path)
    images = {"AUTOMATOS_BACKEND_IMAGE": "api:1", "AUTOMATOS_FRONTEND_IMAGE": "web:1"}
    done = subprocess.run(
        ["docker-compose", "-f", path.name, "config", "--services"],
        cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), **images},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(load_app(path).services)


def test_the_example_of_the_documentation_loads() -> None:
    text = (Path(__file__).parents[3] / "docs" / "catalog.md").read_text()
    example = re.search(r"```yaml\n(services:.*?)```", text, re.DOTALL)
    assert example is not None

    app = app_from_source(parse_source(example[1], Path("notes.yaml")))

    assert (app.slug, app.title, app.versions) == ("notes", "Notes", ("1.4", "1.3"))


def test_the_documentation_names_every_key_and_variable() -> None:
    text = (Path(__file__).parents[3] / "docs" / "catalog.md").read_text()
    names = {*Berth.known_keys(), *ServiceFile.known_keys(), *BERTH_VARIABLES, *CAPABILITIES}

    assert not sorted(name for name in names if f"`{name}`" not in text)
