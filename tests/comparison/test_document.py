"""The published schema of a comparison says what the record says, and changes with its version only."""

import hashlib
import json

from evalharness.comparison import document
from evalharness.comparison.document import ComparisonDocument
from evalharness.data.kept import schema_of

# The hash of the schema that the record gives, by the document's format: whoever changes the record raises the format.
FORMATS = {
    4: "3ae7d33111107c581f8bc1a00e1d8db7d2f2b06c83e68e9f12501f8e5b01331b",
    3: "febfb410e5104ac0b877bad03aa22daf1950fa2521bbd0aff1411b3315e781bc",
    1: "0f2c8ae2c66b34cb2d657e15896981f1fcd592b34bb21dbccbc4490e363b82b1",
    2: "4d087ac01e8e3e551945379b4de48f4d458a67ed7816b34c737e6dba614261f1",
}


def test_the_document_changes_with_its_format_only():
    made = hashlib.sha256(json.dumps(schema_of(ComparisonDocument), sort_keys=True).encode()).hexdigest()
    number = ComparisonDocument.__dataclass_fields__["format"].default
    assert FORMATS.get(number) == made and max(FORMATS) == number


def kinds(schema):
    """The JSON types that a schema allows."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        named = {str: "string", int: "integer", type(None): "null"}
        return {named[type(value)] for value in values}
    found = schema["type"]
    return set(found) if isinstance(found, list) else {found}


def differences(published, made, where="$"):
    """Where two schemas allow other kinds, or name other fields."""
    if kinds(published) != kinds(made):
        yield f"{where}: {kinds(published)}, the record {kinds(made)}"
    if "enum" in made and set(made["enum"]) != set(published.get("enum", [published.get("const")])):
        yield f"{where}: {published}, the record {made}"
    if "properties" in published:
        theirs, ours = published["properties"], made["properties"]
        for name in theirs.keys() ^ ours.keys():
            yield f"{where}: {name} is in one of them"
        for name in theirs.keys() & ours.keys():
            yield from differences(theirs[name], ours[name], f"{where}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(published.get(inner), dict) and isinstance(made.get(inner), dict):
            yield from differences(published[inner], made[inner], f"{where}.{inner}")


def test_the_published_schema_is_that_of_the_record():
    found = list(differences(document.schema(), schema_of(ComparisonDocument)))
    assert found == ["$.tasks.items: symbol is in one of them"]  # of a task it follows from the verdict


def test_the_schema_that_is_compared_sees_a_field_too_many_and_another_kind():
    made = schema_of(ComparisonDocument)
    del made["properties"]["notes"]
    made["properties"]["alpha"] = {"type": "string"}
    assert len(list(differences(document.schema(), made))) == 3
