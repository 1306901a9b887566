"""Every refusal with its whole sentence: one small file, one change, what the operator reads."""

# ruff: noqa: E501 - a sentence is compared best on one line

from collections.abc import Callable
from pathlib import Path

import pytest

from hosting.catalog import refusals
from hosting.catalog.compose_schema import ServiceFile
from hosting.catalog.errors import CatalogError
from hosting.catalog.loader import load_app
from hosting.flows.stacks import read_definition

WEB = "    networks: [front]\n"
DB = "    networks: [back]\n"

# What is added below the web service's networks (from line 5 of the file on), and the sentence.
SERVICE_KEYS = [
    ('ports: ["80:80"]', "5: services.web.ports: Berth publishes no port; the edge reaches x-berth.web"),
    ("build: .", "5: services.web.build: Berth builds no image; name a ready one in image"),
    ("privileged: true", "5: services.web.privileged: no container of a client is privileged"),
    ("network_mode: host", "5: services.web.network_mode: Berth gives every instance networks of its own; name them in networks"),
    ("pid: host", "5: services.web.pid: the host's processes stay hidden; a client's stack sees nothing of the server it runs on"),
    ("ipc: host", "5: services.web.ipc: shared memory stays inside the container; a client's stack sees nothing of the server it runs on"),
    ("devices: [/dev/fuse]", "5: services.web.devices: no device is handed in; a client's stack sees nothing of the server it runs on"),
    ("extra_hosts: [a:1.2.3.4]", "5: services.web.extra_hosts: services find each other by name, and other hosts by DNS"),
    ("deploy: {}", "5: services.web.deploy: the plan sets the limits; say in x-berth.shares which part of them the service gets"),
    ("mem_limit: 1g", "5: services.web.mem_limit: the plan sets the limits; say in x-berth.shares which part of them the service gets"),
    ("labels: {a: b}", "5: services.web.labels: Berth finds what it made by labels of its own"),
    ("env_file: .env", "5: services.web.env_file: Berth reads nothing but this file; write the values here"),
    ("restart: always", "5: services.web.restart: Berth restarts what dies"),
    ("security_opt: [a]", "5: services.web.security_opt: Berth sets the security options itself, no-new-privileges among them"),
    ("cap_add: [CHOWN, SYS_ADMIN]", "5: services.web.cap_add.1: SYS_ADMIN is not allowed; allowed are CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, NET_BIND_SERVICE, SETGID, SETUID"),
    ("enviroment: {}", "5: services.web.enviroment: is no key that Berth knows; did you mean environment?"),
    ("colour: red", "5: services.web.colour: is no key that Berth knows"),
    ("image: twice", "5: image is given twice, first in line 3"),
    ("user: root", "5: services.web.user: 'root' must be numeric, such as \"1000:1000\""),
    ("init: 1", "5: services.web.init: must be true or false"),
    ("read_only: \"yes\"", "5: services.web.read_only: must be true or false"),
    ("working_dir: app", "5: services.web.working_dir: 'app' must be an absolute path without .."),
    ("stop_grace_period: 10", "5: services.web.stop_grace_period: 10 is not a duration such as 10s, 1m30s or 500ms"),
    ("stop_grace_period: 10 s", "5: services.web.stop_grace_period: 10 s is not a duration such as 10s, 1m30s or 500ms"),
    ("tmpfs: [\"/tmp:exec\"]", "5: services.web.tmpfs.0: /tmp:exec must be a path, with size, mode, uid or gid after a colon"),
    ("expose: [http]", "5: services.web.expose.0: http is not a port such as 8000 or 8000/tcp"),
    ("expose: 80", "5: services.web.expose: must be a list of ports"),
    ("command: 'a \"b'", "5: services.web.command: cannot be split into words: No closing quotation"),
    ("command: {a: b}", "5: services.web.command: must be a list"),
    ("command: [a, 1]", "5: services.web.command.1: must be text; write it in quotes"),
    ("environment: {A: }", "5: services.web.environment.A: Berth hands on nothing of its own environment; write the value"),
    ("environment: [A]", "5: services.web.environment.A: Berth hands on nothing of its own environment; write the value"),
    ("environment: {A: true}", "5: services.web.environment.A: must be text: write \"true\" in quotes"),
    ("environment: {A: 1.10}", "5: services.web.environment.A: must be text: write \"1.10\" in quotes"),
    ("environment: {A: [b]}", "5: services.web.environment.A: must be text"),
    ("environment: text", "5: services.web.environment: must be a mapping, or a list of NAME=value"),
    ("environment: {A: 5$}", "5: services.web.environment.A: a $ must start ${NAME}, ${NAME:-default} or ${NAME:?message}; write $$ for a dollar sign"),
    ("environment: {A: \"${BERTH_PUBLIC_URI}\"}", "5: services.web.environment.A: there is no variable BERTH_PUBLIC_URI; did you mean BERTH_PUBLIC_URL?"),
    ("environment: {A: \"${HOME}\"}", "5: services.web.environment.A: there is no variable HOME"),
    ("volumes: [/data]", "5: services.web.volumes.0: /data has no name; write <volume>:/data"),
    ("volumes: [\"/etc:/etc\"]", "5: services.web.volumes.0: only named volumes are mounted; a client's stack sees nothing of the server it runs on"),
    ("volumes: [\"./x:/x\"]", "5: services.web.volumes.0: only named volumes are mounted; a client's stack sees nothing of the server it runs on"),
    ("volumes: [\"data:/x:z\"]", "5: services.web.volumes.0: data:/x:z must be <volume>:<path>, or <volume>:<path>:ro"),
    ("volumes: [\"data:x\"]", "5: services.web.volumes.0.target: 'x' must be an absolute path without .."),
    ("volumes: [\"data:/x\", \"data:/x/\"]", "5: services.web.volumes.1: /x is mounted already"),
    ("volumes: [\"dta:/x\"]", "5: services.web.volumes.0: there is no volume dta; did you mean data?"),
    ("volumes: [{type: bind, source: /etc, target: /etc}]", "5: services.web.volumes.0.type: only named volumes are mounted; a client's stack sees nothing of the server it runs on"),
    ("volumes: [{source: data, target: /x, bind: {}}]", "5: services.web.volumes.0.bind: only named volumes are mounted; a client's stack sees nothing of the server it runs on"),
    ("volumes: [{source: data}]", "5: services.web.volumes.0.target: is missing"),
    ("volumes: [7]", "5: services.web.volumes.0: must be a mapping with read_only, source, target, type"),
    ("secrets: [pasword]", "5: services.web.secrets.0: there is no secret pasword; did you mean password?"),
    ("secrets: [password, {source: password, target: /run/secrets/password}]", "5: services.web.secrets.1: /run/secrets/password is there already"),
    ("secrets: [{source: password, uid: \"0\"}]", "5: services.web.secrets.0.uid: a secret belongs to root and its mode says who reads it"),
    ("secrets: [{source: password, target: /etc/pw}]", "5: services.web.secrets.0.target: '/etc/pw' must be letters, digits, _, . and -, 63 characters at most"),
    ("secrets: [{source: password, mode: \"0440\"}]", "5: services.web.secrets.0.mode: must be a whole number"),
    ("depends_on: [gone]", "5: services.web.depends_on.gone: there is no service gone"),
    ("depends_on: [web]", "5: services.web.depends_on: goes in a circle: web -> web"),
    ("depends_on: {db: {condition: service_healthy}}", "5: services.web.depends_on.db: db has no healthcheck that could become healthy"),
    ("depends_on: {db: {condition: service_completed_successfully}}", "5: services.web.depends_on.db.condition: Berth runs services that stay; put the work into the image"),
    ("depends_on: {db: {condition: ready}}", "5: services.web.depends_on.db.condition: must be 'service_healthy' or 'service_started'"),
    ("depends_on: {db: {restart: true}}", "5: services.web.depends_on.db.restart: is no key that Berth knows"),
]  # fmt: skip

# What is replaced in the file, by what, and the sentence.
CHANGES = [
    (WEB, "", "2: services.web: needs networks: a service is reached through the networks it names"),
    (WEB, "    networks: []\n", "2: services.web: needs networks: a service is reached through the networks it names"),
    (WEB, "    networks: [fornt]\n", "4: services.web.networks.fornt: there is no network fornt; did you mean front?"),
    (WEB, "    networks: {front: {ipv4_address: 10.0.0.1}}\n", "4: services.web.networks.front.ipv4_address: Berth gives every instance networks and addresses of its own"),
    ("  web:\n    image", "  Web:\n    image", "2: services.Web: 'Web' must be a DNS label: lower case letters, digits and inner hyphens, 63 characters at most"),
    ('{test: [CMD, "true"]}', "{disable: true}", "5: services.web.healthcheck.disable: leave healthcheck out instead"),
    ('{test: [CMD, "true"]}', "{test: [NONE]}", "5: services.web.healthcheck.test: leave healthcheck out instead of NONE"),
    ('{test: [CMD, "true"]}', "{test: [CMD]}", "5: services.web.healthcheck.test: must be text, [\"CMD\", program, ...] or [\"CMD-SHELL\", text]"),
    ('{test: [CMD, "true"]}', "{test: a, retries: 0}", "5: services.web.healthcheck.retries: must be greater than or equal to 1"),
    ('{test: [CMD, "true"]}', "{interval: 1s}", "5: services.web.healthcheck.test: is missing"),
    ('{test: [CMD, "true"]}', "hourly", "5: services.web.healthcheck: must be a mapping with interval, retries, start_period, test, timeout"),
    ("note:${BERTH_VERSION:-1}", "note:${BERTH_VERSION}", "3: services.web.image: write ${BERTH_VERSION:-1}, the newest of x-berth.versions"),
    ("note:${BERTH_VERSION:-1}", "note:${BERTH_VERSION:-2}", "3: services.web.image: write ${BERTH_VERSION:-1}, the newest of x-berth.versions"),
    ("    image: postgres:15\n", "", "6: services.db.image: is missing"),
    ("    image: postgres:15\n", "    image: 15\n", "7: services.db.image: must be text; write it in quotes"),
    ("  front: {}", "  front: {driver: host}", "12: networks.front.driver: Berth gives every instance networks and addresses of its own"),
    ("  front: {}", "  front: {external: true}", "12: networks.front.external: an instance joins no network but its own"),
    ("  front: {}", "  front: {}\n  side: {}", "13: networks.side: an app has at most one normal network, and front is one already"),
    ("  front: {}", "  front: {internal: true}", "13: networks.back: an app has at most one internal network, and front is one already"),
    ("  data: {}", "  data: {external: true}", "15: volumes.data.external: an instance mounts no volume but its own"),
    ("volumes:\n  data: {}", "volumes:\n  data: {}\n  data-g2: {}", "16: volumes.data-g2: must not end in -g and a number, as Berth's own copies do"),
    ("  data: {}", "  data: {}\n  more: {}", "16: volumes.more: no service mounts it"),
    ("{file: ./secrets/password}", "{external: true}", "17: secrets.password.external: a secret is a file: write file: ./secrets/<name> and describe it in x-berth"),
    ("{file: ./secrets/password}", "{file: /etc/passwd}", "17: secrets.password.file: must be ./secrets/password, where plain Compose finds it"),
    ("{file: ./secrets/password}", "{file: ./secrets/password}\n  more: {file: ./secrets/more}", "18: secrets.more: say in x-berth.secrets how it is generated"),
    ("services:\n", "version: '3'\nservices:\n", "1: version: the Compose specification knows no version any more; leave it out"),
    ("services:\n", "include: [a]\nservices:\n", "1: include: Berth reads nothing but this file; write the values here"),
    ("services:\n", "servces: {}\nservices:\n", "1: servces: is no key that Berth knows; did you mean services?"),
    ("x-berth:\n", "x-bert:\n", "1: x-berth: is missing"),
    ("  title: Note\n", "", "18: x-berth.title: is missing"),
    ("  title: Note\n", "  titel: Note\n", "19: x-berth.titel: is no key that Berth knows; did you mean title?"),
    ("title: Note", "title: ''", "19: x-berth.title: must not be empty"),
    ("Keeps notes.", "|\n    a\n    b", "20: x-berth.description: must be one sentence on one line"),
    ("https://example.com", "example.com", "22: x-berth.homepage: 'example.com' must be an address that starts with http:// or https://"),
    ('[{version: "1"}]', "[]", "24: x-berth.versions: must not be empty"),
    ('[{version: "1"}]', "[{version: 1}]", "24: x-berth.versions.0.version: must be text; write it in quotes"),
    ('[{version: "1"}]', '[{version: "1"}, {version: "1"}]', "24: x-berth.versions.1: 1 is there twice"),
    ('[{version: "1"}]', '[{version: "1 2"}]', "24: x-berth.versions.0.version: '1 2' must be a tag of an image: letters, digits, _, . and -"),
    ("service: web, port: 80", "service: wbe, port: 80", "25: x-berth.web.service: there is no service wbe; did you mean web?"),
    ("port: 80", "port: 0", "25: x-berth.web.port: must be greater than or equal to 1"),
    ("port: 80", "port: 65536", "25: x-berth.web.port: must be less than or equal to 65535"),
    ("port: 80", "port: http", "25: x-berth.web.port: must be a whole number"),
    ("readiness: /}", "readiness: /, readiness_type: JSON}", "25: x-berth.web.readiness_type: 'JSON' must be a media type in lower case, such as application/json"),
    ("readiness: /}", "readiness: healthz}", "25: x-berth.web.readiness: 'healthz' must be an absolute path without .."),
    ("{web: 0.5, db: 0.5}", "{web: 0.5}", "26: x-berth.shares: the service db has no share of the plan"),
    ("{web: 0.5, db: 0.5}", "{web: 0.5, db: 0.6}", "26: x-berth.shares: the shares of cpus add up to 1.1, above 1"),
    ("{web: 0.5, db: 0.5}", "{web: 0.5, db: 0.4, dbs: 0.1}", "26: x-berth.shares.dbs: there is no service dbs; did you mean db?"),
    ("{web: 0.5, db: 0.5}", "{web: half, db: 0.5}", "26: x-berth.shares.web: must be a mapping with cpus, memory, pids"),
    ("{web: 0.5, db: 0.5}", "{web: 0, db: 0.5}", "26: x-berth.shares.web.cpus: must be greater than 0"),
    ("{memory_mb: 64,", "{memory_mb: 0,", "27: x-berth.minimum.memory_mb: must be greater than or equal to 1"),
    ("{generate: hex, length: 32}", "{generate: dice}", "29: x-berth.secrets.password.generate: must be 'alphanumeric', 'hex', 'base64', 'password' or 'usage_token'"),
    ("{generate: hex, length: 32}", "{generate: hex, length: 16}", "29: x-berth.secrets.password: length 16 can be guessed; 32 is the least"),
    ("{generate: hex, length: 32}", "{generate: hex, length: 257}", "29: x-berth.secrets.password.length: must be less than or equal to 256"),
    ("{generate: hex, length: 32}", "{}", "29: x-berth.secrets.password: needs either generate or template"),
    ("{generate: hex, length: 32}", "{generate: hex, template: a}", "29: x-berth.secrets.password: needs either generate or template"),
    ("{generate: hex, length: 32}", "{template: 'a {gone}'}", "29: x-berth.secrets.password.template: there is no secret gone"),
    ("{generate: hex, length: 32}", "{template: 'a {password}'}", "29: x-berth.secrets.password.template: password is a template itself; name generated ones"),
    ("{generate: hex, length: 32}", "{template: 'a {b!r}'}", "29: x-berth.secrets.password.template: is no template: {b} must be the bare name of a secret; write {{ and }} for braces"),
    ("{generate: hex, length: 32}", "{template: 'a {'}", "29: x-berth.secrets.password.template: is no template: Single '{' encountered in format string; write {{ and }} for braces"),
    ("{generate: hex, length: 32}", "{generate: hex}\n    more: {generate: hex}", "30: x-berth.secrets.more: is used nowhere; name it under secrets, or drop it"),
    ("  title: Note\n", "  title: Note\n  settings: {NOTE_KEY: the key}\n", "20: x-berth.settings.NOTE_KEY: is used nowhere; write ${NOTE_KEY:?} where it is"),
    ("  title: Note\n", "  title: Note\n  settings: {BERTH_X: x}\n", "20: x-berth.settings.BERTH_X: names that start with BERTH_ are Berth's own"),
    ("  title: Note\n", "  title: Note\n  settings: {key: x}\n", "20: x-berth.settings.key: 'key' must be upper case letters, digits and _"),
    ("  title: Note\n", "  title: Note\n  metrics: {service: wb, port: 1}\n", "20: x-berth.metrics.service: there is no service wb; did you mean web?"),
    ("  title: Note\n", "  title: Note\n  metrics: {service: web, port: 1, counters: [{series: a, meter: run}]}\n", "20: x-berth.metrics.counters.0.meter: there is no meter run"),
    ("  title: Note\n", "  title: Note\n  metrics: {service: web, port: 1, counters: [{series: a-b, meter: executions}]}\n", "20: x-berth.metrics.counters.0.series: 'a-b' must be the name of a Prometheus series"),
    ("  title: Note\n", "  title: Note\n  metrics: {service: web, port: 1, counters: [{series: a, meter: seats}]}\n  meters: {seats: {title: T, unit: t, aggregation: max}}\n", "20: x-berth.metrics.counters.0.meter: seats must be a sum to be counted up"),
    ("  title: Note\n", "  title: Note\n  metrics: {service: web, port: 1, counters: [{series: a, where: {b: c}, meter: executions}, {series: a, where: {b: c}, meter: execution_seconds}]}\n", '20: x-berth.metrics.counters.1: a{b="c"} is counted already'),
    ("  title: Note\n", f"  title: Note\n  metrics: {{service: web, port: 1, counters: [{{series: a, where: {{b: {'c' * 144}}}, meter: executions}}]}}\n", "20: x-berth.metrics.counters.0: has 151 characters, labels included; at most 150"),
    ("  title: Note\n", "  title: Note\n  runs: [{service: web, database: d, user: u, meter: executions, sql: S}, {service: web, database: e, user: u, meter: executions, sql: S}]\n", "20: x-berth.runs.1.meter: executions has its runs already"),
    ("  title: Note\n", "  title: Note\n  runs: [{service: web, database: d, user: u, meter: took, sql: SELECT 1}]\n", "20: x-berth.runs.0.meter: there is no meter took"),
    ("  title: Note\n", "  title: Note\n  runs: [{service: wb, database: d, user: u, meter: executions, sql: SELECT 1}]\n", "20: x-berth.runs.0.service: there is no service wb; did you mean web?"),
    ("  title: Note\n", "  title: Note\n  usage_paths: [/a b]\n", "20: x-berth.usage_paths.0: '/a b' must be a path of letters, digits and . _ ~ -, such as /metrics"),
    ("  title: Note\n", "  title: Note\n  meters: {llm: {title: T, unit: t, aggregation: sum}}\n", "20: x-berth.meters.llm: is Berth's own; give yours another name"),
    ("  title: Note\n", "  title: Note\n  meters: {executions: {title: T, unit: t, aggregation: max}}\n", "20: x-berth.meters.executions: is Berth's own and a sum; give yours another name"),
    ("  title: Note\n", "  title: Note\n  meters: {Runs: {title: T, unit: t, aggregation: sum}}\n", "20: x-berth.meters.Runs: 'Runs' must be lower case letters, digits and _, 40 characters at most"),
    ("  title: Note\n", "  title: Note\n  backup: {volumes: [dat]}\n", "20: x-berth.backup.volumes.0: there is no volume dat; did you mean data?"),
    ("  title: Note\n", "  title: Note\n  backup: {secrets: [key]}\n", "20: x-berth.backup.secrets.0: there is no secret key"),
    ("  title: Note\n", "  title: Note\n  backup: {pause: [job]}\n", "20: x-berth.backup.pause.0: there is no service job"),
    ("  title: Note\n", "  title: Note\n  backup: {postgres: [{service: dbs, database: a, user: a}]}\n", "20: x-berth.backup.postgres.0.service: there is no service dbs; did you mean db?"),
    ("  title: Note\n", "  title: Note\n  backup: {order: [mysql]}\n", "20: x-berth.backup.order.0: must be 'postgres', 'redis' or 'volumes'"),
    ("  title: Note\n", "  title: Note\n  smoke: [index]\n", "20: x-berth.smoke.0: 'index' must be an absolute path without .."),
]  # fmt: skip


def refusal(path: Path) -> str:
    with pytest.raises(CatalogError) as caught:
        load_app(path)
    return str(caught.value)


def test_the_small_file_itself_is_fine(catalog_file: Callable[[str], Path], small: str) -> None:
    assert load_app(catalog_file(small)).slug == "note"


@pytest.mark.parametrize(("lines", "sentence"), SERVICE_KEYS)
def test_it_refuses_in_a_service(
    lines: str, sentence: str, catalog_file: Callable[[str], Path], small: str
) -> None:
    path = catalog_file(small.replace(WEB, f"{WEB}    {lines}\n"))

    assert refusal(path) == f"note.yaml:{sentence}"


@pytest.mark.parametrize(("old", "new", "sentence"), CHANGES)
def test_it_refuses(
    old: str, new: str, sentence: str, catalog_file: Callable[[str], Path], small: str
) -> None:
    assert small.count(old) == 1
    path = catalog_file(small.replace(old, new))

    assert refusal(path) == f"note.yaml:{sentence}"


@pytest.mark.parametrize("key", sorted(refusals.SERVICE))
def test_every_refused_key_of_a_service_has_its_reason(
    key: str, catalog_file: Callable[[str], Path], small: str
) -> None:
    path = catalog_file(small.replace(WEB, f"{WEB}    {key}: x\n"))

    assert refusal(path) == f"note.yaml:5: services.web.{key}: {refusals.SERVICE[key]}"


def test_no_key_is_both_known_and_refused() -> None:
    assert not ServiceFile.known_keys() & refusals.SERVICE.keys()


def test_it_names_the_whole_circle(catalog_file: Callable[[str], Path], small: str) -> None:
    text = small.replace(WEB, f"{WEB}    depends_on: [db]\n")
    path = catalog_file(text.replace(DB, f"{DB}    depends_on: [web]\n"))

    assert refusal(path) == (
        "note.yaml:5: services.web.depends_on: goes in a circle: web -> db -> web"
    )


def test_it_refuses_more_services_than_a_network_has_addresses(
    catalog_file: Callable[[str], Path], small: str
) -> None:
    more = "".join(f"  s{n}: {{image: a, networks: [front]}}\n" for n in range(13))
    shares = "".join(f", s{n}: 0.01" for n in range(13))
    text = small.replace("services:\n", f"services:\n{more}")
    path = catalog_file(text.replace("{web: 0.5, db: 0.5}", f"{{web: 0.4, db: 0.4{shares}}}"))

    assert refusal(path) == (
        "note.yaml:25: networks.front: holds at most 13 services, and 14 name it"
    )


COUNTED_TWICE = "  runs: [{service: web, database: d, user: u, meter: executions, sql: S}]\n"


def test_what_an_instance_has_kept_can_be_read_though_a_file_with_it_is_refused_now(
    catalog_file: Callable[[str], Path], small: str
) -> None:
    """Or nothing could be done with the instance any more: not even stop it, or restore it."""
    title = "  title: Note\n"
    app = load_app(catalog_file(small.replace(title, f"{title}{COUNTED_TWICE}")))
    kept = app.model_dump(mode="json")
    kept["berth"]["runs"] *= 2
    assert len(read_definition(kept).berth.runs) == 2
