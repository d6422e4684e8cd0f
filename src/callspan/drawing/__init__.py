"""How traces look in a terminal: for the command line, and for the exporter that prints while a program runs."""
