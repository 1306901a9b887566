import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hosting.catalog.errors import CatalogError
from hosting.catalog.loader import BUILT_IN, load_app, load_catalog
from hosting.catalog.schema import App


def test_it_loads_the_apps_that_come_with_berth() -> None:
    catalog = load_catalog([BUILT_IN])

    assert list(catalog) == ["automatos", "flowise", "n8n", "n8n-queue"]
    assert catalog["n8n"].title == "n8n"
    assert catalog["n8n"].versions[0] == catalog["n8n"].newest_version


def test_it_adds_an_operators_own_app_by_a_file_alone(operator_catalog: Path) -> None:
    catalog = load_catalog([BUILT_IN, operator_catalog])

    assert catalog["guestbook"].title == "Guestbook"
    assert catalog["guestbook"].versions == ("2", "1")


def test_it_refuses_a_slug_that_is_taken(tmp_path: Path, small: str) -> None:
    (tmp_path / "n8n.yaml").write_text(small)

    with pytest.raises(CatalogError) as refusal:
        load_catalog([BUILT_IN, tmp_path])

    assert str(refusal.value) == (
        f"n8n.yaml: the app n8n is there already, in {BUILT_IN / 'n8n.yaml'}"
    )


def test_it_refuses_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"gone: the catalog directory does not exist"):
        load_catalog([tmp_path / "gone"])


def test_it_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"gone\.yaml: cannot be read: No such file"):
        load_app(tmp_path / "gone.yaml")


def test_it_names_the_slug_rule_for_a_bad_file_name(tmp_path: Path, small: str) -> None:
    path = tmp_path / "My_App.yaml"
    path.write_text(small)

    with pytest.raises(CatalogError) as refusal:
        load_app(path)

    assert str(refusal.value) == (
        "My_App.yaml: the file's name 'My_App' must be a DNS label: lower case letters, digits and"
        " inner hyphens, 63 characters at most"
    )


def test_it_reads_a_changed_file_again(catalog_file: Callable[[str], Path], small: str) -> None:
    path = catalog_file(small)
    first = load_app(path)
    assert load_app(path) is first

    path.write_text(small.replace("title: Note", "title: Notes"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))

    assert load_app(path).title == "Notes"


@pytest.mark.parametrize("slug", ["automatos", "flowise", "n8n", "n8n-queue", "guestbook"])
def test_an_app_survives_the_round_trip_through_json(slug: str, operator_catalog: Path) -> None:
    app = load_catalog([BUILT_IN, operator_catalog])[slug]

    snapshot = app.model_dump(mode="json")

    assert App.model_validate(snapshot) == app
    assert App.model_validate_json(app.model_dump_json()) == app


def test_a_refusal_carries_its_parts(catalog_file: Callable[[str], Path], small: str) -> None:
    path = catalog_file(small.replace("image: postgres:15", "privileged: true\n    image: a"))

    with pytest.raises(CatalogError) as refusal:
        load_app(path)

    assert (refusal.value.path, refusal.value.line) == (path, 7)
    assert refusal.value.reason == (
        "services.db.privileged: no container of a client is privileged"
    )


def test_it_reports_the_fault_that_stands_first(
    catalog_file: Callable[[str], Path], small: str
) -> None:
    text = small.replace("port: 80", "port: 0").replace("networks: [front]", "networks: [fronted]")

    with pytest.raises(CatalogError) as refusal:
        load_app(catalog_file(text.replace('"true"', "1")))

    assert str(refusal.value).startswith("note.yaml:5: services.web.healthcheck.test.1: ")
