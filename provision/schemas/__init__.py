"""JSON Schemas of everything that the commands print as JSON; `python tests/regenerate.py` writes them."""
