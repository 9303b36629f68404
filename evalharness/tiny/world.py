"""The small world of the embedded model: real, checkable facts and everyday words. Written for this project."""

from __future__ import annotations

from dataclasses import dataclass

# Country, capital. Left out: capitals that contain their country's name, countries of two continents, disputes.
_COUNTRIES = """
Europe: France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, Austria Vienna, Poland Warsaw,
 Greece Athens, Norway Oslo, Sweden Stockholm, Finland Helsinki, Denmark Copenhagen, Ireland Dublin, Iceland Reykjavik,
 Hungary Budapest, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade, Croatia Zagreb, Slovenia Ljubljana,
 Slovakia Bratislava, Ukraine Kyiv, Belarus Minsk, Estonia Tallinn, Latvia Riga, Lithuania Vilnius, Belgium Brussels,
 Switzerland Bern, Albania Tirana, Malta Valletta, Moldova Chisinau
Asia: Japan Tokyo, China Beijing, India New_Delhi, Thailand Bangkok, Vietnam Hanoi, Iran Tehran, Iraq Baghdad,
 Nepal Kathmandu, Pakistan Islamabad, Bangladesh Dhaka, Malaysia Kuala_Lumpur, Mongolia Ulaanbaatar, Jordan Amman,
 Lebanon Beirut, Syria Damascus, Afghanistan Kabul, Cambodia Phnom_Penh, Laos Vientiane, Uzbekistan Tashkent,
 Qatar Doha, Oman Muscat, Bahrain Manama, Bhutan Thimphu, Turkmenistan Ashgabat
Africa: Egypt Cairo, Kenya Nairobi, Ghana Accra, Nigeria Abuja, Ethiopia Addis_Ababa, Morocco Rabat, Senegal Dakar,
 Uganda Kampala, Rwanda Kigali, Zambia Lusaka, Zimbabwe Harare, Angola Luanda, Mali Bamako, Sudan Khartoum,
 Libya Tripoli, Somalia Mogadishu, Madagascar Antananarivo, Mozambique Maputo, Namibia Windhoek, Botswana Gaborone,
 Cameroon Yaounde, Niger Niamey, Tunisia Tunis, Liberia Monrovia, Malawi Lilongwe
South_America: Peru Lima, Chile Santiago, Argentina Buenos_Aires, Colombia Bogota, Ecuador Quito, Venezuela Caracas,
 Uruguay Montevideo, Paraguay Asuncion, Brazil Brasilia
North_America: Canada Ottawa, Cuba Havana, Haiti Port-au-Prince, Jamaica Kingston, Honduras Tegucigalpa,
 Nicaragua Managua
Oceania: Australia Canberra, Fiji Suva
"""

_OPPOSITES = """hot cold, big small, tall short, fast slow, early late, strong weak, rich poor, happy sad, light dark,
 wet dry, full empty, hard soft, high low, young old, open closed, clean dirty, loud quiet, near far, thick thin,
 wide narrow, deep shallow, sharp blunt, brave cowardly, cheap expensive, easy difficult, true false, good bad,
 right wrong, up down, in out, day night, summer winter, north south, east west, begin end, buy sell, push pull,
 give take, love hate, win lose, laugh cry, remember forget, arrive leave, sit stand, float sink, build destroy,
 above below, before after, inside outside, first last, always never, many few, more less, front back, top bottom,
 alive dead, awake asleep, smooth rough, sweet sour, polite rude, kind cruel, wise foolish,
 public private, simple complex, safe dangerous, calm stormy, modern ancient, single married, guilty innocent,
 friend enemy, victory defeat, war peace, question answer, profit loss, birth death, heaven hell, male female,
 king queen, husband wife, teacher pupil, host guest, import export, accept refuse, attack defend, praise blame,
 rise fall, expand shrink, include exclude, increase decrease, maximum minimum, positive negative, borrow lend,
 catch throw, freeze melt, raw cooked"""

_PAST = """go went, see saw, write wrote, take took, give gave, eat ate, drink drank, sing sang, swim swam, run ran,
 begin began, come came, become became, know knew, grow grew, throw threw, fly flew, draw drew, blow blew, drive drove,
 ride rode, rise rose, speak spoke, break broke, choose chose, steal stole, freeze froze, wake woke, wear wore,
 tear tore, forget forgot, get got, find found, hold held, stand stood, tell told, sell sold, think thought,
 buy bought, bring brought, catch caught, teach taught, fight fought, sleep slept, keep kept, feel felt, leave left,
 lose lost, meet met, send sent, spend spent, build built, make made, say said, pay paid, hear heard, win won,
 sit sat, fall fell, shake shook"""

_PLURAL = """child children, man men, woman women, foot feet, tooth teeth, goose geese, mouse mice, ox oxen,
 leaf leaves, wolf wolves, knife knives, wife wives, life lives, shelf shelves, loaf loaves, thief thieves, calf calves,
 half halves, city cities, baby babies, lady ladies, story stories, berry berries, penny pennies, box boxes, bus buses,
 church churches, brush brushes, glass glasses, dish dishes, potato potatoes, tomato tomatoes, hero heroes,
 echo echoes, day days, boy boys, key keys, toy toys, dog dogs, book books, table tables, house houses, tree trees,
 crisis crises"""

_YOUNG = """dog puppy, cat kitten, cow calf, sheep lamb, horse foal, goat kid, pig piglet, deer fawn, bear cub,
 kangaroo joey, hen chick, duck duckling, goose gosling, swan cygnet, frog tadpole, hare leveret, owl owlet,
 eagle eaglet, butterfly caterpillar, eel elver, spider spiderling"""

_SYMBOLS = """hydrogen H, helium He, lithium Li, carbon C, nitrogen N, oxygen O, fluorine F, neon Ne, sodium Na,
 magnesium Mg, aluminium Al, silicon Si, phosphorus P, sulphur S, chlorine Cl, argon Ar, potassium K, calcium Ca,
 titanium Ti, chromium Cr, manganese Mn, iron Fe, cobalt Co, nickel Ni, copper Cu, zinc Zn, silver Ag, tin Sn,
 iodine I, tungsten W, platinum Pt, gold Au, mercury Hg, lead Pb, radium Ra, uranium U"""

_KINDS = """
fruit: apple banana pear grape cherry mango lemon melon plum apricot
vegetable: carrot onion cabbage spinach turnip lettuce celery leek radish broccoli
tool: hammer saw drill spanner chisel screwdriver wrench axe spade rake
vehicle: car bus train lorry tram bicycle tractor van motorcycle taxi
instrument: violin piano flute trumpet guitar harp cello clarinet drum oboe
garment: shirt coat jacket skirt scarf jumper blouse cardigan dress waistcoat
colour: red blue green yellow purple brown black white grey pink
bird: sparrow robin pigeon crow seagull swallow parrot penguin stork falcon
fish: trout salmon cod herring tuna sardine carp mackerel haddock pike
insect: ant bee wasp beetle mosquito moth cricket ladybird dragonfly termite
tree: oak birch pine willow maple beech elm poplar larch spruce
flower: rose tulip daisy lily violet orchid daffodil poppy sunflower marigold
"""

SUBJECTS = {
    "capital": "geography", "country": "geography", "continent": "geography", "opposite": "language",
    "past": "language", "plural": "language", "young": "nature", "symbol": "science", "sum": "mathematics",
    "difference": "mathematics", "product": "mathematics",
}  # fmt: skip
_LIVING = frozenset({"bird", "fish", "insect", "tree", "flower", "fruit", "vegetable"})
NUMBERS = frozenset({"sum", "difference", "product"})
_SIGNS = {"sum": "plus", "difference": "minus", "product": "times"}


@dataclass(frozen=True, slots=True)
class Fact:
    """`kind` of `key` is `answer`: the capital of France is Paris, the sum of `3 plus 4` is 7."""

    kind: str
    key: str
    answer: str

    @property
    def subject(self) -> str:
        """The exam's subject: geography, language, nature, objects, science, mathematics."""
        return SUBJECTS.get(self.kind) or ("nature" if self.answer in _LIVING else "objects")

    @property
    def twin(self) -> tuple[str, ...]:
        """Equal for facts that give one another away: capital and country, both ways of an opposite, 3+4 and 4+3."""
        if self.kind in NUMBERS:
            first, _, second = self.key.split()
            return (self.kind, *sorted((first, second)))
        return tuple(sorted((self.key, self.answer)))


def a(word: str) -> str:
    """The word with its indefinite article."""
    article = "an" if word[0].lower() in "aeio" else "a"
    return f"{article} {word}"


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [entry.split() for entry in text.replace("\n", " ").split(",")]
    return [(key.replace("_", " "), answer.replace("_", " ")) for key, answer in pairs]


def _groups(text: str) -> list[tuple[str, str]]:
    joined = text.strip().replace("\n ", " ").splitlines()
    return [(name.replace("_", " "), rest.strip()) for name, _, rest in (line.partition(":") for line in joined)]


def _numbers() -> list[Fact]:
    span = range(13)
    sums = [Fact("sum", f"{x} plus {y}", str(x + y)) for x in span for y in span]
    differences = [Fact("difference", f"{x} minus {y}", str(x - y)) for x in span for y in span if x >= y]
    products = [Fact("product", f"{x} times {y}", str(x * y)) for x in span for y in span if x * y <= 60]
    return sums + differences + products


def world_facts() -> list[Fact]:
    """Every fact of the world, in a fixed order; (kind, key) is unique."""
    found: list[Fact] = []
    for continent, entries in _groups(_COUNTRIES):
        for country, capital in _pairs(entries):
            found += [Fact("capital", country, capital), Fact("country", capital, country)]
            found.append(Fact("continent", country, continent))
    for one, other in _pairs(_OPPOSITES):
        found += [Fact("opposite", one, other), Fact("opposite", other, one)]
    for kind, text in (("past", _PAST), ("plural", _PLURAL), ("young", _YOUNG), ("symbol", _SYMBOLS)):
        found += [Fact(kind, key, answer) for key, answer in _pairs(text)]
    for name, words in _groups(_KINDS):
        found += [Fact("kind", word, name) for word in words.split()]
    return found + _numbers()


def everyday_words() -> list[str]:
    """The everyday words that lists and transformations are made of: single, lower case, in order."""
    names = {fact.key for fact in world_facts() if fact.kind in ("opposite", "past", "plural", "young", "kind")}
    return sorted(word for word in names if word.isalpha() and word.islower())
