"""LegalBench's tasks: their fields, their instructions (part of the benchmark, CC BY 4.0; helm_prompt_settings.jsonl of
https://github.com/HazyResearch/legalbench), their files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from evalharness.data.fields import take
from evalharness.data.files import csv_lines, read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Sample


@dataclass(frozen=True)
class LegalTask:
    """What a task is about, its number of questions, its instructions, what each of its `fields` and its answer are
    called in the prompt."""

    title: str
    items: int
    instructions: str
    fields: Mapping[str, str]
    answer: str = "Answer"


TASKS = {
    "abercrombie": LegalTask(
        "how distinctive a trade mark is",
        95,
        "A mark is generic if it is the common name for the product. A mark is descriptive if it describes a purpose, "
        "nature, or attribute of the product. A mark is suggestive if it suggests or implies a quality or "
        "characteristic of the product. A mark is arbitrary if it is a real English word that has no relation to the "
        "product. A mark is fanciful if it is an invented word. Label the type of mark for the following products.",
        {"text": "Description"},
        "Type",
    ),
    "corporate_lobbying": LegalTask(
        "whether a bill matters to a company",
        490,
        "You are a lobbyist analyzing Congressional bills for their impacts on companies. Given the title and summary "
        "of the bill, plus information on the company from its 10K SEC filing, it is your job to determine if a bill "
        "is at least somewhat relevant to a company in terms of whether it could impact the company's bottom-line if "
        "it was enacted (by saying Yes or No).",
        {
            "bill_title": "Official title of bill", "bill_summary": "Official summary of bill",
            "company_name": "Company name", "company_description": "Company business description",
        },
        "Label",
    ),
    "international_citizenship_questions": LegalTask(
        "the law of citizenship in many countries",
        9296,
        "Answer the following questions considering the state of international law on January 1st, 2020. Answer Yes "
        "or No.",
        {"question": "Question"},
    ),
    "function_of_decision_section": LegalTask(
        "what a paragraph of a decision is for",
        367,
        "Classify the following text using the following definitions.\n\n"
        "- Facts: The paragraph describes the factual background that led up to the present lawsuit.\n"
        "- Procedural History: The paragraph describes the course of litigation that led to the current proceeding "
        "before the court.\n"
        "- Issue: The paragraph describes the legal or factual issue that must be resolved by the court.\n"
        "- Rule: The paragraph describes a rule of law relevant to resolving the issue.\n"
        "- Analysis: The paragraph analyzes the legal issue by applying the relevant legal principles to the facts of "
        "the present dispute.\n"
        "- Conclusion: The paragraph presents a conclusion of the court.\n"
        "- Decree: The paragraph constitutes a decree resolving the dispute.",
        {"Paragraph": "Text"},
        "Function",
    ),
    "proa": LegalTask(
        "whether a statute lets a private citizen sue",
        95,
        "A private right of action is when a regular person, a private citizen, is legally entitled to enforce their "
        "rights under a given statute. Does the clause specify a private right of action? Answer Yes or No.",
        {"text": "Statute"},
    ),
}  # fmt: skip


def sample(task: LegalTask) -> Callable[[Row], Sample]:
    """The fields of a row behind their names, a line each."""

    def made(row: Row) -> Sample:
        lines = [f"{name}: {take(row, field, str)}" for field, name in task.fields.items()]
        return Sample(id=str(row.get("index", "")), question="\n".join(lines), answers=(take(row, "answer", str),))

    return made


def files_of(name: str) -> Files:
    """Reads NAME/test.tsv and NAME/train.tsv, as the hub's archive and the repository's folder tasks/ have them."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        file = path / name / f"{want.split}.tsv" if path.is_dir() else path
        return _rows(file) if file.is_file() and file.suffix == ".tsv" else None

    return Files(f"{name}/test.tsv (and {name}/train.tsv for examples)", read)


def _rows(file: Path) -> Iterator[Row]:
    lines = csv_lines(file, read_text(file), "\t")
    _, header = next(lines, (1, []))
    for _, cells in lines:
        yield dict(zip_longest(header, cells[: len(header)]))
