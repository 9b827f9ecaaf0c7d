"""Reports from records, without torch: one run on a page, two rows side by side; for a terminal or as HTML."""
