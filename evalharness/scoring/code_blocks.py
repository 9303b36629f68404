"""Where the program is in an answer: in fenced blocks, between tags, or bare after a sentence."""

from __future__ import annotations

import ast
import builtins
import html
import re
import textwrap
from collections.abc import Sequence

from evalharness.scoring.fences import Fenced, fenced, one_liners
from evalharness.text.deferred import deferred
from evalharness.text.syntax import parsed_module

_LONGEST = 50_000  # characters of code that are parsed; a longer program is taken as it is
_LONGEST_LINE = 2_000
MOST_BLOCKS = 50
_PYTHON = deferred(
    r"(?:i?python[\d.]*|python-repl|py[\d.]*|pycon|ipynb|sage|jupyter(?:-python)?|tool_code|)", re.IGNORECASE
)
_MARKDOWN, _DIFFS = ("markdown", "md", "mdx"), ("diff", "patch")
_TAGGED = deferred(
    r"<pre\b(?P<pre>[^<>]{0,200})>\s{0,20}<code\b(?P<code>[^<>]{0,200})>"
    r"|<(?:pre|code)\s(?P<alone>[^<>]{1,200})>"
    r"|\[(?P<square>PYTHON|CODE)\]|<(?P<angle>code|python|pre)>",
    re.IGNORECASE,
)
_HTML_END = deferred(r"</(?:code|pre)\s{0,9}>", re.IGNORECASE)
_NAMED = deferred(r"\{?\.?(?P<name>[\w.-]+)\}?[ \t]+(?=\S)")
# A byte order mark and its like, which editors and web pages leave before code.
_UNSEEN = deferred("[\ufeff\u200b-\u200d\u2060]")
_BLANKS_WITH_UNSEEN = deferred("^[ \t\u00a0\u3000\ufeff\u200b-\u200d\u2060]+", re.MULTILINE)
_STATEMENT = deferred(
    r"(?:async def|def|class) +\w+|import +[\w.]+(?: as \w+)?(?:,| *(?:#.*)?$)|from +[\w.]+ +import\b|@\w"
)
_GOES_ON = deferred(
    r"(?:async def|def|class|import|from|if|for|while|with|try|except|finally|else|elif|return|assert|print|raise"
    r"|del|global|pass)\b"
    r"|[@#\])}'\"]|\w[\w.\[\]'\", ]*\s*(?:[-+*/|&]?=|\()"
)  # fmt: skip
_PROMPT = deferred(r"^(?:>>> ?|\.\.\. ?)", re.MULTILINE)


def python_blocks(text: str) -> list[str] | None:
    """The Python code of a text's blocks, in order; None where it has no blocks at all, of whatever language.

    Tags count where there are no fences. Of more than MOST_BLOCKS the last ones count. A block of Markdown stands for
    those in it, a diff for the block that it changes, as changed.
    """
    blocks = fenced(text)
    if not blocks:
        return _tagged(text) or None
    inner = [one for block in blocks for one in (fenced(block.code) if block.language in _MARKDOWN else [block])]
    found: list[str] = []
    for block in [one for one in inner if one.language in _DIFFS or _PYTHON.fullmatch(one.language)][-MOST_BLOCKS:]:
        found.append(_changed(block.code, found) if block.language in _DIFFS else _code(block))
    return found


def _changed(diff: str, blocks: Sequence[str]) -> str:
    """The last of the blocks that a diff fits, as it changes it; where it fits none, what it adds and keeps."""
    hunks = [
        hunk for hunk in re.split(r"^@@.*\n|^(?:---|\+\+\+|diff|index) .*\n", diff, flags=re.MULTILINE) if hunk.strip()
    ]
    sides = [(_side(hunk, "-"), _side(hunk, "+")) for hunk in hunks]
    for block in reversed(blocks):
        if all(block.count(before) == 1 for before, _ in sides):
            for before, after in sides:
                block = block.replace(before, after)
            return block
    return "".join(after for _, after in sides)


def _side(hunk: str, sign: str) -> str:
    """The lines of one side of a diff: those with its sign and those with none."""
    lines = hunk.splitlines(keepends=True)
    return "".join(
        line[1:] if line[:1] in (sign, " ") else line for line in lines if line[:1] in (sign, " ", "\n", "\r")
    )


def is_stub(code: str, name: str) -> bool:
    """Whether code defines a function without a body, or with a docstring, `pass`, `...`, NotImplementedError alone."""
    bare = code.rstrip()
    for node in _parsed(f"{bare}\n    pass\n" if bare.endswith(":") else code).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return all(_does_nothing(statement) for statement in node.body)
    return False


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def outside_blocks(text: str) -> str:
    """A text without the code of its blocks: a line that is no code stands for each."""
    out, at = [], 0
    for block in fenced(text):
        out += [text[at : block.start], "```\n"]
        at = block.end
    return "".join([*out, text[at:]])


def _code(block: Fenced) -> str:
    code = block.code
    if _PROMPT.match(code):
        code = "\n".join(_PROMPT.sub("", line) for line in code.splitlines() if _PROMPT.match(line)) + "\n"
    return code if block.closed else code_before_prose(code)


def plain_lines(text: str) -> str:
    """A text whose lines end in a line feed alone and begin with nothing that cannot be seen."""
    plain = text.replace("\r\n", "\n")
    if not _UNSEEN.search(plain):
        return plain
    return _BLANKS_WITH_UNSEEN.sub(lambda blanks: _UNSEEN.sub("", blanks.group()), plain)


def one_line_code(text: str, entry: str, *, fences: bool = False) -> str | None:
    """The last code within one line that binds a name: of all between backticks, or only of what is fenced and alone
    on its line. Where there is none, the first such fence that is named for Python."""
    named: list[str] = []
    binding: list[str] = []
    for code, fence in one_liners(text):
        name = _NAMED.match(code)
        python = name is not None and _PYTHON.fullmatch(name["name"]) is not None
        bare = code[name.end() :] if name and python else code
        if python and fence:
            named.append(bare)
        if (fence or not fences) and entry in bare and len(bare) <= _LONGEST_LINE:
            binding.append(bare)
    chosen = next((code for code in reversed(binding[-MOST_BLOCKS:]) if binds(code, entry)), None)
    if chosen is None and named and not fences:
        chosen = named[0]
    return None if chosen is None else chosen + "\n"


def _tagged(text: str) -> list[str]:
    """The code between tags. HTML, which shows by a class or by `<pre><code>`, writes it with entities."""
    found: list[str] = []
    at = 0
    while len(found) < MOST_BLOCKS and (match := _TAGGED.search(text, at)):
        name, of_html = match["square"] or match["angle"], not (match["square"] or match["angle"])
        closes = re.compile(rf"\[/{name}\]" if match["square"] else rf"</{name}>", re.IGNORECASE)
        end = (_HTML_END if of_html else closes).search(text, match.end())
        code = text[match.end() : end.start() if end else len(text)].strip("\n") + "\n"
        if not of_html:
            found.append(code)
        elif _of_python(match):
            found.append(html.unescape(code))
        if end is None:
            break
        at = end.end()
    return found


def _of_python(tag: re.Match[str]) -> bool:
    """Whether a tag of HTML holds Python: its class says so, or it is `<pre><code>` that names no other language."""
    words = re.findall(r"[\w.-]+", f"{tag['pre'] or ''} {tag['code'] or ''} {tag['alone'] or ''}")
    languages = [word.split("-", 1)[1] for word in words if word.lower().startswith(("language-", "lang-"))]
    if languages or tag["alone"]:
        return any(_PYTHON.fullmatch(word) for word in languages or words)
    return True


def before_closing_fence(text: str) -> str | None:
    """The code before a fence that only closes: the answer went on with a block that its prompt had opened.

    None where the text begins with no code, or its first fence opens a block.
    """
    first = re.search(r"^[ \t]*(?:```+|~~~+)[ \t]*$", text, re.MULTILINE)
    if first is None:
        return None
    before = text[: first.start()]
    if "```" in before or "~~~" in before:
        return None
    opening = next((line for line in before.splitlines() if line.strip()), "")
    return before if opening[:1] in (" ", "\t") or _STATEMENT.match(opening) else None


def bare_code(text: str) -> str | None:
    """Code without a fence: from the first line that begins a definition or an import up to the prose behind it.

    None for a text that begins indented: it goes on with a function that its prompt began.
    """
    lines = text.splitlines(keepends=True)
    if next((line for line in lines if line.strip()), "")[:1].isspace():
        return None
    start = next((i for i, line in enumerate(lines) if _STATEMENT.match(line)), None)
    return None if start is None else code_before_prose("".join(lines[start:]))


def code_before_prose(code: str) -> str:
    """Code up to the first line at its left edge that can be none, once something is defined."""
    kept: list[str] = []
    defined, quotes = False, ""
    for line in code.splitlines(keepends=True):
        if not quotes and defined and line[:1].strip() and not _GOES_ON.match(line):
            break
        defined = defined or line.startswith(("def ", "class ", "async def ", "    ", "\t"))
        for mark in re.findall(r"'''|\"\"\"", line):
            quotes = mark if not quotes else "" if quotes == mark else quotes
        kept.append(line)
    return "".join(kept)


def outdented(code: str) -> str:
    """Code without a common indentation, a byte order mark, and blanks that are none in Python."""
    plain = code.replace("\ufeff", "")
    plain = re.sub(
        r"^[ \t\u00a0\u3000]+",
        lambda m: m.group().replace("\u00a0", " ").replace("\u3000", "  "),
        plain,
        flags=re.MULTILINE,
    )
    return textwrap.dedent(plain)


def with_helpers(chosen: str, others: list[str]) -> str:
    """A block with those of the other blocks in front that bind a name which it uses and does not bind."""
    if not others or sum(map(len, others)) > _LONGEST:
        return future_first(chosen)
    wanted = _free(chosen)
    taken: list[str] = []
    for other in reversed(others):
        bound = _bound(other)
        if (wanted & bound or (wanted and "*" in bound)) and other not in taken:
            needed = _definitions(other) if _runs_anything(other) else other
            taken.insert(0, needed)
            wanted = (wanted - bound) | _free(needed)
    return future_first("".join(block.rstrip("\n") + "\n" for block in taken) + chosen)


def binds(code: str, name: str) -> bool:
    """Whether code binds a name at its top level, by whatever statement."""
    return name in _bound(code)


def is_body(code: str) -> bool:
    """Whether code is the body of a function: it returns at its top level."""
    return any(isinstance(node, ast.Return) for node in _parsed(code).body)


def future_first(code: str) -> str:
    """A program with its `from __future__` imports at the top, where Python wants them."""
    lines = code.splitlines(keepends=True)
    first = [line for line in lines if line.startswith("from __future__ import ")]
    if not first:
        return code
    rest = [line for line in lines if not line.startswith("from __future__ import ")]
    return "".join(dict.fromkeys(line.rstrip("\r\n") + "\n" for line in first)) + "".join(rest)


def _parsed(code: str) -> ast.Module:
    """The syntax tree; empty where there is none or the code is too long."""
    found = parsed_module(code) if len(code) <= _LONGEST else None
    return found or ast.Module(body=[], type_ignores=[])


def _bound(code: str) -> set[str]:
    """The names that code binds at its top level."""
    names: set[str] = set()
    nodes: list[ast.stmt] = list(_parsed(code).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If | ast.Try | ast.With):
            nodes += [inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)]
            nodes += [inner for handler in getattr(node, "handlers", []) for inner in handler.body]
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names


def _free(code: str) -> set[str]:
    """The names that code uses and binds nowhere."""
    tree = _parsed(code)
    bound = _bound(code) | set(dir(builtins))
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return used - bound


def _runs_anything(code: str) -> bool:
    """Whether code does more than define: a call at its top level is an example of use."""
    return any(isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) for node in _parsed(code).body)


_DEFINITIONS = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign,
)  # fmt: skip


def _definitions(code: str) -> str:
    """The imports, functions, classes and assignments of code, without its examples of use."""
    return "".join(ast.unparse(node) + "\n" for node in _parsed(code).body if isinstance(node, _DEFINITIONS))
