"""`corsia products`: what is taken in is listed, what is wrong is said and changes nothing."""

from corsia.product_files import FAULTS_SAID
from tests.corsia.test_cli import Run, a_shop, run

__all__ = ["run"]

PRODUCTS = """product_id;name;category;price;margin
penne;Penne;pasta;1,29;0,40
sauce;Tomato sauce;sauce;2,00;0,60
"""
SHELVES = """store,product,zone,in_stock
milano,penne,aisle,12
milano,sauce,aisle,no
"""
PENNE = "penne: Penne (pasta), 1.29 of which 0.40 are margin; "
SAUCE = "sauce: Tomato sauce (sauce), 2.00 of which 0.60 are margin; "


def in_milano(run: Run) -> Run:
    assert run("db", "upgrade").returncode == 0
    assert run("import", run.plan("shop.yaml", a_shop("milano", gateway="gw"))).returncode == 0
    return run


def taken_in(run: Run, products: str = PRODUCTS, shelves: str = SHELVES) -> list[str]:
    files = run.plan("products.csv", products), "--shelves", run.plan("shelves.csv", shelves)
    done = run("products", "import", *files)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_is_taken_in_is_listed(run: Run) -> None:
    in_milano(run)

    said = taken_in(run)

    assert said[0] == "took in 2 products and 2 places on shelves: 4 new or changed"
    assert said[1].startswith("in force from ")
    assert run("products", "list").stdout.splitlines() == [
        f"{PENNE}milano in stock",
        f"{SAUCE}milano out of stock",
    ]
    assert run("products", "list", "--category", "sauce").stdout == f"{SAUCE}milano out of stock\n"
    assert run("products", "list", "--most", "1").stdout.splitlines() == [
        f"{PENNE}milano in stock",
        "... and 1 more: --most 2",
    ]


def test_the_same_again_changes_nothing_and_shelves_may_come_alone(run: Run) -> None:
    in_milano(run)
    taken_in(run)

    assert taken_in(run) == ["took in 2 products and 2 places on shelves: 0 new or changed"]
    tonight = run.plan("tonight.csv", "store,product,zone,in_stock\nmilano,penne,aisle,0\n")
    done = run("products", "import", "--shelves", tonight)

    assert done.stdout.startswith("took in 0 products and 1 places on shelves: 1 new or changed\n")
    assert run("products", "list", "--category", "pasta").stdout == f"{PENNE}milano out of stock\n"


def test_nothing_is_taken_in_where_anything_is_wrong(run: Run) -> None:
    in_milano(run)
    shelves = (
        "store,product,zone,in_stock\n"
        "roma,penne,aisle,1\nmilano,penne,cellar,1\nmilano,wine,aisle,1\n"
    )
    files = run.plan("products.csv", PRODUCTS), "--shelves", run.plan("shelves.csv", shelves)

    done = run("products", "import", *files)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "shelves.csv:2: store: there is no roma; there is milano",
        "shelves.csv:3: zone: milano has no zone cellar",
        "shelves.csv:4: product: nobody told of a product wine",
        "Error: 3 fault(s); nothing was taken in",
    ]
    empty = "there are no products: `corsia products import FILE`\n"
    assert run("products", "list").stdout == empty


def test_faults_of_both_files_are_told_at_once_and_not_without_end(run: Run) -> None:
    rows = "".join(f"p{n};P;c;nothing;0\n" for n in range(100))
    products = run.plan("products.csv", "product_id;name;category;price;margin\n" + rows)
    shelves = run.plan("shelves.csv", "store,product\n")

    done = run("products", "import", products, "--shelves", shelves)

    said = done.stderr.splitlines()
    assert len(said) == FAULTS_SAID + 2
    assert said[-2:] == ["... and 51 more", "Error: 101 faults; nothing was taken in"]


def test_a_dry_run_writes_nothing(run: Run) -> None:
    in_milano(run)

    done = run("products", "import", run.plan("products.csv", PRODUCTS), "--dry-run")

    assert done.stdout == "would take in 2 products and 0 places on shelves\n"
    assert "there are no products" in run("products", "list").stdout


def test_a_file_is_asked_for_and_a_database(run: Run) -> None:
    assert "FILE, or --shelves FILE, or both" in run("products", "import").stderr
    done = run("products", "import", run.plan("products.csv", PRODUCTS))
    assert done.returncode == 1
    assert "corsia db upgrade" in done.stderr


def test_many_rows_are_taken_in_by_and_by(run: Run) -> None:
    in_milano(run)
    rows = "".join(f"p{n:04};Product {n};c{n % 7};1,00;0,20\n" for n in range(2_500))
    products = "product_id;name;category;price;margin\n" + rows
    shelves = "store,product,zone,in_stock\n" + "".join(
        f"milano,p{n:04},aisle,{n % 3}\n" for n in range(2_500)
    )

    said = taken_in(run, products, shelves)

    assert said[0] == "took in 2,500 products and 2,500 places on shelves: 5,000 new or changed"
    assert run("products", "list", "--most", "3").stdout.splitlines()[-1] == (
        "... and 2,497 more: --most 2500"
    )
