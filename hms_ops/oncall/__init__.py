"""On call: who is texted, in which order, and whether that reaches anybody."""
