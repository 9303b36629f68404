"""The pages of the arena: consent, a battle, the vote, the ratings, and what is kept of a voter."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from evalharness.arena.ratings import Battle
from evalharness.report.escape import printable
from evalharness.web.arena_board import FRESH_VOTES, KEPT_SECONDS, ArenaRatings, agreement_with, arena_board
from evalharness.web.arena_live import SIDES, LivePrompts, LiveTurn, LiveTurns
from evalharness.web.arena_prompts import (
    ArenaItem,
    ArenaPrompts,
    ModelPair,
    names_itself,
    pairs_of,
    random_items,
    shown_answer,
)
from evalharness.web.arena_store import VOTE_CHOICES, ArenaStore, ArenaTurn, Choice, CountedVote, DrawnBattle, voter_id
from evalharness.web.forms import read_form
from evalharness.web.guard import keep_cookie
from evalharness.web.rate_limit import RateLimit
from evalharness.web.rendering import PageMaker, server_event, told_live

VOTER_COOKIE = "evalh_voter"
_YEAR = 365 * 24 * 3600
_LONGEST_PROMPT = 8000
_MOST_TURNS = 8
_LOOK_SECONDS = 0.1  # between two looks at what is being written
_NO_ANSWER = "One of the two models gave no answer; try again, or another prompt."


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaTerms:
    """How an arena is held: whether names are shown after a vote, how fast one person may vote, and what the judges
    that are shown beside people said. `pairs` of models meet; all where there are none."""

    reveal: bool = True
    votes_per_minute: float = 30
    joins_per_minute: float = 30
    judged: Sequence[Battle] = ()
    pairs: Sequence[ModelPair] = ()


class ArenaPages:
    """The routes of the arena."""

    def __init__(self, store: ArenaStore, prompts: ArenaPrompts, maker: PageMaker, terms: ArenaTerms) -> None:
        self.store, self.prompts, self.maker, self.terms = store, prompts, maker, terms
        self.ratings = ArenaRatings(store)
        self._pairs = terms.pairs or pairs_of(prompts.models)
        self.live = LiveTurns(prompts, self._keep) if isinstance(prompts, LivePrompts) else None
        self._votes = RateLimit(terms.votes_per_minute, max(10, int(terms.votes_per_minute)))
        self._joins = RateLimit(terms.joins_per_minute, max(10, int(2 * terms.joins_per_minute)))

    def routes(self) -> list[Route]:
        return [
            Route("/", self.welcome),
            Route("/join", self._posted(self.join, member=False), methods=["POST"]),
            Route("/battle", self.next_battle),
            Route("/ask", self._posted(self.ask), methods=["POST"]),
            Route("/battle/{id}", self.battle),
            Route("/battle/{id}/answers", self.answers),
            Route("/battle/{id}/vote", self._posted(self.vote), methods=["POST"]),
            Route("/battle/{id}/turn", self._posted(self.turn), methods=["POST"]),
            Route("/battle/{id}/withdraw", self._posted(self.withdraw), methods=["POST"]),
            Route("/ratings", self.board),
            Route("/me", self.me),
            Route("/me/votes.json", self.my_votes),
            Route("/me/delete", self._posted(self.delete), methods=["POST"]),
        ]

    def _page(self, template: str, request: WebRequest, **values: object) -> Response:
        voter = self._voter(request)
        page = self.maker.page(
            template, voter=voter, csrf=self._csrf(voter or ""), live=self.live is not None, **values
        )
        return HTMLResponse(page)

    def _to(self, path: str) -> Response:
        return RedirectResponse(self.maker.links.at(path), 303)

    def _posted(self, answer: Callable[..., Response], member: bool = True) -> Callable[[WebRequest], Any]:
        """A handler of a form: its fields are read within limits, and it was made for this voter."""

        async def handler(request: WebRequest) -> Response:
            fields = await read_form(request)
            return await run_in_threadpool(self._checked, answer, request, fields, member)

        return handler

    def _checked(
        self, answer: Callable[..., Response], request: WebRequest, fields: Mapping[str, str], member: bool
    ) -> Response:
        if not member:
            return answer(request, fields)
        voter = self._voter(request)
        if voter is None:
            return self._to("/")
        if not hmac.compare_digest(fields.get("csrf", "").encode(), self._csrf(voter).encode()):
            raise HTTPException(403, "This form was not made for you; go back, load the page again and send it again.")
        return answer(request, fields, voter)

    def _voter(self, request: WebRequest) -> str | None:
        cookie = request.cookies.get(VOTER_COOKIE, "")
        if not cookie or len(cookie) > 100:
            return None
        voter = voter_id(cookie)
        return voter if self.store.knows(voter) else None

    def _csrf(self, voter: str) -> str:
        return hmac.new(self.store.secret.encode(), voter.encode(), "sha256").hexdigest()[:32]

    def welcome(self, request: WebRequest) -> Response:
        return self._page("arena_welcome.html.j2", request, place="arena", reveal=self.terms.reveal)

    def join(self, request: WebRequest, fields: Mapping[str, str]) -> Response:
        if self._voter(request) is not None:
            return self._to("/battle")
        if fields.get("consent") != "yes":
            raise HTTPException(400, "Tick the box to take part.")
        if not self._joins.allows(request.client.host if request.client else ""):
            raise HTTPException(429, "Many have just joined from where you are; try again in a minute.")
        reply = self._to("/battle")
        keep_cookie(reply, request.scope, VOTER_COOKIE, self.store.join(), max_age=_YEAR)
        return reply

    def next_battle(self, request: WebRequest) -> Response:
        voter = self._voter(request)
        if voter is None:
            return self._to("/")
        asked = self.live and self.live.of_voter(voter)
        if asked:
            return self._to(f"/battle/{asked.battle.id}")
        found = self.store.open_battle(voter)
        if found is None and self.live and not len(self.prompts):
            return self._page("arena_ask.html.j2", request, place="battle", longest=_LONGEST_PROMPT)
        found = found or self._drawn(voter)
        if found is None:
            return self._page("arena_seen.html.j2", request, place="battle")
        return self._to(f"/battle/{found.id}")

    def _drawn(self, voter: str) -> DrawnBattle | None:
        """A battle that this voter has not had; None once no pair of models has one left."""
        self._not_too_fast(voter)
        seen, left = self.store.seen(voter), set(self._pairs)
        while left:
            pair = self.ratings.next_pair(left)
            item = next(random_items(self.prompts, pair, seen), None)
            left -= {pair, pair[::-1]}
            if item is not None:
                made = _new_battle(voter, item, pair)
                if self.live:
                    self._ask(made, item.prompt)
                else:
                    self._keep(made, ArenaTurn(prompt=item.prompt, a=item.answers[pair[0]], b=item.answers[pair[1]]))
                return made
        return None

    def _not_too_fast(self, voter: str) -> None:
        if not self._votes.allows(f"draw {voter}"):
            raise HTTPException(429, "That was fast. Wait a moment, then go on.")

    def _keep(self, battle: DrawnBattle, turn: ArenaTurn) -> None:
        """Put a turn that is whole into the store, the first one with its battle."""
        shown = ArenaTurn(prompt=turn.prompt, a=shown_answer(turn.a), b=shown_answer(turn.b))
        if battle.turns:
            self.store.add_turn(battle, shown)
        else:
            self.store.draw(replace(battle, turns=(shown,)))

    def _ask(self, battle: DrawnBattle, prompt: str) -> None:
        """Let both models of a battle answer."""
        if self.live is None or self.live.begin(battle, prompt) is None:
            raise HTTPException(429, "Many ask at this moment; try again in a minute.")

    def ask(self, request: WebRequest, fields: Mapping[str, str], voter: str) -> Response:
        """A prompt that the voter wrote."""
        if self.live is None:
            raise HTTPException(404, "This arena has prompts of its own.")
        prompt = _prompt(fields)
        self._not_too_fast(voter)
        item = ArenaItem(item=secrets.token_hex(8), prompt=prompt, category="", answers={})
        made = _new_battle(voter, item, self.ratings.next_pair(self._pairs))
        self._ask(made, prompt)
        return self._to(f"/battle/{made.id}")

    def turn(self, request: WebRequest, fields: Mapping[str, str], voter: str) -> Response:
        """A further turn of both models."""
        found = self._mine(request, voter)
        if self.live is None or found.choice is not None or len(found.turns) >= _MOST_TURNS:
            raise HTTPException(409, "This battle takes no further turn.")
        prompt = _prompt(fields)
        self._not_too_fast(voter)
        self._ask(found, prompt)
        return self._to(f"/battle/{found.id}#turn{len(found.turns)}")

    def battle(self, request: WebRequest) -> Response:
        voter = self._voter(request)
        if voter is None:
            return self._to("/")
        found, asked = self._mine(request, voter), self._asked(request)
        turns = [(place, turn) for place, turn in enumerate(found.turns)]
        common = {"place": "battle", "id": found.id, "turns": turns, "longest": _LONGEST_PROMPT}
        failed, going = (asked is not None and asked.state == state for state in ("failed", "open"))
        if failed and not turns:
            raise HTTPException(409, _NO_ANSWER)
        if found.choice is None:  # nothing of the battle but its texts goes to the page
            return self._page(
                "arena_battle.html.j2", request, key=secrets.token_urlsafe(18), more=len(turns) < _MOST_TURNS,
                asked=asked if going else None, trouble=_NO_ANSWER if failed else "", **common,
            )  # fmt: skip
        names = (found.model_a, found.model_b) if self.terms.reveal else None
        return self._page("arena_voted.html.j2", request, choice=found.choice, void=found.void, names=names, **common)

    def _asked(self, request: WebRequest) -> LiveTurn | None:
        """The turn of a battle that is being answered."""
        return self.live.of(request.path_params["id"]) if self.live else None

    async def answers(self, request: WebRequest) -> Response:
        """What both models of a battle say, told while they write it; never who they are."""
        voter = await run_in_threadpool(self._voter, request)
        if voter is None:
            raise HTTPException(404, "You have not joined.")
        await run_in_threadpool(self._mine, request, voter)
        return told_live(_events(self._asked(request)))

    def vote(self, request: WebRequest, fields: Mapping[str, str], voter: str) -> Response:
        """Keep a vote and show what is kept; one that is sent again finds itself."""
        found = self._mine(request, voter)
        choice: Choice | None = next((choice for choice in VOTE_CHOICES if choice == fields.get("choice")), None)
        key = fields.get("key", "")
        if choice is None or not 8 <= len(key) <= 100:
            raise HTTPException(400, "A vote says which answer is better: load the page again.")
        if found.choice is None:
            asked = self._asked(request)
            if not found.turns or (asked is not None and asked.state == "open"):
                raise HTTPException(409, "Both models are still writing; vote when they are done.")
            if not self._votes.allows(f"vote {voter}"):
                raise HTTPException(429, "That was fast. Wait a moment, then vote again.")
            self.store.vote(found, key, choice, _void(found))
        return self._to(f"/battle/{found.id}")

    def withdraw(self, request: WebRequest, fields: Mapping[str, str], voter: str) -> Response:
        found = self._mine(request, voter)
        if found.choice is not None:
            self.store.withdraw(found)
        return self._to(f"/battle/{found.id}")

    def _mine(self, request: WebRequest, voter: str) -> DrawnBattle:
        found, asked = self.store.battle(request.path_params["id"]), self._asked(request)
        found = asked.battle if found is None and asked is not None else found
        if found is None or found.voter != voter:
            raise HTTPException(404, "There is no such battle of yours.")
        return found

    def board(self, request: WebRequest) -> Response:
        """The ratings, of one category or all, with or without style held equal."""
        votes = self.ratings.votes(fresh=True)
        categories = sorted({vote.category for vote in votes if vote.category})[:500]
        category = request.query_params.get("category", "")
        category = category if category in categories else ""
        style = request.query_params.get("style") == "1"
        found = self.ratings.board(category, style)
        judges = [vote for vote in map(_as_vote, self.terms.judged) if not category]
        names = [one.rating.model for one in found.models]
        return self._page(
            "arena_ratings.html.j2", request, place="ratings", board=found, category=category, categories=categories,
            style=style, names=names, kept=KEPT_SECONDS if len(votes) >= FRESH_VOTES else 0,
            judges=arena_board(judges).models if judges else (),
            agreement=agreement_with(self.terms.judged, votes) if judges else None,
        )  # fmt: skip

    def me(self, request: WebRequest) -> Response:
        voter = self._voter(request)
        if voter is None:
            return self._to("/")
        mine = [battle for battle in self.store.of_voter(voter) if battle.choice is not None]
        return self._page("arena_me.html.j2", request, place="me", battles=mine[::-1][:200], total=len(mine),
                          reveal=self.terms.reveal)  # fmt: skip

    def my_votes(self, request: WebRequest) -> Response:
        """All votes of the one who asks."""
        voter = self._voter(request)
        if voter is None:
            raise HTTPException(404, "You have not joined.")
        mine = [battle for battle in self.store.of_voter(voter) if battle.choice is not None]
        fields = ("id", "item", "choice", "void", "voted", *(("model_a", "model_b") if self.terms.reveal else ()))
        told = [{field: getattr(battle, field) for field in fields} for battle in mine]
        headers = {"content-disposition": 'attachment; filename="votes.json"'}
        return Response(json.dumps(told, indent=1), media_type="application/json", headers=headers)

    def delete(self, request: WebRequest, fields: Mapping[str, str], voter: str) -> Response:
        self.store.forget(voter)
        reply = self._to("/")
        keep_cookie(reply, request.scope, VOTER_COOKIE, "", max_age=0)
        return reply


def _new_battle(voter: str, item: ArenaItem, pair: tuple[str, str]) -> DrawnBattle:
    """A battle without a turn yet."""
    return DrawnBattle(
        id=secrets.token_urlsafe(18), voter=voter, item=item.item, category=item.category, model_a=pair[0],
        model_b=pair[1], turns=(), drawn=time.time(),
    )  # fmt: skip


async def _events(asked: LiveTurn | None) -> AsyncIterator[str]:
    """The answers of a turn from their beginning on, and that they are whole. It sleeps in no thread."""
    told: dict[str, str] = dict.fromkeys(SIDES, "")
    yield server_event({**told} if asked else {"done": True, "reload": True})
    while asked is not None:
        state = asked.state  # looked at first: what is said before the end is not missed
        said: dict[str, str] = {side: asked.said[side] for side in SIDES}
        more = {side: text[len(told[side]) :] for side, text in said.items() if text.startswith(told[side])}
        anew = {side: printable(text) for side, text in said.items() if side not in more}
        if anew or any(more.values()):
            yield server_event({**anew, "more": {side: printable(text) for side, text in more.items()}})
        told.update(said)
        if state != "open":
            yield server_event({"done": True, "reload": True})
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _void(battle: DrawnBattle) -> str:
    """Why a vote does not count: an answer said which model it is of."""
    for turn in battle.turns:
        for text, model in ((turn.a, battle.model_a), (turn.b, battle.model_b)):
            if names_itself(text, model):
                return "an answer names its model"
    return ""


def _prompt(fields: Mapping[str, str]) -> str:
    prompt = fields.get("prompt", "").strip()
    if not prompt or len(prompt) > _LONGEST_PROMPT:
        raise HTTPException(400, f"A prompt has between 1 and {_LONGEST_PROMPT:,} characters.")
    return prompt


def _as_vote(battle: Battle) -> CountedVote:
    choice: Choice = "model_a" if battle.score > 0.5 else "model_b" if battle.score < 0.5 else "tie"
    return CountedVote(voter="judge", item=battle.item, category="", model_a=battle.a, model_b=battle.b, choice=choice,
                       style=battle.style, seconds=0.0)  # fmt: skip
