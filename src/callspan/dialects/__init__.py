"""How others spell a span: pure functions over a finished one. `registry` finds them, `merge` combines them."""
