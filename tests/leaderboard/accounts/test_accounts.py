"""Tokens, the audit chain and the server's key."""

import random
import re
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from leaderboard.accounts import tokens
from leaderboard.accounts.receipts import ReceiptError, ServerKey, secret
from leaderboard.store import audit
from leaderboard.store.audit import ChainBroken
from leaderboard.store.models import Audit, now
from leaderboard.store.store import Store


def test_a_token_is_issued_for_known_scopes_and_found_until_it_expires_or_is_revoked(store: Store) -> None:
    with store.database.write() as session:
        text, row = tokens.issue(session, "ada", "laptop", ("submit",), 90)
        assert re.fullmatch(r"mnas_[A-Za-z0-9]{43}_[A-Za-z0-9]{6}", text)
        assert text not in str(vars(row)), "the secret itself is not stored"
        found = tokens.find(session, text, now())
        assert found is not None and found.account.name == "ada"
        assert tokens.find(session, text, now() + timedelta(days=91)) is None
        row.revoked = now()
        session.flush()
        assert tokens.find(session, text, now()) is None
        for scopes, days, message in (
            (("root",), 1, "no scope named 'root'; there are: submit"),
            (("submit",), 0, "days must be positive, got 0"),
        ):
            with pytest.raises(tokens.TokenError, match=message):
                tokens.issue(session, "ada", "", scopes, days)


def test_a_mistyped_token_is_known_without_the_database() -> None:
    body = "a" * 43
    good = f"mnas_{body}_{tokens._check(body)}"
    assert tokens.well_formed(good)
    r = random.Random(1)
    for _ in range(200):
        at = r.randrange(5, len(good))
        wrong = good[:at] + r.choice("bcdXYZ") + good[at + 1 :]
        assert wrong == good or not tokens.well_formed(wrong)
    for text in ("", "mnas_", good[5:], good + "x", "Bearer " + good):
        assert not tokens.well_formed(text)


def test_a_chain_whose_link_was_changed_or_removed_is_named(store: Store) -> None:
    with store.database.write() as session:
        for number in range(5):
            audit.append(session, "ada", "accepted", str(number), {})
        assert audit.verify(session) == 5
    with store.database.read() as session:
        links = [(link.seq, link.record, link.hash) for link in session.query(Audit).order_by(Audit.seq)]
    changes = {
        "link 3 was changed": [*links[:2], (3, links[2][1].replace('"2"', '"x"'), links[2][2]), *links[3:]],
        "link 3 is missing": [*links[:2], *links[3:]],
        "link 1 is missing": links[1:],
    }
    for message, rows in changes.items():  # into an empty board: this one refuses to be changed
        other = Store(f"sqlite:///{store.data}/{len(rows)}{message[:6]}{message[-3:]}.db")
        with other.database.write() as session:
            session.add_all(Audit(seq=seq, record=record, hash=hash) for seq, record, hash in rows)
        with pytest.raises(ChainBroken, match=message), other.database.read() as session:
            audit.verify(session)
        other.close()


def test_the_servers_key_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "key.hex"
    assert ServerKey.open(path).public == ServerKey.open(path).public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(ReceiptError, match="can be read by others; chmod 600"):
        secret(path)
    path.chmod(0o600)
    path.write_text("00")
    with pytest.raises(ReceiptError, match="not a key of 32 bytes"):
        secret(path)
