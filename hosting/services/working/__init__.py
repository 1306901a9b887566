"""How operations get done: asked for, rung for, whose turn it is, who holds the lease."""
