"""On call: the form, tonight's names, and the calendar of shifts."""
