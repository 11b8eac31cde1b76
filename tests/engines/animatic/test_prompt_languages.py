"""Golden readings of prompts in other languages."""

from __future__ import annotations

import pytest

from rushes.engines.animatic.prompt import languages
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.prompt.words import word_set, words
from rushes.engines.animatic.tables import table

GOLDEN = """
es: Dos perros corren por la playa bajo la lluvia = quadruped beach rain
es: Una calle de la ciudad de noche, sin barcos = city night
fr: Un chat dort dans une forêt enneigée = quadruped forest snow
fr: Des oiseaux au-dessus de l'océan à l'aube, ralenti = bird sea dawn slow motion
de: Ein Boot auf dem Meer bei Sonnenuntergang = boat sea sunset
de: Nebel über dem Bergsee am Morgen, slow motion drone shot = fog lake dawn slow motion drone
it: Una barca sul lago all'alba con nebbia = boat lake dawn fog
pt: Pássaros sobre a floresta na chuva = bird forest rain
nl: Een hond op het strand bij zonsondergang = quadruped beach sunset
nl: Bergen in de sneeuw, nacht = mountains snow night
pl: Kot na plaży o zachodzie słońca = quadruped beach sunset
pl: Las we mgle o świcie = forest fog dawn
ru: Лодка на море на закате, крупный план = boat sea sunset close up
ru: Туман над лесом на рассвете, drone shot = fog forest dawn drone
uk: Човен на озері під час заходу сонця = boat lake sunset
tr: Gün batımında denizde bir tekne = sunset sea boat
tr: Karlı dağların üzerinde kuşlar = snow mountains bird
ja: 夕焼けの海に浮かぶ船 = sunset sea boat
ja: 夜の東京の街、雨 = night city rain
ko: 해변에서 노을을 바라보는 개 = beach sunset quadruped
ko: 안개 낀 숲의 새벽 = fog forest dawn
zh: 日落时分，海滩上的一只狗 = sunset beach quadruped
zh: 黃昏的城市街道，下雨 = dusk city rain
ar: قارب في البحر عند غروب الشمس = boat sea sunset
ar: ضباب فوق الغابة عند الفجر = fog forest dawn
fa: یک قایق در دریا هنگام غروب آفتاب = boat sea sunset
he: כלב על החוף בגשם = quadruped beach rain
hi: सूर्यास्त के समय समुद्र में एक नाव = sunset sea boat
bn: বৃষ্টির রাতে শহরের রাস্তা = rain night city
th: เรือในทะเลตอนพระอาทิตย์ตก = boat sea sunset
vi: Sương mù trên núi vào buổi sáng = fog mountains dawn
id: Perahu di laut saat matahari terbenam = boat sea sunset
sv: Dimma över skogen i gryningen = fog forest dawn
da: En hund på stranden ved solnedgang = quadruped beach sunset
no: Fjellene i snøen om natten = mountains snow night
fi: Vene merellä auringonlaskussa = boat sea sunset
cs: Pes v lese za deště = quadruped forest rain
el: Μια βάρκα στη θάλασσα στο ηλιοβασίλεμα = boat sea sunset
ro: O barcă pe mare la apus de soare = boat sea sunset
hu: Kutya a tengerparton esőben = quadruped beach rain
de: Ein altes Schloss auf einem Hügel, Herbstwald = building city hills forest
es: montañas nevadas = mountains snow
fr: le chat noir, une tasse = quadruped tableware
es: Un hombre camina y cruza la plaza = person
zh: 一个女孩打着红伞走在雨中的街道上 = person device rain city
tr: Fırtınada deniz feneri, büyük dalgalar = storm coast sea
sr: Brod na moru u zalazak sunca = boat sunset
"""
MOVES = """
Una playa al atardecer, la cámara se acerca lentamente = dolly in
paneo a la izquierda sobre la ciudad = pan left
un barco en el mar, cámara en mano, contrapicado = handheld, low angle
la caméra tourne autour d'un château = orbit
Kamerafahrt durch einen Wald bei Nebel = truck right
Die Kamera umkreist ein Schloss, Froschperspektive = orbit, low angle
carrellata in avanti su un lago = dolly in
a câmera se afasta do barco = dolly out
Inzoomen op een boot op zee = zoom in
kamera okrąża zamek = orbit
камера приближается к дому, вид снизу = dolly in, low angle
kamera yaklaşıyor, dağlar = dolly in
海辺の夕焼け、ズームイン、ローアングル = zoom in, low angle
镜头推进，山间湖泊，日出 = dolly in
해변, 로우앵글, 천천히 = low angle
"""
"""How the camera moves in other languages."""
MAIN = word_set(
    "sea beach forest mountain city street river lake desert snow rain night sunset sunrise dawn fog storm boat bird "
    "ship morning evening clouds winter and with without of"
)
"""What every language of the table has a word for."""


@pytest.mark.parametrize("line", GOLDEN.strip().splitlines())
def test_readings(line: str) -> None:
    prompt, _, concepts = line.partition(": ")[2].partition(" = ")
    brief = parse(prompt)
    found = {*brief.names, *brief.archetypes}
    for concept in ("slow motion", "close up"):
        if concept in concepts:
            concepts = concepts.replace(concept, "")
            assert concept in found
    assert found == {*concepts.split(), *(found & {"slow motion", "close up"})}


@pytest.mark.parametrize("line", MOVES.strip().splitlines())
def test_the_camera_moves_in_other_languages(line: str) -> None:
    prompt, _, moves = line.partition(" = ")
    assert ", ".join(parse(prompt).moves) == moves


@pytest.mark.parametrize("code", table("languages"))
def test_every_language_has_the_main_words(code: str) -> None:
    row = table("languages")[code]
    optional = (
        {"with", "without", "of"} if code in ("ja", "ko", "zh", "he", "fi", "hu", "tr", "bn") else set()
    )
    assert MAIN - optional <= row.keys()
    for english in ("sea", "beach", "forest", "rain", "snow", "sunset", "fog", "storm", "boat", "night"):
        for form in row[english].split():
            assert languages.language(code).words[" ".join(words(form.replace("_", " ")))] == english


@pytest.mark.parametrize(
    ("prompt", "archetypes", "subjects"),
    [
        ("ein Boot bei Nacht", [], ["boat"]),
        ("een hond en een kat", ["quadruped", "quadruped"], []),
        ("kot w domu", ["quadruped", "building"], []),
        ("du pain dans la main", ["food", "body"], []),
        ("a boot and a strand of hair, a coin", ["clothing", "body", "picture"], []),
    ],
)
def test_a_word_is_of_the_language_around_it(prompt: str, archetypes: list[str], subjects: list[str]) -> None:
    brief = parse(prompt)
    assert list(brief.archetypes) == archetypes
    assert [wish.kind for wish in brief.subjects] == subjects


def test_what_two_languages_spell_alike_is_told_by_the_clause() -> None:
    assert parse("una barca en el mar, die Nacht").places == ("sea",)
    assert parse("cinematic drone shot with shallow depth of field, Strand bei Sonnenuntergang").places == (
        "beach",
    )
    assert parse("The coin is in the pain").archetypes == parse("the coin is in the pain").archetypes


def test_words_of_the_language_hold_the_sentence_together() -> None:
    brief = parse("Zwei rote Boote auf dem See, ohne Wolken")
    (wish,) = brief.subjects
    assert (wish.kind, wish.count, wish.colour) == ("boat", 2, "#c2261d")
    assert (brief.places, brief.without) == (("lake",), frozenset({"cloudy"}))
    (wish,) = parse("tres barcos blancos en el lago").subjects
    assert (wish.count, wish.colour) == (3, "#f4f2ee")


def test_english_does_not_load_the_other_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(code: str) -> languages.Language:
        raise AssertionError(f"loaded {code}")

    monkeypatch.setattr(languages, "language", loaded)
    brief = parse(
        "Two sailboats drift past a lighthouse at dawn, cinematic, the view of a beautifull bay, 4k"
    )
    assert brief.times == ("dawn",)
    with pytest.raises(AssertionError, match="loaded"):
        parse("zwei Boote am Morgen")


def test_every_english_word_of_the_table_says_something() -> None:
    keys = {english for row in table("languages").values() for english in row}
    settings = {"endings", "bases", "fronts", "joins", "elides", "after"}
    assert {key for key in keys - settings - languages.SMALL if not parse(f"the {key}").readings} == set()
