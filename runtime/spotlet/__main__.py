"""`python -m spotlet` is the program `spotlet`."""

from spotlet.cli import run_process

if __name__ == "__main__":
    run_process()
