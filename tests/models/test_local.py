"""The local model against straightforward passes over whole texts: scores, answers, and what users get wrong."""

import random
from dataclasses import replace

import pytest
import torch
from closeness import logprobs

from evalharness.engine import checkpoint
from evalharness.engine.tokenizer import open_tokenizer
from evalharness.errors import UserError
from evalharness.events import Told, observed_by
from evalharness.models.local import open_model
from evalharness.options import LocalOptions
from evalharness.records import Message, Request
from evalharness.scoring.final_answer import final_answer

SHOTS = "The following are multiple choice questions (with answers) about birds.\n\n" + "".join(
    f"Which of these {n} birds cannot fly?\nA. Kiwi\nB. Owl\nAnswer: A\n\n" for n in ("small", "old")
)
LETTERS = (" A", " B", " C", " D")


def asked(text, **fields):
    return Request(messages=(Message("user", text),), **fields)


def opened(folder, **options):
    return open_model(str(folder), LocalOptions(threads=1, **options))


def answers(model, requests):
    found = dict(model.answer(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[i] for i in range(len(requests))]


def questions(n=12, seed=0):
    draw = random.Random(seed)
    words = ["kiwi", "swift", "crow", "owl", "nest", "roof", "insects", "sparrow", "young", "feeds"]
    return [SHOTS + " ".join(draw.choices(words, k=draw.randint(2, 20))) + "?\nAnswer:" for _ in range(n)]


def straight(folder, text, choice, context=None):
    """One pass over the whole text, scored as lm-evaluation-harness does."""
    decoder = checkpoint.load_decoder(folder)
    tokenizer = open_tokenizer(folder, 400)
    begin = [tokenizer.bos] if tokenizer.adds_bos else []
    stripped = text.rstrip()
    before = begin + tokenizer.encode(stripped)
    whole = begin + tokenizer.encode(text + choice)
    scored = whole[len(before) :]
    ids = (before + scored)[-((context or decoder.config.context) + 1) :]
    with torch.inference_mode():
        logprobs = decoder(torch.tensor([ids[:-1]]))[0].log_softmax(-1)[-len(scored) :]
    greedy = logprobs.argmax(-1).tolist() == scored
    return sum(float(row[i]) for row, i in zip(logprobs, scored, strict=True)), greedy, len(scored)


def check(folder, requests, responses, context=None):
    for request, response in zip(requests, responses, strict=True):
        for i, choice in enumerate(request.choices):
            given = request.context_per_choice[i] if request.context_per_choice else ""
            logprob, greedy, length = straight(folder, request.text + given, choice, context)
            assert response.logprobs[i] == logprobs(logprob)
            assert (response.greedy[i], response.lengths[i]) == (greedy, length)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "windowed"])
def test_letters_are_scored(kind, request):
    folder = request.getfixturevalue(kind)
    requests = [asked(text, choices=LETTERS) for text in questions()]
    responses = answers(opened(folder), requests)
    check(folder, requests, responses)
    assert max(r.logprobs[0] for r in responses) - min(r.logprobs[0] for r in responses) > 0.1


def test_that_transformers_computes_is_told(llama):
    pytest.importorskip("transformers")
    told = []
    with observed_by(told.append):
        model = opened(llama, backend="hf")
        opened(llama)
    assert [event.text for event in told if isinstance(event, Told)] == [
        f"{model.name} is computed by transformers (--backend hf)"
    ]


@pytest.mark.parametrize("kind", ["gpt2", "llama", "windowed"])
def test_texts_of_several_tokens_are_scored(kind, request):
    folder = request.getfixturevalue(kind)
    choices = (" feeds its young with insects", " feeds its owl", " A", " feeds its owl with a nest under the roof")
    requests = [asked(text, choices=choices) for text in questions(5)]
    check(folder, requests, answers(opened(folder), requests))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_mmlu_on_a_checkpoint_of_transformers_equals_transformers(kind, by_transformers):
    from evalharness.runs.plan import Plan, prepare_task

    theirs, folder = by_transformers(kind)
    model = opened(folder)
    task = prepare_task("mmlu", Plan(benchmarks=("mmlu",), data="sample", limit=12), model)
    responses = answers(model, [question.request for question in task.questions])
    tokenizer, context = open_tokenizer(folder, 400), theirs.config.max_position_embeddings
    assert (kind == "gpt2") == any(response.tokens_truncated for response in responses)
    for question, response in zip(task.questions, responses, strict=True):
        begin = [398] if kind == "llama" else []
        ids = (begin + tokenizer.encode(question.request.text))[-context:]
        with torch.no_grad():
            rows = theirs(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        own = [tokenizer.encode(question.request.text + c)[-1] for c in question.request.choices]
        assert response.logprobs == logprobs(rows[own].tolist())
        assert response.lengths == (1, 1, 1, 1)


def test_texts_given_before_each_choice_are_read_not_scored(llama):
    requests = [
        asked(text, choices=(" nest", " nest", " owl"), context_per_choice=(" The sparrow", " The swift under the", ""))
        for text in questions(4)
    ]
    check(llama, requests, answers(opened(llama), requests))


def test_scores_do_not_depend_on_batch_order_split_or_threads(gpt2):
    requests = [asked(text, choices=LETTERS) for text in questions(14, seed=5)]
    requests += [asked(text, choices=(" owl nest", " crow")) for text in questions(6, seed=6)]
    want = answers(opened(gpt2), requests)
    for seed, batch, threads in ((1, 1, 1), (2, 4, 2), (3, 64, 1)):
        model = open_model(str(gpt2), LocalOptions(threads=threads, batch=batch))
        order = list(range(len(requests)))
        random.Random(seed).shuffle(order)
        parts = [order[:3], order[3:11], order[11:]]
        for part in parts:
            for i, response in zip(part, answers(model, [requests[i] for i in part]), strict=True):
                assert response.logprobs == logprobs(want[i].logprobs)
                assert response.greedy == want[i].greedy
    torch.set_num_threads(1)


def test_long_prompts_are_read_in_pieces(llama):
    """64 tokens per pass (batch 1), so prompts and what they share take several."""
    shared = "The sparrow builds its nest under the roof and feeds its young with insects. " * 4
    texts = [shared + "Which? Answer:", shared + "crow owl roof " * 30 + "Answer:", "swift nest " * 70]
    requests = [asked(text, choices=(" A", " owl nest roof", " owl")) for text in texts]
    model = opened(llama, batch=1)
    check(llama, requests, answers(model, requests))
    check(llama, requests[1:2], answers(model, requests[1:2]))


def test_too_long_prompts_are_cut_from_the_left_and_counted(gpt2):
    long = [" ".join(["nest"] * 200) + text for text in questions(3)]
    requests = [asked(text, choices=(" A", " owl nest roof")) for text in long]
    responses = answers(opened(gpt2), requests)
    check(gpt2, requests, responses)
    assert all(r.tokens_truncated > 50 and r.tokens_in <= 128 for r in responses)
    shorter = answers(opened(gpt2, context=64), requests)
    check(gpt2, requests, shorter, context=64)
    assert shorter[0].tokens_truncated == responses[0].tokens_truncated + 64


def test_a_prompt_that_ends_in_a_space_gives_it_to_the_choice(gpt2):
    request = asked("Which bird? Answer: ", choices=("A", "B"))
    (response,) = answers(opened(gpt2), [request])
    check(gpt2, [request], [response])
    (plain,) = answers(opened(gpt2), [asked("Which bird? Answer:", choices=(" A", " B"))])
    assert response.logprobs == logprobs(plain.logprobs)


def test_joint_tokenisation_that_moves_the_border(gpt2):
    """'Ans' + 'wer: A' merges over the border: the choice is what the joint ids hold beyond the prompt's number."""
    tokenizer = open_tokenizer(gpt2, 400)
    text, choice = "roof An", "swer: A"
    assert tokenizer.encode(text) + tokenizer.encode(choice) != tokenizer.encode(text + choice)
    request = asked(text, choices=(choice,))
    check(gpt2, [request], answers(opened(gpt2), [request]))


def test_a_choice_without_tokens_of_its_own_is_an_error_of_that_request_only(gpt2):
    good = asked("Which bird?", choices=(" A", " B"))
    bad, fine = answers(opened(gpt2), [asked("Which bird?", choices=(" A", "")), good])
    assert "choice 2" in bad.error and "no tokens" in bad.error
    assert not fine.error and len(fine.logprobs) == 2


def test_a_choice_longer_than_the_context_is_an_error(gpt2):
    (response,) = answers(opened(gpt2), [asked("Which?", choices=(" A", " owl" * 300))])
    assert "the context has 128" in response.error


def test_an_empty_prompt_is_read_behind_the_first_token(gpt2):
    (response,) = answers(opened(gpt2), [asked("", choices=(" A", " B"))])
    decoder, tokenizer = checkpoint.load_decoder(gpt2), open_tokenizer(gpt2, 400)
    with torch.inference_mode():
        want = decoder(torch.tensor([[tokenizer.bos]]))[0, 0].log_softmax(-1)
    assert response.logprobs[0] == logprobs(sum(want[tokenizer.encode(" A")[:1]].tolist()))


def greedy(folder, text, tokens):
    decoder, tokenizer = checkpoint.load_decoder(folder), open_tokenizer(folder, 400)
    ids = ([tokenizer.bos] if tokenizer.adds_bos else []) + tokenizer.encode(text)
    start = len(ids)
    with torch.inference_mode():
        for _ in range(tokens):
            ids.append(int(decoder(torch.tensor([ids]))[0, -1].argmax()))
            if ids[-1] == 399:
                break
    return ids[start:], tokenizer


@pytest.mark.parametrize("kind", ["gpt2", "llama", "windowed"])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_generates_what_a_plain_loop_generates(kind, batch, request):
    folder = request.getfixturevalue(kind)
    texts = [t[-60 - 9 * i :] for i, t in enumerate(questions(6, seed=9))]
    requests = [asked(text, max_tokens=6 + 3 * i) for i, text in enumerate(texts)]
    for made, response in zip(requests, answers(opened(folder, batch=batch), requests), strict=True):
        ids, tokenizer = greedy(folder, made.text, made.max_tokens)
        assert response.text == tokenizer.decode_bytes([i for i in ids if i < 398]).decode(errors="replace")
        assert (response.tokens_out, response.finish) == (len(ids), "stop" if ids[-1] == 399 else "length")


def test_generates_the_same_behind_a_shared_prefix(llama):
    """Enough prompts on one long preamble that it is computed once, and the same texts alone."""
    preamble = "Which of these birds cannot fly? The sparrow builds its nest under the roof. " * 6
    requests = [asked(preamble + f"{n} owls?", max_tokens=8) for n in range(30)]
    together = answers(opened(llama), requests)
    model = opened(llama, batch=1)
    assert [r.text for r in together[:6]] == [answers(model, [request])[0].text for request in requests[:6]]


def test_sampling_depends_on_the_seed_and_not_on_the_batch(llama):
    requests = [asked(t, max_tokens=12, temperature=1.0, top_p=0.9, seed=4) for t in questions(7)]
    want = [r.text for r in answers(opened(llama), requests)]
    assert [r.text for r in answers(opened(llama, batch=2), requests[::-1])][::-1] == want
    other = [r.text for r in answers(opened(llama), [replace(r, seed=5) for r in requests])]
    assert other != want and len(set(want)) > 1
    again = answers(opened(llama), [replace(r, temperature=1e-4) for r in requests])
    assert [r.text for r in again] == [
        r.text for r in answers(opened(llama), [asked(t, max_tokens=12) for t in questions(7)])
    ]


def test_stop_strings_across_token_borders(gpt2):
    (free,) = answers(opened(gpt2), [asked("The sparrow", max_tokens=40)])
    pieces = [open_tokenizer(gpt2, 400).decode_bytes([i]) for i in greedy(gpt2, "The sparrow", 40)[0]]
    border = next(i for i in range(4, 30) if pieces[i].isascii() and pieces[i + 1].isascii() and len(pieces[i]) > 1)
    stop = (pieces[border][-1:] + pieces[border + 1][:1]).decode()
    (cut,) = answers(opened(gpt2), [asked("The sparrow", max_tokens=40, stop=("never written", stop))])
    assert cut.text == free.text[: free.text.index(stop)]
    assert cut.finish == "stop" and cut.tokens_out < free.tokens_out


def test_first_tokens_likeliest(llama):
    (response,) = answers(opened(llama), [asked("Which bird?", max_tokens=1, top_logprobs=5)])
    decoder, tokenizer = checkpoint.load_decoder(llama), open_tokenizer(llama, 400)
    with torch.inference_mode():
        ids = [tokenizer.bos, *tokenizer.encode("Which bird?")]
        want = decoder(torch.tensor([ids]))[0, -1].log_softmax(-1).topk(5)
    assert [p for _, p in response.top_logprobs] == logprobs(want.values.tolist())


def test_a_long_answer_leaves_room_for_the_question(gpt2):
    (response,) = answers(opened(gpt2), [asked("nest " * 100, max_tokens=1000)])
    assert response.tokens_in == 64 and response.tokens_truncated > 0
    assert response.finish in ("length", "stop") and response.tokens_out <= 64


def test_prefixes_are_computed_once(llama):
    from evalharness.engine.loglikelihood import LoglikelihoodScorer, token_trees
    from evalharness.engine.memory import Memory

    model = opened(llama)
    prompts = [model._continuations(asked(text, choices=LETTERS))[0] for text in questions(20)]
    trees = [tree for i, continuations in enumerate(prompts) for tree in token_trees(i, continuations, 512)]
    config = model.engine.decoder.config
    found = {}
    for share in (True, False):
        scorer = LoglikelihoodScorer(model.engine.decoder, Memory(config, torch.device("cpu"), 4), 128, share=share)
        found[share] = dict(scorer.run(trees)), scorer.forwarded
    assert found[True][1] < found[False][1] / 2
    for index, scores in found[True][0].items():
        assert scores[0].logprob == logprobs(found[False][0][index][0].logprob)


@pytest.mark.parametrize("work", ["loglikelihood", "generate"])
def test_out_of_memory_shrinks_the_batch_and_asks_nothing_twice(work, llama, monkeypatch):
    extra = {"choices": LETTERS} if work == "loglikelihood" else {"max_tokens": 5}
    requests = [asked(text, **extra) for text in questions(9)]
    want = answers(opened(llama), requests)
    model = opened(llama)
    decoder = model.engine.decoder
    plain = type(decoder).hidden

    def narrow(self, ids, *rest):
        if len(ids) > 200 or (work == "generate" and 3 < len(ids) < 20):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")
        return plain(self, ids, *rest)

    monkeypatch.setattr(type(decoder), "hidden", narrow)
    got = answers(model, requests)
    assert model.engine.shrunk
    for a, b in zip(got, want, strict=True):
        assert a.logprobs == logprobs(b.logprobs) and a.text == b.text


@pytest.mark.parametrize("template", ["alpaca", "chatml"])
def test_a_chat_model_scores_and_generates_behind_its_template(template, llama):
    from evalharness.chat.render import choose_chat

    model = opened(llama, template=template)
    assert model.chat and model.describe()["template"] == template
    request = asked("Which of these birds cannot fly?", choices=("A", "owl nest"))
    (response,) = answers(model, [request])
    decoder, tokenizer = checkpoint.load_decoder(llama), open_tokenizer(llama, 400)
    prompt = choose_chat(template, None, tokenizer).ask(request.messages)
    assert prompt.ids.count(tokenizer.bos) == 1 and prompt.ids[0] == tokenizer.bos
    for choice, logprob in zip(request.choices, response.logprobs, strict=True):
        own = tokenizer.encode(choice)
        with torch.inference_mode():
            rows = decoder(torch.tensor([prompt.ids + own]))[0, len(prompt.ids) - 1 : -1].log_softmax(-1)
        assert logprob == logprobs(sum(float(r[i]) for r, i in zip(rows, own, strict=True)))
    (said,) = answers(model, [asked("Which of these birds cannot fly?", max_tokens=5)])
    assert said.tokens_in == len(prompt.ids) and said.tokens_out <= 5


def test_thinking_that_the_template_opens_belongs_to_the_answer(llama, tmp_path):
    template = tmp_path / "thinks.jinja"
    turns = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    template.write_text(turns + "{% if add_generation_prompt %}<assistant><think>\n{% endif %}", encoding="utf-8")
    (said,) = answers(opened(llama, template=str(template)), [asked("Which?", max_tokens=4)])
    assert said.text.startswith("<think>") and final_answer(said.text).cut
    (plain,) = answers(opened(llama), [asked("Which?", max_tokens=4)])
    assert "<think>" not in plain.text


def test_bfloat16_is_near_and_says_so(llama):
    requests = [asked(text, choices=LETTERS) for text in questions(4)] + [asked("Which?", max_tokens=4)]
    low = opened(llama, dtype="bfloat16")
    assert low.describe()["dtype"] == "bfloat16"
    for a, b in zip(answers(low, requests), answers(opened(llama), requests), strict=True):
        assert a.logprobs == logprobs(b.logprobs, 0.05) and a.tokens_out == b.tokens_out


def test_describes_itself(llama):
    said = opened(llama, dtype="float32").describe()
    assert said["backend"] == "native" and said["dtype"] == "float32" and said["bos"] is True
    assert said["template"] == "none" and set(said["products"]) == {"rank", "write"}


def test_fingerprint_follows_weights_and_tokenizer(gpt2, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "copy"
    shutil.copytree(gpt2, copy)
    first = opened(gpt2).fingerprint
    assert first == opened(copy).fingerprint
    others = ({"context": 64}, {"dtype": "bfloat16"}, {"template": "alpaca"}, {"tokenizer": str(copy)})
    assert len({first, *(opened(gpt2, **o).fingerprint for o in others)}) == 1 + len(others)
    (copy / "tokenizer_config.json").write_text('{"eos_token": "</s>", "bos_token": "</s>"}')
    assert opened(copy).fingerprint != first


def test_preview_shows_ids_and_bos(llama):
    shown = opened(llama).preview(asked("Which bird?"))
    assert shown.bos is True and shown.ids[0] == 398 and shown.pieces[0] == "<s>"
    assert "".join(shown.pieces) == "<s>Which bird?"


@pytest.mark.parametrize(
    ("argument", "options", "said"),
    [
        ("", {}, "say model=local:FOLDER"),
        ("/no/such/folder", {}, "no such folder"),
        (None, {"dtype": "float23"}, "did you mean float32"),
        (None, {"device": "cuda:7"}, "wanted a GPU"),
        (None, {"device": "toaster"}, "no such device"),
        (None, {"context": 9999}, "context wants"),
        (None, {"backend": "nativ"}, "did you mean native"),
        (None, {"tokenizer": "/no/such.tiktoken"}, "no such file"),
        (None, {"template": "alpacca"}, "did you mean alpaca"),
    ],
)
def test_what_users_get_wrong(argument, options, said, gpt2):
    with pytest.raises(UserError, match=said) as caught:
        open_model(str(gpt2) if argument is None else argument, LocalOptions(**options))
    assert "\n" not in str(caught.value)
