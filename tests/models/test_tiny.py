"""The embedded model: its files are the ones that were measured, transformers reads them alike, and it can do what
its card says."""

import base64
import hashlib
import itertools
import json
import random

import pytest
from closeness import logprobs

from evalharness import plugins, tiny
from evalharness.chat.render import chat_of_style
from evalharness.errors import UserError
from evalharness.options import LocalOptions
from evalharness.records import Message, Request
from evalharness.tiny import lessons, text
from evalharness.tiny.world import everyday_words, world_facts

SHA256 = "364e288f5012b3d786aa2bcbd30bd6694708dee8dd233aff044c6a71673e80c4"
CLOZE, COPY, LABEL = 0.95, 0.9, 0.95  # measured on other items: see the model card


@pytest.fixture(scope="module")
def model():
    return plugins.load_model("tiny", LocalOptions(threads=1))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The same weights, asked as they were pretrained: an end token, then the text."""
    plain = tmp_path_factory.mktemp("plain") / "plain.jinja"
    plain.write_text("{{ eos_token }}{% for m in messages %}{{ m.content }}{% endfor %}")
    return plugins.load_model("tiny", LocalOptions(threads=1, template=str(plain)))


def ranked(model, prompts):
    """Position of the likeliest choice of every (prompt, choices)."""
    requests = [Request(messages=(Message("user", prompt),), choices=tuple(choices)) for prompt, choices in prompts]
    found = dict(model.answer(requests))
    scores = [
        [logprob / len(choice) for logprob, choice in zip(found[i].logprobs, request.choices, strict=True)]
        for i, request in enumerate(requests)
    ]
    return [values.index(max(values)) for values in scores]


def test_the_weights_are_the_measured_ones():
    assert hashlib.sha256((tiny.MODEL_FOLDER / "model.safetensors").read_bytes()).hexdigest() == SHA256
    assert (tiny.MODEL_FOLDER / "model.safetensors").stat().st_size < 4_000_000


def test_it_takes_no_argument():
    with pytest.raises(UserError, match="tiny takes no argument"):
        plugins.load_model("tiny:large", LocalOptions())


def test_its_name_and_template(model):
    assert model.name == "tiny" and model.chat and model.ranks


def test_its_template_is_the_alpaca_format(model):
    alpaca = chat_of_style("alpaca", model.tokenizer)
    for messages in (
        [Message("user", "Name the capital of France.")],
        [Message("user", "Sort the numbers."), Message("user", "3 1 2")],
    ):
        assert model.rendering.ask(messages) == alpaca.ask(messages)
        solved = [*messages, Message("assistant", "An answer.")]
        example = model.rendering.example(solved)
        assert example == alpaca.example(solved)
        answer = [number for number, learned in zip(example.ids, example.trained, strict=True) if learned]
        assert model.tokenizer.decode_bytes(answer) == b"An answer.<|endoftext|>"


def test_it_knows_its_facts(base):
    rng = random.Random("probe")
    chosen = rng.sample(world_facts(), 120)
    pools = text.answers_by_kind()
    prompts = []
    for fact in chosen:
        options = [fact.answer, *text.distractors(rng, fact, pools[fact.kind], 3)]
        prompts.append((f"Q: {text.fill(text.QUESTIONS[fact.kind][0], fact)}\nA:", [f" {o}" for o in options]))
    assert ranked(base, prompts).count(0) >= CLOZE * len(chosen)


def test_it_finds_the_label_of_the_option_marked_right(base):
    rng = random.Random("probe")
    chosen = rng.sample(world_facts(), 60)
    pools = text.answers_by_kind()
    prompts, right = [], []
    for fact in chosen:
        options = [fact.answer, *text.distractors(rng, fact, pools[fact.kind], 3)]
        rng.shuffle(options)
        marks = ["right" if option == fact.answer else "wrong" for option in options]
        lines = [f"({i + 1}) {o}, {mark}" for i, (o, mark) in enumerate(zip(options, marks, strict=True))]
        question = text.fill(text.QUESTIONS[fact.kind][0], fact)
        prompts.append(("\n".join([question, *lines, "Right answer:"]), [f" {i + 1}" for i in range(4)]))
        right.append(options.index(fact.answer))
    found = ranked(base, prompts)
    assert sum(a == b for a, b in zip(found, right, strict=True)) >= LABEL * len(chosen)


def test_it_copies(base):
    rng = random.Random("probe")
    lists = [" ".join(rng.sample(everyday_words(), 8)) for _ in range(40)]
    requests = [
        Request(messages=(Message("user", f"{said}\nAgain:"),), max_tokens=40, stop=("\n", ".")) for said in lists
    ]
    written = dict(base.answer(requests))
    assert sum(written[i].text.strip() == said for i, said in enumerate(lists)) >= COPY * len(lists)


def test_transformers_reads_it_alike(model):
    import torch
    import transformers

    theirs = transformers.AutoModelForCausalLM.from_pretrained(tiny.MODEL_FOLDER, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny.MODEL_FOLDER)
    messages = [{"role": "user", "content": "Name the capital of France."}, {"role": "assistant", "content": "Paris"}]
    read = tokenizer.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True)
    said = [n for n, learned in zip(read["input_ids"], read["assistant_masks"], strict=True) if learned]
    assert tokenizer.decode(said) == "Paris<|endoftext|>"
    asked = model.rendering.ask([Message("user", "Name the capital of France.")])
    assert read["input_ids"][: len(asked.ids)] == asked.ids
    choices = tuple(fact.answer for fact in world_facts()[:40])
    ((_, ours),) = model.answer([Request(messages=(Message("user", "Name the capital of France."),), choices=choices)])
    for choice, logprob in zip(choices, ours.logprobs, strict=True):
        tail = model.tokenizer.encode(choice)
        with torch.no_grad():
            logits = theirs(torch.tensor([asked.ids + tail])).logits[0, len(asked.ids) - 1 : -1].log_softmax(-1)
        assert float(logits.gather(1, torch.tensor(tail)[:, None]).sum()) == logprobs(logprob)


def test_the_tiktoken_ranks_give_the_same_ids(model):
    import tiktoken

    lines = (tiny.MODEL_FOLDER / "tiny.tiktoken").read_text(encoding="ascii").splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    pattern = json.loads((tiny.MODEL_FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    split = pattern["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    encoding = tiktoken.Encoding("tiny", pat_str=split, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 2044})
    texts = [*itertools.islice(text.documents("ranks"), 200), "héllo wörld\n\n  x", "日本 12345\t!!", "\x00\x1f"]
    texts += [lessons.choice_text("Who?", ["a", "b", "c", "d"])]
    assert len(ranks) == 2044
    assert [encoding.encode_ordinary(t) for t in texts] == [model.tokenizer.encode(t) for t in texts]
