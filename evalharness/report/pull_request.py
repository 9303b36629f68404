"""One comment on a pull or merge request, found again by its marker and updated in place.

GitHub: https://docs.github.com/en/rest/issues/comments; GitLab: https://docs.gitlab.com/api/notes/. Where the token may
not write (a fork's token is read-only) the report goes to the job summary alone, and that is said.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalharness.errors import UserError
from evalharness.report.escape import line
from evalharness.text.visible import warning_line

_PAGE = 100
PAGES = 50
_TIMEOUT = 30.0

CommentOutcome = Literal["created", "updated", "unchanged", "not allowed", "no request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentPlace:
    """Where comments are: their list's address, how to sign, how to change one, and what we are called there."""

    comments: str
    one: str
    headers: Mapping[str, str]
    user: str
    fallback_user: str
    change: Literal["PATCH", "PUT"]
    author: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class RefusedError(Exception):
    """The server answered, but not with what was asked for."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}")
        self.status = status


def post_comment(body: str, environment: Mapping[str, str] | None = None) -> CommentOutcome:
    """Create or update the one comment whose first line is that of `body`.

    UserError when the server cannot be reached or answers nonsense; a token that may not write is an outcome, not an
    error.
    """
    env = os.environ if environment is None else environment
    place = github(env) or gitlab(env)
    if place is None:
        return "no request"
    marker = body.split("\n", 1)[0]
    try:
        mine = _own_name(place)
        for found in _comments(place):
            if str(found.get("body", "")).startswith(marker) and _author(found, place) == mine:
                if found.get("body") == body:
                    return "unchanged"
                _call(place, place.change, place.one.format(id=int(found["id"])), {"body": body})
                return "updated"
        _call(place, "POST", place.comments, {"body": body})
        return "created"
    except RefusedError as refused:
        if refused.status in (401, 403, 404):
            return "not allowed"
        raise UserError(f"the comment was not written: the server said {line(str(refused))}; try again") from refused
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"the comment was not written: {place.comments} gave {line(str(reason))}") from error


def github(env: Mapping[str, str]) -> CommentPlace | None:
    """The comments of the pull request that this GitHub job runs for."""
    repository, token = env.get("GITHUB_REPOSITORY", ""), env.get("GITHUB_TOKEN", "")
    number = _pull_number(env)
    if not (repository and token and number):
        return None
    base = f"{env.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}/issues"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    return CommentPlace(
        comments=f"{base}/{number}/comments",
        one=f"{base}/comments/{{id}}",
        headers={**headers, "X-GitHub-Api-Version": "2022-11-28"},
        user=f"{env.get('GITHUB_API_URL', 'https://api.github.com')}/user",
        fallback_user="github-actions[bot]",
        change="PATCH",
        author="login",
    )


def _pull_number(env: Mapping[str, str]) -> int | None:
    """From the event's own file, else from a ref such as refs/pull/12/merge."""
    try:
        event = json.loads(Path(env["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        number = (event.get("pull_request") or event.get("issue") or {}).get("number") or event.get("number")
        if isinstance(number, int):
            return number
    except (KeyError, OSError, ValueError, AttributeError):
        pass  # no event, or none of a pull request: the ref may still say
    parts = env.get("GITHUB_REF", "").split("/")
    return int(parts[2]) if parts[:2] == ["refs", "pull"] and len(parts) > 2 and parts[2].isdecimal() else None


def gitlab(env: Mapping[str, str]) -> CommentPlace | None:
    """The notes of the merge request that this GitLab job runs for; the job's own token may not write them."""
    token, api = env.get("GITLAB_TOKEN", ""), env.get("CI_API_V4_URL", "")
    project, request = env.get("CI_PROJECT_ID", ""), env.get("CI_MERGE_REQUEST_IID", "")
    if not (token and api and project and request):
        return None
    notes = f"{api}/projects/{project}/merge_requests/{request}/notes"
    return CommentPlace(
        comments=notes,
        one=f"{notes}/{{id}}",
        headers={"PRIVATE-TOKEN": token},
        user=f"{api}/user",
        fallback_user="",
        change="PUT",
        author="username",
    )


def _own_name(place: CommentPlace) -> str:
    """What we are called. The token of a GitHub job may not ask; then it is the Actions bot."""
    try:
        return str(_call(place, "GET", place.user)[place.author])
    except RefusedError:
        return place.fallback_user


def _author(found: Mapping[str, Any], place: CommentPlace) -> str:
    return str((found.get("user") or found.get("author") or {}).get(place.author, ""))


def _comments(place: CommentPlace) -> Iterator[Mapping[str, Any]]:
    """All comments, page by page."""
    for page in range(1, PAGES + 1):
        found = _call(place, "GET", f"{place.comments}?per_page={_PAGE}&page={page}")
        yield from found
        if len(found) < _PAGE:
            return


def _call(place: CommentPlace, method: str, address: str, value: Mapping[str, Any] | None = None) -> Any:
    if not address.startswith(("https://", "http://")):
        raise ValueError(f"{address} is not an address")
    data = None if value is None else json.dumps(value).encode()
    headers = {**place.headers, "Content-Type": "application/json", "User-Agent": "evalharness"}
    request = urllib.request.Request(address, data=data, method=method, headers=headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(error.code, str(error.reason)) from error


def told(outcome: CommentOutcome) -> str:
    """The line that says what became of the comment."""
    said = {
        "created": "the comment was written",
        "updated": "the comment was updated",
        "unchanged": "the comment already says this",
        "not allowed": "the token may not comment (a fork's token is read-only); the report is in the job summary",
        "no request": "no comment: this is no pull or merge request, or there is no GITHUB_TOKEN or GITLAB_TOKEN",
    }
    return said[outcome]


def comment_in_ci(body: str) -> None:
    """Comment where this runs in CI, and say what became of it; one that fails is worth a warning."""
    if not os.environ.get("CI"):
        return
    try:
        print(f"evalh: {told(post_comment(body))}", file=sys.stderr)
    except UserError as error:
        print(warning_line(str(error)), file=sys.stderr)


def publish(body: str) -> CommentOutcome:
    """Comment, say what happened, and where the token may not write put the report into the job summary."""
    outcome = post_comment(body)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if outcome == "not allowed" and summary:
        _once(Path(summary), body)
    print(f"evalh: {told(outcome)}", file=sys.stderr)
    return outcome


def _once(summary: Path, body: str) -> None:
    """Add the report to the job summary, unless this step wrote it there already."""
    from evalharness.report.deliver import append

    if not summary.is_file() or body not in summary.read_text(encoding="utf-8", errors="replace"):
        append(summary, body)
