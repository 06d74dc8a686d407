"""`python -m metanas`: the command line, also for torchrun (`torchrun -m metanas`)."""

from metanas.cli.app import main

if __name__ == "__main__":
    main()
