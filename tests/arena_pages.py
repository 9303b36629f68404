"""A voter of an arena: joining, voting, and names that a page hides."""

import re

from web_pages import client_of


def joined(application):
    client = client_of(application)
    client.post("/join", data={"consent": "yes"})
    return client


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]


def cast(client, page, choice="model_a", **more):
    fields = {"csrf": hidden(page, "csrf"), "key": hidden(page, "key"), "choice": choice, **more}
    return client.post(f"{page.url.path}/vote", data=fields)
