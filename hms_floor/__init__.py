"""The API for people and programs: command line, local launcher, API and floor."""
