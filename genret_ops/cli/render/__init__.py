"""What the commands show to a person: one module for each family of commands, all of them on `terminal`.

Each function takes what a command prints as JSON with `--json`, and prints the same for people. Nothing here reads a
home or knows how a result was made.
"""
