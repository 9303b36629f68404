"""What SARIF 2.1.0 requires of the objects that we write, and GitHub's code scanning beyond it.

By sections 3.13 to 3.52 of https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html and
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning.
An object of the standard takes no keys of its own, so each lists all that we may write.
"""

import re
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator


def _object(required, **properties):
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


def _several(item, **more):
    return {"type": "array", "items": item, **more}


WORDS = {"type": "string", "minLength": 1}
MESSAGE = _object("text", text=WORDS)
RULE = _object("id shortDescription fullDescription help", id=WORDS, shortDescription=MESSAGE,
               fullDescription=MESSAGE, help=MESSAGE)  # fmt: skip
PLACE = _object("physicalLocation", physicalLocation=_object(
    "artifactLocation region", artifactLocation=_object("uri", uri=WORDS),
    region=_object("startLine", startLine={"type": "integer", "minimum": 1}),
))  # fmt: skip
RESULT = _object(
    "ruleId level message locations partialFingerprints", ruleId=WORDS, message=MESSAGE,
    level={"enum": ["none", "note", "warning", "error"]}, locations=_several(PLACE, minItems=1, maxItems=1),
    partialFingerprints={"type": "object", "additionalProperties": WORDS, "minProperties": 1},
)  # fmt: skip
DRIVER = _object("name version rules", name=WORDS, version=WORDS, rules=_several(RULE, uniqueItems=True))
RUN = _object("tool results", tool=_object("driver", driver=DRIVER), results=_several(RESULT, maxItems=5000))
FILE = _object("$schema version runs", **{"$schema": WORDS}, version={"const": "2.1.0"},
               runs=_several(RUN, minItems=1, maxItems=1))  # fmt: skip


def check_sarif(found):
    """AssertionError where a file is not as the standard and code scanning want it. Returns its results."""
    mistakes = [f"{list(e.absolute_path)}: {e.message}" for e in Draft202012Validator(FILE).iter_errors(found)]
    assert not mistakes, mistakes
    (run,) = found["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    for result in run["results"]:
        assert result["ruleId"] in rules
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-F]{2})+", uri), uri  # RFC 3986
        assert not urlsplit(uri).scheme and not uri.startswith("/"), uri
        assert not any(ord(mark) < 32 or 0xD800 <= ord(mark) < 0xE000 for mark in result["message"]["text"])
    fingerprints = [result["partialFingerprints"]["task"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)
    return run["results"]
