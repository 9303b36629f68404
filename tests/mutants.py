"""Programs that are nearly right: mutants of reference solutions, one change each, drawn by a seed.

The operators: a comparison, an arithmetic or a boolean operator is replaced by another, a constant is moved by one or
negated, a condition is turned round, a name is replaced by another of the same function, a statement is left out, a
returned value is wrapped in another type.
"""

import ast
import copy
import random

COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)
WRAPPERS = ("list", "tuple", "str", "float", "iter", "bool", "set")


def _comparison(node, draw, names):
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        node.ops[0] = draw.choice([op for op in COMPARISONS if op is not type(node.ops[0])])()
        return node
    return None


def _arithmetic(node, draw, names):
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        node.op = draw.choice([op for op in ARITHMETIC if op is not type(node.op)])()
        return node
    return None


def _boolean(node, draw, names):
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node
    return None


def _constant(node, draw, names):
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value = draw.choice([node.value + 1, node.value - 1, -node.value])
        return node
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        node.value = not node.value
        return node
    return None


def _condition(node, draw, names):
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return node
    return None


def _name(node, draw, names):
    others = [name for name in names if isinstance(node, ast.Name) and name != node.id]
    if others and isinstance(node.ctx, ast.Load) and node.id in names:
        node.id = draw.choice(others)
        return node
    return None


def _left_out(node, draw, names):
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
        return ast.Pass()
    return None


def _wrapped(node, draw, names):
    if isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.Call(ast.Name(draw.choice(WRAPPERS), ast.Load()), [node.value], [])
        return node
    return None


OPERATORS = {
    "comparison": _comparison, "arithmetic": _arithmetic, "boolean": _boolean, "constant": _constant,
    "condition": _condition, "name": _name, "left out": _left_out, "wrapped": _wrapped,
}  # fmt: skip


class _Change(ast.NodeTransformer):
    """Applies one operator to the n-th node that it fits."""

    def __init__(self, operator, position, seed, names):
        self.operator, self.left, self.seed, self.names = operator, position, seed, names
        self.done = False

    def generic_visit(self, node):
        if not self.done:
            changed = OPERATORS[self.operator](copy.deepcopy(node), random.Random(self.seed), self.names)
            if changed is not None:
                if self.left == 0:
                    self.done = True
                    return ast.copy_location(changed, node)
                self.left -= 1
        return super().generic_visit(node)


def mutants(source, entry, count, seed):
    """Up to `count` different (operator, program) of a reference program; only its entry point is changed."""
    draw = random.Random(f"{seed}/{entry}")
    tree = ast.parse(source)
    body = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry)
    names = sorted({n.id for n in ast.walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
                   | {a.arg for a in body.args.args})  # fmt: skip
    found = {}
    for _ in range(20 * count):
        operator = draw.choice(list(OPERATORS))
        change = _Change(operator, draw.randrange(8), draw.random(), names)
        fresh = copy.deepcopy(tree)
        target = next(node for node in fresh.body if isinstance(node, ast.FunctionDef) and node.name == entry)
        target.body = [change.visit(statement) for statement in target.body]
        if change.done:
            found.setdefault(ast.unparse(ast.fix_missing_locations(fresh)), operator)
        if len(found) == count:
            break
    return [(operator, text) for text, operator in found.items()]
