"""The command line: one module a command. Parsers are static; the work is imported when a command runs."""
