"""`hms simulate`: what would have been on time, under each policy and with any number of workers."""
