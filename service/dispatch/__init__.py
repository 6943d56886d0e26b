"""From a job to its answer: kept results, single flight, attempts, progress, quarantine."""
