"""The formats of judgments made elsewhere; each reader turns a file into what `imports` makes a run of."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copy
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.files import json_rows, numbered_rows, parse_json, read_text
from evalharness.data.sources import Row
from evalharness.data.typed import number
from evalharness.errors import DataError
from evalharness.importers.imports import (
    FormatReader,
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    imported_verdict,
    known_samples,
    number_of,
    one_of,
    seeded,
    text_of,
)
from evalharness.records import Sample, Verdict
from evalharness.stats.agreement import cohen
from evalharness.stats.intervals import mean_interval

REGULARISER = "regulariser"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def alpaca_eval(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`annotations.json` of https://github.com/tatsu-lab/alpaca_eval: output_1 is the baseline, output_2 the model."""
    rows = [(f"{path}: row {n}", row) for n, row in enumerate(json_rows(path), 1)]
    if not rows:
        raise DataError(f"{path}: it holds no judgments")
    names = sorted({text_of(row, "generator_2", where) for where, row in rows})
    model = one_of(names, options.model, "--model", path)
    chosen = [(where, row) for where, row in rows if str(row["generator_2"]) == model]
    benchmark = plugins.load_benchmark("alpaca_eval")
    known = _published(benchmark, options.data, [row for _, row in chosen]) if options.data is not None else {}
    seen: dict[str, str] = {}
    items = []
    for where, row in chosen:
        instruction = text_of(row, "instruction", where)
        if instruction in seen:
            raise DataError(f"{where}: the same instruction as {seen[instruction]}")
        seen[instruction] = where
        if known and instruction not in known:
            raise DataError(f"{where}: its instruction is not among the {len(known)} of {options.data}")
        items.append(_alpaca_item(row, where, known.get(instruction)))
    items = _with_regulariser(items, known)
    judge = text_of(chosen[0][1], "annotator", chosen[0][0], "alpaca_eval")
    return ImportedJudgments(
        benchmark="alpaca_eval",
        model=model,
        judge=judge,
        score="win_rate",
        items=tuple(items),
        expected=benchmark.items,
        figures=_alpaca_figures(items),
        notes=_notes(len(items), benchmark.items, known),
    )


def _published(benchmark: Benchmark, data: Path, rows: Sequence[Row]) -> dict[str, Sample]:
    """The benchmark's samples by instruction. A folder with df_gamed.csv alone gives difficulties by position: then the
    file must be whole, and its own baseline outputs stand for the canonical order, in which published files are."""
    gamed = data / "df_gamed.csv"
    if not (data.is_dir() and [f.name for f in data.iterdir()] == [gamed.name]):
        return known_samples(benchmark, data)
    if len(rows) != benchmark.items:
        raise DataError(
            f"{data}: without the baseline's outputs difficulties are known by position only, and the file has "
            f"{len(rows)} rows of {benchmark.items}; put model_outputs.json of gpt4_1106_preview beside {gamed.name}"
        )
    outputs = [{"instruction": r.get("instruction", ""), "output": r.get("output_1", "")} for r in rows]
    with TemporaryDirectory() as folder:
        copy(gamed, folder)
        (Path(folder) / "model_outputs.json").write_text(json.dumps(outputs), encoding="utf-8")
        return known_samples(benchmark, Path(folder))


def _alpaca_item(row: Row, where: str, sample: Sample | None) -> ImportedJudgment:
    for name in ("output_1", "output_2", "preference"):
        field_of(row, name, where)
    baseline, output = (text_of(row, name, where, "") for name in ("output_1", "output_2"))  # null: nothing was said
    instruction = text_of(row, "instruction", where)
    preference = number_of(row["preference"], where, "preference")
    if preference == 0:
        preference = 1.5  # how old files write a draw
    value = preference - 1 if preference is not None and 1 <= preference <= 2 else None
    own = Sample(
        id=_digest(instruction), question=instruction, answers=(baseline,), group=text_of(row, "dataset", where, "")
    )
    judge = text_of(row, "annotator", where, "alpaca_eval")
    tops, raw = _alpaca_raw(row)
    return ImportedJudgment(
        sample=replace(sample, answers=(baseline,)) if sample is not None else own,
        text=output,
        verdicts=(
            imported_verdict(
                judge, "pairwise", value,
                order=seeded("pairwise_logprob", own.id, instruction),
                label="same" if baseline == output else raw,
                raw=raw,
                logprobs=tops,
                cost=number_of(row.get("price_per_example"), where, "price_per_example"),
                extra={"chars": [len(output), len(baseline)], "model": judge},
            ),
        ),
    )  # fmt: skip


def _alpaca_raw(row: Row) -> tuple[tuple[tuple[str, float], ...], str]:
    """The judge's token and its likeliest alternatives, where the file has them."""
    completion = row.get("raw_completion")
    try:
        first = completion["logprobs"]["content"][0]  # type: ignore[index]  # whatever is not of this shape is left out
        tops = tuple((str(t["token"]), float(number(t["logprob"]))) for t in first["top_logprobs"])
        return tops, str(first["token"])
    except (KeyError, IndexError, TypeError, ValueError):
        return (), completion if isinstance(completion, str) else ""


def _with_regulariser(items: list[ImportedJudgment], known: Mapping[str, Sample]) -> list[ImportedJudgment]:
    """All published regulariser rows, also those of instructions that the file lacks: the fit needs every one."""
    present = {item.sample.id for item in items}
    orphans = [row for s in known.values() if s.id not in present for row in s.extra.get(REGULARISER, ())]
    if not orphans or not items:
        return items
    first = items[0].sample
    extra = {**first.extra, REGULARISER: [*first.extra.get(REGULARISER, ()), *orphans]}
    return [replace(items[0], sample=replace(first, extra=extra)), *items[1:]]


def _alpaca_figures(items: Sequence[ImportedJudgment]) -> dict[str, Any]:
    """The row of the public leaderboard, under its own names; the length-controlled rate is among the metrics."""
    values = [item.verdicts[0].value for item in items]
    known = [v for v in values if v is not None]
    if not known:
        return {"n_total": 0}
    wins, losses = sum(v > 0.5 for v in known), sum(v < 0.5 for v in known)
    draws = len(known) - wins - losses
    mean = mean_interval(known)
    return {
        "win_rate": 100 * mean.value,
        "standard_error": 100 * mean.stderr if len(known) > 1 else None,
        "n_wins": wins,
        "n_wins_base": losses,
        "n_draws": draws,
        "n_total": len(known),
        "discrete_win_rate": 100 * (wins + draws / 2) / len(known),
        "avg_length": int(fmean(len(item.text) for item in items)),
    }


def _notes(rows: int, expected: int, known: Mapping[str, Sample]) -> tuple[str, ...]:
    found = []
    if rows != expected:
        found.append(f"{rows} rows of {expected}: {expected - rows} items have no judgment and are in no figure")
    if not any("difficulty" in s.extra for s in known.values()):
        found.append(
            "without the published difficulties there is no length-controlled win rate; say --data with a folder that "
            "has df_gamed.csv and the baseline's outputs"
        )
    return tuple(found)


SINGLE, PAIR = "score", "g1_winner"


def fastchat(path: Path, options: ImportOptions) -> ImportedJudgments:
    """Judgments of https://github.com/lm-sys/FastChat, `llm_judge`: single grades 1-10, or pairs in both orders."""
    rows = [(f"{path}:{n}", row) for n, row in numbered_rows(path)]
    if not rows:
        raise DataError(f"{path}: it holds no judgments")
    paired = PAIR in rows[0][1]
    wanted = ("question_id", "turn", *(("model_1", "model_2", PAIR, "g2_winner") if paired else ("model", SINGLE)))
    for where, row in rows:
        for name in wanted:
            field_of(row, name, where)
    sides = ("model_1", "model_2") if paired else ("model",)
    names = sorted({text_of(row, side, where) for where, row in rows for side in sides})
    model = one_of(names, options.model, "--model", path)
    against = ""
    if paired:
        mine = [(w, r) for w, r in rows if model in (str(r["model_1"]), str(r["model_2"]))]
        others = sorted({str(r["model_1"] if str(r["model_2"]) == model else r["model_2"]) for _, r in mine})
        against = one_of(others, options.against, "--against", path)
        rows = [(w, r) for w, r in mine if against in (str(r["model_1"]), str(r["model_2"]))]
    else:
        rows = [(w, r) for w, r in rows if str(r["model"]) == model]
    by_question: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        if type(row["question_id"]) not in (int, str):
            raise DataError(f"{where}: its question_id is {row['question_id']!r:.60}, wanted a number or a text")
        by_question.setdefault(str(row["question_id"]), []).append((where, row))
    items = tuple(_fastchat_item(q, own, model, paired) for q, own in sorted(by_question.items()))
    judge = "/".join(_judge(rows[0][1], rows[0][0]))
    figures = {} if paired else _grades(items)
    return ImportedJudgments(
        benchmark="mt_bench",
        model=model,
        judge=judge,
        score="win_rate" if paired else "judge_score",
        items=items,
        expected=80,
        against=against,
        figures=figures,
        notes=_notes(len(items), 80, {"": Sample(question="", extra={"difficulty": 0})}),
    )


def _fastchat_item(question: str, rows: Sequence[tuple[str, Row]], model: str, paired: bool) -> ImportedJudgment:
    verdicts: list[Verdict] = []
    seen: set[int] = set()
    for where, row in rows:
        turn = row["turn"]
        if type(turn) is not int or turn < 1:
            raise DataError(f"{where}: its turn is {turn!r:.60}, wanted a whole number from 1 on")
        if turn in seen:
            raise DataError(f"{where}: question {question} has turn {turn} twice")
        seen.add(turn)
        notes = {"part": f"turn{turn}"}
        judge = _judge(row, where)[0]
        if not paired:
            score = number_of(row["score"], where, "score")
            value = (score - 1) / 9 if score is not None and 1 <= score <= 10 else None  # -1 is how it writes null
            verdicts.append(
                imported_verdict(
                    judge, "score", value, label=str(row["score"]), raw=text_of(row, "judgment", where, ""), extra=notes
                )
            )
            continue
        first = str(row["model_1"]) == model
        for game, order in (("g1", "AB" if first else "BA"), ("g2", "BA" if first else "AB")):
            said = str(row[f"{game}_winner"])
            won = {"tie": 0.5, "model_1": float(first), "model_2": float(not first)}.get(said)
            raw = text_of(row, f"{game}_judgment", where, "")
            verdicts.append(imported_verdict(judge, "pairwise", won, order=order, label=said, raw=raw, extra=notes))
    return ImportedJudgment(
        sample=Sample(id=question, question=f"question {question}"), text="", verdicts=tuple(verdicts)
    )


def _judge(row: Row, where: str) -> list[str]:
    """The judge's name, and that of its prompt behind it where the file has both."""
    said = row.get("judge")
    found = ["fastchat"] if said is None else [said] if isinstance(said, str) else said
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise DataError(f"{where}: its judge is {said!r:.60}, wanted a text or a list of texts")
    return found


def _grades(items: Sequence[ImportedJudgment]) -> dict[str, Any]:
    """Mean grades as FastChat's `show_result.py` prints them: over all turns that have one."""
    by_turn: dict[str, list[float]] = {}
    for item in items:
        for v in item.verdicts:
            if v.value is not None:
                by_turn.setdefault(str(v.extra["part"]), []).append(1 + 9 * v.value)
    values = [v for of in by_turn.values() for v in of]
    return {"score": fmean(values) if values else None, **{t: fmean(of) for t, of in sorted(by_turn.items())}}


def llmbar(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`result.json` of https://github.com/princeton-nlp/LLMBar: a judge on pairs whose better answer is known.

    The judge is what is examined: the first output is taken as the judged answer, the label as what people say.
    """
    items, orders, golds = [], [], []
    for n, row in enumerate(json_rows(path), 1):
        where = f"{path}: row {n}"
        given = field_of(row, "results", where)
        question = text_of(row, "input", where)
        first, second = text_of(row, "output_1", where), text_of(row, "output_2", where)
        try:
            said = [dict(given[-1][f"swap = {swap}"]) for swap in (False, True)]
            gold = {"1": 1.0, "2": 0.0}[str(field_of(row, "label", where))]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(f"{where}: wanted `swap = False`, `swap = True` and a label 1 or 2 ({error})") from error
        # `winner` is already the content's own number in both orders.
        values = [{"1": 1.0, "2": 0.0}.get(str(s.get("winner"))) for s in said]
        verdicts = tuple(
            imported_verdict("llmbar", "pairwise", value, order=order, label=str(s.get("winner")), raw=_completion(s),
                    extra={"chars": [len(first), len(second)]})
            for value, order, s in zip(values, ("AB", "BA"), said, strict=True)
        )  # fmt: skip
        sample = Sample(id=str(n - 1), question=question, answers=(second,), extra={"human": gold})
        items.append(ImportedJudgment(sample=sample, text=first, verdicts=verdicts))
        orders.append(values)
        golds.append(gold)
    return ImportedJudgments(
        benchmark="instructions",
        model="output_1",
        judge="/".join(path.resolve().parts[-3:-1]) or "llmbar",
        score="win_rate",
        items=tuple(items),
        expected=len(items),
        figures=_against_gold(orders, golds),
    )


def _completion(said: Mapping[str, Any]) -> str:
    found = said.get("completion")
    return str(found[0]) if isinstance(found, list) and found else str(found or "")


def _against_gold(orders: Sequence[Sequence[float | None]], golds: Sequence[float]) -> dict[str, Any]:
    """As LLMBar's `statistics.json` counts, in percent; a verdict that could not be read counts as wrong."""
    n = len(golds)
    if not n:
        return {}
    right = [[v == gold for v in values] for values, gold in zip(orders, golds, strict=True)]
    known = [(a, b) for a, b in orders if a is not None and b is not None]
    return {
        "accuracy": 100 * fmean(fmean(map(float, r)) for r in right),
        "right_in_both_orders": 100 * sum(all(r) for r in right) / n,
        "positional_agreement": 100 * sum(a == b for a, b in known) / n,
        "kappa_between_orders": cohen([a for a, _ in known], [b for _, b in known]),
        "unreadable": sum(v is None for values in orders for v in values),
        "n": n,
    }


def pandalm(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`testset-v1.json` of https://github.com/WeOpenML/PandaLM: three people's choices (0 tie, 1, 2) for each pair."""
    items, votes = [], []
    worth = {"0": 0.5, "1": 1.0, "2": 0.0}
    for n, row in enumerate(json_rows(path), 1):
        where = f"{path}: row {n}"
        said = [str(field_of(row, f"annotator{k}", where)) for k in (1, 2, 3)]
        first, second = text_of(row, "response1", where), text_of(row, "response2", where)
        if any(s not in worth for s in said):
            raise DataError(f"{where}: wanted 0, 1 or 2 from each annotator, there is {', '.join(said)}")
        more = text_of(row, "input", where, "")
        question = text_of(row, "instruction", where) + (f"\n\n{more}" if more else "")
        given = tuple(
            imported_verdict(f"annotator{k}", "pairwise", worth[s], label=s, extra={"seat": f"annotator{k}"})
            for k, s in enumerate(said, 1)
        )
        sample = Sample(
            id=str(row.get("idx", n - 1)),
            question=question,
            answers=(second,),
            group=text_of(row, "cmp_key", where, ""),
        )
        items.append(ImportedJudgment(sample=sample, text=first, verdicts=given))
        votes.append(said)
    most = Counter(Counter(v).most_common(1)[0][0] if len(set(v)) < 3 else "split" for v in votes)
    kappas = {
        f"kappa_{a + 1}_{b + 1}": cohen([v[a] for v in votes], [v[b] for v in votes])
        for a, b in ((0, 1), (0, 2), (1, 2))
    }
    return ImportedJudgments(
        benchmark="instructions",
        model="response1",
        judge="annotators",
        score="win_rate",
        items=tuple(items),
        expected=len(items),
        against="response2",
        figures={
            **kappas,
            "majority": {name: most[s] for name, s in (("tie", "0"), ("first", "1"), ("second", "2"))},
            "split": most["split"], "n": len(votes),
        },
    )  # fmt: skip


def scores(path: Path, options: ImportOptions) -> ImportedJudgments:
    """A JSON list of grades from 0 to 100, one per item in order (https://github.com/rasbt/LLMs-from-scratch, ch07).

    Lists that leave out what could not be read have lost their alignment: two of unequal length cannot be paired.
    """
    found = parse_json(read_text(path), path)
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: wanted a JSON list of grades from 0 to 100")
    items = []
    for n, grade in enumerate(found):
        value = number_of(grade, f"{path}: item {n + 1}", "grade")
        if value is not None and not 0 <= value <= 100:
            raise DataError(f"{path}: item {n + 1} has the grade {value:g}; wanted 0 to 100")
        given = imported_verdict(
            "grades", "score", None if value is None else value / 100, label=json.dumps(grade)[:20]
        )
        items.append(ImportedJudgment(sample=Sample(id=str(n), question=f"item {n}"), text="", verdicts=(given,)))
    grades = [100 * v.value for i in items if (v := i.verdicts[0]).value is not None]
    return ImportedJudgments(
        benchmark="instructions",
        model=options.model or path.stem,
        judge="grades",
        score="judge_score",
        items=tuple(items),
        expected=len(items),
        against="",
        figures={
            "mean": fmean(grades) if grades else None,
            "n": len(grades),
            "without_grade": len(items) - len(grades),
        },
    )


FORMAT_READERS: Mapping[str, FormatReader] = {
    "alpaca_eval": alpaca_eval,
    "fastchat": fastchat,
    "llmbar": llmbar,
    "pandalm": pandalm,
    "scores": scores,
}
