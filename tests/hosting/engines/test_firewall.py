"""The packet filter as text; test_firewall_on_host.py has it at work."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hosting.engines import firewall as module
from hosting.engines.errors import GiveUp
from hosting.engines.firewall import (
    Firewall,
    FirewallUnavailable,
    absent,
    host_resolvers,
    parse,
    removal,
    repair,
    wanted,
)

FIREWALL = Firewall(supernets=("10.231.0.0/16",), resolvers=("192.168.222.53",), name="BERTHTEST")

EMPTY = parse(
    "-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
    "-P POSTROUTING ACCEPT\n"
)


def test_the_wanted_rules():
    rules = wanted(Firewall(supernets=("10.64.0.0/12",), resolvers=("10.1.2.3",)))
    assert rules == {
        "BERTH-INPUT": (
            "-A BERTH-INPUT -s 10.64.0.0/12 -d 10.1.2.3/32 -p udp -m udp --dport 53 -j RETURN",
            "-A BERTH-INPUT -s 10.64.0.0/12 -d 10.1.2.3/32 -p tcp -m tcp --dport 53 -j RETURN",
            "-A BERTH-INPUT -s 10.64.0.0/12 ! -i lo"
            " -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP",
        ),
        "BERTH-FORWARD": (
            "-A BERTH-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 10.1.2.3/32 -p udp -m udp --dport 53 -j RETURN",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 10.1.2.3/32 -p tcp -m tcp --dport 53 -j RETURN",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -m conntrack --ctstate DNAT -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 10.64.0.0/12"
            " -m physdev --physdev-is-bridged -j RETURN",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 169.254.0.0/16 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 168.63.129.16/32 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 192.0.0.0/24 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 10.0.0.0/8 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 100.64.0.0/10 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 172.16.0.0/12 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 192.168.0.0/16 -j DROP",
            "-A BERTH-FORWARD -s 10.64.0.0/12 -d 198.18.0.0/15 -j DROP",
        ),
    }


def test_everything_is_absent_on_a_fresh_host():
    lacking = absent(FIREWALL, EMPTY)
    assert lacking[:2] == ("-I INPUT 1 -j BERTHTEST-INPUT", "-I FORWARD 1 -j BERTHTEST-FORWARD")
    assert lacking[2:] == tuple(rule for rules in wanted(FIREWALL).values() for rule in rules)


def test_repair_keeps_to_a_table_and_to_chains_that_docker_does_not_touch():
    script = repair(FIREWALL, EMPTY).splitlines()
    assert script[0] == "*mangle"
    named = [line for line in script if line.startswith(":")]
    assert named == [":BERTHTEST-INPUT - [0:0]", ":BERTHTEST-FORWARD - [0:0]"]


def test_a_rule_in_front_of_the_hook_is_seen():
    whole = {
        **EMPTY,
        **wanted(FIREWALL),
        "INPUT": ("-A INPUT -j BERTH-INPUT", "-A INPUT -j BERTHTEST-INPUT"),
        "FORWARD": ("-A FORWARD -j BERTHTEST-FORWARD",),
    }
    assert absent(FIREWALL, whole) == ()
    early = {**whole, "INPUT": ("-A INPUT -s 10.0.0.0/8 -j ACCEPT", *whole["INPUT"])}
    assert absent(FIREWALL, early) == ("-I INPUT 1 -j BERTHTEST-INPUT",)
    assert "-D INPUT -j BERTHTEST-INPUT\n-I INPUT 1 -j BERTHTEST-INPUT" in repair(FIREWALL, early)


def test_removal_takes_the_own_rules_and_nothing_else():
    live = {
        **EMPTY,
        **wanted(FIREWALL),
        "INPUT": ("-A INPUT -j BERTHTEST-INPUT", "-A INPUT -s 10.0.0.0/8 -j ACCEPT"),
        "FORWARD": ("-A FORWARD -j BERTHTEST-FORWARD",),
    }
    assert removal(FIREWALL, live).splitlines() == [
        "*mangle",
        "-D INPUT -j BERTHTEST-INPUT",
        "-D FORWARD -j BERTHTEST-FORWARD",
        "-F BERTHTEST-INPUT",
        "-F BERTHTEST-FORWARD",
        "-X BERTHTEST-INPUT",
        "-X BERTHTEST-FORWARD",
        "COMMIT",
    ]


def test_there_is_nothing_to_remove_on_a_fresh_host():
    assert removal(FIREWALL, EMPTY) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"supernets": ()}, "at least one supernet"),
        ({"supernets": ("10.64.0.0/12 -j ACCEPT",)}, "is not an IPv4 network"),
        ({"supernets": ("0.0.0.0/0",)}, "not within a private range"),
        ({"supernets": ("8.8.8.0/24",)}, "not within a private range"),
        ({"resolvers": ("10.1.2.3\n-A INPUT",)}, "is not the IPv4 address of a name server"),
        ({"name": "DOCKER"}, "must be BERTH and"),
        ({"name": "BERTH\nX"}, "must be BERTH and"),
    ],
)
def test_wrong_values_are_refused(changes, words):
    with pytest.raises(GiveUp, match=words):
        replace(FIREWALL, **changes)


def test_the_hosts_resolvers_are_those_docker_hands_on(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "run/systemd/resolve").mkdir(parents=True)
    stub, real = tmp_path / "etc/resolv.conf", tmp_path / "run/systemd/resolve/resolv.conf"
    assert host_resolvers(tmp_path) == ()
    stub.write_text("# a comment\nnameserver 127.0.0.1\nnameserver 10.1.2.3\nnameserver fd00::1\n")
    real.write_text("nameserver 10.9.9.9\n")
    assert host_resolvers(tmp_path) == ("10.1.2.3",)
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    assert host_resolvers(tmp_path) == ("10.9.9.9",)


def test_a_host_without_iptables_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda program, path: None)
    with pytest.raises(FirewallUnavailable, match=r"^iptables is not installed on this server$"):
        FIREWALL.missing()


def test_a_user_who_may_not_is_told_so_in_one_sentence():
    code = (
        "import os; os.setgid(65534); os.setuid(65534)\n"
        "from hosting.engines.firewall import Firewall, FirewallUnavailable\n"
        "try:\n    Firewall(('10.231.0.0/16',)).missing()\n"
        "except FirewallUnavailable as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import hosting.engines.firewall\n" + code],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=Path(module.__file__).parents[2],
    )
    assert done.stdout == "the firewall's rules can only be read and set by root\n"
