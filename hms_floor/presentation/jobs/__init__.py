"""Jobs as the API tells of them."""
