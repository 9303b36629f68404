"""The haystacks of `needle`: sentences drawn from small lists, and one that says a number."""

from collections.abc import Iterator
from random import Random

from evalharness.data.rows import Row
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import binary_score, unparsed_score
from evalharness.scoring.numbers import read_number

LONGER = tuple(str(thousands * 1000) for thousands in (1, 2, 8, 16, 32, 64, 128, 256, 512, 1024))
DEPTHS, EACH = 11, 4  # a needle at 0 %, 10 %, ... 100 % of the text, so many at each
_WHO = (
    "the baker", "a clerk", "the gardener", "our neighbour", "the old pilot", "a young teacher", "the ferryman",
    "the night guard",
)  # fmt: skip
_DID = (
    "opened the window", "counted the boxes", "swept the yard", "read a letter", "mended a chair", "fed the goats",
    "lit the lamp",
)  # fmt: skip
_WHEN = (
    "before noon", "after the rain", "at the corner", "near the bridge", "without a word", "on market day",
    "by the river",
)  # fmt: skip
_PLACES = (
    "Bristol", "Cadiz", "Dakar", "Gdansk", "Kisumu", "Lucca", "Mwanza", "Oslo", "Porto", "Quito", "Riga", "Seville",
    "Tartu", "Zanzibar",
)  # fmt: skip


def haystacks(words: int) -> tuple[Row, ...]:
    """The rows of one length, the same in every run: eleven depths, several needles at each."""
    return tuple(_row(words, depth, turn) for depth in range(DEPTHS) for turn in range(EACH))


def _row(words: int, depth: int, turn: int) -> Row:
    chance = Random(f"needle {words} {depth} {turn}")
    place, number = chance.choice(_PLACES), str(chance.randrange(1_000_000, 10_000_000))
    hay = list(sentences_of(chance, words))
    hay.insert(round(len(hay) * depth / (DEPTHS - 1)), f"The special magic number for {place} is {number}.")
    return {
        "text": " ".join(hay),
        "place": place,
        "number": number,
        "depth": depth * 10,
        "id": f"{depth * 10:03}/{turn}",
    }


def sentences_of(chance: Random, words: int) -> Iterator[str]:
    """Sentences of at least so many words together."""
    made = 0
    while made < words:
        sentence = f"{chance.choice(_WHO)} {chance.choice(_DID)} {chance.choice(_WHEN)}."
        made += len(sentence.split())
        yield sentence[0].upper() + sentence[1:]


def sample(row: Row) -> Sample:
    """Grouped by depth, so that a run shows where in the text a number is lost."""
    asks = f"What is the special magic number for {row['place']}?"
    question = (
        f"Somewhere in the text below stands a special magic number. Remember it.\n\n{row['text']}\n\n{asks}\nAnswer:"
    )
    return Sample(
        id=row["id"], question=question, answers=(row["number"],), group=f"depth {row['depth']:3} %",
        extra={"depth": row["depth"]},
    )  # fmt: skip


def holds(sample: Sample, request: Request, response: Response) -> Score:
    """Right where the number that is read is the hidden one, or stands as a word of its own in the answer."""
    said = read_number(response.text).answer
    if said is None:
        return unparsed_score("accuracy")
    wanted = sample.answers[0]
    words = response.text.replace(",", "").replace(".", " ").split()
    return binary_score(wanted in (said, *words), said)
