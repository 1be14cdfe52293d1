"""`corsia learn now` on the command line."""

from tests.corsia.test_cli import Run, a_shop, run

__all__ = ["run"]


def test_it_says_what_was_learnt_even_if_that_is_nothing(run: Run) -> None:
    assert run("import", run.plan("shop.yaml", a_shop("milano-1", gateway="gw-1"))).returncode == 0
    for _ in range(2):
        done = run("learn", "now")
        assert done.returncode == 0, done.stderr
        assert done.stdout == (
            "learnt from 0 baskets and the sends of 0 campaigns;"
            " 0 profiles made; in force in 60 seconds\n"
        )


def test_without_a_database_it_says_what_to_do(run: Run) -> None:
    done = run("learn", "now")
    assert done.returncode == 1
    assert "corsia db upgrade" in done.stderr
