"""A storm over the whole product: everything dies, again and again, and afterwards the books are checked."""
