"""The files that say whose requests are held."""

from __future__ import annotations

from dataclasses import replace

from hosting.engines.nginx import Holds


def test_holds_follow_the_sites_and_forget_what_is_gone(tmp_path, site):
    holds, held = Holds(tmp_path), site("acme", 8000, "holding")
    for _ in range(2):
        holds.begin([held])
        holds.end([held])
    assert holds.is_held("acme-n8n")
    assert holds.after("acme-n8n") is None

    holds.end([replace(held, state="serving", port=8001)])
    assert not holds.is_held("acme-n8n")
    after = holds.after("acme-n8n")
    assert after is not None
    assert (after.state, after.upstream) == ("serving", "127.0.0.1:8001")

    holds.begin([held])
    assert holds.after("acme-n8n") is None
    holds.end([])
    assert not holds.is_held("acme-n8n")
    assert not list((tmp_path / "after").iterdir())


def test_a_spoiled_word_about_an_ended_hold_is_not_believed(tmp_path, site):
    holds = Holds(tmp_path)
    holds.begin([])
    for text in ("", "serving", "serving x:1", "serving 1.2.3.4:5\r\nX: y", "failed 1.2.3.4:5;"):
        (tmp_path / "after" / "acme-n8n").write_text(text)
        after = holds.after("acme-n8n")
        assert after is None or (after.state, text[:6]) == ("failed", "failed")
