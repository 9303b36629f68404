"""Documents that an export of ours wrote: they say all of the sample, so that it comes back as it was."""

from __future__ import annotations

from evalharness.exporters import lm_eval as written
from evalharness.importers._given import as_mapping, texts_of
from evalharness.records import Sample


def own_sample(doc: object) -> Sample | None:
    """The sample of such a document; None for any other."""
    said = as_mapping(doc)
    identity, question = said.get("id"), said.get("question")
    if not (isinstance(identity, str) and isinstance(question, str) and said.keys() <= written.OWN_DOCUMENT):
        return None
    choices, gold = texts_of(said.get("choices") or ()), said.get("answer", [])
    if not isinstance(gold, list) or not all(type(one) is int and 0 <= one < len(choices) for one in gold):
        return None
    return Sample(
        id=identity,
        question=question,
        answers=texts_of(said.get("answers") or ()),
        choices=choices,
        gold_indices=tuple(gold),
        group=str(said.get("group") or ""),
        extra={"doc": doc},
    )
