"""What several instances share through a Valkey or Redis server, the engine. None depends on it."""
