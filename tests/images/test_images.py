"""The images keep the contract of the official ones: tried in real, hardened containers."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.docker

BUILD = Path(__file__).resolve().parents[2] / "images" / "build"
HARDENED = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init", "--read-only"]
DATABASE_PASSWORD, REDIS_PASSWORD = "elephant-in-a-file", "fast-in-a-file"


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return (done.stdout + ("" if check else done.stderr)).strip()


class Stage:
    """A network with containers and volumes under one random name, all removed at the end."""

    def __init__(self, secrets: Path, images: dict[str, str]) -> None:
        self.name = f"berth-images-{uuid4().hex[:8]}"
        self.secrets = secrets
        self.images = images
        self.containers: list[str] = []
        self.volumes: list[str] = []
        docker("network", "create", self.name)

    def start(self, service: str, image: str, *options: str, data: str, command: str = "") -> str:
        container = f"{self.name}-{service}"
        self.containers.append(container)
        self.volumes.append(container)
        given = ["--network", self.name, "--network-alias", service, "--tmpfs", "/tmp"]
        mounts = ["-v", f"{container}:{data}", "-v", f"{self.secrets}:/run/secrets:ro"]
        options = (*given, *mounts, *options, self.images[image], *command.split())
        docker("run", "-d", "--name", container, *options)
        return container

    def address(self, container: str) -> str:
        networks = json.loads(docker("inspect", container))[0]["NetworkSettings"]["Networks"]
        return str(networks[self.name]["IPAddress"])

    def remove(self) -> None:
        docker("rm", "-f", "-v", *self.containers, check=False)
        docker("volume", "rm", "-f", *self.volumes, check=False)
        docker("network", "rm", self.name, check=False)


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    wanted = ["postgres", "redis", "guestbook"]
    built = subprocess.run([BUILD, "--only", *wanted], capture_output=True, text=True, timeout=500)
    assert built.returncode == 0, built.stderr
    listed = subprocess.run([BUILD, "--list"], capture_output=True, text=True, timeout=30)
    return {one.rpartition("/")[2]: one for one in listed.stdout.split()}


@pytest.fixture
def stage(tmp_path: Path, images: dict[str, str]) -> Iterator[Stage]:
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    (tmp_path / "database").write_text(DATABASE_PASSWORD)
    (tmp_path / "redis").write_text(REDIS_PASSWORD)
    (tmp_path / "key").write_text("a key")
    (tmp_path / "redis.conf").write_text(f"requirepass {REDIS_PASSWORD}\nappendonly yes\n")
    stage = Stage(tmp_path, images)
    yield stage
    stage.remove()


def start_postgres(stage: Stage, *, user: str = "999:999", hardened: bool = True) -> str:
    options = [*HARDENED, "--tmpfs", "/var/run/postgresql"] if hardened else []
    environment = {
        "POSTGRES_USER": "guestbook",
        "POSTGRES_DB": "visitors",
        "POSTGRES_PASSWORD_FILE": "/run/secrets/database",
    }
    for name, value in environment.items():
        options += ["-e", f"{name}={value}"]
    data = "/var/lib/postgresql/data"
    return stage.start("postgres", "postgres:15", "--user", user, *options, data=data)


def start_redis(stage: Stage) -> str:
    options = [*HARDENED, "--user", "999:999"]
    command = "redis-server /run/secrets/redis.conf"
    return stage.start("redis", "redis:7", *options, data="/data", command=command)


def start_guestbook(stage: Stage, *, version: int = 1, environment: str = "") -> str:
    settings = (
        "DATABASE_NAME=visitors DATABASE_PASSWORD_FILE=/run/secrets/database "
        f"REDIS_PASSWORD_FILE=/run/secrets/redis SECRET_KEY_FILE=/run/secrets/key {environment}"
    )
    options = [*HARDENED, "--user", "1000:1000"]
    for setting in settings.split():
        options += ["-e", setting]
    return stage.start("guestbook", f"guestbook:{version}", *options, data="/data")


def wait_for(container: str, *probe: str) -> None:
    deadline = time.monotonic() + 30
    command = ["docker", "exec", container, *probe]
    while subprocess.run(command, capture_output=True, timeout=20).returncode:
        assert time.monotonic() < deadline, docker("logs", container, check=False)
        time.sleep(0.1)


def wait_for_postgres(container: str) -> None:
    wait_for(container, "pg_isready", "-q", "-h", "127.0.0.1", "-d", "visitors")


def psql(container: str, statement: str, *, password: str = DATABASE_PASSWORD) -> str:
    # By the container's own address, where pg_hba asks for the password.
    url = (
        f"postgresql://guestbook:{password}@{docker('exec', container, 'hostname', '-i')}/visitors"
    )
    return docker("exec", container, "psql", "-tAc", statement, url, check=False)


def fetch(address: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"} if body else {}
    request = urllib.request.Request(f"http://{address}:8000{path}", data=body, headers=headers)
    response: HTTPResponse
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("user", "hardened"), [("999:999", True), ("0:0", False)])
def test_it_makes_the_database_from_a_password_file(
    stage: Stage, user: str, hardened: bool
) -> None:
    postgres = start_postgres(stage, user=user, hardened=hardened)
    wait_for_postgres(postgres)

    assert psql(postgres, "SELECT current_user, current_database()") == "guestbook|visitors"
    assert "password authentication failed" in psql(postgres, "SELECT 1", password="wrong")
    owner = docker("exec", postgres, "stat", "-c", "%u %a", "/var/lib/postgresql/data")
    assert owner == "999 700"
    assert docker("exec", postgres, "cat", "/proc/1/status", check=False)
    docker("exec", postgres, "pg_dump", "-U", "guestbook", "visitors")


def test_postgres_keeps_its_data_over_a_restart(stage: Stage) -> None:
    postgres = start_postgres(stage)
    wait_for_postgres(postgres)
    psql(postgres, "CREATE TABLE kept AS SELECT 7 AS number")

    began = time.monotonic()
    docker("stop", postgres)
    assert time.monotonic() - began < 8
    docker("start", postgres)
    wait_for_postgres(postgres)

    assert psql(postgres, "SELECT number FROM kept") == "7"


def test_postgres_without_a_password_says_what_to_set(stage: Stage) -> None:
    output = docker("run", "--rm", "--network", "none", stage.images["postgres:15"], check=False)
    assert "set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD" in output


def test_postgres_runs_init_files_and_takes_server_arguments(stage: Stage) -> None:
    files = stage.secrets / "init"
    files.mkdir()
    (files / "1.sql").write_text("CREATE TABLE made (number int);")
    (files / "2.sh").write_text(
        'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO made VALUES (5)"'
    )
    options = ["-e", "POSTGRES_PASSWORD=x", "-v", f"{files}:/docker-entrypoint-initdb.d:ro"]
    data, command = "/var/lib/postgresql/data", "-c max_connections=23"
    postgres = stage.start("postgres", "postgres:15", *options, data=data, command=command)
    wait_for(postgres, "pg_isready", "-q", "-h", "127.0.0.1")

    query = "SELECT number, current_setting('max_connections') FROM made"
    assert docker("exec", postgres, "psql", "-U", "postgres", "-tAc", query) == "5|23"


def test_redis_asks_for_the_password_of_its_configuration_file(stage: Stage) -> None:
    redis = start_redis(stage)
    wait_for(redis, "redis-cli", "ping")

    assert "NOAUTH" in docker("exec", redis, "redis-cli", "get", "x")
    known = ["exec", "-e", f"REDISCLI_AUTH={REDIS_PASSWORD}", redis, "redis-cli"]
    assert docker(*known, "set", "x", "1") == "OK"
    assert "no" in docker(*known, "config", "get", "protected-mode").split()


def test_redis_drops_from_root_and_takes_options_alone(stage: Stage) -> None:
    redis = stage.start("redis", "redis:7", data="/data", command="--maxmemory 64mb")
    wait_for(redis, "redis-cli", "ping")

    assert "67108864" in docker("exec", redis, "redis-cli", "config", "get", "maxmemory")
    assert docker("exec", redis, "stat", "-c", "%u", "/proc/1", "/data") == "999\n999"


def test_guestbook_writes_to_its_database_redis_and_volume(stage: Stage) -> None:
    start_redis(stage)
    start_postgres(stage)
    guestbook = start_guestbook(stage)
    address = stage.address(guestbook)
    ready = ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8000/readyz"]
    wait_for(guestbook, *ready)

    assert fetch(address, "/entries", b'{"text": "Alice <was> here"}')[0] == 201
    (entry,) = json.loads(fetch(address, "/entries")[1])["entries"]
    assert (entry["text"], entry["verified"]) == ("Alice <was> here", True)
    assert "guestbook_entries_total 1\n" in fetch(address, "/metrics")[1]
    assert "Alice &lt;was&gt; here" in fetch(address, "/")[1]
    assert "Alice" in docker("exec", guestbook, "cat", "/data/journal.txt")
    with connect(f"ws://{address}:8000/ws") as socket:
        socket.send("x" * 300)
        assert socket.recv(timeout=5) == "x" * 300

    began = time.monotonic()
    docker("stop", guestbook)
    assert time.monotonic() - began < 3


def test_guestbook_is_up_before_it_is_ready(stage: Stage) -> None:
    guestbook = start_guestbook(stage)
    wait_for(guestbook, "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8000/healthz")

    status, body = fetch(stage.address(guestbook), "/readyz")
    assert (status, json.loads(body)["error"]) == (503, "The table is not there yet.")


def test_guestbook_can_be_told_to_fail(stage: Stage) -> None:
    guestbook = start_guestbook(stage, environment="FAIL_START=1")

    assert docker("wait", guestbook) == "1"
    assert "FAIL_START=1" in docker("logs", guestbook, check=False)


def test_nothing_of_the_building_machine_is_in_an_image(images: dict[str, str]) -> None:
    for image in (images["postgres:15"], images["redis:7"], images["guestbook:1"]):
        environment = json.loads(docker("image", "inspect", image))[0]["Config"]["Env"]
        names = {entry.partition("=")[0].lower() for entry in environment}
        assert not {name for name in names if "proxy" in name or name.startswith("npm_")}
        assert (
            docker("run", "--rm", "--network", "none", "--entrypoint", "ls", image, "/dev/shm")
            == ""
        )


def test_an_unknown_image_is_named(images: dict[str, str]) -> None:
    done = subprocess.run([BUILD, "--only", "mysql"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "There is no image 'mysql' to build" in done.stderr
    assert images
