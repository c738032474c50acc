"""The pages; a module has those of one idea, as `PAGES`, and what only they need."""
