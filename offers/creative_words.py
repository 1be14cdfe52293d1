"""The words that creatives are judged by, in English, Italian, German, French and Spanish.

All are written as `offers.creative_lint` reads a text: small letters, no accents, straight
apostrophes, one space between words. A phrase is refused, so each is as narrow as its reason; a
greeting such as "see you on Saturday" is none of them.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Watching:
    """A wording that tells people they are watched, and what it tells them."""

    pattern: re.Pattern[str]
    tells: str


def _watching(tells: str, *patterns: str) -> tuple[Watching, ...]:
    return tuple(Watching(re.compile(rf"\b(?:{pattern})"), tells) for pattern in patterns)


# Not "we see you soon": what follows says that it is a greeting.
_SOON: Final = r"(?! (?:soon|there|again|tomorrow|next|on|at|in store|el \w+|pronto|manana|luego))"

WATCHING: Final[tuple[Watching, ...]] = (
    *_watching(
        "that somebody looks at them",
        # English
        r"we (?:can |just |now )?(?:see|saw|spotted|noticed?|watched) (?:that )?you\b" + _SOON,
        r"we(?:'ve| have) (?:just )?(?:seen|spotted|noticed) (?:that )?you",
        r"we(?:'ve| have) been (?:watching|following) you",
        r"(?:noticed|spotted) (?:that )?you(?:'re|'ve| are| have| were| looked| stopped)\b",
        r"we(?:'re| are) (?:watching|following|tracking) you",
        r"(?:watching|tracking|following) your (?:steps|every|move|visit|phone|location)",
        # Italian
        r"ti (?:vediamo|osserviamo|seguiamo|guardiamo)\b(?! (?:su|sui|sabato|domenica|presto))",
        r"ti (?:abbiamo|avevamo) (?:appena )?(?:vist|notat|osservat|seguit)[oa]",
        r"ti stiamo (?:guardando|osservando|seguendo|vedendo)",
        r"(?:abbiamo (?:notato|visto)|vediamo|notiamo) che (?:hai|sei|stai|ti|cerchi|guardi)",
        # German
        r"wir (?:sehen|beobachten|verfolgen) dich",
        r"wir (?:sehen|merken|bemerken),? dass (?:du|sie)\b",
        r"wir haben (?:dich|sie) (?:gerade )?(?:gesehen|bemerkt|beobachtet|entdeckt)",
        r"wir haben (?:gesehen|bemerkt),? dass (?:du|sie)\b",
        # French
        r"nous (?:vous|te) (?:voyons|observons|suivons|surveillons)",
        r"on (?:vous|te) (?:voit|observe|suit)\b",
        r"(?:nous (?:vous|t') ?avons|on (?:vous|t') ?a) (?:vu|remarque|repere|apercu)",
        r"nous avons (?:remarque|vu|constate) que (?:vous|tu)\b",
        # Spanish
        rf"te (?:vemos|observamos|seguimos|miramos)\b{_SOON}",
        r"te (?:estamos|hemos) (?:viendo|observando|siguiendo|mirando|visto|observado|notado)",
        r"(?:hemos (?:notado|visto)|vemos|notamos) que (?:estas|has|te|usted|buscas|miras)\b",
    ),
    *_watching(
        "that somebody knows about them",
        r"we know (?:that )?you\b(?!'ll| will)",
        r"we know (?:where|what|when) you",
        r"sappiamo che (?:hai|sei|stai|ti|cerchi|vuoi|ami|compri)\b",
        r"sappiamo (?:dove|cosa|quando) (?:sei|stai|hai|ti|vuoi|cerchi|guardi)\b",
        r"wir wissen,? (?:dass|wo|was|wann) (?:du|sie)\b",
        r"(?:nous savons|on sait) (?:que|ou|quand|ce que) (?:vous|tu)\b",
        r"sabemos (?:que|donde|cuando|lo que) (?:estas|has|te|usted|quieres|buscas|compras)\b",
    ),
    *_watching(
        "that it is known where they stand",
        r"(?:you are|you're|you were) (?:now |just |right |still )?(?:standing|stood)\b",
        r"(?:you are|you're) (?:now |just |right )?(?:in front of|next to|in aisle|in the aisle)",
        r"you(?:'ve| have) been (?:standing|looking|browsing|lingering|waiting|here)\b",
        r"you (?:just |have just )?(?:walked (?:past|by)|stopped (?:at|in front)|lingered)",
        r"(?:standing|stood) (?:in front of|right here|here now)",
        r"your (?:exact |current )?(?:location|position|whereabouts|movements)\b",
        r"(?:sei|ti trovi|stai) (?:proprio |ora |adesso )?(?:davanti a|di fronte a|in piedi)",
        r"ti sei (?:appena )?fermat[oa]",
        r"sei (?:appena )?passat[oa] (?:davanti|accanto|vicino)",
        r"la tua posizione",
        r"(?:du stehst|sie stehen|stehst du|stehen sie) (?:gerade |jetzt |hier |direkt )*"
        r"(?:vor|neben|am|beim)\b",
        r"(?:du bist|sie sind) (?:gerade |jetzt |direkt )*(?:vor|neben) (?:dem|der|unser)",
        r"(?:dein|deinen|deinem) (?:aktuelle[nrm]? )?standort",
        r"(?:vous etes|tu es|vous vous trouvez|tu te trouves) "
        r"(?:juste |en ce moment |actuellement )*(?:devant|face a|a cote d)",
        r"vous venez de (?:passer devant|vous arreter)",
        r"(?:votre|ta) (?:position|localisation)\b",
        r"(?:estas|te encuentras|esta usted) (?:justo |ahora |parad[oa] )*"
        r"(?:delante de|frente a|junto a|al lado de)",
        r"acabas de (?:pasar por|pararte|detenerte)",
        r"tu ubicacion",
    ),
    *_watching(
        "that somebody saw what they looked at",
        r"you(?:'ve| have)? (?:just )?(?:looked at|were looking at|been looking)\b",
        r"you(?:'re| are) (?:now |still )?looking at\b",
        r"stai guardando\b",
        r"hai (?:appena |gia )?guardato\b",
        r"(?:du hast|sie haben) (?:dir |sich )?(?:gerade )?\w* ?(?:angesehen|angeschaut)\b",
        r"(?:vous venez de|tu viens de) regarder\b",
        r"(?:estas mirando|acabas de mirar|has mirado)\b",
    ),
)

# What stands in templates for a name: nobody means to print it. `[BIO]` is no such word.
VARIABLE_WORDS: Final = frozenset({
    "name", "firstname", "lastname", "fname", "lname", "surname", "customer",
    "shopper", "user", "store", "product", "price", "date", "amount", "code", "nome",
    "cognome", "cliente", "prezzo", "negozio", "prodotto", "vorname", "nachname", "kunde",
    "preis", "produkt", "datum", "prenom", "nom", "client", "prix", "produit", "magasin", "nombre",
    "apellido", "precio", "producto", "tienda", "fecha", "insert", "placeholder", "xxx", "tbd",
})  # fmt: skip

# A price, a share of it, or a gift.
CLAIM: Final = re.compile(
    r"\d+(?:[.,]\d+)? ?(?:€|£|\$|%|(?:euros?|eur|chf|pounds?|dollars?|cents?|prozent|percent)\b)"
    r"|[€£$] ?\d"
    r"|\b(?:free|gratis|kostenlos|umsonst|geschenkt|gratuite?s?|offerte?s?|gratuit[oaie]|omaggio"
    r"|regalo|half price|meta prezzo|halber preis|zum halben preis|moitie prix|mitad de precio"
    r"|for nothing)\b"
)
# Until when, or how many.
CONDITION: Final = re.compile(
    r"\b(?:today|tonight|tomorrow|until|till|week(?:end)?s?|month|while|monday|tuesday|wednesday"
    r"|thursday|friday|saturday|sunday|each|every|second|third|max|limit(?:ed)?"
    r"|oggi|domani|stasera|fino|entro|settimana|finche|esaurimento|lunedi|martedi|mercoledi|giovedi"
    r"|venerdi|sabato|domenica|ogni|secondo|seconda|terzo|terza|heute|morgen|bis|woche|solange"
    r"|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|jede[srmn]?|zweite[srmn]?"
    r"|dritte[srmn]?|aujourd'hui|demain|jusqu|semaine|lundi|mardi|mercredi|jeudi|vendredi|samedi"
    r"|dimanche|chaque|deuxieme|troisieme|hoy|manana|hasta|semana|lunes|martes|miercoles"
    r"|jueves|viernes|domingo|cada|segund[oa]|tercer[oa]?)\b"
    r"|\b\d+ ?(?:for|per|x|fur|pour|por|al precio) ?\d"
    r"|\d ?(?:g|kg|ml|cl|l|lt|oz|lb|pcs|pz|stk|stuck)\b"
)
# Words of three letters and more that name no product, in all five languages: a claim beside
# nothing but these is a claim about nothing.
_EMPTY: Final = """
the and off for from with your you our its are get got have take save saving savings now new only
just don't not miss all any everything anything storewide offer offers deal deals sale special
mega super big great best top price prices discount discounts free gift nothing percent euro euros
eur cent cents pound pounds half more less this that here there come see buy shop store out wow
hurry enjoy grab good gli uno una del della dei delle degli alla alle con per tuo tua tutto tutta
tutti tutte sul sulla nostro nostra offerta offerte sconto sconti scontato prezzo prezzi gratis
gratuito gratuita omaggio regalo subito ora adesso perdere non prendi risparmia risparmi speciale
grande solo vieni corri negozio meta che der die das den dem des ein eine einen einem und oder auf
bei mit von fur zum zur dein deine ihr ihre unser unsere alles jetzt nicht verpassen angebot
angebote rabatt preis preise kostenlos umsonst geschenkt geschenk sparen spare sichern nur prozent
neu hier laden halben halber les une sur dans avec pour par votre vos notre nos ton tes tout tous
toute toutes offre offres promo promotion remise rabais prix gratuit gratuite offert cadeau
maintenant profitez economisez pas manquez moitie magasin ici c'est los las unos unas por para tus
sus nuestro nuestra todo toda todos todas oferta ofertas descuento descuentos precio precios ahora
ahorra aprovecha pierdas mitad tienda aqui gran
"""
EMPTY: Final = frozenset(_EMPTY.split())
