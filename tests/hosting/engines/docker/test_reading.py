"""What Docker says, in Berth's words: lists, errors, events, images, frames and counters."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from docker.errors import APIError

from hosting.engines.docker import DockerEngine, TlsFiles, cgroups
from hosting.engines.docker.cgroups import Counters
from hosting.engines.docker.errors import meaning, subnet_error, translated
from hosting.engines.docker.events import parsed
from hosting.engines.docker.execution import unframed
from hosting.engines.docker.images import Progress, split
from hosting.engines.docker.metering import from_stats
from hosting.engines.docker.observing import grouped, observed_service
from hosting.engines.docker.secret_files import redacted
from hosting.engines.errors import EngineError, EngineUnavailable, GiveUp, SubnetTaken, TryLater
from hosting.engines.observed import ContainerState, Event, Health, Observed
from hosting.engines.wanted import Secret


def refused(status: int, text: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError(text, response=response, explanation=text)


@pytest.mark.parametrize(
    ("status", "text", "kind", "sentence"),
    [
        (404, "No such image: acme/x:1", GiveUp, "the image acme/x:1 does not exist"),
        (500, "write /x: no space left on device", TryLater, "the server's disk is full"),
        (
            404,
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            GiveUp,
            "no address range left",
        ),
        (
            409,
            'Conflict. The container name "/p-web" is already in use by container "1"',
            TryLater,
            "a container named p-web is already on the server",
        ),
        (500, "something broke", TryLater, "the server could not do the thing: something broke"),
        (400, "that is wrong", GiveUp, "the server refused the thing: that is wrong"),
        (409, "Container 1 is not running", TryLater, "the thing is not running"),
        (
            400,
            'OCI runtime create failed: exec: "x": executable file not found in $PATH',
            GiveUp,
            "the thing cannot start",
        ),
    ],
)
def test_errors_mean(status: int, text: str, kind: type[EngineError], sentence: str) -> None:
    error = meaning(refused(status, text), "the thing")
    assert type(error) is kind
    assert sentence in str(error)


def test_only_a_taken_subnet_is_one() -> None:
    taken = refused(403, "Pool overlaps with other one on this address space")
    assert isinstance(subnet_error(taken, "10.222.0.0/28"), SubnetTaken)
    assert subnet_error(refused(409, "network with name x already exists"), "10.0.0.0/28") is None


def test_a_broken_connection_and_a_slow_answer_differ() -> None:
    with pytest.raises(EngineUnavailable), translated("the thing"):
        raise requests.exceptions.ConnectionError("Connection aborted.")
    with (
        pytest.raises(TryLater, match="in time about the thing") as caught,
        translated("the thing"),
    ):
        raise requests.exceptions.ReadTimeout("read timeout=60")
    assert not isinstance(caught.value, EngineUnavailable)


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("ssh://alice@server", "neither unix:///path nor tcp://host:port"),
        ("tcp://203.0.113.7:2375", "needs TLS"),
    ],
)
def test_endpoints_that_berth_does_not_use_are_refused(endpoint: str, sentence: str) -> None:
    with pytest.raises(GiveUp, match=sentence):
        DockerEngine.connect(endpoint)


def test_missing_tls_files_are_named(tmp_path: Path) -> None:
    files = TlsFiles(str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "key"))
    with pytest.raises(GiveUp, match=r"ca\.pem of the endpoint .* does not exist"):
        DockerEngine.connect("tcp://203.0.113.7:2376", tls=files)


def test_a_closed_port_is_an_engine_that_does_not_answer() -> None:
    engine = DockerEngine.connect("tcp://127.0.0.1:1")
    with pytest.raises(EngineUnavailable):
        engine.capacity()


def container(name: str, status: str, state: str = "running") -> dict[str, object]:
    return {
        "Id": f"id-{name}",
        "Names": [f"/p-{name}"],
        "State": state,
        "Status": status,
        "Image": "acme/x:1",
        "Labels": {
            "berth.instance": "i-1",
            "berth.service": name,
            "berth.spec": "h",
            "com.docker.compose.project": "p",
        },
        "NetworkSettings": {"Networks": {"net": {"NetworkID": "n1"}, "old": {"NetworkID": "n0"}}},
    }


def test_lists_become_observed_values() -> None:
    network = {
        "Id": "n1",
        "Name": "net",
        "Internal": True,
        "IPAM": {"Config": [{"Subnet": "10.222.0.0/28"}]},
        "Labels": {"berth.instance": "i-1"},
    }
    volumes: list[dict[str, object]] = [
        {"Name": "data", "Labels": {"berth.instance": "i-1"}},
        {"Name": "p-a-secrets", "Labels": {"berth.instance": "i-1", "berth.secrets-of": "a"}},
        {"Name": "stranger", "Labels": None},
    ]
    listed = [
        container("a", "Up 3 hours (healthy)"),
        container("b", "Up 2 seconds (health: starting)"),
        container("c", "Up 3 hours (unhealthy)"),
        container("d", "Up 3 hours"),
        container("e", "Dead", state="dead"),
    ]
    found = grouped(listed, [network], volumes)
    assert list(found) == ["", "i-1"]
    assert found[""].observed == Observed("", volumes=("stranger",))
    observed = found["i-1"].observed
    assert [each.health for each in observed.services] == [
        Health.HEALTHY,
        Health.STARTING,
        Health.UNHEALTHY,
        Health.NONE,
        Health.NONE,
    ]
    assert observed.services[4].state is ContainerState.MISSING
    assert observed.services[0].networks == ("net",)
    assert observed.volumes == ("data", "p-a-secrets")
    assert found["i-1"].secret_volumes == ("p-a-secrets",)
    assert [each.container_name for each in observed.services] == [f"p-{each}" for each in "abcde"]
    assert {each.altered for each in observed.services} == {()}


@pytest.mark.parametrize(
    ("names", "name", "altered"),
    [
        (["/p-web"], "p-web", ()),
        (["/other/link", "/p-web"], "p-web", ()),
        (["/mine"], "mine", ("name",)),
        (["/p-web-2"], "p-web-2", ("name",)),
        ([], "", ()),
        (None, "", ()),
    ],
)
def test_a_name_given_by_hand_shows_in_a_list(
    names: list[str] | None, name: str, altered: tuple[str, ...]
) -> None:
    seen = observed_service(container("web", "Up 3 hours") | {"Names": names}, frozenset())
    assert (seen.container_name, seen.altered) == (name, altered)


def test_a_container_without_our_labels_has_no_other_name_than_its_own() -> None:
    for labels in (None, {"berth.owner": "o"}, {"berth.owner": "o", "berth.service": "web"}):
        listed = container("web", "Up 3 hours") | {"Names": ["/alien"], "Labels": labels}
        assert observed_service(listed, frozenset()).altered == ()


def test_events_are_read_and_execs_dropped() -> None:
    said = {
        "Action": "die",
        "timeNano": 1_700_000_000_500_000_000,
        "Actor": {"Attributes": {"berth.instance": "i-1", "berth.service": "web"}},
    }
    moment = datetime.fromtimestamp(1_700_000_000.5, tz=UTC)
    assert parsed(said) == Event("i-1", "web", "die", moment)
    late = said | {"timeNano": 1_700_000_000_500_000_999}
    assert parsed(late) == Event("i-1", "web", "die", moment)
    assert parsed(said | {"Action": "exec_start: pg_isready"}) is None
    assert parsed(said | {"Actor": {"Attributes": {}}}) is None


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("redis", ("redis", "latest")),
        ("redis:7", ("redis", "7")),
        ("registry.example:5000/acme/x", ("registry.example:5000/acme/x", "latest")),
        ("redis@sha256:ab", ("redis", "sha256:ab")),
        ("redis:7@sha256:ab", ("redis", "sha256:ab")),
    ],
)
def test_image_names_are_split(image: str, wanted: tuple[str, str]) -> None:
    assert split(image) == wanted


def test_progress_sums_layers_and_speaks_once_a_second() -> None:
    progress = Progress("acme/x:1")

    def layer(name: str, current: int) -> dict[str, object]:
        detail = {"current": current, "total": 100_000_000}
        return {"status": "Downloading", "id": name, "progressDetail": detail}

    assert progress.add({"status": "Pulling from acme/x"}, 0.0) is None
    assert progress.add(layer("a", 50_000_000), 0.1) == "pulling acme/x:1: 50 % (50 of 100 MB)"
    assert progress.add(layer("b", 0), 0.2) is None
    assert progress.add(layer("b", 100_000_000), 1.2) == "pulling acme/x:1: 75 % (150 of 200 MB)"


def test_frames_are_joined_and_a_torn_one_is_kept() -> None:
    stream = b"\x01\0\0\0\0\0\0\x03out" + b"\x02\0\0\0\0\0\0\x03err" + b"\x01\0\0\0\0\0\0\x09torn"
    assert unframed(stream) == b"outerrtorn"
    assert unframed(b"") == b""


def test_secrets_are_blotted_out() -> None:
    assert redacted("the password is hunter2!", (Secret("p", "hunter2\n"),)) == (
        "the password is [secret]!"
    )
    assert redacted("nothing", (Secret("empty", ""),)) == "nothing"


PROC_NET_DEV = """Inter-|   Receive                           |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:     999       1    0    0    0     0          0         0      999       1    0
  eth0:     100       1    0    0    0     0          0         0       10       1    0
  eth1:      50       1    0    0    0     0          0         0        5       1    0
"""
WANTED = Counters(
    cpu_seconds=2.5,
    memory_bytes=900,
    network_received_bytes=150,
    network_sent_bytes=15,
    disk_read_bytes=30,
    disk_written_bytes=7,
    pids=4,
    cpu_periods=40,
    throttled_periods=10,
    throttled_seconds=0.5,
    memory_limit_bytes=2000,
)


UNLIMITED = [("max\n", None), ("9223372036854771712\n", None), ("536870912\n", 536870912)]


def write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("folder", ["docker/c1", "system.slice/docker-c1.scope"])
def test_counters_of_cgroup_two(tmp_path: Path, folder: str) -> None:
    root, processes = tmp_path / "cgroup", tmp_path / "proc"
    group = root / folder
    write(
        {
            root / "cgroup.controllers": "cpu memory io pids",
            group / "cpu.stat": (
                "usage_usec 2500000\nuser_usec 1\n"
                "nr_periods 40\nnr_throttled 10\nthrottled_usec 500000\n"
            ),
            group / "memory.max": "2000\n",
            group / "memory.current": "1000\n",
            group / "memory.stat": "anon 1\ninactive_file 100\n",
            group / "io.stat": "8:0 rbytes=10 wbytes=7 rios=1\n8:16 rbytes=20 wbytes=0 rios=1\n",
            group / "pids.current": "4\n",
            group / "cgroup.procs": "77\n78\n",
            processes / "77/net/dev": PROC_NET_DEV,
        }
    )
    assert cgroups.read("c1", root=root, processes=processes) == WANTED
    assert cgroups.read("c2", root=root, processes=processes) is None


def test_counters_of_cgroup_one(tmp_path: Path) -> None:
    root, processes = tmp_path / "cgroup", tmp_path / "proc"
    write(
        {
            root / "cpuacct/docker/c1/cpuacct.usage": "2500000000\n",
            root / "cpu/docker/c1/cpu.stat": (
                "nr_periods 40\nnr_throttled 10\nthrottled_time 500000000\n"
            ),
            root / "memory/docker/c1/memory.limit_in_bytes": "2000\n",
            root / "memory/docker/c1/memory.usage_in_bytes": "1000\n",
            root / "memory/docker/c1/memory.stat": "cache 1\ntotal_inactive_file 100\n",
            root / "blkio/docker/c1/blkio.throttle.io_service_bytes": (
                "8:0 Read 30\n8:0 Write 7\n8:0 Sync 37\n8:0 Total 37\nTotal 37\n"
            ),
            root / "pids/docker/c1/pids.current": "4\n",
            root / "pids/docker/c1/cgroup.procs": "77\n",
            processes / "77/net/dev": PROC_NET_DEV,
        }
    )
    assert cgroups.read("c1", root=root, processes=processes) == WANTED


@pytest.mark.parametrize(("text", "wanted"), UNLIMITED)
def test_what_the_kernel_calls_unlimited_is_no_limit(text: str, wanted: int | None) -> None:
    assert cgroups._limit(text) == wanted


def test_counters_of_the_stats_call() -> None:
    shown = {
        "cpu_stats": {
            "cpu_usage": {"total_usage": 2_500_000_000},
            "throttling_data": {
                "periods": 40,
                "throttled_periods": 10,
                "throttled_time": 500_000_000,
            },
        },
        "memory_stats": {"usage": 1000, "limit": 2000, "stats": {"inactive_file": 100}},
        "networks": {
            "eth0": {"rx_bytes": 100, "tx_bytes": 10},
            "eth1": {"rx_bytes": 50, "tx_bytes": 5},
        },
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"op": "Read", "value": 30},
                {"op": "write", "value": 7},
                {"op": "total", "value": 37},
            ]
        },
        "pids_stats": {"current": 4},
    }
    assert from_stats(shown) == WANTED
    assert from_stats(shown | {"memory_stats": {}}) is None
