"""HMS-OPS: measures and calls people."""
