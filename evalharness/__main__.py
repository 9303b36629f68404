"""`python -m evalharness` is `evalh`."""

from evalharness.cli import main

if __name__ == "__main__":
    main()
