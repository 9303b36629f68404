"""Every kind of connection, for what must hold for all of them."""

import asyncio

import pytest

from evalharness.clients import session


@pytest.fixture(params=["lean", "lean-uvloop", "aiohttp"])
def kind(request, monkeypatch):
    """Either kind of connection, our own on either kind of event loop."""
    if request.param == "aiohttp":
        monkeypatch.setattr(session, "is_plain", lambda *_: False)
        return request.param
    pytest.importorskip("httptools", reason="our own HTTP connections need the package httptools (extra `fast`)")
    if request.param == "lean-uvloop":
        uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed (extra `fast`)")
        monkeypatch.setattr(asyncio, "run", uvloop.run)
    return request.param
