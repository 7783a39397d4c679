"""New readings as they come: the process that holds a thousand readers, and their way back to where they were."""
