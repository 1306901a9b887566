"""From restic's words to an error, and from its version to a verdict."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hosting.engines import restic
from hosting.engines.errors import EngineError, GiveUp
from hosting.engines.restic.errors import explain
from hosting.engines.restic.program import parse_version

# As restic 0.14 writes them.
WORDS = [
    ("Fatal: wrong password or no key found", restic.WrongPassword),
    (
        "Fatal: unable to open config file: stat /srv/x/config: no such file or directory\n"
        "Is there a repository at the following location?\n/srv/x",
        restic.RepositoryMissing,
    ),
    (
        'Fatal: unable to open config file: Stat: Get "http://127.0.0.1:1/b/?location=": dial tcp'
        " 127.0.0.1:1: connect: connection refused\n"
        "Is there a repository at the following location?\ns3:http://127.0.0.1:1/b/c",
        restic.TargetUnavailable,
    ),
    (
        "subprocess ssh: ssh: connect to host 127.0.0.1 port 1: Connection refused\n"
        "Fatal: unable to open repository at sftp:x: unable to start the sftp session, error: EOF",
        restic.TargetUnavailable,
    ),
    (
        "unable to create lock in backend: repository is already locked by PID 27517 on vm by root",
        restic.Locked,
    ),
    (
        "Fatal: unable to save snapshot: write /x/data/01/01cf: no space left on device",
        restic.TargetFull,
    ),
    (
        "Fatal: unable to open config file: Stat: The request signature we calculated does not"
        " match the signature you provided. Check your key and signing method.\n"
        "Is there a repository at the following location?\ns3:http://127.0.0.1/b/c",
        restic.TargetRefused,
    ),
    (
        "Load(<data/56c6f069bf>, 8309276, 1112770) returned error, retrying after 552.330144ms:"
        " connection refused\n"
        "Pack ID does not match, want 56c6f069bf580d16, got 0bb65d9c81b6873b\n"
        "Fatal: repository contains errors",
        restic.Damaged,
    ),
    (
        "cannot dump file: decrypting blob e39ec4343b96dd67 failed: ciphertext verification failed",
        restic.Damaged,
    ),
    ("panic: something else", GiveUp),
    ("", GiveUp),
]


@pytest.mark.parametrize(("words", "kind"), WORDS)
def test_it_tells_what_restic_means(words: str, kind: type[EngineError]):
    error = explain("acme", words)
    assert type(error) is kind
    assert "acme" in str(error)
    assert "\n" not in str(error)


def test_it_shows_no_secret_of_restic_s_words():
    words = "panic: key s3cr3t-K3y at https://berth:hunter2@backup.example/x"
    text = str(explain("acme", words, secrets=["s3cr3t-K3y"]))
    assert "s3cr3t-K3y" not in text
    assert "hunter2" not in text
    assert "backup.example" in text


def test_it_asks_for_a_restic_that_is_new_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert restic.version() >= restic.MINIMUM
    restic.require()

    old = tmp_path / "restic"
    old.write_text("#!/bin/sh\necho 'restic 0.13.1 compiled with go1.18'\n")
    old.chmod(0o755)
    assert subprocess.check_output([old, "version"], text=True).startswith("restic 0.13")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(GiveUp, match=r"restic 0\.13\.1 is too old: 0\.14 or newer is needed"):
        restic.require()


def test_it_says_that_restic_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GiveUp, match="restic is not installed"):
        restic.require()


def test_it_reads_versions():
    assert parse_version("restic 0.17.3-dev compiled with go1.23 on linux/amd64") == (0, 17, 3)
    with pytest.raises(GiveUp):
        parse_version("command not found")


@pytest.mark.parametrize("location", ["srv/backups", "rest:http://h/", "", "b2:bucket"])
def test_it_knows_three_kinds_of_targets(location: str):
    with pytest.raises(GiveUp, match="an absolute path, s3:"):
        restic.open_repository(restic.Target(location), "acme", "password")
