"""Quality on the held-out rows, against a baseline and against the champion."""
