"""What a pipeline does with a suite: run, compare with the baseline, gate. Reports are made from what it returns."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from evalharness.comparison.baseline import SUFFIX, baseline_names, find_baseline, hold_baseline_name
from evalharness.comparison.compare import Options, Policy, rule_named
from evalharness.comparison.document import document_values
from evalharness.comparison.gate import ComparisonRequest, GatedComparison, comparison_options, policy, run_gate
from evalharness.comparison.inputs import keep_baseline, open_side
from evalharness.comparison.notes import SAME_RUN
from evalharness.comparison.rules import MISSING_LIMIT, GateWord, Ruling, hold_to_rule, missing_share
from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError, gravest, known, nearest, option_name
from evalharness.events import Observer
from evalharness.runs.session import RunOutcome
from evalharness.runs.store import MANIFEST
from evalharness.runs.together import RunStart
from evalharness.suites import git_ref
from evalharness.suites.gate_request import SuiteGateRequest
from evalharness.suites.run import suite_plan, suite_start, unjudged, whole_runs
from evalharness.suites.schema import NoBaseline, Suite, SuiteModel, load_suite, name_written, suite_name

SuiteWord = Literal[
    "worse", "not comparable", "no verdict", "incomplete", "can't tell", "no baseline", "better", "same"
]
WORST_SUITE_WORDS: tuple[SuiteWord, ...] = (
    "worse", "not comparable", "no verdict", "incomplete", "can't tell", "no baseline", "better", "same",
)  # fmt: skip
_NO_BASELINE: tuple[NoBaseline, ...] = ("fail", "pass", "create")


@dataclass(frozen=True, kw_only=True)
class GatedModel:
    """One model of the suite: its run, its comparison with the baseline, and what a pipeline is told of it.

    `rulings` are what became of floors and limits where there was nothing to compare with; `problem` says why there is
    no verdict.
    """

    name: str
    exit_code: int
    outcome: RunOutcome | None = None
    compared: GatedComparison | None = None
    rulings: Mapping[str, Ruling] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def verdict(self) -> SuiteWord:
        if self.compared is not None:
            return self.compared.verdict
        if self.problem:
            return "incomplete" if self.exit_code == Exit.NOT_WHOLE else "no verdict"
        return "no baseline"

    @property
    def gate(self) -> GateWord:
        if self.exit_code == Exit.GATE_FAILED:
            return "fail"
        passed = self.exit_code == Exit.FINE and self.compared is not None and self.compared.document.gate == "pass"
        return "pass" if passed else "inconclusive"


@dataclass(frozen=True, kw_only=True)
class GatedSuite:
    """What a pipeline is told of a suite: the worst over its models. `file` is the suite's; `problem` says why no model
    was asked."""

    name: str
    file: str = ""
    models: tuple[GatedModel, ...] = ()
    policy: Policy = "block-on-fail"
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def exit_code(self) -> int:
        return Exit.USAGE if self.problem else gravest(*(model.exit_code for model in self.models))

    @property
    def verdict(self) -> SuiteWord:
        """The worst verdict over all models."""
        words = {model.verdict for model in self.models}
        return next((word for word in WORST_SUITE_WORDS if word in words), "no verdict")

    @property
    def gate(self) -> GateWord:
        """Fail where one model fails, pass where all pass."""
        words = {model.gate for model in self.models}
        return "fail" if "fail" in words else "pass" if words == {"pass"} else "inconclusive"

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints and report.json holds."""
        return {
            "kind": "suite", "format": 1, "suite": self.name, "exit_code": int(self.exit_code), "verdict": self.verdict,
            "gate": self.gate, "policy": self.policy, "problem": self.problem, "notes": list(self.notes),
            "models": [_model_json(model) for model in self.models],
        }  # fmt: skip


def _model_json(model: GatedModel) -> dict[str, Any]:
    run = {} if model.outcome is None else model.outcome.as_json()
    compared = {} if model.compared is None else {"comparison": document_values(model.compared.document)}
    return {
        "name": model.name, "exit_code": int(model.exit_code), "verdict": model.verdict, "gate": model.gate,
        "problem": model.problem, "notes": list(model.notes), **run, **compared,
        "rules": {name: to_json(ruling) for name, ruling in model.rulings.items()},
    }  # fmt: skip


def failed_suite(request: SuiteGateRequest, problem: str) -> GatedSuite:
    """What a pipeline is told of a suite that `gate_suite` did not take, under the name that it has in its reports."""
    name = request.name or name_written(request.suite)
    return GatedSuite(name=name, file=request.suite.as_posix(), problem=problem)


def gate_suite(request: SuiteGateRequest, observer: Observer) -> GatedSuite:
    """Run every model of a suite, compare each with its baseline, and say what a pipeline is to do.

    What concerns one model (a budget that is used up, an endpoint that is not there) stands in its entry, and the next
    model is run; a baseline that is missing or damaged stops all before anything is asked. UserError for a suite, a
    ref or an option that makes no sense.
    """
    again = request.command()
    repository = git_ref.find_repository() if request.policy_ref or request.baseline_ref else None
    if repository is not None and repository.tracked(request.runs):
        # It would be gone on with: a change could bring its own results, or a cache of answers.
        raise UserError(
            f"{request.runs} holds files that are committed, and a run that a change brings along proves nothing; take "
            f"them out of the repository, or give another {option_name('runs')}"
        )
    with tempfile.TemporaryDirectory(prefix="evalh-ref-") as scratch, contextlib.ExitStack() as stack:
        suite = load_suite(request.suite, yes_run_untrusted_code=request.consent)
        notes: tuple[str, ...] = ()
        if repository is not None and request.policy_ref:
            request = replace(
                request, runs=request.runs.absolute(), baselines=request.baselines.absolute(), folder=Path.cwd()
            )
            suite, notes = _under_policy(suite, request, (repository, Path(scratch)), stack)
        if request.name is not None:
            suite = replace(suite, name=suite_name(request.name))
        chosen = policy(request.policy or suite.policy, gate=True)
        options = comparison_options(
            suite.margins, suite.alpha, (), (), clusters=suite.clusters, rules=suite.rules, remedies=False
        )
        try:
            bases = _bases(suite, request, repository)
            for model in suite.models:
                if without := unjudged(suite, suite_plan(suite, model, request.runs)):
                    raise UserError(f"{without[0]} is worth nothing until a judge has seen its answers; give it judge:")
        except UserError as error:
            return GatedSuite(
                name=suite.name, file=request.suite.as_posix(), policy=chosen, notes=notes, problem=str(error)
            )
        models = []
        starts = [_start(suite, model, request.runs) for model in suite.models]
        for model, outcome in zip(suite.models, whole_runs(starts, observer), strict=True):
            judged = _Gate(
                suite=suite, request=request, options=options, policy=chosen, base=bases[model.name], again=again
            )
            models.append(judged.gated(model, outcome))
    return GatedSuite(name=suite.name, file=request.suite.as_posix(), models=tuple(models), policy=chosen, notes=notes)


def _start(suite: Suite, model: SuiteModel, runs: Path) -> RunStart | UserError:
    """A model's run, or why it cannot be begun."""
    try:
        return suite_start(suite, model, runs)
    except UserError as error:
        return error


def _under_policy(
    suite: Suite, request: SuiteGateRequest, place: tuple[git_ref.Repository, Path], stack: contextlib.ExitStack
) -> tuple[Suite, tuple[str, ...]]:
    """The suite as the ref has it, with this one's models. The working folder becomes the ref's for what is to come,
    so that data, benchmarks and the prompts of judges are the ref's too."""
    ref, (repository, scratch) = str(request.policy_ref), place
    here = repository.tree_at(repository.commit_of(ref, "policy_ref"), scratch)
    file = scratch / repository.inside(request.suite)
    if not file.is_file():
        raise UserError(
            f"{ref} has no {request.suite} yet; leave {option_name('policy_ref')} out for the change that adds it"
        )
    models = tuple(_absolute(model) for model in suite.models)
    stack.enter_context(contextlib.chdir(here))
    ruling = load_suite(Path(os.path.relpath(file, here)), yes_run_untrusted_code=request.consent)
    own = {model.name: model.baseline for model in ruling.models}
    models = tuple(replace(model, baseline=own.get(model.name)) for model in models)
    changed = _differing(suite, ruling)
    notes = (f"{', '.join(changed)} of the suite are those of {ref}; this change edits them without effect",)
    return replace(ruling, models=models), notes if changed else ()


def _absolute(model: SuiteModel) -> SuiteModel:
    """A model whose files are found from any folder."""
    kind, colon, place = model.spec.partition(":")
    spec = f"{kind}:{Path(place).absolute()}" if colon and place and Path(place).exists() else model.spec
    options = {
        name: str(Path(value).absolute())
        if name in ("system", "tokenizer", "template") and isinstance(value, str) and _is_there(value)
        else value
        for name, value in model.options.items()
    }
    return replace(model, spec=spec, options=options)


def _is_there(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # a system prompt, too long for a name
        return False


def _differing(mine: Suite, theirs: Suite) -> list[str]:
    """The parts of two suites that differ, by the name of their record's field."""
    parts = ("benchmarks", "settings", "own", "judges", "margins", "rules", "alpha", "clusters", "policy", "budget",
             "baseline", "no_baseline")  # fmt: skip
    return [name for name in parts if getattr(mine, name) != getattr(theirs, name)]


@dataclass(frozen=True, kw_only=True)
class _Base:
    """The baseline of one model: its name, what to open (None where there is none yet), and where one is written."""

    name: str
    folder: Path
    opened: str | None = None

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}{SUFFIX}"


@dataclass(frozen=True, kw_only=True)
class _At:
    """The commit that baselines are taken from."""

    repository: git_ref.Repository
    commit: str


def _bases(suite: Suite, request: SuiteGateRequest, repository: git_ref.Repository | None) -> dict[str, _Base]:
    """The baseline of every model, opened once so that what is damaged is said before anything is asked.

    UserError for a name that is nearly that of another, where a missing one is to fail, and where two models would
    write the same one.
    """
    found, at = {}, None
    if repository is not None and request.baseline_ref:
        at = _At(repository=repository, commit=repository.commit_of(request.baseline_ref, "baseline_ref"))
    missing = known("way to go on without a baseline", request.no_baseline or suite.no_baseline, _NO_BASELINE)
    for model in suite.models:
        name = request.baseline or model.baseline or suite.baseline or "main"
        if name.endswith(SUFFIX):
            base = _Base(name=Path(name).stem, folder=request.folder / Path(name).parent)
        else:
            base = _Base(name=name, folder=request.baselines)
        base = replace(base, opened=_opened(name, base, request, at))
        if request.set_baseline or (base.opened is None and missing == "create"):
            hold_baseline_name(base.name)  # said now, not once the run is paid for
        if base.opened is None and missing != "create":
            if near := nearest(base.name, _others(base.folder, at)):
                raise UserError(f"there is no baseline {name!r}{near}")
            if missing == "fail":
                where = f" in {request.baseline_ref}" if at else ""
                first = request.command_with("--no-baseline", "create")
                raise UserError(
                    f"there is no baseline {name!r}{where}; make the first with `{first}` and commit {base.file}, or "
                    "say no_baseline: pass"
                )
        found[model.name] = base
    written = [(base.folder, base.name) for base in found.values()]
    if request.set_baseline and len(set(written)) < len(written):
        raise UserError(
            f"{option_name('set_baseline', True)}: two models have the baseline {written[0][1]}; give each a "
            "`baseline` of its own in the suite"
        )
    return found


def _opened(name: str, base: _Base, request: SuiteGateRequest, at: _At | None) -> str | None:
    """What stands for a baseline: its file, the file as the ref has it, or a run; None where there is none."""
    if at is not None:
        taken = at.repository.file_at(at.commit, base.file, request.runs / ".baseline")
        found = None if taken is None else str(taken)
    elif base.file.is_file() and (name.endswith(SUFFIX) or find_baseline(name, base.folder)):
        found = str(base.file)
    else:
        found = name if any((place / MANIFEST).is_file() for place in (Path(name), request.runs / name)) else None
    if found is not None:
        open_side(found, request.runs, request.baselines)
    return found


def _others(folder: Path, at: _At | None) -> list[str]:
    """The names of the baselines that there are."""
    if at is None:
        return baseline_names(folder)
    names = at.repository.names_at(at.commit, folder)
    return [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]


@dataclass(frozen=True, kw_only=True)
class _Gate:
    """What one model is held to."""

    suite: Suite
    request: SuiteGateRequest
    options: Options
    policy: Policy
    base: _Base
    again: str

    def gated(self, model: SuiteModel, outcome: RunOutcome | UserError) -> GatedModel:
        """Gate the run of a model; a UserError on the way becomes its problem."""
        if isinstance(outcome, UserError):
            return GatedModel(name=model.name, exit_code=outcome.exit_code, problem=str(outcome))
        try:
            made = self._compared(model, outcome) if self.base.opened is not None else self._alone(model, outcome)
            return self._kept(made, outcome)
        except UserError as error:
            return GatedModel(name=model.name, exit_code=error.exit_code, outcome=outcome, problem=str(error))

    def _compared(self, model: SuiteModel, outcome: RunOutcome) -> GatedModel:
        compared = run_gate(
            ComparisonRequest(
                base=str(self.base.opened), new=str(outcome.run.path), options=self.options, gate=True,
                policy=self.policy, runs=self.request.runs, baselines=self.request.baselines, suite=self.request.suite,
                command=self.again,
            )
        )  # fmt: skip
        code = gravest(outcome.exit_code, compared.exit_code)
        compared = replace(compared, files=self._prompt_files(model, compared))
        notes: tuple[str, ...] = (SAME_RUN,) if SAME_RUN in compared.document.notes else ()
        if code == Exit.NOT_COMPARABLE and not self.request.set_baseline:
            anew = self.request.command_with("--set-baseline")
            notes += (f"where that is the purpose `{anew}` makes the baseline anew",)
        return GatedModel(name=model.name, exit_code=code, outcome=outcome, compared=compared, notes=notes)

    def _prompt_files(self, model: SuiteModel, compared: GatedComparison) -> dict[str, str]:
        """The file that a benchmark is annotated on: the model's system prompt, where that is a file, else
        the benchmark's own, else the suite."""
        word, here = model.options.get("system"), self.request.folder.absolute()
        system = Path(word) if isinstance(word, str) and _is_there(word) else None
        if system is not None and system.is_absolute():
            system = system.relative_to(here) if system.is_relative_to(here) else None
        usual = None if system is None else system.as_posix()
        suite = self.request.suite.as_posix()
        return {task.benchmark: usual or compared.files.get(task.benchmark, suite) for task in compared.decisions}

    def _alone(self, model: SuiteModel, outcome: RunOutcome) -> GatedModel:
        """A model with nothing to compare with: its run must be whole, and its floors and limits are kept."""
        rulings, codes = {}, [outcome.exit_code]
        notes = [f"there is no baseline {self.base.name} yet, so nothing was compared"]
        usage = outcome.run.manifest.usage or {}
        for name, figures in outcome.benchmarks.items():
            rule = rule_named(self.suite.rules, name)
            rulings[name] = ruling = hold_to_rule(name, rule, figures, usage.get(name))
            if rule.tier == "advisory":
                continue
            if ruling.gate == "fail":
                codes.append(Exit.GATE_FAILED)
            if (missing := missing_share(figures)) > MISSING_LIMIT:
                codes.append(Exit.NOT_WHOLE)
                notes.insert(0, f"{name}: {100 * missing:.3g} % of the items have no value")
            if ruling.gate == "inconclusive" and (rule.tier == "critical" or self.policy == "require-pass"):
                codes.append(Exit.INCONCLUSIVE)
        return GatedModel(
            name=model.name, exit_code=gravest(*codes), outcome=outcome, rulings=rulings, notes=tuple(notes)
        )  # fmt: skip

    def _kept(self, made: GatedModel, outcome: RunOutcome) -> GatedModel:
        """The model, its run kept as the baseline where that is asked for and the run is fit for it."""
        wanted = self.request.no_baseline or self.suite.no_baseline
        first = self.base.opened is None and wanted == "create"
        if not (first or self.request.set_baseline):
            return made
        if made.exit_code not in (Exit.FINE, Exit.INCONCLUSIVE, Exit.NOT_COMPARABLE) or outcome.exit_code:
            return replace(
                made, notes=(*made.notes, "its run is not kept as a baseline: the gate failed or it is not whole")
            )
        file, items = keep_baseline(
            str(outcome.run.path), self.base.name, metric=None, runs=self.request.runs, baselines=self.base.folder
        )
        note = f"its run is now the baseline {file} ({items:,} items); commit that file"
        code = Exit.FINE if made.exit_code == Exit.NOT_COMPARABLE else made.exit_code
        return replace(made, exit_code=code, notes=(*made.notes, note))
