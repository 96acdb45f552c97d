"""`xm`, the command: parses arguments, calls the API, prints. One module per subcommand, imported late."""
