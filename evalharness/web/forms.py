"""Forms as a browser sends them, read within limits."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest

from evalharness.web.guard import LONGEST_BODY


async def read_form(request: WebRequest) -> dict[str, str]:
    """The fields of a form, each once. HTTPException for a body that is none, or too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, "The form is too large.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "This wants a form.")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="replace"))
    except ValueError as error:
        raise HTTPException(400, "This is not a form.") from error
