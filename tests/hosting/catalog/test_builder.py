"""What an engine is told to run, compared as whole values."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hosting.catalog.builder import (
    StackContext,
    availability,
    berth_variables,
    build_stack,
    prefixed,
    web_address,
)
from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.errors import BuildError
from hosting.catalog.loader import BUILT_IN, load_app, load_catalog
from hosting.catalog.schema import App
from hosting.engines.wanted import (
    Attachment,
    Limits,
    Mount,
    Network,
    Readiness,
    Secret,
    Service,
    Stack,
    Volume,
)

GUESTBOOK_STACK = Stack(
    instance="7",
    project="berth-7",
    owner="acme-hosting",
    services=(
        Service(
            name="web",
            image="berth.local/guestbook:1",
            limits=Limits(cpus=Decimal("0.4"), memory_bytes=400_000_000, pids=80),
            networks=(
                Attachment("berth-7-front", "10.83.0.34"),
                Attachment("berth-7-backend", "10.83.0.50"),
            ),
            environment={
                "PORT": "8000",
                "PUBLIC_URL": "http://guestbook.acme.localhost:8080",
                "DATABASE_HOST": "db",
                "DATABASE_PORT": "5432",
                "DATABASE_NAME": "guestbook",
                "DATABASE_USER": "guestbook",
                "DATABASE_PASSWORD_FILE": "/run/secrets/postgres_password",
                "REDIS_HOST": "redis",
                "REDIS_PORT": "6379",
                "REDIS_PASSWORD_FILE": "/run/secrets/redis_password",
                "SECRET_KEY_FILE": "/run/secrets/secret_key",
            },
            secrets=(
                Secret("postgres_password", "pg-secret"),
                Secret("redis_password", "redis-secret"),
                Secret("secret_key", "key-secret"),
            ),
            mounts=(Mount("berth-7-data", "/data"),),
            tmpfs=("/tmp",),
            depends_on=("db", "redis"),
            readiness=Readiness(
                command=(
                    "python3",
                    "-c",
                    "import urllib.request;"
                    " urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=3)",
                ),
                interval=timedelta(seconds=5),
                timeout=timedelta(seconds=4),
                start_period=timedelta(seconds=30),
            ),
            user="1000:1000",
            read_only=True,
        ),
        Service(
            name="db",
            image="berth.local/postgres:15",
            limits=Limits(cpus=Decimal("0.4"), memory_bytes=400_000_000, pids=80),
            networks=(Attachment("berth-7-backend", "10.83.0.51"),),
            environment={
                "POSTGRES_USER": "guestbook",
                "POSTGRES_DB": "guestbook",
                "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
                "PGDATA": "/var/lib/postgresql/data/pgdata",
            },
            secrets=(Secret("postgres_password", "pg-secret"),),
            mounts=(Mount("berth-7-postgres", "/var/lib/postgresql/data"),),
            tmpfs=("/tmp", "/var/run/postgresql"),
            readiness=Readiness(
                command=(
                    "pg_isready", "-q", "-h", "127.0.0.1", "-U", "guestbook", "-d", "guestbook",
                ),
                interval=timedelta(seconds=5),
            ),
            user="999:999",
            read_only=True,
            stop_grace=timedelta(seconds=30),
        ),
        Service(
            name="redis",
            image="berth.local/redis:7",
            limits=Limits(cpus=Decimal("0.2"), memory_bytes=200_000_000, pids=40),
            networks=(Attachment("berth-7-backend", "10.83.0.52"),),
            command=("redis-server", "/run/secrets/redis_conf"),
            secrets=(
                Secret(
                    "redis_conf",
                    'requirepass redis-secret\ndir /data\nappendonly yes\nsave ""\n',
                ),
                Secret("redis_password", "redis-secret"),
            ),
            mounts=(Mount("berth-7-redis", "/data"),),
            tmpfs=("/tmp",),
            readiness=Readiness(
                command=(
                    "/bin/sh",
                    "-c",
                    'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli ping'
                    " | grep -q PONG",
                ),
                interval=timedelta(seconds=5),
            ),
            user="999:999",
            read_only=True,
        ),
    ),
    networks=(
        Network("berth-7-front", "10.83.0.32/28", internal=False),
        Network("berth-7-backend", "10.83.0.48/28", internal=True),
    ),
    volumes=(Volume("berth-7-data"), Volume("berth-7-postgres"), Volume("berth-7-redis")),
)  # fmt: skip


def test_it_builds_the_guestbooks_stack(guestbook: App, context: StackContext) -> None:
    assert build_stack(guestbook, version="1", context=context) == GUESTBOOK_STACK


def test_the_snapshot_of_an_app_builds_the_same_stack(
    guestbook: App, context: StackContext
) -> None:
    snapshot = App.model_validate(guestbook.model_dump(mode="json"))

    assert build_stack(snapshot, version="1", context=context) == GUESTBOOK_STACK


def test_building_twice_gives_the_same_hashes(guestbook: App, context: StackContext) -> None:
    first = build_stack(guestbook, version="1", context=context)
    again = build_stack(guestbook, version="1", context=context)

    assert [s.spec_hash() for s in first.services] == [s.spec_hash() for s in again.services]


def test_another_generation_is_the_same_app_on_volumes_of_its_own(
    guestbook: App, context: StackContext
) -> None:
    first = build_stack(guestbook, version="1", context=context)
    second = build_stack(guestbook, version="1", context=replace(context, generation=2))

    assert [each.name for each in second.volumes] == [f"{each.name}-g2" for each in first.volumes]
    assert second.networks == first.networks
    for before, after in zip(first.services, second.services, strict=True):
        renamed = tuple(replace(each, volume=f"{each.volume}-g2") for each in before.mounts)
        assert after == replace(before, mounts=renamed)


def test_another_version_changes_the_app_alone(guestbook: App, context: StackContext) -> None:
    before = build_stack(guestbook, version="1", context=context)
    after = build_stack(guestbook, version="2", context=context)

    changed = [
        service.name
        for service in after.services
        if service.spec_hash() != before.service(service.name).spec_hash()
    ]
    assert changed == ["web"]
    assert after.service("web").image == "berth.local/guestbook:2"


def test_the_edge_finds_the_web_service_in_front(guestbook: App, context: StackContext) -> None:
    stack = build_stack(guestbook, version="1", context=context)

    assert web_address(guestbook, stack) == ("10.83.0.34", 8000)


def test_the_edge_finds_a_web_service_that_is_inside_only(
    catalog_file: Callable[[str], Path], small: str, context: StackContext
) -> None:
    text = small.replace("networks: [front]", "networks: [back]").replace("  front: {}\n", "")
    app = load_app(catalog_file(text))
    stack = build_stack(app, version="1", context=replace(context, secrets={"password": "p"}))

    assert web_address(app, stack) == ("10.83.0.50", 80)


def test_it_takes_a_pinned_image_by_its_full_name(guestbook: App, context: StackContext) -> None:
    pinned = "berth.local/redis@sha256:" + "0" * 64
    stack = build_stack(
        guestbook, version="1", context=replace(context, images={"berth.local/redis:7": pinned})
    )

    assert stack.images == ("berth.local/guestbook:1", "berth.local/postgres:15", pinned)


@pytest.mark.parametrize(
    ("image", "prefix", "expected"),
    [
        ("postgres:15", "", "postgres:15"),
        ("postgres:15", "berth.local", "berth.local/postgres:15"),
        ("n8nio/n8n:1", "mirror.example.com/hub/", "mirror.example.com/hub/n8nio/n8n:1"),
        ("registry.example.com/api:1", "berth.local", "registry.example.com/api:1"),
        ("localhost/api:1", "berth.local", "localhost/api:1"),
        ("host:5000/api", "berth.local", "host:5000/api"),
    ],
)
def test_a_prefix_stands_for_the_public_registry(image: str, prefix: str, expected: str) -> None:
    assert prefixed(image, prefix) == expected


@pytest.mark.parametrize(
    ("subnet", "sentence"),
    [
        ("10.83.0.0/28", "10.83.0.0/28 must be a /27, one half a network"),
        ("10.83.0.1/27", "10.83.0.1/27 is no IPv4 subnet such as 10.83.0.0/27"),
        ("fd00::/27", "fd00::/27 is no IPv4 subnet such as 10.83.0.0/27"),
    ],
)
def test_it_refuses_a_subnet_it_cannot_divide(
    subnet: str, sentence: str, guestbook: App, context: StackContext
) -> None:
    with pytest.raises(BuildError) as refusal:
        build_stack(guestbook, version="1", context=replace(context, subnet=subnet))

    assert str(refusal.value) == sentence


def test_cookies_are_secure_where_the_address_is(context: StackContext) -> None:
    plain = berth_variables("1", context)
    safe = berth_variables("1", replace(context, public_url="https://n8n.example.com"))

    assert (plain["BERTH_PUBLIC_SCHEME"], plain["BERTH_SECURE_COOKIE"]) == ("http", "false")
    assert (safe["BERTH_PUBLIC_SCHEME"], safe["BERTH_SECURE_COOKIE"]) == ("https", "true")


def test_a_setting_never_replaces_a_variable_of_berth(
    guestbook: App, context: StackContext
) -> None:
    stack = build_stack(
        guestbook, version="1", context=replace(context, settings={"BERTH_VERSION": "9"})
    )

    assert stack.service("web").image == "berth.local/guestbook:1"


def test_automatos_waits_for_its_images(context: StackContext) -> None:
    app = load_catalog([BUILT_IN])["automatos"]
    images = {
        "AUTOMATOS_FRONTEND_IMAGE": "registry.example.com/web:1",
        "AUTOMATOS_BACKEND_IMAGE": "registry.example.com/api:1",
    }

    assert availability(app, {}) == (
        "Automatos AI cannot be ordered until AUTOMATOS_BACKEND_IMAGE is set: the image of the"
        " FastAPI backend, such as registry.example.com/api:1"
    )
    assert availability(app, images) is None
    values = {name: generate(spec) for name, spec in generated_secrets(app).items()}
    with pytest.raises(BuildError, match=r"^set AUTOMATOS_FRONTEND_IMAGE$"):
        build_stack(app, version="1", context=replace(context, secrets=values))
    stack = build_stack(app, version="1", context=replace(context, secrets=values, settings=images))
    assert stack.images[:2] == tuple(images.values())


def test_a_setting_with_a_default_may_stay_unset(
    catalog_file: Callable[[str], Path], small: str
) -> None:
    text = small.replace("image: postgres:15", "image: ${NOTE_DB:-postgres:15}")
    app = load_app(catalog_file(text.replace("  title:", "  settings: {NOTE_DB: x}\n  title:")))

    assert availability(app, {}) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    index=st.integers(0, 2**19 - 1),
    slug=st.sampled_from(["n8n", "n8n-queue", "flowise", "automatos"]),
    cpus=st.decimals("0.1", "64", places=2),
    memory=st.integers(2**26, 2**40),
    pids=st.integers(50, 100_000),
)
def test_no_stack_leaves_its_subnet_or_its_plan(
    index: int, slug: str, cpus: Decimal, memory: int, pids: int, context: StackContext
) -> None:
    app = load_app(BUILT_IN / f"{slug}.yaml")
    subnet = IPv4Network((int(IPv4Network("10.0.0.0/8").network_address) + 32 * index, 27))
    stack = build_stack(
        app,
        version="1",
        context=replace(
            context,
            subnet=str(subnet),
            cpus=cpus,
            memory_bytes=memory,
            pids=pids,
            secrets=dict.fromkeys(generated_secrets(app), "s"),
            settings=dict.fromkeys(app.berth.settings, "image"),
        ),
    )

    subnets = {network.name: IPv4Network(network.subnet) for network in stack.networks}
    assert all(each.subnet_of(subnet) for each in subnets.values())
    places = [place for service in stack.services for place in service.networks]
    addresses = [place.address for place in places]
    assert len(set(addresses)) == len(addresses)
    for place in places:
        hosts = [str(host) for host in subnets[place.network].hosts()]
        assert place.address in hosts[1:]  # the first is the gateway's
    limits = [service.limits for service in stack.services]
    assert sum(each.cpus for each in limits) <= cpus
    assert sum(each.memory_bytes for each in limits) <= memory
    assert sum(each.pids for each in limits) <= pids
