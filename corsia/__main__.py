"""`corsia`, and `python -m corsia`."""

from corsia.cli import main

if __name__ == "__main__":
    main(prog_name="corsia")
