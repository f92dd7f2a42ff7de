"""The documents as a site: what `make docs` adds to the files in docs/."""
