"""What is not delivered yet, on the disk: written, read back, handed on to the next process."""
