"""What was read: counted, summed up for the log, and shown to both sides."""
