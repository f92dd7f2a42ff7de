"""Request models of the API: camelCase, unknown fields rejected, no type coercion."""
