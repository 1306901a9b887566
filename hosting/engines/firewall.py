"""The packet filter between tenants' networks and what they must not reach, through iptables.

Docker leaves three ways open from inside a network: to the host's own processes, to ports that
others publish on the host, and to whatever the host can route to (metadata services, a private
LAN). It keeps two networks apart, but for the moments in which it takes its hooks out of the filter
table to put them first again, as it does whenever any network comes or goes. Two chains close all
of this: ``<name>-INPUT`` and ``<name>-FORWARD``, hooked first into INPUT and FORWARD of the mangle
table, which Docker does not touch. docs/edge.md has the reasoning. IPv4 only, as instances'
networks have no IPv6.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from hosting.engines.errors import GiveUp, TryLater

PRIVATE_NETWORKS = (
    "10.0.0.0/8",
    "100.64.0.0/10",  # carriers' and clouds' inner networks (100.100.100.200 is a metadata service)
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
)
METADATA_NETWORKS = (
    "169.254.0.0/16",  # link-local: the metadata service of most clouds
    "168.63.129.16/32",  # Azure's, in a public range
    "192.0.0.0/24",  # Oracle's
)

_NAME = re.compile(r"BERTH[A-Z0-9]{0,12}")
_LOCK_SECONDS = "10"
_LOCK = Path("/run/berth-firewall.lock")
_TRIES = 5
_PAUSE_SECONDS = 0.2
_KNOWN = "-m conntrack --ctstate RELATED,ESTABLISHED"
_TABLE = "mangle"
_SYSTEMD_STUB = "127.0.0.53"

Rules = Mapping[str, tuple[str, ...]]
"""Chain -> its rules in order, each as ``iptables -S`` prints it (``-A CHAIN ...``)."""


class FirewallUnavailable(GiveUp):
    """The packet filter cannot be read or changed from here."""


def host_resolvers(root: Path = Path("/")) -> tuple[str, ...]:
    """The IPv4 name servers that Docker gives to containers of this host, for ``resolvers``.

    Docker asks servers on a loopback address from the host itself, so that these need no rule; and
    in place of systemd's stub it takes the servers behind it.
    """
    found = _name_servers(root / "etc/resolv.conf")
    if found == (_SYSTEMD_STUB,):
        found = _name_servers(root / "run/systemd/resolve/resolv.conf")
    return tuple(each for each in found if not IPv4Address(each).is_loopback)


def _name_servers(file: Path) -> tuple[str, ...]:
    if not file.exists():
        return ()
    words = [line.split() for line in file.read_text().splitlines()]
    servers = [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]
    return tuple(each for each in servers if ":" not in each)


@dataclass(frozen=True)
class Firewall:
    """The wanted rules and the way to make them real; reading and changing both need root.

    ``supernets`` hold every tenant network. ``resolvers`` are the name servers that stay open on
    port 53 even where they are private: the host's own, unless others are given. ``name`` begins
    the chains' names, so that two installations on one host stay apart.
    """

    supernets: tuple[str, ...]
    resolvers: tuple[str, ...] = field(default_factory=host_resolvers)
    name: str = "BERTH"

    def __post_init__(self) -> None:
        if not self.supernets:
            raise GiveUp("the firewall needs at least one supernet of tenants' networks")
        for supernet in self.supernets:
            _refuse_public(supernet)
        for resolver in self.resolvers:
            _refuse_no_address(resolver)
        if not _NAME.fullmatch(self.name):
            raise GiveUp(f"{self.name!r} must be BERTH and at most 12 capitals or digits")

    @property
    def input_chain(self) -> str:
        return f"{self.name}-INPUT"

    @property
    def forward_chain(self) -> str:
        return f"{self.name}-FORWARD"

    def ensure(self) -> bool:
        """Put right what is missing or different; True if anything was.

        Other workers wait meanwhile. Other programs do not: where one changed the rules between our
        look and our change, iptables may refuse the change whole, and we look again.
        """
        if not repair(self, _read()):
            return False
        with _one_at_a_time():
            for tries_left in reversed(range(_TRIES)):
                script = repair(self, _read())
                if not script:
                    return True
                try:
                    _restore(script)
                except FirewallUnavailable:
                    if not tries_left:
                        raise
                    time.sleep(_PAUSE_SECONDS)
        if self.missing():
            raise FirewallUnavailable("the rules are taken away as often as they are set")
        return True

    def missing(self) -> tuple[str, ...]:
        """The wanted rules that are not in force, as lines a person can compare; empty if all are.

        Raises ``FirewallUnavailable`` where the rules cannot be read (not root, no iptables).
        """
        return absent(self, _read())

    def remove(self) -> None:
        """Take away both chains and what leads to them, and nothing else."""
        script = removal(self, _read())
        if script:
            _restore(script)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """One worker of this host changes rules at a time; the lock goes with its process."""
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wanted(firewall: Firewall) -> Rules:
    """The rules of both chains, exactly as ``iptables -S`` will print them."""
    return {
        firewall.input_chain: tuple(_input_rules(firewall)),
        firewall.forward_chain: tuple(_forward_rules(firewall)),
    }


def absent(firewall: Firewall, live: Rules) -> tuple[str, ...]:
    """What is wanted and not there, hooks first. A chain in another order lacks all its rules."""
    hooks = [
        f"-I {chain} 1 -j {target}"
        for chain, target in _hooks(firewall)
        if not _leads(live, chain, target)
    ]
    rules: list[str] = []
    for chain, lines in wanted(firewall).items():
        present = live.get(chain, ())
        if present != lines:
            rules += [line for line in lines if line not in present] or list(lines)
    return (*hooks, *rules)


def repair(firewall: Firewall, live: Rules) -> str:
    """Input for ``iptables-restore --noflush`` that makes the rules whole; empty if they are."""
    if not absent(firewall, live):
        return ""
    # Naming a chain empties or creates it.
    lines = [f":{chain} - [0:0]" for chain in wanted(firewall)]
    for rules in wanted(firewall).values():
        lines += rules
    for chain, target in _hooks(firewall):
        if not _leads(live, chain, target):
            lines += [*_unhook(live, chain, target), f"-I {chain} 1 -j {target}"]
    return _script(lines)


def removal(firewall: Firewall, live: Rules) -> str:
    """Input for ``iptables-restore --noflush`` that takes the chains away; empty if none is."""
    chains = [chain for chain in wanted(firewall) if chain in live]
    lines = []
    for chain, target in _hooks(firewall):
        if target in chains:
            lines += _unhook(live, chain, target)
    lines += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains]
    return _script(lines) if lines else ""


def parse(listing: str) -> Rules:
    """What ``iptables -S`` prints, by chain; an empty chain has no rules."""
    chains: dict[str, tuple[str, ...]] = {}
    for line in listing.splitlines():
        kind, _, rest = line.partition(" ")
        chain = rest.partition(" ")[0]
        if kind in ("-P", "-N"):
            chains.setdefault(chain, ())
        elif kind == "-A":
            chains[chain] = (*chains.get(chain, ()), line)
    return chains


def _input_rules(firewall: Firewall) -> list[str]:
    """Replies to what the host began stay; a resolver may be one of the host's own addresses."""
    chain, rules = firewall.input_chain, []
    for supernet in firewall.supernets:
        rules += _resolver_rules(firewall, chain, supernet)
        # The host's own calls to a gateway address carry it as their source, over lo.
        rules.append(
            f"-A {chain} -s {supernet} ! -i lo -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"
        )
    return rules


def _forward_rules(firewall: Firewall) -> list[str]:
    chain = firewall.forward_chain
    rules = [f"-A {chain} {_KNOWN} -j RETURN"]
    for supernet in firewall.supernets:
        source = f"-A {chain} -s {supernet}"
        rules += _resolver_rules(firewall, chain, supernet)
        rules.append(f"{source} -m conntrack --ctstate DNAT -j DROP")
        # What stays on one bridge stays with its tenant; the rest is within PRIVATE_NETWORKS.
        bridged = "-m physdev --physdev-is-bridged"
        rules += [f"{source} -d {other} {bridged} -j RETURN" for other in firewall.supernets]
        rules += [f"{source} -d {net} -j DROP" for net in (*METADATA_NETWORKS, *PRIVATE_NETWORKS)]
    return rules


def _resolver_rules(firewall: Firewall, chain: str, supernet: str) -> list[str]:
    return [
        f"-A {chain} -s {supernet} -d {resolver}/32 -p {kind} -m {kind} --dport 53 -j RETURN"
        for resolver in firewall.resolvers
        for kind in ("udp", "tcp")
    ]


def _hooks(firewall: Firewall) -> tuple[tuple[str, str], ...]:
    return (("INPUT", firewall.input_chain), ("FORWARD", firewall.forward_chain))


def _leads(live: Rules, chain: str, target: str) -> bool:
    """True when the chain's first rule leads to the target, or only other Berths' stand before."""
    for rule in live.get(chain, ()):
        if rule == f"-A {chain} -j {target}":
            return True
        if not rule.startswith(f"-A {chain} -j BERTH"):
            return False
    return False


def _unhook(live: Rules, chain: str, target: str) -> list[str]:
    hook = f"-A {chain} -j {target}"
    return [f"-D {chain} -j {target}" for rule in live.get(chain, ()) if rule == hook]


def _script(lines: list[str]) -> str:
    return "\n".join((f"*{_TABLE}", *lines, "COMMIT", ""))


def _read() -> Rules:
    return parse(_run("iptables", "-w", _LOCK_SECONDS, "-t", _TABLE, "-S"))


def _restore(script: str) -> None:
    _run("iptables-restore", "-w", _LOCK_SECONDS, "--noflush", text=script)


def _run(program: str, *arguments: str, text: str = "") -> str:
    # Services often run without the sbin directories, where Debian puts iptables. Docker takes the
    # same `iptables`, so that both speak to the same back end (nft or legacy).
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise FirewallUnavailable(f"{program} is not installed on this server")
    try:
        done = subprocess.run(
            [path, *arguments], input=text, capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        raise TryLater(f"{program} did not answer within 30 seconds") from None
    if done.returncode == 0:
        return done.stdout
    if os.geteuid() != 0:
        raise FirewallUnavailable("the firewall's rules can only be read and set by root")
    if "xtables lock" in done.stderr:
        raise TryLater("another program is changing the firewall")
    raise FirewallUnavailable(f"{program} failed: {done.stderr.strip().partition(chr(10))[0]}")


def _refuse_public(supernet: str) -> None:
    try:
        network = IPv4Network(supernet)
    except ValueError:
        raise GiveUp(f"{supernet!r} is not an IPv4 network such as 10.64.0.0/12") from None
    if not any(network.subnet_of(IPv4Network(private)) for private in PRIVATE_NETWORKS):
        raise GiveUp(f"the supernet {supernet} is not within a private range such as 10.0.0.0/8")


def _refuse_no_address(resolver: str) -> None:
    try:
        IPv4Address(resolver)
    except ValueError:
        raise GiveUp(f"{resolver!r} is not the IPv4 address of a name server") from None
