"""Circuit breakers: the pure machine, the registry of sites, what counts, and each site's pace."""
