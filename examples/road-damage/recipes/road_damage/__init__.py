"""Everything of road damage: its steps, its tables, its outcomes."""
