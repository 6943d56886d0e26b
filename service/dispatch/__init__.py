"""From a job to its answer: cache, single flight, attempts, progress, quarantine."""
