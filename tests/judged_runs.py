"""Runs whose answers were judged: made without any model, from what each judge says of an answer."""

from evalharness import plugins
from evalharness.records import Message, Request, Response, Result, Sample, Verdict
from evalharness.runs import summary
from evalharness.runs.journal import Journal
from evalharness.runs.manifest import BenchmarkFacts, JudgingFacts, Manifest, ModelFacts
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, result_to_json
from evalharness.scoring.judgments import with_verdicts

FACTS = JudgingFacts(score="win_rate")


def make(tmp_path, items, seats, name="run", model="replay:x", about=None):
    """A judged run: `items` are (answer, reference) pairs, `seats` maps a judge to its value; `about` is what the
    manifest says of the judging."""
    run = Run(tmp_path / "runs" / name)
    facts = BenchmarkFacts(mode="write", items=len(items))
    judgings = {"j": about} if about is not None else None
    model_facts = ModelFacts(name=model)
    run.write(MANIFEST, Manifest(name=name, model=model_facts, benchmarks={"alpaca_eval": facts}, judgings=judgings))
    results = []
    for n, (answer, reference) in enumerate(items):
        sample = Sample(id=f"i{n}", question=f"question {n}", answers=(reference,))
        result = Result(
            benchmark="alpaca_eval", sample=sample, request=Request(messages=(Message("user", "q"),)),
            response=Response(text=answer), status="scored",
        )  # fmt: skip
        verdicts = []
        for seat, value in seats.items():
            for order in ("AB", "BA"):
                for again in (0, 1):
                    given = value(answer, reference, order, n + 1000 * again)
                    if given == "skip":
                        continue
                    notes = {"judging": "j", "seat": seat, "part": "", "weight": 1.0, "model": seat}
                    notes |= {"retest": again} if again else {}
                    status = "ok" if given is not None else "unparsable"
                    verdicts.append(Verdict(judge="pairwise", kind="pairwise", value=given, order=order, status=status, extra=notes))  # fmt: skip # noqa: E501
        results.append(with_verdicts(result, verdicts, "j", FACTS, owns=True))
    with Journal(run.path / JOURNAL) as journal:
        for result in results:
            journal.append(result_to_json(result))
    run.write(SUMMARY, summary.run_summary(results, [("alpaca_eval", plugins.load_benchmark("alpaca_eval"), facts)]))
    return run


def fair(answer, reference, order, n):
    if n >= 1000:
        return "skip"
    return 1.0 if "good" in answer else 0.0


def first(answer, reference, order, n):
    if n >= 1000:
        return "skip"
    return 1.0 if order == "AB" else 0.0


ITEMS = [("good " * (n % 5 + 1) if n % 2 else "poor " * (n % 7 + 1), f"a reference {n} " * 2) for n in range(40)]
