"""Instruction data: read in every shape, split without leaks, batched as the book does it, and looked at first."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness import benchmark as benchmarks
from evalharness import plugins
from evalharness.chat import render
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.records import Message
from evalharness.training import datasets as rows
from evalharness.training import encoding, material, overlap, preflight, shapes, split
from evalharness.training.encoding import Batching, EncodedExample, Rules

_spec = importlib.util.spec_from_file_location("training_support", Path(__file__).parent / "support.py")
assert _spec is not None
support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(support)  # type: ignore[union-attr]
BOOK = Path(__file__).parents[2] / "../shared/data/rasbt/ch07/01_main-chapter-code/instruction-data.json"
needs_book = pytest.mark.skipif(not BOOK.is_file(), reason="../shared/data/rasbt is not here")


def write(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


SHAPES = {
    "alpaca": {"instruction": "Add.", "input": "1 2", "output": "3"},
    "prompt": {"prompt": "Add 1 2", "completion": "3"},
    "messages": {"messages": [{"role": "user", "content": "Add"}, {"role": "assistant", "content": "3"}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Add"}, {"from": "gpt", "value": "3"}]},
    "preference": {"prompt": "Add", "chosen": "3", "rejected": "4"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_found_by_themselves(shape: str, tmp_path: Path) -> None:
    data = rows.read_training_data(write(tmp_path / "x.json", [SHAPES[shape]] * 2))
    assert data.shape == shape
    assert data.rows[0].messages[-1] == Message("assistant", "3")
    assert data.rows[1].rejected == ("4" if shape == "preference" else None)


def test_jsonl_csv_parquet_and_folders(tmp_path: Path) -> None:
    import datasets

    write(tmp_path / "a.jsonl", "\n".join(json.dumps(SHAPES["alpaca"]) for _ in range(2)))
    write(tmp_path / "b.csv", "instruction,input,output\nAdd.,1 2,3\nSub.,2 1,1\n")
    datasets.Dataset.from_list([SHAPES["alpaca"]] * 3).to_parquet(str(tmp_path / "c.parquet"))
    assert len(rows.read_training_data(str(tmp_path)).rows) == 7


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "at least 2 rows"),
        ([SHAPES["alpaca"]], "at least 2 rows .* there are 1"),
        ([SHAPES["alpaca"], {"instruction": "Add."}, {"instruction": "", "output": "3"}], r"2 of 3 rows .* row 2, 3"),
        ([SHAPES["messages"], {"messages": [{"role": "user", "content": "a"}]}], "row 2 .no user turn"),
        ([{"a": 1}, {"a": 2}], "the fields a are no shape known"),
        (["text", "text"], "wanted rows with fields"),
        ("{not json", "JSON"),
        ({"a": 1}, "wanted a list of rows"),
    ],
)
def test_broken_data_is_named(content: object, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        rows.read_training_data(write(tmp_path / "x.json", content))


def test_no_data_at_all(tmp_path: Path) -> None:
    for name in ("missing.json", str(tmp_path), str(tmp_path / "x.bin")):
        (tmp_path / "x.bin").touch()
        with pytest.raises(DataError):
            rows.read_training_data(name)


@needs_book
def test_the_book_s_split_and_its_duplicates() -> None:
    data = rows.read_training_data(str(BOOK))
    book = split.by_file_order(data.rows)
    assert (len(book.train), len(book.test), len(book.validation)) == (935, 110, 55)
    assert book.crossing() == {"test": 2, "validation": 4}
    ours = split.by_groups(data.rows, seed=123)
    assert (len(ours.train), len(ours.test), len(ours.validation)) == (935, 110, 55)
    assert ours.crossing() == {"test": 0, "validation": 0}
    assert split.by_groups(data.rows, seed=123) == ours != split.by_groups(data.rows, seed=7)
    assert len({row.messages[0].content for row in data.rows}) == 954
    assert len({row.prompt for row in data.rows}) == 1075


def test_near_duplicates_share_a_group() -> None:
    long = "Rewrite the following sentence in the passive voice so that the object comes first of all"
    found = split.duplicate_groups([long, "Name a fruit.", long + ".", long.upper(), "Name a town.", "1 + 2", "1 - 2"])
    assert found[0] == found[2] == found[3]
    assert len(set(found)) == 5


def test_a_split_that_the_rows_name_is_kept(tmp_path: Path) -> None:
    named = [{**SHAPES["alpaca"], "split": part} for part in ("train", "val", "test", "train")]
    given_ = split.as_given(rows.read_training_data(write(tmp_path / "x.json", named)).rows)
    assert (len(given_.train), len(given_.validation), len(given_.test)) == (2, 1, 1)


def whole(ids: Sequence[int]) -> EncodedExample:
    return EncodedExample(row=1, ids=tuple(ids), trained=(True,) * len(ids))


def test_collate_is_the_book_s() -> None:
    end = 50256
    made = encoding.collate([whole([*ids, end]) for ids in ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])], pad=end)
    assert made.inputs.tolist() == [[0, 1, 2, 3, 4], [5, 6, end, end, end], [7, 8, 9, end, end]]
    assert made.targets.tolist() == [[1, 2, 3, 4, end], [6, end, -100, -100, -100], [8, 9, end, -100, -100]]


def test_a_row_that_contains_the_pad_id_keeps_its_labels() -> None:
    made = encoding.collate([whole([5, 0, 0, 6, 0]), whole([1, 2])], pad=0)
    assert made.targets.tolist() == [[0, 0, 6, 0], [2, -100, -100, -100]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=9), min_size=1, max_size=7))
def test_packing_keeps_every_row_and_says_a_common_beginning_once(rows: list[list[int]]) -> None:
    made = encoding.pack_examples(
        [replace(whole(row), trained=tuple(i % 3 != 1 for i in range(len(row)))) for row in rows]
    )
    assert made.lengths == [len(row) - 1 for row in rows]
    assert made.ids[made.spread].tolist() == [number for row in rows for number in row[:-1]]
    assert made.positions[made.spread].tolist() == [i for length in made.lengths for i in range(length)]
    assert len(made.ids) == len({tuple(row[:end]) for row in rows for end in range(1, len(row))})
    assert made.labels[made.same].tolist() == [n for row in rows for i, n in enumerate(row) if i and i % 3 != 1]
    assert made.owners.tolist() == [r for r, row in enumerate(rows) for i in range(1, len(row)) if i % 3 != 1]
    pairs = list(zip(made.places.tolist(), made.labels.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 9), st.booleans(), st.integers(0, 3))
def test_every_row_is_met_once_an_epoch(lengths: list[int], size: int, buckets: bool, epoch: int) -> None:
    for order in (Batching(seed=1, rows=size, buckets=buckets), Batching(seed=1, tokens=60, buckets=buckets)):
        batches = order.batches(lengths, epoch)
        assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
        assert batches == order.batches(lengths, epoch)


def test_loaders_for_three_parts() -> None:
    part = encoding.Encodings(examples=support.examples(9))
    made = encoding.loaders(part, part, part, Batching(seed=0, rows=4, drop_last=True))
    assert {name: [len(batch) for batch in loader] for name, loader in made.items()} == {
        "train": [4, 4], "validation": [4, 4, 1], "test": [4, 4, 1],
    }  # fmt: skip


class Bytes:
    """Bytes with an end of text."""

    size, bos, eos, adds_bos, specials, files = 259, 257, 258, True, {"<s>": 257, "</s>": 258}, ()

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(bytes([i]) if i < 256 else {257: b"<s>", 258: b"</s>"}[i] for i in ids)


def row(number: int, asked: str, answer: str) -> shapes.TrainingRow:
    return shapes.TrainingRow(number=number, messages=(Message("user", asked), Message("assistant", answer)))


def test_prompts_are_cut_from_the_left_and_answers_never() -> None:
    t = render.chat_of_style("none", Bytes())
    found = encoding.encode([row(1, "x" * 50, "yes")], t, Rules(limit=20))
    example = found.examples[0]
    assert (len(example.ids), example.ids[0], example.ids[-1], example.cut) == (20, 257, 258, 35)
    assert t.tokenizer.decode_bytes(example.ids[-4:]) == b"yes</s>"
    assert found.cut == 1
    long = [row(1, "a", "b"), row(7, "a", "b" * 50)]
    with pytest.raises(DataError, match=r"1 rows do not fit into 20 tokens .*rows 7"):
        encoding.encode(long, t, Rules(limit=20))
    assert encoding.encode(long, t, Rules(limit=20, drop_long=True)).dropped == (7,)


def test_a_conversation_of_very_many_turns_is_dropped_by_a_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """To write it up to each of its turns would take the square of their number: half a minute for 400 exchanges."""
    t = render.chat_of_style("alpaca", Bytes())
    talk = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d" * 60))
    rendered: list[int] = []
    plain = render.Chat._render
    monkeypatch.setattr(
        render.Chat, "_render", lambda self, messages, *a, **b: rendered.append(1) or plain(self, messages, *a, **b)
    )
    rows = [replace(row(number, "a", "b"), messages=talk * times) for number, times in ((1, 2), (2, 100), (3, 20))]
    found = encoding.encode(rows, t, Rules(limit=900, drop_long=True))
    assert (found.dropped, [example.row for example in found.examples]) == ((2, 3), [1])
    assert len(rendered) < 80
    whole = t.examples(rows[2].messages)
    assert len(whole[0].ids) > 900 and encoding.encode(rows[2:], t, Rules(limit=len(whole[0].ids))).examples


def test_turns_that_are_learned_one_by_one_are_kept_in_a_conversation_of_many() -> None:
    """Where a template takes earlier thoughts out, each turn is an example that fits by itself."""
    source = (
        "{% for m in messages %}{{ m.role }}: {{ m.content if loop.last else m.content.split('</think>')[-1] }}</s>"
        "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    t = render.Chat(tokenizer=Bytes(), name="thoughts", source=source)
    for thinking in (0, 10, 19):
        said = [f"{'<think>hm</think>' * (turn == thinking)}{'so' * 20}" for turn in range(20)]
        talk = tuple(m for text in said for m in (Message("user", "go on"), Message("assistant", text)))
        rows = [replace(row(1, "a", "b"), messages=talk), row(2, "a", "b")]
        found = encoding.encode(rows, t, Rules(limit=400, drop_long=True))
        # Thoughts of the last turn are the last words: nothing was taken out, so it is one example, which is too long.
        assert len(found.examples) == (21 if thinking < 19 else 1)


def test_without_a_mask_everything_is_learned() -> None:
    example = encoding.encode(
        [row(1, "ab", "c")], render.chat_of_style("none", Bytes()), Rules(limit=20, mask_prompt=False)
    ).examples[0]
    assert example.labels == (97, 98, 99, 258)


def test_nothing_to_learn_is_an_error() -> None:
    endless = render.Chat(tokenizer=Bytes(), name="x", source="{% for m in messages %}{{ m.content }}{% endfor %}")
    only = Rules(limit=20, end_masked=True)
    with pytest.raises(DataError, match=r"no end token is learned after the answers of 1 of 1 rows .rows 3"):
        preflight.check_ends(encoding.encode([row(3, "a", "b")], endless, only).examples, endless)
    source = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    user_only = render.Chat(tokenizer=Bytes(), name="x", source=source)
    with pytest.raises(UserError, match="does not write the assistant"):
        encoding.encode([row(3, "a", "b")], user_only, only)


def test_rows_that_train_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every label masked: the mean over no tokens would be no number."""
    t = render.chat_of_style("alpaca", Bytes())
    silent = t.example(row(4, "a", "b").messages)
    silent = replace(silent, trained=[False] * len(silent.ids))
    monkeypatch.setattr(render.Chat, "examples", lambda self, messages, given: [silent])
    with pytest.raises(DataError, match=r"no token would be learned of 1 rows .4."):
        encoding.encode([row(4, "a", "b")], t, Rules(limit=400))


def test_a_masked_end_token_is_refused() -> None:
    t = render.chat_of_style("alpaca", Bytes())
    good = encoding.encode([row(1, "a", "b")], t, Rules(limit=400)).examples
    preflight.check_ends(good, t)
    preflight.check_bos(good, t)
    bad = encoding.encode([row(1, "a", "b")], t, Rules(limit=400, end_masked=True)).examples
    with pytest.raises(DataError, match="never learn to stop"):
        preflight.check_ends(bad, t)
    with pytest.raises(DataError, match="two BOS"):
        preflight.check_bos([whole([257, 257, 3])], t)


def test_a_planted_question_is_found() -> None:
    asked = overlap.questions({})
    name, (identity, text) = next(
        (name, q) for name, found in asked.by_name.items() for q in found if len(overlap.content_words(q[1])) > 20
    )
    planted = [row(1, "Name a fruit.", "Apple"), row(2, f"Please answer: {text}", "It is so.")]
    found = overlap.find_overlap(planted, asked)
    assert (found[0].row, found[0].grave) == (2, True)
    assert any((f.benchmark, f.id) == (name, identity) for f in found)
    assert all(f.row == 2 for f in found)


def test_a_short_question_counts_where_the_benchmark_is_named() -> None:
    known = {"x": [("1", "What is the capital of Canada?")]}
    said = [row(1, "What is the capital of Canada?", "Ottawa")]
    for named in (frozenset[str](), frozenset({"x"})):
        found = overlap.find_overlap(said, overlap.BenchmarkQuestions(by_name=known, unread={}, named=named))
        assert [f.grave for f in found] == [bool(named)]


BENCHMARKS = sorted(set(plugins.modules("benchmarks")) - {"lm_eval"})  # its questions are in another package's files


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize("style", ["none", "alpaca", "chatml"])
def test_what_is_trained_begins_with_exactly_what_is_asked(name: str, style: str) -> None:
    t = render.chat_of_style(style, Bytes())
    is_chat = t.source is not None
    seen = 0
    for task in overlap.overlap_tasks(name, None)[:3]:
        found = plugins.load_benchmark(task)
        if "write" not in found.modes:
            seen += 1
            continue
        loaded = sources.load_rows(found.source, Want(split=found.source.split), "sample")
        for sample in sources.build_samples(loaded.rows, found.sample)[:5]:
            question = benchmarks.request(found, sample, (), mode="write", chat=is_chat).messages
            asked = t.ask(question)
            example = t.example(benchmarks.training_messages(found, sample, chat=is_chat))
            assert example.ids[: len(asked.ids)] == asked.ids
            shown = any(message.role == "assistant" for message in question)  # an example's answer is learned too
            assert shown or not any(example.trained[: len(asked.ids)])
            assert all(example.trained[len(asked.ids) :])
            seen += 1
    assert seen


def test_a_vocabulary_that_does_not_fit() -> None:
    part = encoding.Encodings(examples=(whole([1, 400]),))
    with pytest.raises(UserError, match="ids up to 400, the model has 300"):
        preflight.check_vocabulary({"train": part}, 300)


def test_both_answers_of_a_pair_stand_behind_the_same_prompt() -> None:
    """Each cut by itself, the longer answer would have been asked for with less of the prompt."""
    t = render.chat_of_style("none", Bytes())
    rows = [
        replace(row(1, "abcdefghijkl", "yes"), rejected="no, never"),
        replace(row(2, "abcdefghijkl", "yes, always"), rejected="no"),
        replace(row(3, "ab", "y"), rejected="n"),
    ]
    parted = split.Split(train=tuple(rows), validation=(), test=())
    rules = Rules(limit=16)
    parts = {name: encoding.encode(part, t, rules) for name, part in (("train", rows), ("validation", []))}
    found = material.material_of("dpo", parted, parts, t, rules)
    said = [
        t.tokenizer.decode_bytes(e.ids).decode() for pair in zip(found.train, found.worse, strict=True) for e in pair
    ]
    assert said == [
        "<s>hijklyes</s>", "<s>hijklno, never</s>", "<s>jklyes, always</s>", "<s>jklno</s>", "<s>aby</s>", "<s>abn</s>",
    ]  # fmt: skip
    learned = [t.tokenizer.decode_bytes([i for i, on in zip(e.ids, e.trained, strict=True) if on]) for e in found.train]
    assert learned == [b"yes</s>", b"yes, always</s>", b"y</s>"]
