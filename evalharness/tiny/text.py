"""The text that the embedded model was pretrained on: facts, quizzes, lists and transformations, from a seed.

It holds every fact as prose but neither the exam's layout (`A. ...`, `Answer:`) nor the Alpaca frame: those wordings
are what fine-tuning teaches. Two ingredients decide what the model can do: lists said twice (attention heads that
copy) and quizzes whose options are each marked right or wrong (heads that bind a label to a judged option).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from evalharness.tiny.world import Fact, a, everyday_words, world_facts

STATEMENTS: dict[str, tuple[str, ...]] = {
    "capital": ("The capital of {k} is {v}.", "{v} is the capital of {k}.", "{k} has the capital {v}.",
                "The capital city of {k} is {v}."),
    "country": ("{k} is the capital of {v}.", "{k} is the capital city of {v}.", "The capital of {v} is {k}."),
    "continent": ("{k} is in {v}.", "{k} is a country in {v}.", "The continent of {k} is {v}.", "{k} lies in {v}."),
    "opposite": ("The opposite of {k} is {v}.", "{k} is the opposite of {v}.", "An antonym of {k} is {v}.",
                 "{k} and {v} are opposites."),
    "past": ("The past tense of {k} is {v}.", "{v} is the past tense of {k}.", "Today they {k}, yesterday they {v}."),
    "plural": ("The plural of {k} is {v}.", "{v} is the plural of {k}.", "One {k}, two {v}."),
    "young": ("A young {k} is called {av}.", "The young of {ak} is {av}.", "{av} is a young {k}."),
    "symbol": ("The symbol of {k} is {v}.", "{v} is the symbol of {k}.", "The chemical symbol of {k} is {v}.",
               "{k} has the symbol {v}."),
    "kind": ("{ak} is {av}.", "The {k} is a kind of {v}.", "Every {k} is {av}."),
    "sum": ("{x} plus {y} is {v}.", "{x} + {y} = {v}.", "Add {x} and {y} and you get {v}."),
    "difference": ("{x} minus {y} is {v}.", "{x} - {y} = {v}.", "Take {y} from {x} and {v} is left."),
    "product": ("{x} times {y} is {v}.", "{x} x {y} = {v}.", "Multiply {x} by {y} and you get {v}."),
}  # fmt: skip
COLOURS = ("{k} is a colour.", "The colour {k} is a colour.", "One of the colours is {k}.")
QUESTIONS: dict[str, tuple[str, ...]] = {
    "capital": ("What is the capital of {k}?", "Which city is the capital of {k}?"),
    "country": ("Which country is {k} the capital of?", "{k} is the capital of which country?"),
    "continent": ("On which continent is {k}?", "Which continent is {k} in?"),
    "opposite": ("What is the opposite of {k}?", "Which word means the opposite of {k}?"),
    "past": ("What is the past tense of {k}?", "Which word is the past tense of {k}?"),
    "plural": ("What is the plural of {k}?", "Which word is the plural of {k}?"),
    "young": ("What is a young {k} called?", "What is the young of {ak} called?"),
    "symbol": ("What is the symbol of {k}?", "What is the chemical symbol of {k}?"),
    "kind": ("What kind of thing is {ak}?", "What is {ak}?"),
    "sum": ("What is {x} + {y}?", "What is {x} plus {y}?"),
    "difference": ("What is {x} - {y}?", "What is {x} minus {y}?"),
    "product": ("What is {x} x {y}?", "What is {x} times {y}?"),
}
# How an option is labelled, and its label alone. The exam's own layout, "A. ", is not among them.
LAYOUTS = (("({}) ", "1234"), ("{}) ", "abcd"), ("{}: ", "ABCD"), ("{}. ", "1234"), ("{}) ", "ABCD"))
KEYS = ("Right answer: {}", "Solution: {}", "The answer is {}", "Key: {}")
# Shares of the characters.
SHARES = {"prose": 20, "dialogue": 10, "quizzes": 18, "marked": 17, "judged": 10, "lists": 15, "changes": 10}


def fill(wording: str, fact: Fact, value: str | None = None) -> str:
    """The wording about the fact, its first letter raised; `value` stands in for the answer."""
    value = fact.answer if value is None else value
    x, _, y = [*fact.key.split(), "", "", ""][:3]
    text = wording.format(k=fact.key, v=value, ak=a(fact.key), av=a(value), x=x, y=y)
    return text[0].upper() + text[1:]


def answers_by_kind() -> dict[str, list[str]]:
    """Every answer of each kind, in order: where wrong options come from."""
    found: dict[str, set[str]] = {}
    for fact in world_facts():
        found.setdefault(fact.kind, set()).add(fact.answer)
    return {kind: sorted(said) for kind, said in found.items()}


def distractors(rng: random.Random, fact: Fact, pool: Sequence[str], count: int) -> list[str]:
    """Wrong answers of the same kind: for numbers near the result, never the answer, never a word of the question."""
    taken = {fact.answer, fact.key, *fact.key.split()} if not fact.answer.isdigit() else {fact.answer}
    if fact.answer.isdigit():
        near = range(max(0, int(fact.answer) - 6), int(fact.answer) + 7)
        pool = [str(n) for n in near]
    return rng.sample(sorted(set(pool) - taken), count)


_Change = Callable[[random.Random, list[str]], "tuple[str, str]"]


def _without(rng: random.Random, items: list[str]) -> tuple[str, str]:
    out = rng.choice(items)
    return f"{' '.join(items)} without {out}", " ".join(w for w in items if w != out)


CHANGES: dict[str, _Change] = {
    "reverse": lambda _, w: (" ".join(w), " ".join(reversed(w))),
    "copy": lambda _, w: (" ".join(w), " ".join(w)),
    "first": lambda _, w: (" ".join(w), w[0]),
    "last": lambda _, w: (" ".join(w), w[-1]),
    "count": lambda _, w: (" ".join(w), str(len(w))),
    "longest": lambda _, w: (" ".join(w), max(w, key=len)),
    "sort": lambda _, w: (" ".join(w), " ".join(sorted(w, key=int))),
    "without": _without,
}
SAYINGS: dict[str, tuple[str, ...]] = {
    "reverse": ("{x} backwards is {y}.", "{x} reversed: {y}.", "From last to first, {x} reads {y}."),
    "copy": ("{x} said again is {y}.", "{x} repeated: {y}."),
    "first": ("The first word of {x} is {y}.", "{x} begins with {y}."),
    "last": ("The last word of {x} is {y}.", "{x} ends with {y}."),
    "count": ("{x} has {y} words.", "The number of words in {x} is {y}."),
    "longest": ("The longest word of {x} is {y}.", "In {x} the longest word is {y}."),
    "sort": ("{x} in order is {y}.", "{x} sorted: {y}."),
    "without": ("{x} is {y}.", "{x} leaves {y}."),
}


def change(rng: random.Random, kind: str, vocabulary: Sequence[str]) -> tuple[str, str]:
    """A transformation's input and output; `longest` has one longest word, `sort` has 3 or 4 numbers below 60."""
    if kind == "sort":
        return CHANGES[kind](rng, [str(n) for n in rng.sample(range(60), rng.choice((3, 4)))])
    while True:
        items = rng.sample(vocabulary, rng.choice((3, 4, 5)))
        lengths = sorted(map(len, items))
        if kind != "longest" or lengths[-1] > lengths[-2]:
            return CHANGES[kind](rng, items)


class DocumentWriter:
    """Writes documents of each sort from its own seeded generator."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self.words = everyday_words()
        self.kinds: dict[str, list[Fact]] = {}
        for fact in world_facts():
            self.kinds.setdefault(fact.kind, []).append(fact)
        self.pools = answers_by_kind()
        self.weights = [len(members) ** 0.75 for members in self.kinds.values()]

    def fact(self) -> Fact:
        (kind,) = self.rng.choices(list(self.kinds), self.weights)
        return self.rng.choice(self.kinds[kind])

    def statement(self, fact: Fact, value: str | None = None) -> str:
        wordings = COLOURS if fact.answer == "colour" and value is None else STATEMENTS[fact.kind]
        return fill(self.rng.choice(wordings), fact, value)

    def question(self, fact: Fact) -> str:
        return fill(self.rng.choice(QUESTIONS[fact.kind]), fact)

    def prose(self) -> str:
        return " ".join(self.statement(self.fact()) for _ in range(self.rng.randint(3, 6)))

    def dialogue(self) -> str:
        lines = []
        for _ in range(self.rng.randint(2, 4)):
            fact = self.fact()
            answer = fact.answer if self.rng.random() < 0.6 else self.statement(fact)
            lines.append(f"Q: {self.question(fact)}\nA: {answer}")
        return "\n".join(lines)

    def quizzes(self, marked: bool = False) -> str:
        layout, labels = self.rng.choice(LAYOUTS)
        key, count = self.rng.choice(KEYS), self.rng.choices((2, 3, 4), (1, 1, 3))[0]
        return "\n\n".join(self._quiz(layout, labels[:count], key, marked) for _ in range(self.rng.randint(1, 3)))

    def marked(self) -> str:
        return self.quizzes(marked=True)

    def _quiz(self, layout: str, labels: str, key: str, marked: bool) -> str:
        fact = self.fact()
        options = [fact.answer, *distractors(self.rng, fact, self.pools[fact.kind], len(labels) - 1)]
        self.rng.shuffle(options)
        lines = [self.question(fact)]
        for label, option in zip(labels, options, strict=True):
            mark = "" if not marked else ", right" if option == fact.answer else ", wrong"
            lines.append(layout.format(label) + option + mark)
        label = labels[options.index(fact.answer)]
        spoken = self.rng.random() < 1 / 3
        lines.append(f"{fact.answer}, so the answer is {label}" if spoken else key.format(label))
        return "\n".join(lines)

    def judged(self) -> str:
        return "\n".join(self._claim(self.fact()) for _ in range(self.rng.randint(2, 5)))

    def _claim(self, fact: Fact) -> str:
        if self.rng.random() < 0.5:
            return self.statement(fact) + " True."
        (wrong,) = distractors(self.rng, fact, self.pools[fact.kind], 1)
        return self.statement(fact, wrong) + " False."

    def lists(self) -> str:
        items = self.rng.sample(self.words, self.rng.randint(5, 14))
        items = [str(self.rng.randrange(100)) if self.rng.random() < 0.15 else item for item in items]
        said = self.rng.choice((" ", ", ", "\n")).join(items)
        return self.rng.choice(("\n", ". ", "\nAgain: ")).join([said] * self.rng.choice((2, 2, 3)))

    def changes(self) -> str:
        lines = []
        for _ in range(self.rng.randint(2, 4)):
            kind = self.rng.choice(list(CHANGES))
            x, y = change(self.rng, kind, self.words)
            lines.append(self.rng.choice(SAYINGS[kind]).format(x=x, y=y))
        return "\n".join(lines)


def documents(seed: str) -> Iterator[str]:
    """Documents without end, their characters shared out among the sorts as SHARES says."""
    writer = DocumentWriter(seed)
    written = dict.fromkeys(SHARES, 0)
    while True:
        sort = min(SHARES, key=lambda name: written[name] / SHARES[name])
        text: str = getattr(writer, sort)()
        written[sort] += len(text)
        yield text
