"""What the tests share: running services, fakes, clients, plugins, simulations."""
