"""The solver: confined processes, shared by all workers, that solve YouTube's JavaScript challenges."""
