"""Pages asked for in this process, as tests read them."""

import re
from html import unescape

from starlette.testclient import TestClient

HERE = "http://localhost"


def client_of(application):
    """A browser without a script engine; it goes where replies send it."""
    return TestClient(application, base_url=HERE, follow_redirects=True)


def text_of(page):
    """What a reader sees of a page, tags left out."""
    return unescape(re.sub(r"<[^>]*>", "", page.text))
