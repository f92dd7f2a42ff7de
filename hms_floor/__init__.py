"""The door for people and programs: command line, local launcher, API and floor."""
