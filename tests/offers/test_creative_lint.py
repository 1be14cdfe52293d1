"""The lint of creatives: what it refuses, what it warns of, and above all what it leaves alone."""

import pytest

from corsia.demo import GENERIC, OFFERS
from offers.campaign import Creative, Offer
from offers.creative import MAX_BODY, MAX_TITLE
from offers.creative_lint import Severity, lint


def said(title: str, body: str, severity: Severity) -> list[str]:
    return [one.sentence for one in lint(Offer(title, body)) if one.severity is severity]


ORDINARY = [
    *[(title, body) for title, body, _ in OFFERS.values()],
    GENERIC[:2],
    ("Fresh tortellini, 1 € off", "Today only, on the island in front of you.\nShow the code."),
    ("See you on Saturday", "Tasting of six cheeses at the counter from 10 to 12."),
    ("We see you soon?", "Members' evening on Friday: wine and music."),
    ("We know you'll love it", "Our new dark chocolate, 70 % cacao, aisle 9."),
    ("Watch the match with us", "Crisps and dips at half price until Sunday."),
    ("Looking for a gift?", "Boxes of pralines beside the tills, wrapped for free."),
    ("Sugar free, full of taste", "The new lemonade: aisle 4."),
    ("100 % cotton towels", "Five colours, from 7.99 €."),
    ("Coffee, 250 g: £3.50", "[BIO] arabica. While stocks last."),
    ("[NEW] Oat drink", "Third litre free."),
    ("Shampoo 20 % off", "All brands; one per customer."),
    ("Second pizza free", "Freezer aisle, until Saturday."),
    ("Spend 50 €, get 5 € back", "On your next shop, until 31/12."),
    ("We noticed the cold", "Soups of the day: warm up with the second cup at half price."),
    ("Follow the yellow arrows", "To the garden furniture: 3 chairs for 2."),
    ("Recycle & save", "Bring your bottles: 10 ct each."),
    ("Ci vediamo sabato", "Degustazione di formaggi al banco dalle 10."),
    ("Ti aspettiamo al banco", "Mozzarella di bufala a 9,90 € al kg."),
    ("Pasta 3x2", "Tutti i formati, fino a domenica."),
    ("Sconto del 20%", "Su tutti i detersivi della corsia 6."),
    ("Vino bianco per il pesce", "Sei bottiglie, una in omaggio."),
    ("Sai che giorno è?", "Oggi il pane è gratis con 30 € di spesa."),
    ("Guarda che prezzo", "Parmigiano 24 mesi a 15 € al kg."),
    ("Senza zucchero", "Biscotti integrali: 1 € di sconto."),
    ("Zwei zum Preis von einem", "Nudeln aller Sorten, nur diese Woche."),
    ("Wir sehen uns am Samstag", "Verkostung an der Käsetheke."),
    ("Wissen Sie, was schmeckt?", "Spargel aus der Region: 500 g für 4,99 €."),
    ("Stehen Sie auf Schokolade?", "20 % auf alle Tafeln im Gang 9."),
    ("Kaffee 30 % günstiger", "Ganze Bohne, 1 kg, solange der Vorrat reicht."),
    ("On se voit samedi", "Dégustation de fromages de 10 h à midi."),
    ("Café : le 3e offert", "Tous les paquets de 250 g."),
    ("Savez-vous cuisiner le lapin ?", "Recettes au rayon boucherie, -20 % sur la moutarde."),
    ("Vous êtes gourmand ?", "Trois tablettes de chocolat pour 5 €."),
    ("Shampooings -30 %", "Sur le deuxième, toutes marques."),
    ("Nos vemos el sábado", "Cata de quesos en el mostrador."),
    ("¿Sabes qué hay de nuevo?", "Galletas sin azúcar: 2 por 3 €."),
    ("Aceite de oliva", "La segunda unidad a mitad de precio."),
    ("Te esperamos", "Pan recién hecho a las cinco en la panadería."),
    ("20 % sconto", "Su tutte le tisane."),
    ("Prix doux: 100%d'agrumes", "Jus pressé, 2 l."),
]  # fmt: skip


@pytest.mark.parametrize(("title", "body"), ORDINARY)
def test_an_ordinary_offer_is_left_alone(title: str, body: str) -> None:
    assert lint(Offer(title, body)) == ()


WATCHED = [
    "We see you in aisle 5",
    "We can see you like wine",
    "We noticed you stopped at the coffee",
    "We've noticed you love pasta",
    "We have been watching you",
    "We are following you",
    "Noticed you're thirsty?",
    "We know that you want chocolate",
    "We know you are here",
    "We know where you are",
    "You are standing in front of the pasta",
    "You're in front of a bargain",
    "You\u2019re in aisle 7: look up",
    "You've been looking at it for a while",
    "You just walked past the cheese",
    "Based on your location: pasta",
    "The wine you looked at is cheaper",
    "Ti vediamo: prendi il caffè",
    "Ti abbiamo visto tra i vini",
    "Abbiamo notato che cerchi la pasta",
    "Sappiamo che sei in corsia 3",
    "Sei davanti alla pasta",
    "Ti sei fermata ai dolci",
    "Wir sehen dich",
    "Wir haben bemerkt, dass du Kaffee suchst",
    "Wir wissen, was Sie wollen",
    "Du stehst gerade vor dem Weinregal",
    "Sie stehen vor den Nudeln",
    "Nous avons remarqué que vous aimez le vin",
    "On sait où vous êtes",
    "Vous êtes devant les pâtes",
    "Nous vous observons",
    "Hemos notado que buscas café",
    "Sabemos dónde estás",
    "Estás delante de la pasta",
    "Te estamos viendo",
]


@pytest.mark.parametrize("text", WATCHED)
def test_wording_that_tells_people_they_are_watched_is_refused(text: str) -> None:
    (as_title,) = said(text, "Pasta, 2 for 1.", Severity.FAULT)
    (as_body,) = said("Pasta, 2 for 1.", f"Hello!\n{text.upper()}", Severity.FAULT)

    assert "tells people" in as_title
    assert as_title == as_body


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("Hello {name}", "{name}"),
        ("Hello {{ first_name }}", "{{ first_name }}"),
        ("Hello {{name", "{"),
        ("Hello ${name}", "{name}"),
        ("Hello $name", "$name"),
        ("Hello %s!", "%s"),
        ("Hello %(name)s", "%(name)s"),
        ("Hello %1$s", "%1$s"),
        ("Hello %%NAME%%", "%%NAME%%"),
        ("Hello *|FNAME|*", "*|FNAME|*"),
        ("Hello <first_name>", "<first_name>"),
        ("Hello [FIRST NAME]", "[FIRST NAME]"),
        ("Ciao [Nome]", "[Nome]"),
        ("Hallo [VORNAME]", "[VORNAME]"),
        ("Bonjour [prénom]", "[prénom]"),
        ("Only [PRICE]", "[PRICE]"),
    ],
)
def test_a_variable_that_nobody_fills_in_is_refused(text: str, variable: str) -> None:
    found = said(text, "Pasta, 2 for 1.", Severity.FAULT)

    assert any(sentence.startswith(repr(variable)) for sentence in found)


@pytest.mark.parametrize(
    ("title", "body", "claim"),
    [
        ("50 % off!", "Don't miss it.", "50 %"),
        ("Everything -20%", "Great prices now", "20%"),
        ("Mega deal", "Only 5 €!", "5 €"),
        ("Free gift", "Get it now", "free"),
        ("Half price", "on everything", "half price"),
        ("$5 off", "Just for you", "$5"),
        ("Tutto a 1 €", "Approfitta", None),
        ("Sconto del 30%", "Su tutti i prezzi", "30%"),
        ("Gratis!", "Alles umsonst", "gratis"),
        ("Jetzt 25 % Rabatt", "Auf alles", "25 %"),
        ("-40 %", "Sur tout le magasin", "40 %"),
        ("Todo a mitad de precio", "¡Aprovecha!", "mitad de precio"),
    ],
)
def test_a_claim_about_nothing_is_warned_of(title: str, body: str, claim: str | None) -> None:
    found = said(title, body, Severity.WARNING)

    if claim is None:  # a word that the list does not know is taken for a product
        assert found == []
    else:
        assert found == [
            f"promises {claim!r} without saying for which product, how many or until when"
        ]
    assert said(title, f"{body} Until Sunday.", Severity.WARNING) == []


def test_a_text_is_refused_when_it_does_not_fit_and_warned_of_when_it_is_cut() -> None:
    assert said("t" * 51, "b" * 121, Severity.WARNING) == [
        "has 51 characters; a lock screen shows about 50",
        "has 121 characters; a lock screen shows about 120",
    ]
    assert said("t" * 50, "b" * 120, Severity.WARNING) == []
    assert said("t" * (MAX_TITLE + 1), "b" * (MAX_BODY + 1), Severity.FAULT) == [
        "has 121 characters; at most 120 fit into a push",
        "has 401 characters; at most 400 fit into a push",
    ]
    assert said("  ", "b", Severity.FAULT) == ["is blank"]


def test_every_language_is_looked_at_and_named() -> None:
    offer = Offer(
        "Pasta", "2 for 1",
        creatives=(Creative("it", "Ciao {nome}", "b", "https://a.example/" + "x" * 700),),
    )  # fmt: skip

    assert [(one.locale, one.field, one.severity.value) for one in lint(offer)] == [
        ("it", "title", "fault"),
        ("it", "image_url", "warning"),
    ]
