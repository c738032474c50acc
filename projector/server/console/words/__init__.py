"""The sentences of the pages: verdicts, stories, trust, jobs, reasons."""
