"""The words that IFBench's instructions name, NLTK's English stop words, and what begins with a verb."""

import regex

_PEOPLE = """
Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia Benjamin Harper Leo
Zoe Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett Nathan Victoria Elijah Layla
Nicholas Audrey David Hannah Christopher Penelope Thomas Nora Andrew Aria Joseph Claire Ryan Stella Jonathan
"""
_PRONOUNS = """
all any anybody anyone anything both each either everybody everyone everything he her hers herself him himself his i
it its itself me mine my myself neither nobody none nothing our ours ourselves she some somebody someone something
that their theirs them themselves these they this those us we what whatever which whichever who whoever whom whomever
whose you your yours yourself yourselves
"""
# North of 45 degrees, from the north.
_CAPITALS = """
Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam Warsaw London
Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern Ljubljana Zagreb
"""
# Those of NLTK's list without an apostrophe: no other is a word here.
_STOP_WORDS = """
a about above after again against ain all am an and any are aren as at be because been before being below between both
but by can couldn d did didn do does doesn doing don down during each few for from further had hadn has hasn have
haven having he her here hers herself him himself his how i if in into is isn it its itself just ll m ma me mightn
more most mustn my myself needn no nor not now o of off on once only or other our ours ourselves out over own re s
same shan she should shouldn so some such t than that the their theirs them themselves then there these they this
those through to too under until up ve very was wasn we were weren what when where which while who whom why will with
won wouldn y you your yours yourself yourselves
"""
_VERBS = """
accept achieve act adapt add address adjust adopt advise agree aim align allow am amplify analyze answer apply
approach are arrange articulate ask assemble assess assign assume attend avoid balance be become been begin behold
believe blend boost brainstorm breathe bring build buy calculate call calm can capture carry catch challenge change
check cheer choose cite clean climb close collect combine come compare complete compose compute conceive conduct
connect consider construct contemplate continue convert cook count cover craft create cultivate cut dance dare decide
deepen define delight deliver delve demand describe design determine develop did dig discover discuss dive divide do
does draft draw dream drink drive eat embark embrace employ empower enable encourage engage enhance enjoy enrich
ensure enter envision establish evaluate examine execute exercise expect experience explain explore express extend
face fall feel fetch fill find finish fix fly focus follow forge form foster gain gather get give go grab greet grow
guess guide had handle has have hear help highlight hold hope host hurry identify illuminate imagine immerse implement
improve include increase infuse inspire install integrate introduce invest invite is join jump keep knead know laugh
launch lead learn leave let leverage list listen live look lose love maintain make manage master maximize measure meet
melt mix move name navigate note nurture observe obtain offer open operate organize outline own pack paint paraphrase
pass pause pay peel perform pick picture place plan plant play plunge ponder pour prepare present preserve press
prevent prioritize produce promote protect prove provide pull push put raise reach read realize recall receive
recognize recommend reduce refer refine reflect remember remind remove replace research resolve respect respond rest
review rewrite ride rise roll run sail savor say search secure see seek select sell send serve set share shine shoot
show simplify sing sit sketch sleep slice smell smile solve speak spend spread stand start state stay step stir stop
store streamline strengthen strive study submit suggest summarize support surround sustain swim take talk taste teach
tell test think throw touch trace track train transform translate travel treat try turn understand unearth unite
unleash unlock unveil unwind update upgrade use utilize verify view visit visualize wait walk want was watch wear
weave welcome were whisk win witness wonder work write
"""
_NO_VERBS = """
anything bed building ceiling during ed evening everything feed hundred king morning need nothing red ring sacred seed
shed something speed spring sting string thing wedding wing
"""
CONJUNCTIONS = frozenset({"and", "but", "for", "nor", "or", "so", "yet"})
PEOPLE, CAPITALS = _PEOPLE.split(), _CAPITALS.split()
PRONOUNS, STOP_WORDS = frozenset(_PRONOUNS.split()), frozenset(_STOP_WORDS.split())
_KNOWN_VERBS, _NOT_VERBS = frozenset(_VERBS.split()), frozenset(_NO_VERBS.split())
_EMOJI = regex.compile(r"[\p{Emoji}--[0-9#*\p{Regional_Indicator}]]", regex.VERSION1)


def is_emoji(mark: str) -> bool:
    """Whether a character is an emoji by itself."""
    return _EMOJI.fullmatch(mark) is not None


def is_verb(word: str) -> bool:
    """Whether a word is a verb: one of a list of common ones, a third person of it, or a form in -ing or -ed."""
    word = word.lower()
    stems = {word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"}
    return bool(stems & _KNOWN_VERBS) or (word.endswith(("ing", "ed", "ize", "ify")) and word not in _NOT_VERBS)
