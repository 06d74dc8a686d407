"""The reviewers' pages: who gets in, what they decide, and that no other site decides for them."""

import re
from pathlib import Path

import pytest

from leaderboard.store.models import Submission, Token, now
from tests.leaderboard.admin.test_decisions import flagged
from tests.leaderboard.serving import SQLITE, Served


def sign_in(server: Served, role: str = "reviewer") -> str:
    """Sign in; the number that forms carry."""
    answer = server.client.post("/desk/sign-in", data={"token": server.secrets[role]})
    assert answer.status_code == 200 and "Signed in as" in answer.text
    (form,) = set(re.findall(r'name="form" value="([^"]+)"', answer.text))
    return form


@SQLITE
def test_a_reviewer_signs_in_decides_and_signs_out(server: Served, tmp_path: Path) -> None:
    identity = flagged(server, tmp_path)
    before = server.client.get("/desk/")
    assert "Access token" in before.text and identity not in before.text
    form = sign_in(server)
    page = server.client.get("/desk/")
    assert identity in page.text and "copy: like another" in page.text
    assert "script" not in page.text and page.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    fields = {"form": form, "submission": identity, "verdict": "publish", "reason": "checked"}
    done = server.client.post("/desk/decide", data=fields)
    assert done.status_code == 200 and "Nothing waits" in done.text
    again = server.client.post("/desk/decide", data=fields)
    assert again.status_code == 409 and "nothing about it is in doubt" in again.text
    assert server.get(f"submissions/{identity}", "nobody").json()["state"] == "published"
    assert "Access token" in server.client.post("/desk/sign-out", data={"form": form}).text
    assert server.client.post("/desk/decide", data=fields).status_code == 401


@SQLITE
def test_the_cookie_is_no_token_and_for_this_site_alone(server: Served) -> None:
    data = {"token": server.secrets["reviewer"]}
    answer = server.client.post("/desk/sign-in", data=data, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303 and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert "mnas_" not in cookie and "Secure" not in cookie
    behind = {"x-forwarded-proto": "https"}
    secure = server.client.post("/desk/sign-in", data=data, headers=behind, follow_redirects=False)
    assert "Secure" in secure.headers["set-cookie"]


@SQLITE
@pytest.mark.parametrize("role", ["owner", "reader", "wrong"])
def test_no_one_else_gets_in(server: Served, role: str) -> None:
    secret = server.secrets.get(role, "mnas_wrong")
    answer = server.client.post("/desk/sign-in", data={"token": secret})
    assert answer.status_code == 403 and "Access token" in answer.text and secret not in answer.text


@SQLITE
def test_a_form_of_another_site_or_session_changes_nothing(server: Served, tmp_path: Path) -> None:
    identity = flagged(server, tmp_path)
    form = sign_in(server)
    fields = {"form": form, "submission": identity, "verdict": "reject", "reason": "x"}
    elsewhere = {"origin": "https://evil.example"}
    assert server.client.post("/desk/decide", data=fields, headers=elsewhere).status_code == 403
    assert server.client.post("/desk/decide", data={**fields, "form": "guessed"}).status_code == 403
    assert server.client.post("/desk/decide", data={**fields, "reason": ""}).status_code == 422
    assert server.client.post("/desk/decide", data={**fields, "verdict": "rescore"}).status_code == 409
    with server.context.store.database.write() as session:
        assert session.get_one(Submission, identity).state == "flagged"
        for token in session.query(Token):
            token.revoked = now()
    assert server.client.post("/desk/decide", data=fields).status_code == 401, "a revoked token is signed out"


@SQLITE
def test_many_guesses_are_slowed_down(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.context.rate, "_most", 2.0)
    monkeypatch.setattr(server.context.rate, "_per_second", 1e-6)
    statuses = [server.client.post("/desk/sign-in", data={"token": "x"}).status_code for _ in range(4)]
    assert statuses == [403, 403, 429, 429]
