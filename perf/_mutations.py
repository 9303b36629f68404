"""Changes to a module's source, one each: where they can be made, and the tree with one of them made."""

from __future__ import annotations

import ast
import copy
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import mutants as programs

Operator = Callable[[ast.AST, random.Random, tuple[str, ...]], "ast.AST | None"]
OTHER = {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}


def _membership(node: ast.AST, draw: random.Random, names: tuple[str, ...]) -> ast.AST | None:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        node.ops[0] = OTHER[type(node.ops[0])]()
        return node
    return None


def _quotient(node: ast.AST, draw: random.Random, names: tuple[str, ...]) -> ast.AST | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Pow):
        node.op = ast.Mult()
        return node
    return None


def _returned(node: ast.AST, draw: random.Random, names: tuple[str, ...]) -> ast.AST | None:
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        node.value = ast.Constant(None)
        return node
    return None


def _negative(node: ast.AST, draw: random.Random, names: tuple[str, ...]) -> ast.AST | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        return node.operand
    return None


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


OF_PROGRAMS = ("comparison", "arithmetic", "boolean", "constant", "condition", "left out")
OPERATORS: dict[str, Operator] = {
    **{name: programs.OPERATORS[name] for name in OF_PROGRAMS},
    "membership": _membership,
    "quotient": _quotient,
    "returned": _returned,
    "sign": _negative,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A node that an operator fits. `statement` is the line of the statement in a function that it belongs to, None
    for what is evaluated when the module is imported; `names` are what that assigns."""

    operator: str
    number: int
    line: int
    statement: int | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Mutant:
    """A module with one change, ready to be compiled."""

    place: Place
    says: str
    tree: ast.Module


def mutants(source: str, count: int, seed: str) -> list[Mutant]:
    """Up to `count` mutants of a module, drawn by the seed; the same ones each time."""
    tree = numbered(source)
    draw = random.Random(seed)
    found = list(places(tree))
    chosen = draw.sample(found, len(found))
    made: list[Mutant] = []
    for place in chosen:
        if len(made) == count:
            break
        mutant = _made(tree, place, draw.random())
        if mutant is not None:
            made.append(mutant)
    return sorted(made, key=lambda mutant: (mutant.place.line, mutant.says))


def numbered(source: str) -> ast.Module:
    """The tree of a source, each node with its number."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        node.number = number  # type: ignore[attr-defined]
    return tree


def _made(tree: ast.Module, place: Place, seed: float) -> Mutant | None:
    """None where the operator changes nothing, or makes 0.0 the equal -0.0."""
    changed = _Changed(place, seed)
    made = ast.fix_missing_locations(changed.visit(copy.deepcopy(tree)))
    if ast.dump(made).replace("value=-0.0", "value=0.0") == ast.dump(tree):
        return None
    return Mutant(place, changed.says, made)


class _Changed(ast.NodeTransformer):
    def __init__(self, place: Place, seed: float) -> None:
        self.place, self.seed, self.says = place, seed, ""

    def visit(self, node: ast.AST) -> ast.AST:
        if getattr(node, "number", None) != self.place.number:
            return self.generic_visit(node)
        made = OPERATORS[self.place.operator](copy.deepcopy(node), random.Random(self.seed), ())
        assert made is not None
        if isinstance(made, ast.Pass):
            self.says = f"left out: {_short(node)}"
        elif self.place.operator == "condition" and isinstance(node, ast.If | ast.IfExp | ast.While):
            self.says = f"not: {_short(node.test)}"
        else:
            self.says = f"{_short(node)} -> {_short(made)}"
        return ast.copy_location(made, node)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else text[:69] + "…"


def places(tree: ast.Module) -> Iterator[Place]:
    """Every place in functions and in what the module assigns; not in annotations, decorators, classes' own fields,
    messages and errors: whoever changes those breaks no computation."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _in_function(node)
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _in_function(member)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = tuple(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
            yield from _below(node.value, None, names)


def _in_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Place]:
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if default is not None:
            yield from _below(default, None, ())
    for statement in function.body:
        yield from _below(statement, statement.lineno, ())


def _below(node: ast.AST, statement: int | None, names: tuple[str, ...]) -> Iterator[Place]:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.stmt):
        statement = node.lineno
    for operator, change in OPERATORS.items():
        if change(copy.deepcopy(node), random.Random(0), ()) is not None:
            yield Place(operator, node.number, node.lineno, statement, names)  # type: ignore[attr-defined]
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list", "ctx"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _below(child, statement, names)


def noting(source: str, noted: str) -> ast.Module:
    """The tree with every statement of a function noting its line in the set called `noted` before it is done."""

    class Notes(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            super().generic_visit(node)
            for field in ("body", "orelse", "finalbody"):
                statements = getattr(node, field, None)
                if isinstance(statements, list) and not isinstance(node, ast.Module | ast.ClassDef):
                    setattr(node, field, [each for one in statements for each in _with_note(one, noted)])
            return node

    return ast.fix_missing_locations(Notes().visit(ast.parse(source)))


def _with_note(statement: ast.stmt, noted: str) -> list[ast.stmt]:
    note = ast.parse(f"{noted}.add({statement.lineno})").body[0]
    for node in ast.walk(note):
        if isinstance(node, ast.expr | ast.stmt):
            ast.copy_location(node, statement)
    return [note, statement]
