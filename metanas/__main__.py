"""`python -m metanas`, which is also what torchrun starts."""

from metanas.cli import main

if __name__ == "__main__":
    main()
