"""The pool: admission, leases, slots, worker processes, their template, and how many workers there are."""
