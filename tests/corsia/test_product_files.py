"""Products and shelves from the files that retailers have: read as they are, or refused by line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corsia.product_files import (
    PRODUCT_COLUMNS,
    ProductFileError,
    cents,
    read_products,
    read_shelves,
)
from db.products import Shelved
from offers.goods import Product

HEAD = "product_id,name,category,price,margin"
NO_MONEY = "is money such as 1.29 or 1,29, without thousands marks, not"
PENNE = Product("penne", "Penne", "pasta", 129, 40)


def a_file(folder: Path, text: str | bytes, name: str = "products.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def products_in(folder: Path, text: str | bytes) -> list[Product]:
    return [one.thing for one in read_products(a_file(folder, text))]


def faults_of(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ProductFileError) as told:
        read_products(a_file(folder, text))
    return list(told.value.faults)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}\npenne,Penne,pasta,1.29,0.40\n",
        f"{HEAD}\r\npenne,Penne,pasta,1.29,.4\r\n".replace(",.4", ",0.4"),
        f"\ufeff{HEAD}\npenne,Penne,pasta,1.29,0.4",
        "product_id;name;category;price;margin\npenne;Penne;pasta;1,29;0,4\n",
        "product_id\tname\tcategory\tprice\tmargin\npenne\tPenne\tpasta\t1,29\t0,4\n",
        'product_id,name,category,price,margin\npenne,Penne,pasta,"1,29","€ 0,40"\n',
        "EAN;Margin;PRICE; Product_ID ;Category;Name\n801;0,40;1,29 EUR;penne;pasta;Penne\n",
        f"{HEAD}\n\npenne , Penne,pasta,1.29,0.40\n,,,,\n",
        f"{HEAD}\npenne,Penne,pasta,1.29,0.40,more,cells\n",
        f"{HEAD}\npenne,Penne,pasta,1.29,0.40\n".encode("utf-16"),
    ],
)
def test_a_file_is_read_as_retailers_write_it(tmp_path: Path, text: str | bytes) -> None:
    assert products_in(tmp_path, text) == [PENNE]


def test_a_file_of_windows_keeps_its_letters(tmp_path: Path) -> None:
    text = f"{HEAD}\nmuesli,Müesli für Käthe €,früh,3,1\n"

    (found,) = products_in(tmp_path, text.encode("cp1252"))

    assert (found.name, found.category) == ("Müesli für Käthe €", "früh")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("3", 300), ("1.2", 120), ("1,29", 129), ("-0,05", -5), ("€2.50", 250), ("2.50 CHF", 250)],
)
def test_money_is_read_as_it_is_written(text: str, amount: int) -> None:
    assert cents(text) == amount


@given(st.integers(0, 10**9), st.sampled_from(".,"))
def test_every_amount_is_read_to_the_cent(amount: int, point: str) -> None:
    assert cents(f"{amount // 100}{point}{amount % 100:02}") == amount


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = "\n".join(
        [
            HEAD,
            "penne,Penne,pasta,1.29,0.40",
            ",Penne,,1.234,0.40",
            'rice,"Rice',
            'of the Po",rice,0,abc',
            "penne,Penne,pasta,1.29,0.40",
            "oil,Oil,oil,5.00,30",
            f"{'x' * 65},Sauce,sauce,1e3,0.1",
            "salt,Salt,salt,99999999,1",
            "bread",
        ]
    )

    assert faults_of(tmp_path, text) == [
        "products.csv:3: product_id: is empty",
        "products.csv:3: category: is empty",
        f"products.csv:3: price: {NO_MONEY} '1.234'",
        "products.csv:4: name: has a character that cannot be printed",
        "products.csv:4: price: is over 0, not '0'",
        f"products.csv:4: margin: {NO_MONEY} 'abc'",
        "products.csv:6: penne is on line 2 too",
        "products.csv:7: margin: is more than the price; it is money, and not a percentage",
        "products.csv:8: product_id: has 65 characters, 64 at most",
        f"products.csv:8: price: {NO_MONEY} '1e3'",
        "products.csv:9: price: is at most 20,000,000, not '99999999'",
        *(f"products.csv:10: {name}: is empty" for name in PRODUCT_COLUMNS[1:]),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no product_id and no name and no category and no price and no margin"),
        ("product_id;name;category;price\n", "there is no margin"),
        (f'{HEAD}\npenne,"Penne,pasta,1,1\n', "products.csv:2: cannot be read as CSV"),
        (b"\xff\xfe\x00", "neither UTF-8 nor UTF-16 nor Windows-1252"),
        (HEAD.encode() + b"\npenne,\x81,a,1,1", "neither UTF-8 nor UTF-16 nor Windows-1252"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    (fault,) = faults_of(tmp_path, text)

    assert said in fault


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProductFileError, match="No such file"):
        read_products(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("said", "there"),
    [("yes", True), ("Y", True), ("TRUE", True), ("1", True), ("12", True),
     ("no", False), ("n", False), ("false", False), ("0", False)],
)  # fmt: skip
def test_stock_is_yes_or_no_or_a_number_of_pieces(tmp_path: Path, said: str, there: bool) -> None:
    file = a_file(tmp_path, f"store,product,zone,in_stock\nmilano,penne,aisle-7,{said}\n")

    (found,) = read_shelves(file)

    assert (found.line, found.thing) == (2, Shelved("milano", "penne", "aisle-7", there))


def test_stock_that_is_neither_is_refused(tmp_path: Path) -> None:
    file = a_file(tmp_path, "store,product,zone,in_stock\nmilano,penne,aisle-7,some\n", "s.csv")

    with pytest.raises(ProductFileError) as told:
        read_shelves(file)

    assert told.value.faults == (
        "s.csv:2: in_stock: is yes or no, or how many pieces there are, not 'some'",
    )


@given(octets=st.binary(max_size=200))
def test_whatever_the_octets_there_are_products_or_faults(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes
) -> None:
    file = a_file(tmp_path_factory.mktemp("files"), HEAD.encode() + b"\n" + octets)
    faults: tuple[str, ...] = ()
    found = []
    try:
        found = read_products(file)
    except ProductFileError as error:
        faults = error.faults

    assert all(one.thing.price_cents > 0 for one in found)
    assert all(fault.startswith("products.csv") for fault in faults)
