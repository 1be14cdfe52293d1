"""Plan files: what they mean, every fault at once with its line, and there and back."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind, GeoAnchor, StorePlan
from corsia.plan_files import (
    Plan,
    PlanFileError,
    creative_warnings,
    parse_plan,
    read_plan,
    write_plan,
)
from offers.attribution import Window
from offers.audience_words import text_of
from offers.campaign import (
    LAST_WEEK,
    Benefit,
    BenefitKind,
    Campaign,
    CampaignLimits,
    Creative,
    Hours,
    Offer,
    OnHolidays,
    Status,
    Tier,
)
from offers.creative import MAX_BODY, MAX_TITLE
from offers.creative_lint import Severity, lint
from tests.offers.audiences import audiences

EXAMPLE = Path(__file__).with_name("plan_example.yaml")
EXAMPLE_TEXT = EXAMPLE.read_text()


def faults_of(text: str) -> list[str]:
    with pytest.raises(PlanFileError) as caught:
        parse_plan(text.encode(), "plan.yaml")
    return [str(fault) for fault in caught.value.faults]


def changed(*changes: tuple[str, str]) -> str:
    """The example with some of its text replaced."""
    text = EXAMPLE_TEXT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_example_means_what_it_says() -> None:
    plan = read_plan(EXAMPLE)
    assert plan.stores == (
        StorePlan(
            "milano-1",
            "Milano, Corso Como",
            "Europe/Rome",
            "IT",
            (
                FloorPlan(
                    "ground",
                    ((0.0, 0.0), (20.0, 0.0), (20.0, 12.0), (0.0, 12.0)),
                    (
                        ((4.0, 3.0), (16.0, 3.0), (16.0, 4.0), (4.0, 4.0)),
                        ((4.0, 8.0), (16.0, 8.0), (16.0, 9.0), (4.0, 9.0)),
                    ),
                    (
                        Zone(
                            "pasta",
                            "Pasta and rice",
                            ZoneKind.AISLE,
                            ((4.0, 4.0), (16.0, 4.0), (16.0, 8.0), (4.0, 8.0)),
                        ),
                        Zone(
                            "pasta-fresh",
                            "Fresh pasta",
                            ZoneKind.PROMO,
                            ((13.0, 4.0), (16.0, 4.0), (16.0, 6.0), (13.0, 6.0)),
                            1,
                        ),
                        Zone(
                            "tills",
                            "Tills",
                            ZoneKind.CHECKOUT,
                            ((0.0, 0.0), (4.0, 0.0), (4.0, 6.0), (0.0, 6.0)),
                        ),
                    ),
                    (
                        GatewayPlace("milano-1-gw1", 2.0, 2.0, 3.2),
                        GatewayPlace("milano-1-gw2", 10.0, 6.0, 3.2),
                        GatewayPlace("milano-1-gw3", 18.0, 10.0, 3.2),
                    ),
                ),
            ),
        ),
    )
    assert plan.campaigns == (
        Campaign(
            campaign_id="fresh-pasta-may",
            name="Fresh pasta in May",
            offer=Offer(
                "Fresh tortellini, 1 € off",
                "Today only, on the island in front of you.\nShow the code at the till.",
                "https://images.example/tortellini.jpg",
                180,
                100,
                Benefit(BenefitKind.AMOUNT, amount_cents=100),
                frozenset({"8001234567890"}),
                (
                    Creative("it", "Tortellini freschi, 1 € in meno", "Solo oggi, sull'isola."),
                    Creative("de", "Frische Tortellini, 1 € Rabatt", "Nur heute, auf der Insel."),
                ),
                "/offers/tortellini",
            ),
            zone_ids=frozenset({"pasta", "pasta-fresh"}),
            valid_from=datetime(2026, 4, 30, 22, tzinfo=UTC),
            valid_until=datetime(2026, 5, 31, 22, tzinfo=UTC),
            store_ids=frozenset({"milano-1"}),
            categories=frozenset({"pasta", "fresh"}),
            tier=Tier.PERSONAL,
            status=Status.LIVE,
            hours=(
                Hours(time(9), time(13), frozenset(range(5))),
                Hours(time(8, 30), time.max, frozenset({5, 6}), frozenset({1, LAST_WEEK})),
            ),
            on_holidays=OnHolidays.NEVER,
            limits=CampaignLimits(2, 30),
            budget_sends=5000,
            budget_cents=400_000,
            goal=Window.SHELF,
            goal_within_min=15,
            control_share=0.2,
        ),
        Campaign(
            campaign_id="rice-2-for-1",
            name="Rice, 2 for 1",
            offer=Offer("Two for one", "All rice this week."),
            zone_ids=frozenset({"pasta"}),
            valid_from=datetime(2026, 5, 4, tzinfo=UTC),
            valid_until=datetime(2026, 5, 11, tzinfo=UTC),
        ),
    )


def test_instants_come_in_as_utc() -> None:
    assert read_plan(EXAMPLE).campaigns[0].valid_from.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # The sentence of the brief: path, line, words.
        (
            "polygon: [[13, 4], [16, 4], [16, 6], [13, 6]]",
            "polygon: [[13, 4], [16, 4]]",
            "stores[0].floors[0].zones[1].polygon: a ring needs at least 3 corners",
        ),
        ("[16, 6], [13, 6]]", "[16], [13, 6]]", "zones[1].polygon[2]: a corner is [x, y]"),
        ("[16, 6], [13, 6]]", "[16, x], [13, 6]]", "polygon[2][1]: must be a number"),
        ("[16, 6], [13, 6]]", "[16, .nan], [13, 6]]", "polygon[2][1]: must be a number"),
        ("[16, 6], [13, 6]]", "[16, nan], [13, 6]]", "polygon[2][1]: must be a number"),
        ("[16, 6], [13, 6]]", "[16, 20000], [13, 6]]", "polygon[2][1]: must be at most 10000"),
        ("[16, 6], [13, 6]]", "[13, 6], [16, 6]]", "zones[1].polygon: Zone pasta-fresh is not a"),
        ("kind: promo", "kind: Promo", "zones[1].kind: must be 'aisle', 'promo', 'entrance'"),
        ("kind: promo", "kind:", "zones[1].kind: is empty"),
        ("priority: 1 #", "prio: 1 #", "zones[1].prio: no such key here; known are zone_id, name"),
        ("zone_id: tills", "zone_id: Tills", "zones[2].zone_id: an id has 1 to 64 small letters"),
        ("zone_id: tills", "zone_id: pasta", "zones[2].zone_id: pasta is used twice, first on"),
        ("gateway_id: milano-1-gw3", "gateway_id: milano-1-gw1", "milano-1-gw1 is used twice"),
        ("x_m: 18", "x_m: 180", "gateways[2]: Gateway milano-1-gw3 hangs 160 m outside"),
        ("priority: 1 #", "priority: 1.5 #", "zones[1].priority: must be a whole number"),
        ("country: IT", "country: Italy", "stores[0].country: a country has two capital letters"),
        ("tz: Europe/Rome", "tz: Europe/Roma", "stores[0].tz: no such time zone"),
        ("tz: Europe/Rome", "tz: ../../etc/passwd", "stores[0].tz: no such time zone"),
        ("tz: Europe/Rome", "tz: Europe", "stores[0].tz: no such time zone"),
        ("status: live", "status: alive", "campaigns[0].status: must be 'draft', 'live',"),
        ("tier: personal", "tier: vip", "campaigns[0].tier: must be 'recovery', 'service',"),
        ("control_share: 0.2", "control_share: 20%", "control_share: must be a number"),
        ("control_share: 0.2", "control_share: 1.2", "control_share: must be at most 1"),
        ("margin_cents: 180", "margin_cents: 1.80", "margin_cents: must be a whole number"),
        ("margin_cents: 180", "margin_cents: -5", "margin_cents: must be at least 0"),
        ("[pasta, pasta-fresh]", "[]", "zone_ids: must name a zone, or zone_tags a tag of zones"),
        (
            "categories: [pasta, fresh] # browsing that makes it relevant",
            "audience: visits >= 3 and lifecycle custommer",
            "campaigns[0].audience: cannot be read at 'custommer' (its line 1, column 27): ",
        ),
        (
            "categories: [pasta, fresh] # browsing that makes it relevant",
            "audience: visits >=",
            "campaigns[0].audience: cannot be read at its end (its line 1, column 10): ",
        ),
        ("[pasta, pasta-fresh]", "pasta", "campaigns[0].zone_ids: must be a list"),
        ("[pasta, pasta-fresh]", "[pasta, psta]", "zone_ids[1]: no store of this campaign has a"),
        ("[pasta, pasta-fresh]", "[pasta, pasta]", "zone_ids: named more than once: pasta"),
        ("2026-05-01T00:00:00+02:00", "2026-05-01", "valid_from: must be a time with its offset"),
        ("2026-05-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00", "valid_from: must be a time"),
        ("2026-06-01T00:00:00+02:00", "2025-06-01T00:00:00Z", "valid_until: must be later than"),
        ("start: 09:00", "start: 13:00", "hours[0].end: must be another time than start"),
        ("weeks: [1, last]", "weeks: [6]", "hours[1].weeks[0]: must be '1', '2'"),
        ("weeks: [1, last]", "weeks: [1, 1]", "hours[1].weeks: named more than once: 1"),
        ("on_holidays: never", "on_holidays: no", "on_holidays: must be 'normal', 'never' or"),
        ("per_shopper: 2,", "per_shopper: 0,", "limits.per_shopper: must be at least 1"),
        ("per_days: 30", "per_weeks: 4", "limits.per_weeks: no such key here; known are per_shop"),
        ("goal: shelf", "goal: till", "goal: must be 'shelf', 'basket' or 'return'"),
        ("deep_link: /offers", "deep_link: http://a", "deep_link: must begin with https://, or"),
        ("locale: de", "locale: IT", "creatives[1].locale: must be a language as handsets say it"),
        ("locale: de", "locale: it", "campaigns[0].creatives[1].locale: is there already"),
        ("kind: amount,", "kind: percent,", "benefit: a benefit of kind percent has percent"),
        ("kind: amount,", "kind: amuont,", "benefit.kind: must be 'information', 'percent',"),
        ("kind: amount, amount_cents: 100", "kind: multibuy, take: 2, pay: 2", "has pay less than"),
        ("title: Two for one", "title: Two for {n}", "campaigns[1].title: '{n}' is a place for"),
        ("Tortellini freschi,", "[NOME] freschi", "creatives[0].title: '[NOME]' is a place for"),
        ("All rice this week.", "You are standing at the rice.", "campaigns[1].body: 'you are sta"),
        ("start: 09:00", "start: 9 o'clock", "hours[0].start: must be a time of day"),
        ("[sat, sun]", "[saturday]", "hours[1].weekdays[0]: must be 'mon', 'tue'"),
        ("https://images", "http://images", "image_url: an address must begin with https://"),
        ("title: Two for one", "title: ' '", "campaigns[1].title: must be one line of text"),
        ("title: Two for one", r'title: "a\nb"', "campaigns[1].title: must be one line of text"),
        ("body: All rice this week.", r'body: "a\0b"', "campaigns[1].body: must be text, not"),
        ("body: All rice this week.", "body: [a]", "campaigns[1].body: must be text"),
        ("body: All rice this week.", f"body: {'x' * 401}", "must have at most 400 characters"),
        ("campaign_id: rice-2-for-1", "campaign_id: fresh-pasta-may", "used twice, first on line"),
        ("version: 1", "version: 2", "version: must be '1'"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line_and_path(old: str, new: str, said: str) -> None:
    text = changed((old, new))
    (fault,) = faults_of(text)
    assert fault.startswith(f"plan.yaml:{line_of(EXAMPLE_TEXT, old)}: ")
    assert said in fault


def test_a_key_that_is_missing_is_asked_for_where_its_mapping_begins() -> None:
    (fault,) = faults_of(changed(("            name: Tills\n", "")))
    line = line_of(EXAMPLE_TEXT, "zone_id: tills")
    assert fault == f"plan.yaml:{line}: stores[0].floors[0].zones[2].name: is missing"


def test_overlapping_zones_are_named_at_the_drawing() -> None:
    (fault,) = faults_of(changed(("priority: 1 #", "priority: 0 #")))
    line = line_of(EXAMPLE_TEXT, "polygon: [[4, 4]")
    assert fault.startswith(f"plan.yaml:{line}: stores[0].floors[0].zones[0].polygon: ")
    assert "pasta and pasta-fresh overlap" in fault


def test_a_broken_shelf_is_named_by_its_place() -> None:
    (fault,) = faults_of(
        changed(("[[4, 8], [16, 8], [16, 9], [4, 9]]", "[[4, 8], [16, 9], [16, 8], [4, 9]]"))
    )
    line = line_of(EXAMPLE_TEXT, "[[4, 8]")
    assert fault.startswith(f"plan.yaml:{line}: stores[0].floors[0].obstacles[1]: Obstacle 2 is")


def test_a_broken_outline_is_named() -> None:
    (fault,) = faults_of(changed(("[20, 12], [0, 12]]", "[0, 12], [20, 12]]")))
    assert "floors[0].outline: The outline is not a simple polygon" in fault


def test_all_faults_come_at_once_in_the_order_of_lines() -> None:
    text = changed(
        ("country: IT", "country: it"),
        ("kind: promo", "kind: island"),
        ("control_share: 0.2", "control_share: lots"),
        ("campaign_id: rice-2-for-1", "campaign_id: rice-2-for-1\n    campaign_id: again"),
        ("2026-05-11T00:00:00Z", "2026-05-01T00:00:00Z"),
    ) + "extra: 1\n"  # fmt: skip
    lines = [int(fault.split(":")[1]) for fault in faults_of(text)]
    assert lines == sorted(lines)
    said = "\n".join(faults_of(text))
    for part in (
        "country", "zones[1].kind", "control_share", "written twice", "valid_until", "extra",
    ):  # fmt: skip
        assert part in said
    assert len(lines) == 6


def test_one_stores_wrong_form_does_not_hide_anothers_wrong_drawing() -> None:
    second = EXAMPLE_TEXT[EXAMPLE_TEXT.index("  - store_id") : EXAMPLE_TEXT.index("campaigns:")]
    second = second.replace("milano-1", "milano-2").replace("x_m: 18", "x_m: 180")
    text = changed(
        ("country: IT\n", "country: it\n"), ("\ncampaigns:\n", second + "\ncampaigns:\n")
    )
    said = faults_of(text)
    assert len(said) == 2
    assert "stores[1].floors[0].gateways[2]" in said[1]


def test_zones_of_one_id_in_two_stores_are_no_repeat_but_gateways_are() -> None:
    second = EXAMPLE_TEXT[EXAMPLE_TEXT.index("  - store_id") : EXAMPLE_TEXT.index("campaigns:")]
    second = second.replace("- store_id: milano-1", "- store_id: milano-2")
    text = changed(("\ncampaigns:\n", second + "\ncampaigns:\n"))
    said = faults_of(text)
    assert len(said) == 3
    assert all("gateway_id: milano-1-gw" in fault for fault in said)


def test_a_zone_is_not_missed_when_its_store_may_have_been_imported_before() -> None:
    text = changed(
        ("[milano-1] #", "[milano-1, roma-1] #"), ("[pasta, pasta-fresh]", "[colosseum]")
    )
    assert parse_plan(text.encode(), "plan.yaml").campaigns[0].zone_ids == {"colosseum"}


@pytest.mark.parametrize("text", ["- 1\n", "hello\n", "stores: 3\n", "stores:\n  - 3\n"])
def test_a_document_of_another_shape_is_refused_in_words(text: str) -> None:
    (fault,) = faults_of(text)
    assert "must be a" in fault
    assert fault.startswith("plan.yaml:1:" if text != "stores:\n  - 3\n" else "plan.yaml:2:")


def test_text_that_is_no_yaml_is_a_plan_file_error_too() -> None:
    (fault,) = faults_of("stores: [\n")
    assert fault.startswith("plan.yaml:2: not YAML")


def test_an_empty_file_is_an_empty_plan() -> None:
    assert parse_plan(b"# nothing yet\n", "plan.yaml") == Plan()


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match=r"none\.yaml: cannot be read: No such file"):
        read_plan(tmp_path / "none.yaml")


def test_a_basket_is_credited_in_its_visit_only() -> None:
    (fault,) = faults_of(changed(("goal: shelf", "goal: basket")))
    line = line_of(EXAMPLE_TEXT, "goal_within_min")
    assert fault.startswith(f"plan.yaml:{line}: campaigns[0].goal_within_min: is for the goals sh")


def test_what_is_weak_in_texts_is_told_with_its_line() -> None:
    assert creative_warnings(read_plan(EXAMPLE)) == []
    text = changed(
        ("title: Two for one", f"title: {'Rice ' * 11}"),
        ("Tortellini freschi, 1 € in meno", "Sconto del 30%"),
        ("Solo oggi, sull'isola.", "Tutto"),
    )

    said = [str(warning) for warning in creative_warnings(parse_plan(text.encode(), "p.yaml"))]

    lines = [line_of(text, "Sconto"), line_of(text, "title: Rice R")]
    assert said[0].startswith(f"p.yaml:{lines[0]}: campaigns[0].creatives[0].title: promises '30%'")
    assert said[1].startswith(f"p.yaml:{lines[1]}: campaigns[1].title: has 54 characters; a lock")
    assert len(said) == 2


# There and back


def test_the_example_goes_there_and_back() -> None:
    plan = read_plan(EXAMPLE)
    text = write_plan(plan)
    assert parse_plan(text.encode(), "again.yaml") == plan
    assert write_plan(parse_plan(text.encode(), "again.yaml")) == text


def test_what_is_written_reads_like_a_plan() -> None:
    text = write_plan(read_plan(EXAMPLE))
    assert "outline: [[0, 0], [20, 0], [20, 12], [0, 12]]" in text
    assert "title: Fresh tortellini, 1 € off" in text
    assert "end: '24:00'" in text
    assert "zone_ids: [pasta, pasta-fresh]" in text
    assert "valid_from: '2026-04-30T22:00:00Z'" in text
    assert "body: |-\n      Today only, on the island in front of you.\n      Show the" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "null" not in text


def test_an_empty_plan_goes_there_and_back() -> None:
    assert parse_plan(write_plan(Plan()).encode(), "f") == Plan()


LINE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1, max_size=MAX_TITLE,
).filter(lambda text: bool(text.strip()))  # fmt: skip
LINES = st.text(alphabet="ab #:-'\"|>\n", min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)
AWKWARD = st.sampled_from(
    ["null", "~", "NO", "007", "1e3", "- a", "# b", "a: b", "'", '"', "*x", "&y", "!z", "%", "@"]
)
NAME = LINE | AWKWARD
ID = st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True)
STORE_IDS = st.lists(ID, max_size=2, unique=True)
MOMENT = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
IMAGE = st.just("https://a.example/b?c=d#e")
LOCALES = ["it", "de", "de-CH", "pt-BR", "zh-Hant-TW"]
DAYS = st.integers(1, 366)
BENEFITS = [
    Benefit(),
    Benefit(BenefitKind.PERCENT, percent=20),
    Benefit(BenefitKind.AMOUNT, amount_cents=150),
    Benefit(BenefitKind.MULTIBUY, take=3, pay=2),
    Benefit(BenefitKind.OTHER, words="a bag: with it"),
]
METRES = st.floats(-9_000, 9_000)


@st.composite
def campaigns(draw: st.DrawFn, campaign_id: str) -> Campaign:
    valid_from = draw(MOMENT)
    spans = draw(
        st.lists(st.tuples(st.times(), st.times()).filter(lambda t: t[0] != t[1]), max_size=2)
    )
    goal = draw(st.sampled_from(Window))
    return Campaign(
        campaign_id=campaign_id,
        name=draw(NAME),
        offer=Offer(
            draw(NAME),
            draw(NAME | LINES),
            draw(st.none() | IMAGE),
            draw(st.integers(0, 10_000)),
            draw(st.integers(0, 10_000)),
            draw(st.sampled_from(BENEFITS)),
            draw(st.frozensets(NAME, max_size=2)),
            tuple(
                Creative(locale, draw(NAME), draw(NAME | LINES), draw(st.none() | IMAGE))
                for locale in draw(st.lists(st.sampled_from(LOCALES), unique=True))
            ),
            draw(st.none() | st.just("/a?b=c#d") | st.just("https://a.example/b")),
        ),
        zone_ids=draw(st.frozensets(ID, min_size=1, max_size=3)),
        zone_tags=draw(st.frozensets(NAME, max_size=2)),
        audience=draw(st.just("") | audiences.map(text_of)),
        valid_from=valid_from,
        valid_until=valid_from + timedelta(microseconds=draw(st.integers(1, 10**15))),
        store_ids=draw(st.frozensets(ID, max_size=3)),
        categories=draw(st.frozensets(NAME, max_size=3)),
        tier=draw(st.sampled_from(Tier)),
        status=draw(st.sampled_from(Status)),
        hours=tuple(
            Hours(
                start,
                end,
                draw(st.frozensets(st.integers(0, 6), min_size=1)),
                draw(st.frozensets(st.integers(0, 5))),
            )
            for start, end in spans
        ),
        on_holidays=draw(st.sampled_from(OnHolidays)),
        limits=draw(st.just(CampaignLimits()) | st.builds(CampaignLimits, DAYS, DAYS)),
        budget_sends=draw(st.none() | st.integers(0, 10**6)),
        budget_cents=draw(st.none() | st.integers(0, 10**9)),
        goal=goal,
        goal_within_min=None if goal is Window.BASKET else draw(st.none() | DAYS),
        control_share=draw(st.floats(0, 1)),
    )  # fmt: skip


@st.composite
def floors(draw: st.DrawFn, floor_id: str, gateway_ids: list[str]) -> FloorPlan:
    """A floor of strips: sound by construction, with coordinates of any size and precision."""
    x, y = draw(METRES), draw(METRES)
    side = draw(st.floats(1, 100))
    count = draw(st.integers(0, 3))
    zones = tuple(
        Zone(
            f"{floor_id[:40]}-z{n}",
            draw(NAME),
            draw(st.sampled_from(ZoneKind)),
            _box(x, y + n * side / 4, side, side / 4),
            draw(st.integers(-5, 5)),
            draw(st.frozensets(NAME, max_size=2)),
        )
        for n in range(count)
    )
    places = tuple(
        GatewayPlace(gateway_id, x + side / 2, y + side / 2, draw(st.floats(0, 30)))
        for gateway_id in gateway_ids
    )
    shelf = _box(x + side / 3, y + side / 3, side / 3, side / 3)
    level = draw(st.integers(-50, 50))
    return FloorPlan(floor_id, _box(x, y, side, side), (shelf,), zones, places, level)


def _box(x: float, y: float, width: float, depth: float) -> tuple[tuple[float, float], ...]:
    return ((x, y), (x + width, y), (x + width, y + depth), (x, y + depth))


@st.composite
def stores(draw: st.DrawFn, store_id: str) -> StorePlan:
    """A store of one to three floors, joined by a connector when there are several."""
    names = ["ground", "upper", "cellar"][: draw(st.integers(1, 3))]
    drawn = tuple(draw(floors(name, [f"{store_id[:40]}-{name}-gw"])) for name in names)
    ends = tuple(ConnectorEnd(floor.floor_id, *floor.outline[0]) for floor in drawn)
    connectors = (Connector("way-up", draw(st.sampled_from(ConnectorKind)), ends),)
    degrees = st.floats(-80, 80)
    return StorePlan(
        store_id,
        draw(NAME),
        draw(st.sampled_from(["Europe/Rome", "UTC", "America/Sao_Paulo"])),
        draw(st.sampled_from(["IT", "NO", "BR"])),
        drawn,
        connectors if len(drawn) > 1 else (),
        draw(st.none() | st.builds(GeoAnchor, degrees, degrees, degrees)),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    several = tuple(
        draw(stores(f"{number}-{store_id[:50]}")) for number, store_id in enumerate(draw(STORE_IDS))
    )
    wanted = draw(st.lists(ID, max_size=3, unique=True))
    # Zones of a plan's own stores are checked; these campaigns belong to stores elsewhere.
    return Plan(
        several,
        tuple(_elsewhere(draw(campaigns(campaign_id).filter(_is_sound))) for campaign_id in wanted),
    )


def _elsewhere(campaign: Campaign) -> Campaign:
    return replace(campaign, store_ids=campaign.store_ids | {"elsewhere"})


def _is_sound(campaign: Campaign) -> bool:
    return all(one.severity is not Severity.FAULT for one in lint(campaign.offer))


@settings(deadline=None)  # the first example imports what shapely needs
@given(plans())
def test_any_plan_goes_there_and_back(plan: Plan) -> None:
    text = write_plan(plan)
    assert parse_plan(text.encode(), "again.yaml") == plan


def test_the_longest_texts_fit() -> None:
    campaign = read_plan(EXAMPLE).campaigns[1]
    long = Offer("t" * MAX_TITLE, "b" * MAX_BODY)
    plan = Plan((), (replace(campaign, offer=long),))
    assert parse_plan(write_plan(plan).encode(), "f") == plan
