"""The pool: waiting room, seats, slots, worker processes, their template, and how many there are."""
