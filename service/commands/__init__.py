"""The commands of the command line, a module each; `service/command_line.py` puts them together."""
