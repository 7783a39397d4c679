"""Delta Sharing: requests, answers in its two forms, hints, and the file with which clients start."""
