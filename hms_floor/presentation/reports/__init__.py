"""Reports for people who were not there: words, and files to keep or send on."""
