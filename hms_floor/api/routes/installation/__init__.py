"""Routes of the installation itself: health, badges, audit trail, streams."""
