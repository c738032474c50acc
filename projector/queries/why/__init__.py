"""Why: `steps` (what each event did), `verdict` (who gave and who took), `explain` (the query)."""
