"""The compiled core around its one call: the world that it reads, lists that it asks for, batches in and consequences out."""
