"""The load benchmarking suite: `python -m bench` lists what there is."""
