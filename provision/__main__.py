"""`python -m provision`: the command line, where its program is not on the PATH."""

from provision.cli import main

if __name__ == "__main__":
    main()
