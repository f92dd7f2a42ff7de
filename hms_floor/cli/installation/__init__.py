"""`hms up`, `check`, `db` and the daemons: the installation itself."""
