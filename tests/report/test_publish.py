"""One comment per pull request: written once, then updated; never somebody else's; a read-only token is no failure."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evalharness.errors import UserError
from evalharness.report import pull_request


class Server:
    """GitHub's and GitLab's comments, on loopback."""

    def __init__(self, login="github-actions[bot]", refuse=None, may_ask_user=False):
        self.comments, self.calls = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if status == 302:
                    self.send_header("Location", outer.url + "/elsewhere")
                self.end_headers()
                self.wfile.write(data)

            def do(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.calls.append((self.command, self.path.partition("?")[0], dict(self.headers)))
                path, _, query = self.path.partition("?")
                if path.endswith("/user"):
                    return (
                        self.answer(200, {"login": login, "username": login}) if may_ask_user else self.answer(403, {})
                    )
                if self.command == "GET":
                    page = int(query.rpartition("page=")[2])
                    return self.answer(200, outer.comments[(page - 1) * 100 : page * 100])
                if refuse is not None:
                    return self.answer(refuse, {"message": "Resource not accessible by integration"})
                if self.command == "POST":
                    author = {"user": {"login": login}} if "/repos/" in path else {"author": {"username": login}}
                    made = {"id": len(outer.comments) + 1, "body": body["body"], **author}
                    outer.comments.append(made)
                    return self.answer(201, made)
                one = next(c for c in outer.comments if str(c["id"]) == path.rpartition("/")[2])
                one["body"] = body["body"]
                return self.answer(200, one)

            do_GET = do_POST = do_PATCH = do_PUT = do

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def github(self, tmp_path):
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_TOKEN": "t",
            "GITHUB_EVENT_PATH": str(event),
        }

    def gitlab(self):
        return {"CI_API_V4_URL": self.url, "GITLAB_TOKEN": "t", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7"}


MARK = "<!-- evalh:report key=default v=1 -->\n"


def test_twice_makes_one_comment(tmp_path):
    with Server() as server:
        env = server.github(tmp_path)
        said = [pull_request.post_comment(MARK + text, env) for text in ("first", "second", "second")]
        assert said == ["created", "updated", "unchanged"]
        assert [c["body"] for c in server.comments] == [MARK + "second"]
        assert {path for _, path, _ in server.calls if "comments" in path} == {
            "/repos/o/r/issues/7/comments", "/repos/o/r/issues/comments/1",
        }  # fmt: skip


def test_it_is_found_behind_a_hundred_others_and_other_keys_stay(tmp_path):
    with Server() as server:
        server.comments += [{"id": i, "body": "chat", "user": {"login": "x"}} for i in range(1000, 1150)]
        env = server.github(tmp_path)
        other = MARK.replace("default", "other")
        assert [pull_request.post_comment(mark + "a", env) for mark in (MARK, other, MARK)] == [
            "created",
            "created",
            "unchanged",
        ]
        assert pull_request.post_comment(MARK + "b", env) == "updated"
        assert len(server.comments) == 152


def test_somebody_elses_comment_with_our_marker_is_left_alone(tmp_path):
    with Server() as server:
        server.comments.append({"id": 99, "body": MARK + "mine!", "user": {"login": "mallory"}})
        assert pull_request.post_comment(MARK + "a", server.github(tmp_path)) == "created"
        assert server.comments[0]["body"] == MARK + "mine!"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_read_only_token_falls_back_to_the_job_summary(tmp_path, monkeypatch, capsys, status):
    with Server(refuse=status) as server:
        for name, value in server.github(tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        assert pull_request.publish(MARK + "body") == "not allowed"
        assert pull_request.publish(MARK + "body") == "not allowed"
    assert (tmp_path / "summary.md").read_text().count("body") == 1
    assert "the token may not comment" in capsys.readouterr().err


def test_gitlab_notes(tmp_path):
    with Server(login="bot", may_ask_user=True) as server:
        assert [pull_request.post_comment(MARK + t, server.gitlab()) for t in "aab"] == [
            "created",
            "unchanged",
            "updated",
        ]
        assert server.calls[-1][:2] == ("PUT", "/projects/3/merge_requests/7/notes/1")
        assert {k.lower(): v for k, v in server.calls[-1][2].items()}["private-token"] == "t"


def test_the_token_does_not_follow_a_redirect(tmp_path):
    with Server(refuse=302) as server:
        with pytest.raises(UserError, match="the server said 302"):
            pull_request.post_comment(MARK + "a", server.github(tmp_path))
        assert not any("elsewhere" in path for _, path, _ in server.calls)


def test_no_pull_request_or_no_token_is_said(tmp_path):
    assert pull_request.post_comment(MARK, {}) == "no request"
    env = {"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "t", "GITHUB_REF": "refs/heads/main"}
    assert pull_request.post_comment(MARK, env) == "no request"
    assert pull_request._pull_number({"GITHUB_REF": "refs/pull/12/merge"}) == 12


def test_a_server_that_is_down_is_one_line():
    env = {"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "t", "GITHUB_REF": "refs/pull/1/merge",
           "GITHUB_API_URL": "http://127.0.0.1:1"}  # fmt: skip
    with pytest.raises(UserError, match="the comment was not written"):
        pull_request.post_comment(MARK, env)
